"""Numbers as people write them inside a country: refused without a plus, unless a country is named."""

from __future__ import annotations

from typing import Final

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.outcomes import Code, FieldError
from streams.national_numbers import COUNTRY_CODE_MISSING
from streams.phone_numbers import known_country, normalise, normalise_all, normalise_in
from tests.unit.streams.test_phone_numbers import e164, example_numbers

REGIONS: Final = sorted(phonenumbers.SUPPORTED_REGIONS)


def read(value: object, country: str) -> str:
    found, _ = normalise_in(value, country)
    assert isinstance(found, str), found
    return found


@pytest.mark.parametrize(
    "value",
    [
        "(650) 555-0125",  # +65 is Singapore
        "650-555-0125",
        "650.555.0125",
        "650 555 0125",
        "[650] 5550125",
        "\uff086\uff15\uff10\uff09555\u20110125",
        "6505550125",
        6505550125,
        "2079460123",  # London without its 0; +20 is Egypt
        "9876543210",  # India; +98 is Iran
        "98765 43210",
        "9123456789",
        "5512345678",  # Mexico; +55 is Brazil
        "8112345678",  # Monterrey; +81 is Japan
        "354 555 1234",  # valid in Iceland, but written in groups of 3-3-4
        "8 (495) 123-45-67",  # Moscow; +84 is Vietnam, where it is valid
        "8 495 123 45 67",
        "+8 (495) 123-45-67",
        "8 (916) 123-45-67",
        "88001234567",
        "0151 23456789",
        "06 12 34 56 78",
        "07700 900123",
        "0114 960 0123",  # Sheffield, not 011 and then Germany
        "01149600123",
        "(011) 4123-4567",  # Buenos Aires
        "612345678",  # Spain; +61 is Australia
        "612 345 678",
        "412345678",
        "(11) 91234-5678",  # Sao Paulo
        "(12) 91234-5678",  # no North American number, which has the same shape
        "(51) 99123-4567",  # Porto Alegre; +51 is Peru, where it is valid
        "(21) 2345-6789",
        "13800138000",  # a Chinese mobile, no exchange of North America
    ],
)
def test_a_national_number_is_not_taken_for_another_countrys(value: object) -> None:
    assert normalise(value) == COUNTRY_CODE_MISSING
    assert COUNTRY_CODE_MISSING.code is Code.PHONE_INVALID


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("447700900123", "+447700900123"),  # fiction: possible, not valid
        ("6598765432", "+6598765432"),  # ten digits as in North America, valid in Singapore
        ("3545551234", "+3545551234"),
        ("4930901820", "+4930901820"),
        ("51991234567", "+51991234567"),
        ("84951234567", "+84951234567"),
        ("(91) 98765 43210", "+919876543210"),
        ("(44) 7700 900123", "+447700900123"),
        ("12120000000", "+12120000000"),  # with its country code: possible is enough, whatever its exchange
        ("15123456789", "+15123456789"),  # valid in Germany too, but 1 and ten digits are North America
        ("+6505550125", "+6505550125"),  # with plus, possible is enough
        ("+(650) 555-0125", "+6505550125"),
        ("006505550125", "+6505550125"),
        ("011 49 30 901820", "+4930901820"),
        ("+5215512345678", "+525512345678"),
        ("5215512345678", "+525512345678"),
        ("+5491112345678", "+5491112345678"),  # valid with its 9
        ("+5498001234567", "+548001234567"),
    ],
)
def test_international_forms_still_go_through(value: str, expected: str) -> None:
    assert normalise(value) == expected


def valid_numbers() -> list[phonenumbers.PhoneNumber]:
    possible = phonenumbers.ValidationResult.IS_POSSIBLE
    numbers = [number for number in example_numbers() if phonenumbers.is_valid_number(number)]
    return [number for number in numbers if phonenumbers.is_possible_number_with_reason(number) == possible]


def test_every_valid_example_number_of_every_country_needs_no_plus() -> None:
    found = {e164(number): normalise(e164(number)[1:]) for number in valid_numbers()}
    assert len(found) > 900
    assert found == {number: number for number in found}


def test_a_national_form_is_read_as_another_number_only_where_that_one_is_valid() -> None:
    forms = [(form, e164(number)) for number in valid_numbers() for form in national_forms(number)]
    found = {form: normalise(form) for form, number in forms if normalise(form) != number}
    taken = {form: number for form, number in found.items() if isinstance(number, str)}
    assert len(forms) > 1500
    assert [form for form, number in taken.items() if not may_be_meant(form, number)] == []


def may_be_meant(form: str, number: str) -> bool:
    """1 and ten digits with the shape of North America are always taken for a number there."""
    return phonenumbers.is_valid_number(phonenumbers.parse(number)) or (number.startswith("+1") and form[0] == "1")


def national_forms(number: phonenumbers.PhoneNumber) -> list[str]:
    national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    forms = [phonenumbers.national_significant_number(number), national]
    return [form for form in forms if len([char for char in form if char.isdigit()]) <= 11]


@pytest.mark.parametrize(
    ("value", "country", "expected"),
    [
        ("(650) 555-0125", "US", "+16505550125"),
        (6505550125, "US", "+16505550125"),
        ("07700 900123", "GB", "+447700900123"),
        ("7700900123", "GB", "+447700900123"),
        ("8 (916) 123-45-67", "RU", "+79161234567"),
        ("0151 23456789", "DE", "+4915123456789"),
        ("15123456789", "DE", "+4915123456789"),  # the country comes first where both are valid
        ("030/901820", "DE", "+4930901820"),
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("612345678", "ES", "+34612345678"),
        ("(51) 99123-4567", "BR", "+5551991234567"),
        ("011 4123-4567", "AR", "+541141234567"),
        ("06 1234 5678", "IT", "+390612345678"),
        ("98765 43210", "IN", "+919876543210"),
        ("13812345678", "CN", "+8613812345678"),
    ],
)
def test_a_national_form_of_the_country_named_is_read_as_its_own(value: object, country: str, expected: str) -> None:
    assert normalise_in(value, country) == (expected, True)


@pytest.mark.parametrize(
    ("value", "country", "expected"),
    [
        ("+1 650 555 0125", "DE", "+16505550125"),
        ("12125551001", "US", "+12125551001"),
        ("1 (650) 555-0125", "US", "+16505550125"),
        ("12125551001", "DE", "+12125551001"),
        ("447700900123", "GB", "+447700900123"),
        ("447700900123", "US", "+447700900123"),
        ("4930901820", "US", "+4930901820"),
        ("51991234567", "PE", "+51991234567"),
        ("00 44 20 7946 0123", "DE", "+442079460123"),
        ("011 44 20 7946 0123", "US", "+442079460123"),
        ("0011 44 20 7946 0123", "AU", "+442079460123"),
        ("390612345678", "IT", "+390612345678"),
    ],
)
def test_international_forms_go_through_beside_a_country(value: str, country: str, expected: str) -> None:
    assert normalise_in(value, country) == (expected, False)


@pytest.mark.parametrize("value", ["123", "call me", "", None, 1.5, True, "030 901820 / 901821", "12125551001.0"])
def test_what_is_no_number_is_none_in_a_country_either(value: object) -> None:
    found, national = normalise_in(value, "DE")
    assert isinstance(found, FieldError)
    assert not national


def test_the_message_names_the_country_when_neither_reading_fits() -> None:
    for text in ("00000000", "123"):
        found, _ = normalise_in(text, "US")
        assert isinstance(found, FieldError)
        assert "number of US" in found.message


def test_the_rows_read_as_national_are_told_apart() -> None:
    numbers = normalise_all(["+12125551001", "0151 23456789", "call"], "DE")
    assert numbers.found[:2] == ["+12125551001", "+4915123456789"]
    assert numbers.national == {1}
    assert normalise_all(["+12125551001", "0151 23456789"]).national == frozenset()


def test_valid_example_numbers_are_read_in_their_country_however_they_are_written() -> None:
    numbers = [(region, phonenumbers.example_number_for_type(region, kind)) for region in REGIONS for kind in (0, 1)]
    found = [(region, number) for region, number in numbers if number and phonenumbers.is_valid_number(number)]
    forms = {
        (region, phonenumbers.format_number(number, style)): e164(number)
        for region, number in found
        for style in (phonenumbers.PhoneNumberFormat.NATIONAL, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    }
    assert len(forms) > 800
    assert {form: read(form[1], form[0]) for form in forms} == forms


@given(st.text("0123456789+ -()/.", max_size=24), st.sampled_from(REGIONS))
def test_whatever_country_is_named_no_number_has_more_than_15_digits(text: str, country: str) -> None:
    found, _ = normalise_in(text, country)
    assert isinstance(found, FieldError) or len(found) <= 16


@pytest.mark.parametrize(
    ("country", "known"), [("US", True), ("GB", True), ("UK", False), ("us", False), ("ZZ", False)]
)
def test_a_country_is_known_by_its_iso_code(country: str, known: bool) -> None:
    assert known_country(country) is known
