"""What callers may send as `phoneNumber`, and what it becomes; libphonenumber in Python is the reference."""

from __future__ import annotations

import re
from typing import Any, Final

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.outcomes import Code, FieldError
from streams import phone_numbers, phone_texts
from streams.national_numbers import COUNTRY_CODE_MISSING
from streams.phone_numbers import normalise, normalise_all

NUMBER: Final = "+12125551001"
E164: Final = re.compile(r"\+[1-9][0-9]{4,14}")  # 15 digits at most
KINDS: Final = range(11)


def example_numbers() -> list[phonenumbers.PhoneNumber]:
    found = [phonenumbers.example_number_for_type(r, k) for r in sorted(phonenumbers.SUPPORTED_REGIONS) for k in KINDS]
    found += [
        phonenumbers.example_number_for_non_geo_entity(c)
        for c in sorted(phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS)
    ]
    return [number for number in found if number is not None]


def e164(number: phonenumbers.PhoneNumber) -> str:
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def code_of(value: object) -> Code:
    error = normalise(value)
    assert isinstance(error, FieldError), error
    assert error.path == "/phoneNumber"
    return error.code


@pytest.mark.parametrize(
    "value",
    [
        "+12125551001",
        "12125551001",
        12125551001,
        "0012125551001",
        "01112125551001",
        "00 1 212 555 1001",
        "+1 (212) 555-1001",
        "(+1) 212.555.1001",
        "+1/212/555/1001",
        "+1\u00a0212\u00a0555\u20111001",
        "\uff0b\uff11\uff12\uff11\uff12\uff15\uff15\uff15\uff11\uff10\uff10\uff11",
        "\u0660\u0660\u0661\u0662\u0661\u0662\u0665\u0665\u0665\u0661\u0660\u0660\u0661",
        "\u202a+1 212 555 1001\u202c",
        "\u061c+12125551001",
        "1\u200b2125551001\ufffc",
        "+1\ufe0f2125551001\U000e0001",
        "  12125551001\n",
        "tel:+1-212-555-1001",
        "TEL:12125551001",
    ],
)
def test_every_usual_spelling_means_the_same_number(value: object) -> None:
    assert normalise(value) == NUMBER


@pytest.mark.parametrize("value", [None, "", " ", "\t\n", "\u00a0\u2003\u3000", " " * 1000])
def test_what_is_missing_or_blank_is_required(value: object) -> None:
    assert code_of(value) is Code.REQUIRED


@pytest.mark.parametrize(
    "value",
    [12125551001.0, 1.2e10, True, False, 0, -12125551001, 10**15, 10**400, [], ["+12125551001"], {}, b"+12125551001"],
)
def test_what_is_neither_text_nor_a_positive_integer_of_15_digits_is_a_wrong_type(value: object) -> None:
    assert code_of(value) is Code.TYPE


def test_an_integer_of_15_digits_is_read_as_its_digits() -> None:
    assert normalise(883510001234567) == "+883510001234567"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("+1212555FLOW", phone_texts.LETTERS),
        ("call me", phone_texts.LETTERS),
        ("+12125551001x3", phone_texts.EXTENSION),
        ("+1 212 555 1001 ext. 5", phone_texts.EXTENSION),
        ("tel:+1-212-555-1001;ext=5", phone_texts.EXTENSION),
        ("+12125551001,,5#", phone_texts.EXTENSION),
        ("+12125551001, +12125551002", phone_texts.TWO_NUMBERS),
        ("12125551001, 12125551002", phone_texts.TWO_NUMBERS),
        ("12125551001;12125551002", phone_texts.TWO_NUMBERS),
        ("12125551001 or 12125551002", phone_texts.TWO_NUMBERS),
        ("+12125551001+12125551002", phone_texts.TWO_NUMBERS),
        ("+49 30 901820 / 901821", phone_texts.TWO_NUMBERS),
        ("+49 30 901820/901821", phone_texts.TWO_NUMBERS),
        ("+49 30 901820 \uff0f 21", phone_texts.TWO_NUMBERS),
        ("+4930901820\n+4930901821", phone_texts.TWO_NUMBERS),
        ("+47 22123456\n22123457", phone_texts.TWO_NUMBERS),
        ("+12125551001/1002", phone_texts.TWO_NUMBERS),
        ("+4722123456~57", phone_texts.TWO_NUMBERS),
        ("1.2E+10", phone_texts.SCIENTIFIC),
        ("1,21256E+10", phone_texts.SCIENTIFIC),
        ("4.42079E+11", phone_texts.SCIENTIFIC),
        ("12125551001.0", phone_texts.DECIMAL),
        ("4930901820.0", phone_texts.DECIMAL),
        ("4930901820,00", phone_texts.DECIMAL),
        ("1,212,555,1001", phone_texts.COMMAS),
        ("12,125,551,001", phone_texts.COMMAS),
        ("12,125,551,001.00", phone_texts.COMMAS),
        ("12'125'551'001", phone_texts.COMMAS),
        ("+12125551001,5", phone_texts.EXTENSION),
        ("+1212+5551001", phone_texts.NOT_A_NUMBER),
        ("++12125551001", phone_texts.NOT_A_NUMBER),
        ("+", phone_texts.NOT_A_NUMBER),
        ("*100#", phone_texts.NOT_A_NUMBER),
        ("+999123456789", phone_numbers.NO_COUNTRY),
        ("02083661177", COUNTRY_CODE_MISSING),
        ("0000000000", phone_numbers.NO_COUNTRY),
        ("+0012125551001", phone_numbers.NO_COUNTRY),
        ("123", phone_numbers.TOO_SHORT),
        ("+1", phone_numbers.TOO_SHORT),
        ("2125551001", COUNTRY_CODE_MISSING),
        ("+12125551", phone_numbers.TOO_SHORT),
        ("+121255510012", phone_numbers.TOO_LONG),
        ("+44208366117712345678", phone_numbers.TOO_LONG),
        ("+800123456789", phone_numbers.TOO_LONG),
        ("+4930901820 901821", phone_numbers.TOO_LONG),
        ("+49 30 1234567890123", phone_numbers.TOO_LONG),
        ("+33123456", phone_numbers.TOO_SHORT),
        ("+11111111111", phone_numbers.NO_AREA_CODE),
        ("+1 012 555 1001", phone_numbers.NO_AREA_CODE),
        ("1" * 65, phone_texts.TOO_MUCH_TEXT),
        ("+1" + " " * 100_000 + "2125551001", phone_texts.TOO_MUCH_TEXT),
    ],
)
def test_what_cannot_be_dialled_is_refused_with_its_reason(value: str, expected: FieldError) -> None:
    assert normalise(value) == expected
    assert expected.code is Code.PHONE_INVALID


@pytest.mark.parametrize("value", ["\ud800", "+1212555\udfff1001", "\ud83d\ude00+12125551001"])
def test_half_a_surrogate_pair_is_invalid_text(value: str) -> None:
    assert code_of(value) is Code.INVALID_TEXT


@pytest.mark.parametrize(
    "value",
    [
        "+12125550100",  # fiction
        "+12120000001",  # an exchange that does not exist
        "+447700900123",  # fiction, outside every range of the plan
    ],
)
def test_a_number_that_is_possible_but_not_in_use_is_accepted(value: str) -> None:
    assert normalise(value) == value


@pytest.mark.parametrize("value", ["+80012345678", "+881612345678", "+883510001234567", "+979123456789"])
def test_numbers_of_no_country_are_accepted(value: str) -> None:
    assert normalise(value) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("+390612345678", "+390612345678"),
        ("+39 06 1234 5678", "+390612345678"),
        ("+44 (0) 20 8366 1177", "+442083661177"),
        ("+1 1 212 555 1001", NUMBER),
    ],
)
def test_a_trunk_prefix_goes_and_an_italian_zero_stays(value: str, expected: str) -> None:
    assert normalise(value) == expected


@pytest.mark.parametrize(
    "spelling",
    [
        e164,
        lambda number: e164(number)[1:],
        lambda number: "00" + e164(number)[1:],
        lambda number: phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL),
        lambda number: phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.RFC3966),
        lambda number: " ".join(e164(number)),
    ],
    ids=["e164", "no plus", "00", "international", "rfc3966", "spaced"],
)
def test_example_numbers_of_all_countries_and_kinds_are_read_as_the_reference_reads_them(spelling: Any) -> None:
    possible = [
        number
        for number in example_numbers()
        if phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE
    ]
    assert len(possible) > 1000
    assert {spelling(n): normalise(spelling(n)) for n in possible} == {spelling(n): e164(n) for n in possible}


@given(st.from_regex(r"\+[1-9][0-9]{5,15}", fullmatch=True))
def test_plain_digits_after_a_plus_are_accepted_exactly_when_the_reference_finds_them_possible(text: str) -> None:
    try:
        reference = phonenumbers.parse("+" + text.removeprefix("+"), None)
    except phonenumbers.NumberParseException:
        assert isinstance(normalise(text), FieldError)
        return
    reason = phonenumbers.is_possible_number_with_reason(reference)
    significant = phonenumbers.national_significant_number(reference)
    form_is_kept = len(e164(reference)) <= 16 and (reference.country_code != 1 or significant[0] in "23456789")
    former_prefix = text.startswith(("+521", "+549"))
    if former_prefix and not phonenumbers.is_valid_number(reference):
        return
    if reason == phonenumbers.ValidationResult.IS_POSSIBLE and form_is_kept:
        assert normalise(text) == e164(reference)
    else:
        assert isinstance(normalise(text), FieldError)


@given(st.from_regex(r"\+1[2-9][0-9]{9}|1[2-9][0-9]{2}[2-9][0-9]{6}", fullmatch=True))
def test_the_way_past_the_library_gives_what_the_library_gives(text: str) -> None:
    assert normalise(text) == phone_numbers._from_digits("+" + text.removeprefix("+"))


ANY_TEXT: Final = st.text(st.characters(exclude_categories=())) | st.text(
    "0123456789+ -().xX\uff10\u0661\ud800;=", max_size=70
)
ANY_VALUE: Final = st.none() | st.booleans() | st.integers() | st.floats() | st.lists(st.integers()) | ANY_TEXT


@given(ANY_VALUE)
def test_whatever_comes_is_a_number_in_e164_or_an_error_of_the_field(value: object) -> None:
    result = normalise(value)
    if isinstance(result, FieldError):
        assert result.path == "/phoneNumber"
    else:
        assert E164.fullmatch(result)
        assert normalise(result) == result


INVISIBLE: Final = st.text("\u00ad\u061c\u200b\u2066\ufe0f\ufeff\ufffc\U000e0020", min_size=1, max_size=3)


@given(
    st.sampled_from(["+12125551001", "12125551001", "6505550125", "+49 30/901820", "call", ""]), INVISIBLE, st.data()
)
def test_invisible_characters_anywhere_change_nothing(text: str, added: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text)))
    assert normalise(text[:place] + added + text[place:]) == normalise(text)


@given(ANY_TEXT.filter(lambda text: len(text.strip()) > 12))
def test_no_message_repeats_the_value(value: str) -> None:
    result = normalise(value)
    assert isinstance(result, str) or value.strip() not in result.message


def test_a_chunk_keeps_its_order() -> None:
    assert normalise_all([NUMBER, None, 12125551002]).found == [NUMBER, phone_texts.MISSING, "+12125551002"]


@pytest.mark.parametrize("country_code", sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE))
def test_what_is_told_from_country_and_length_alone_is_what_the_library_says(country_code: int) -> None:
    endings = ("0123456789012345", "1800200999999999", "9876543210987654")
    starts = [f"+{country_code}{first}{second}" for first in range(10) for second in (0, 1, 5, 8)]
    numbers = [(start + end)[:length] for start in starts for end in endings for length in range(len(start) + 1, 17)]

    told = normalise_all(numbers).found

    assert told == [phone_numbers._from_digits(number) for number in numbers]


@pytest.mark.parametrize(
    "number", ["+442079460958", "+447400123456", "+4915120000000", "+33612345678", "+919810000000", "+61410000000"]
)
def test_a_plain_number_of_a_large_country_needs_no_library_of_its_own(number: str) -> None:
    assert phone_numbers._stays(number[:5], len(number))
