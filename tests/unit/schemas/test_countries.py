from __future__ import annotations

import phonenumbers
import pytest

from schemas.countries import COUNTRIES, country_code, country_remedy


def test_the_countries_are_the_regions_of_the_phone_number_library() -> None:
    assert set(phonenumbers.SUPPORTED_REGIONS) == COUNTRIES


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("US", "US"),
        ("us", "US"),
        (" de\u200b ", "DE"),
        ("UK", None),
        ("USA", None),
        ("", None),
        ("1", None),
        ("ZZ", None),
    ],
)
def test_a_country_is_named_by_its_code_in_either_case(text: str, code: str | None) -> None:
    assert country_code(text) == code


def test_who_names_another_code_is_told_the_right_one() -> None:
    assert country_remedy("uk") == "Give GB instead."
    assert "such as US" in country_remedy("USA")
