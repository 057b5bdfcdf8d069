"""What a caller sent as `phoneNumber`, as E.164: the one module that knows the phone number library.

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
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import rphonenumbers as rp
from phonenumbers import PhoneMetadata

from schemas.outcomes import Code, FieldError

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

PATH: Final = "/phoneNumber"
MAX_CHARACTERS: Final = 64
MAX_INTEGER: Final = 999_999_999_999_999  # E.164 has at most 15 digits

MISSING: Final = FieldError(
    Code.REQUIRED, PATH, "the phone number is missing or blank; send it with its country code, such as +12125551001"
)
WRONG_TYPE: Final = FieldError(
    Code.TYPE, PATH, "the phone number must be text (or a positive whole number of at most 15 digits); quote it"
)

BROKEN_TEXT: Final = FieldError(
    Code.INVALID_TEXT, PATH, "the phone number holds half a surrogate pair; send valid UTF-8"
)


def _invalid(reason: str) -> FieldError:
    return FieldError(Code.PHONE_INVALID, PATH, reason)


TOO_MUCH_TEXT: Final = _invalid(
    f"the text is longer than {MAX_CHARACTERS} characters; send one phone number, such as +12125551001"
)
EXTENSION: Final = _invalid("an extension cannot be dialled; send the number without it")
LETTERS: Final = _invalid("a phone number has no letters; send digits only, such as +12125551001")
NOT_A_NUMBER: Final = _invalid(
    "the text is not one phone number; send a plus, the country code and digits, such as +12125551001"
)
NO_COUNTRY: Final = _invalid("the number does not begin with a country code that exists; send it as in +12125551001")
TOO_SHORT: Final = _invalid("the number is too short for its country; send all of it, country and area code included")
TOO_LONG: Final = _invalid("the number is too long for its country; send one number, country code first")
WRONG_LENGTH: Final = _invalid("no number of its country has this length; send all of it, country code first")
NO_AREA_CODE: Final = _invalid("no area code of North America begins with 0 or 1; send country code 1, then ten digits")

_REASONS: Final[dict[int, FieldError]] = {
    rp.ValidationResult.INVALID_COUNTRY_CODE: NO_COUNTRY,
    rp.ValidationResult.TOO_SHORT: TOO_SHORT,
    rp.ValidationResult.IS_POSSIBLE_LOCAL_ONLY: TOO_SHORT,  # the area code is missing
    rp.ValidationResult.TOO_LONG: TOO_LONG,
    rp.ValidationResult.INVALID_LENGTH: WRONG_LENGTH,
}

_NORTH_AMERICAN: Final = re.compile(r"\+?1[2-9][0-9]{9}").fullmatch
_PLAIN: Final = re.compile(rf"\+?[1-9][0-9]{{0,{MAX_CHARACTERS - 2}}}").fullmatch
# 00 is the international prefix of most countries, 011 that of North America; no country code begins with 0.
_INTERNATIONAL_PREFIX: Final = re.compile(r"00(?=[1-9])|011(?=[1-9])")
# White space, dashes, brackets, dots, slashes and tildes in their many forms, and the invisible marks that come along
# when a number is copied from a contact list.
_SEPARATORS: Final = re.compile(
    "[\\s\\-.()\\[\\]/~"
    "\u00ad\u00b7\u2022\u2010-\u2015\u2212\u30fc\uff0d\u2053\u223c\uff5e\uff08\uff09\uff3b\uff3d\uff0e\uff0f"
    "\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]+"
)
_TEL_URI: Final = re.compile("tel:", re.IGNORECASE)
# Only chooses the message: a digit, then a mark of an extension or of a dialling pause, then few digits to the end.
_EXTENSION: Final = re.compile(
    r"\d[\s.,;:()\-]*(?:x|ext|extn|extension|int|anexo|доб|[#,;]|;ext=)[\s.:=#]*\d{1,7}\W*$", re.IGNORECASE
)
# How the plans write what is dialled before a number inside its country, where its first digit is plain to see.
_ONLY_DIGITS: Final = re.compile(r"\(*[0-9](?:[0-9()]|\[[0-9]+\]|\|\(*[0-9])*").fullmatch
_ONE_GROUP_AFTER_ZERO: Final = re.compile(r"0\((?:[^()]|\([^()]*\))*\)\??").fullmatch
_START: Final = 5
"""The plus, the country code of at most three digits, and the digit after it."""
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_LETTER: Final = re.compile(r"[^\W\d_]")
_PLUS: Final = str.maketrans({"\uff0b": "+", "\ufe62": "+"})

# In the North American plan, as libphonenumber has it, the kind of a number does not depend on its last four digits,
# so what holds for one number holds for its block of ten thousand. Barbados and Jamaica are the exception; a test
# reads this in the plan. The blocks seen are remembered, a byte each: 0 not seen yet, else geographic or other.
LATE_AREA_CODES: Final = ("+1246", "+1658", "+1876")
_GEOGRAPHIC, _OTHER = 1, 2
_blocks: Final = bytearray(1_000_000)


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


def normalise_all(values: Sequence[object]) -> list[str | FieldError]:
    """Return `normalise` of each value, in order: what a chunk calls."""
    return [normalise(value) for value in values]


def is_geographic(number: str) -> bool:
    """Whether an E.164 number belongs to a place: a fixed line, or a mobile of a country whose area codes hold mobiles.

    Toll-free, premium and the like do not, nor does a number outside every range of its country's plan.
    `number` comes from `normalise`.
    """
    if not number.startswith("+1"):
        return _is_geographic(number)
    block = int(number[2:8])
    if not _blocks[block]:
        if number.startswith(LATE_AREA_CODES):
            return _is_geographic(number)
        _blocks[block] = _GEOGRAPHIC if _is_geographic(number) else _OTHER
    return _blocks[block] == _GEOGRAPHIC


def _is_geographic(number: str) -> bool:
    parsed = rp.parse(number, None)
    return bool(rp.is_number_type_geographical(rp.number_type(parsed), parsed.country_code))


def _from_text(text: str) -> str | FieldError:
    text = text.strip()
    if not text:
        return MISSING
    if len(text) > MAX_CHARACTERS:
        return TOO_MUCH_TEXT
    if (uri := _TEL_URI.match(text)) is not None:
        text = text[uri.end() :]
    digits = _ascii_digits(_SEPARATORS.sub("", text))
    digits = _INTERNATIONAL_PREFIX.sub("", digits, count=1) if digits[:1] == "0" else digits
    return normalise(digits) if _PLAIN(digits) else _why_not(text, digits)


def _ascii_digits(text: str) -> str:
    """Return the text with the decimal digits and plus signs of every script as ASCII ones."""
    if text.isascii():
        return text
    return "".join(str(int(c)) if c.isdecimal() else c for c in text.translate(_PLUS))


def _why_not(text: str, digits: str) -> FieldError:
    if digits.lstrip("+").isdecimal() and digits.rfind("+") <= 0:
        return NO_COUNTRY
    if _SURROGATE.search(text):
        return BROKEN_TEXT
    if _EXTENSION.search(text):
        return EXTENSION
    return LETTERS if _LETTER.search(text) else NOT_A_NUMBER


def _from_plain(digits: str) -> str | FieldError:
    """Take ASCII digits that begin with the country code, with or without a plus."""
    number = digits if digits[0] == "+" else "+" + digits
    return number if _stays(number[:_START], len(number)) else _from_digits(number)


@lru_cache(maxsize=1 << 14)
def _stays(start: str, length: int) -> bool:
    """Return whether every number of this start and length is E.164 as it is.

    Whether a number is possible depends on its country and length alone. What a number may lose is the prefix that is
    dialled before it inside its country.
    """
    if start.startswith("+1"):
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
    result = rp.is_possible_number_with_reason(parsed)
    if result != rp.ValidationResult.IS_POSSIBLE:
        return _REASONS[result]
    # Formatting is not adding the plus: `+4402083661177` loses its trunk zero, an Italian number keeps its own.
    dialled: str = rp.format_number(parsed, rp.PhoneNumberFormat.E164)
    if dialled.startswith("+1") and not _NORTH_AMERICAN(dialled):
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
