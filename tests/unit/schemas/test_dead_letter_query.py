from __future__ import annotations

from typing import Any

import pytest

from schemas.dead_letter_query import DeadLetterFilter, DeadLetterGroup, GroupBy, group_key, merged, moment
from schemas.outcomes import Code, FieldError
from tests.support.letter_pages import a_letter

NOW = 1_800_000_000_000
ERRORS = (FieldError(Code.BATCH_UNKNOWN, "/n", "first"), FieldError(Code.TYPE, "/other", "second"))
LETTER = a_letter(5, errors=ERRORS, attempt=2, failed_at=NOW)


@pytest.mark.parametrize(
    ("name", "its_own", "another"),
    [
        ("batch", "batch-1", "batch-2"),
        ("submission", "s", "t"),
        ("code", "batch_unknown", "type"),
        ("failure_class", "policy", "data"),
        ("stage", "clean", "load"),
        ("since", NOW, NOW + 1),
        ("until", NOW + 1, NOW),
        ("attempt", 2, 1),
        ("workspace_id", "workspace-1", ""),
        ("path", "/n", "/other"),
        ("record_index", 5, 0),
    ],
)
def test_a_filter_lets_through_what_it_names_and_nothing_else(name: str, its_own: Any, another: Any) -> None:
    assert DeadLetterFilter(**{name: its_own}).matches(LETTER)
    assert not DeadLetterFilter(**{name: another}).matches(LETTER)


def test_an_agents_letters_are_those_of_its_batches_and_none_before_these_are_known() -> None:
    its_own = DeadLetterFilter(agent="a", batches=frozenset({"batch-1"}))
    assert its_own.matches(LETTER)
    assert not its_own.matches(a_letter(batch_id="batch-2"))
    assert not its_own.matches(a_letter(batch_id=None))
    assert not DeadLetterFilter(agent="a").matches(LETTER)


def test_everything_that_is_named_must_hold() -> None:
    assert DeadLetterFilter().matches(LETTER)
    assert DeadLetterFilter(batch="batch-1", stage="clean").matches(LETTER)
    assert not DeadLetterFilter(batch="batch-1", stage="load").matches(LETTER)
    assert not DeadLetterFilter(batch="batch-1").matches(a_letter(batch_id=None))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90s", NOW - 90_000),
        ("15m", NOW - 900_000),
        ("2h", NOW - 7_200_000),
        ("7d", NOW - 604_800_000),
        ("4w", NOW - 2_419_200_000),
        ("999999999w", 0),
        ("2027-01-15T08:00:00Z", NOW),
        ("2027-01-15t09:00:00.0015+01:00", NOW + 1),
        ("2027-01-15 08:00:00z", NOW),
    ],
)
def test_a_moment_is_a_time_or_how_long_ago(text: str, at: int) -> None:
    assert moment(text, NOW) == at


@pytest.mark.parametrize(
    "text",
    ["", "2", "h", "-2h", "2 h", "2H", "٢h", "yesterday", "2027-01-15", "2027-01-15T08:00:00", "2027-02-30T08:00:00Z"],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be a time|does not exist"):
        moment(text, NOW)


@pytest.mark.parametrize(
    ("by", "key"),
    [
        (GroupBy.CODE, "batch_unknown"),
        (GroupBy.CLASS, "policy"),
        (GroupBy.STAGE, "clean"),
        (GroupBy.BATCH, "batch-1"),
        (GroupBy.AGENT, "batch-1"),
        (GroupBy.PATH, "/n"),
    ],
)
def test_letters_are_counted_by_their_first_error(by: GroupBy, key: str) -> None:
    assert group_key(LETTER, by) == key


def test_merged_groups_keep_the_oldest_the_newest_and_its_message() -> None:
    groups = [DeadLetterGroup("a", 2, 10, 40, "new"), DeadLetterGroup("b", 3, 5, 30, "old")]
    assert merged("c", groups) == DeadLetterGroup("c", 5, 5, 40, "new")
