from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialfeed.settings_table import known_variables, unknown_variables
from schemas.nearest import distance, nearest

SETTINGS = [name.removeprefix("DIALFEED_") for name in known_variables()]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("KAFKAA", "KAFKA"),
        ("KAKFA", "KAFKA"),
        ("CLICKHOSUE", "CLICKHOUSE"),
        ("CLICK_HOUSE", "CLICKHOUSE"),
        ("WORKER", "WORKERS"),
        ("MAX_BODY", "MAX_BODY_BYTES"),
        ("KAFKA_URL", "KAFKA"),
        ("KAFKA_PASSWORD", "KAFKA_SASL_PASSWORD"),
        ("CALLING_SERVICE_URL", "CALLING_SERVICE"),
        ("CALLING_SERVICE_SECRTE", "CALLING_SERVICE_SECRET"),
    ],
)
def test_a_misspelled_setting_names_the_one_that_was_meant(typed: str, meant: str) -> None:
    assert nearest(typed, SETTINGS) == meant


@pytest.mark.parametrize("typed", ["FOO", "BOOTSTRAP", "MAX", "DATABASE", "TIMEOUT", "DEBUG", "HOST", "KEY", "", "_"])
def test_what_is_like_no_setting_names_none(typed: str) -> None:
    assert nearest(typed, SETTINGS) is None


@pytest.mark.parametrize(
    ("one", "other", "mistakes"),
    [("", "", 0), ("a", "", 1), ("kafka", "kakfa", 1), ("send", "sned", 1), ("abc", "acbd", 2), ("http", "data", 3)],
)
def test_mistakes_are_counted(one: str, other: str, mistakes: int) -> None:
    assert (distance(one, other), distance(other, one)) == (mistakes, mistakes)


@given(st.text("ab-", max_size=8), st.text("ab-", max_size=8))
def test_only_equal_texts_have_no_mistake_and_no_text_is_further_than_its_length(one: str, other: str) -> None:
    assert (distance(one, other) == 0) == (one == other)
    assert distance(one, other) <= max(len(one), len(other))


def test_a_variable_that_is_near_to_no_setting_is_named_without_a_guess() -> None:
    given = {"DIALFEED_KAFKAA": "", "DIALFEED_COLOUR": "", "OTHER": ""}
    assert unknown_variables(given) == {"DIALFEED_KAFKAA": "DIALFEED_KAFKA", "DIALFEED_COLOUR": None}
