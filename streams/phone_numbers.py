"""What a caller sent as `phoneNumber`, as E.164: the one module that reads numbers with the phone number library.

`rphonenumbers` is Google's libphonenumber in Rust; `phonenumbers`, its reference, is what the tests compare with.
Reading goes from cheap to dear, because nearly every record of a campaign has a plain number:

1. text that already has the shape of a North American number needs no library (0.4 us);
2. other plain digits, with or without the plus, mostly need it once a country and length (1 us), else go to it (3 us);
3. everything else is first stripped to digits here, by a stricter grammar than the library's, which reads
   `+1212555FLOW` as a number, `x3` as an extension, and silently drops trailing text.

**Possible, not valid.** A number is accepted when its country code exists and its length is one that can be dialled
there from abroad (libphonenumber's `IS_POSSIBLE`). Whether its range is in use (`is_valid_number`) is not asked: number
plans grow faster than libraries, ranges kept for fiction and tests (+44 7700 900123) are not valid but must go through,
and refusing a customer's real number is worse than one call that does not connect. The one rule on top is the fixed
form of the North American plan, where no area code begins with 0 or 1: it catches placeholders such as 11111111111.

**A national number is no international one.** Without a plus the first digits may be an area code. Then "valid" is
asked where it decides: see `national_numbers.py` for the evidence. With a `country`, national forms of that country are
read as its own.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import rphonenumbers as rp
from phonenumbers import PhoneMetadata

from schemas.invisible_characters import without_invisible
from schemas.outcomes import FieldError
from streams import phone_texts
from streams.national_numbers import (
    COUNTRY_CODE_MISSING,
    MOST_DIGITS,
    is_national_elsewhere,
    is_valid_inside,
    shows_area_code,
)
from streams.phone_texts import MISSING, TOO_MUCH_TEXT, TWO_NUMBERS, WRONG_TYPE, invalid

MAX_INTEGER: Final = 999_999_999_999_999  # E.164 has at most 15 digits
_LONGEST: Final = 16
"""Characters of the longest E.164 number, plus included."""

NO_COUNTRY: Final = invalid("the number does not begin with a country code that exists; send it as in +12125551001")
TOO_SHORT: Final = invalid("the number is too short for its country; send all of it, country and area code included")
TOO_LONG: Final = invalid("the number is too long for its country; send one number, country code first")
WRONG_LENGTH: Final = invalid("no number of its country has this length; send all of it, country code first")
NO_AREA_CODE: Final = invalid("no area code of North America begins with 0 or 1; send country code 1, then ten digits")

_REASONS: Final[dict[int, FieldError]] = {
    rp.ValidationResult.INVALID_COUNTRY_CODE: NO_COUNTRY,
    rp.ValidationResult.TOO_SHORT: TOO_SHORT,
    rp.ValidationResult.IS_POSSIBLE_LOCAL_ONLY: TOO_SHORT,  # the area code is missing
    rp.ValidationResult.TOO_LONG: TOO_LONG,
    rp.ValidationResult.INVALID_LENGTH: WRONG_LENGTH,
}

# Without plus, the exchange must not begin with 0 or 1 either: 13800138000 is a Chinese mobile.
_NORTH_AMERICAN: Final = re.compile(r"\+1[2-9][0-9]{9}|1[2-9][0-9]{2}[2-9][0-9]{6}").fullmatch
_LIKE_NORTH_AMERICAN: Final = re.compile(r"1[2-9][0-9]{9}").fullmatch
_NORTH_AMERICAN_E164: Final = re.compile(r"\+1[2-9][0-9]{9}").fullmatch
_NATIONAL_NORTH_AMERICAN: Final = re.compile(r"[2-9][0-9]{2}[2-9][0-9]{6}").fullmatch
_PLAIN: Final = re.compile(rf"\+?[1-9][0-9]{{0,{phone_texts.MAX_CHARACTERS - 2}}}").fullmatch
_DIGITS: Final = re.compile(r"\+?[0-9]+").fullmatch
# 00 is the international prefix of most countries, 011 that of North America; no country code begins with 0.
_INTERNATIONAL_PREFIX: Final = re.compile(r"00(?=[1-9])|011(?=[1-9])").match
# White space, dashes, brackets, dots, slashes and tildes in their many forms.
_SEPARATORS: Final = re.compile(
    "[\\s\\-.()\\[\\]/~"
    "\u00b7\u2022\u2010-\u2015\u2212\u30fc\uff0d\u2053\u223c\uff5e\uff08\uff09\uff3b\uff3d\uff0e\uff0f]+"
)
_TEL_URI: Final = re.compile("tel:", re.IGNORECASE)
# How the plans write what is dialled before a number inside its country, where its first digit is plain to see.
_ONLY_DIGITS: Final = re.compile(r"\(*[0-9](?:[0-9()]|\[[0-9]+\]|\|\(*[0-9])*").fullmatch
_ONE_GROUP_AFTER_ZERO: Final = re.compile(r"0\((?:[^()]|\([^()]*\))*\)\??").fullmatch
_START: Final = 5
"""The plus, the country code of at most three digits, and the digit after it."""
_PLUS: Final = str.maketrans({"\uff0b": "+", "\ufe62": "+"})
_FORMER_MOBILE_PREFIXES: Final = ("+521", "+549")
"""Mexico dropped the 1 of its mobiles in 2019; a 9 stands before Argentine mobiles only."""
_TAIL: Final = 4
"""Digits at the end of a number that hardly ever decide whether it is valid."""
_SHORTEST_OF_TWO: Final = 7
"""Digits after the country code from which on a number before a slash is one of its own."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """One item a value: E.164 or what is wrong. `national` are the rows read as national forms of the country given."""

    found: list[str | FieldError]
    national: frozenset[int] = frozenset()


def normalise(value: object) -> str | FieldError:
    """Return the number as E.164 with its plus, or the one thing that is wrong with it.

    `value` is the decoded JSON value of `phoneNumber`, None where the key is missing. A number without plus begins with
    its country code all the same: `12125551001` is +12125551001. Nothing is raised, whatever comes.
    """
    if type(value) is str:
        if _NORTH_AMERICAN(value):
            return value if value[0] == "+" else "+" + value
        return _from_plain(value) if _PLAIN(value) else _from_text(value)
    if value is None:
        return MISSING
    # Not isinstance: True is an int.
    if type(value) is int and 0 < value <= MAX_INTEGER:
        return normalise(str(value))
    return WRONG_TYPE


def normalise_all(values: Sequence[object], country: str | None = None) -> Numbers:
    """Return the number of each value, in order: what a chunk calls.

    With a `country` (ISO 3166 alpha-2) its national forms are read too, and come first where a text without plus may
    be either.
    """
    if country is None:
        return Numbers([normalise(value) for value in values])
    both = [normalise_in(value, country) for value in values]
    return Numbers([number for number, _ in both], frozenset(row for row, (_, national) in enumerate(both) if national))


def normalise_in(value: object, country: str) -> tuple[str | FieldError, bool]:
    """Return what `normalise` returns, national forms of `country` included, and whether it was read as one."""
    text = str(value) if type(value) is int and 0 < value <= MAX_INTEGER else value
    international = normalise(text)
    if type(text) is not str:
        return international, False
    digits = _digits_of(_marked(text), country)
    if isinstance(digits, FieldError):
        return digits, False
    if not digits.isdecimal() or "+" + digits == _own(international, country):
        return international, False
    return _in_country(digits, country, international)


def known_country(country: str) -> bool:
    """Return whether numbers of a country can be read: whether it is an ISO 3166 alpha-2 code with a number plan."""
    return country in rp.SUPPORTED_REGIONS


def _own(number: str | FieldError, country: str) -> str:
    """Return a number of the country itself, else an empty text."""
    own = isinstance(number, str) and number.startswith(_country_code(country)) and _is_valid(number)
    return str(number) if own else ""


def _in_country(digits: str, country: str, international: str | FieldError) -> tuple[str | FieldError, bool]:
    dialled = _dialled_in(digits, country) if digits.strip("0") else None
    if dialled is None or dialled == international:
        refused = isinstance(international, FieldError)
        return (_not_of(country) if refused else international), False
    if isinstance(international, FieldError) or _is_valid(dialled) or not _is_valid(international):
        return dialled, dialled.startswith(_country_code(country))
    return international, False


def _dialled_in(digits: str, country: str) -> str | None:
    """Return which number digits without plus reach where they are dialled, None where they are not possible."""
    try:
        number = _checked(rp.parse(digits, country))
    except rp.NumberParseException:
        return None
    return number if isinstance(number, str) else None


@lru_cache
def _country_code(country: str) -> str:
    return f"+{rp.country_code_for_region(country)}"


@lru_cache
def _not_of(country: str) -> FieldError:
    return invalid(
        f"the text is neither a number of {country} nor one that begins with another country's code; "
        "send all of it, with a plus and its country code, such as +12125551001"
    )


def _from_text(text: str) -> str | FieldError:
    number = _SEPARATORS.sub("", text)
    if _NORTH_AMERICAN_E164(number) and len(text) <= phone_texts.MAX_CHARACTERS:
        return number
    text = _marked(text)
    digits = _digits_of(text)
    if isinstance(digits, FieldError):
        return digits
    if digits[0] == "0":
        return _from_zero(digits)
    if shows_area_code(text, digits):
        return COUNTRY_CODE_MISSING
    return normalise(digits) if _PLAIN(digits) else NO_COUNTRY


def _marked(text: str) -> str:
    """Return the text with ASCII digits and plus, without what nobody sees, and without `tel:`."""
    text = without_invisible(text).strip()
    text = text[4:] if _TEL_URI.match(text) else text
    return text if text.isascii() else "".join(str(int(c)) if c.isdecimal() else c for c in text.translate(_PLUS))


def _digits_of(text: str, country: str | None = None) -> str | FieldError:
    """Return the digits of a marked text, with the plus where there is one, or why it is no telephone number."""
    if not text:
        return MISSING
    if len(text) > phone_texts.MAX_CHARACTERS:
        return TOO_MUCH_TEXT
    digits = _SEPARATORS.sub("", text)
    if not _DIGITS(digits) or phone_texts.is_decimal(text):
        return phone_texts.why_not(text)
    return TWO_NUMBERS if _holds_two(text, country) else digits


def _holds_two(text: str, country: str | None) -> bool:
    """Return whether what stands before a slash or a line break is a whole number already."""
    firsts = phone_texts.first_of_several(text)
    if not firsts:
        return False
    digits = [_SEPARATORS.sub("", first) for first in firsts]
    return any(
        _is_whole(number) for one in digits for number in (normalise(one), country and _dialled_in(one, country))
    )


def _is_whole(number: object) -> bool:
    if not isinstance(number, str) or not _is_valid(number):
        return False
    return len(rp.national_significant_number(rp.parse(number, None))) >= _SHORTEST_OF_TWO


def _from_zero(digits: str) -> str | FieldError:
    """Take digits that begin with 0: an international prefix, or what is dialled before a number in its country."""
    prefix = _INTERNATIONAL_PREFIX(digits)
    if prefix is None:
        return COUNTRY_CODE_MISSING if digits.strip("0") else NO_COUNTRY
    number = normalise("+" + digits[prefix.end() :])
    if prefix[0] == "00":
        return number
    return COUNTRY_CODE_MISSING if isinstance(number, FieldError) or is_national_elsewhere(digits) else number


def _from_plain(digits: str) -> str | FieldError:
    """Take ASCII digits that begin with the country code, with or without a plus."""
    if digits[0] != "+":
        return _without_plus(digits)
    return digits if _stays(digits[:_START], len(digits)) else _from_digits(digits)


def _without_plus(digits: str) -> str | FieldError:
    """Take digits that begin with a country code, unless they are more likely to begin with an area code."""
    number = _from_plain("+" + digits)
    if len(digits) > MOST_DIGITS:
        return number
    if _NATIONAL_NORTH_AMERICAN(digits):
        return number if isinstance(number, str) and _is_valid(number) else COUNTRY_CODE_MISSING
    if isinstance(number, str) and (_is_valid_block(number[:-_TAIL], len(number)) or _is_valid(number)):
        return number
    if _LIKE_NORTH_AMERICAN(digits):  # of other plans, only Chinese mobiles are written so by many
        return COUNTRY_CODE_MISSING if is_valid_inside(digits, "CN") else number
    return COUNTRY_CODE_MISSING if is_national_elsewhere(digits) else number


def _is_valid(number: str) -> bool:
    try:
        return bool(rp.is_valid_number(rp.parse(number, None)))
    except rp.NumberParseException:
        return False


@lru_cache(maxsize=1 << 16)
def _is_valid_block(start: str, length: int) -> bool:
    """Return whether one number of a block of ten thousand is valid: the same one whichever of them is asked first."""
    return _is_valid(start.ljust(length, "5"))


@lru_cache(maxsize=1 << 14)
def _stays(start: str, length: int) -> bool:
    """Return whether every number of this start and length is E.164 as it is.

    Whether a number is possible depends on its country and length alone. What a number may lose is the prefix that is
    dialled before it inside its country.
    """
    if start.startswith(("+1", *_FORMER_MOBILE_PREFIXES)) or length > _LONGEST:
        return False
    try:
        parsed = rp.parse(start.ljust(length, "5"), None)
    except rp.NumberParseException:
        return False
    first = start[1 + len(str(parsed.country_code)) :][:1]
    possible = rp.is_possible_number_with_reason(parsed) == rp.ValidationResult.IS_POSSIBLE
    return possible and first not in _prefix_digits(parsed.country_code)


def _prefix_digits(country_code: int) -> Container[str]:
    """Return the digits with which what is dialled before a number inside its country may begin, 0 in any case."""
    region = rp.region_code_for_country_code(country_code)
    plan = PhoneMetadata.metadata_for_region_or_calling_code(country_code, region)
    prefix = (plan and plan.national_prefix_for_parsing) or "0"
    if _ONE_GROUP_AFTER_ZERO(prefix):
        return "0"
    if not _ONLY_DIGITS(prefix):
        return "0123456789"
    return {"0", *(one.lstrip("(")[0] for one in prefix.split("|"))}


def _from_digits(number: str) -> str | FieldError:
    """Take a plus and ASCII digits that begin with the country code."""
    try:
        parsed = rp.parse(number, None)
    except rp.NumberParseException as error:
        return _unreadable(error.error_type)
    if number.startswith(_FORMER_MOBILE_PREFIXES) and not rp.is_valid_number(parsed):
        without = number[:3] + number[4:]
        if _is_valid(without):
            return _from_digits(without)
    return _checked(parsed)


def _checked(parsed: rp.PhoneNumber) -> str | FieldError:
    result = rp.is_possible_number_with_reason(parsed)
    if result != rp.ValidationResult.IS_POSSIBLE:
        return _REASONS[result]
    # Formatting is not adding the plus: `+4402083661177` loses its trunk zero, an Italian number keeps its own.
    dialled: str = rp.format_number(parsed, rp.PhoneNumberFormat.E164)
    if len(dialled) > _LONGEST:
        return TOO_LONG
    if dialled.startswith("+1") and not _NORTH_AMERICAN_E164(dialled):
        return NO_AREA_CODE
    return dialled


def _unreadable(error_type: int) -> FieldError:
    match error_type:
        case rp.NumberParseException.INVALID_COUNTRY_CODE:
            return NO_COUNTRY
        case rp.NumberParseException.TOO_LONG:
            return TOO_LONG
        case _:
            return TOO_SHORT
