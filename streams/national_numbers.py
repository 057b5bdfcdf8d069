"""Whether a number without plus is written as inside a country, where its first digits are no country code.

`6505550125` is San Francisco Bay to who typed it, and begins with Singapore's country code. The evidence, strongest
first:

1. how it is written: an area code in brackets, `8` and then ten digits (Russia), groups of 3-3-4 (North America);
2. that it is valid somewhere as a national number, and not valid in the country that its first digits name.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import rphonenumbers as rp
from phonenumbers import PhoneMetadata

from streams.phone_texts import invalid

COUNTRY_CODE_MISSING: Final = invalid(
    "the country code is missing: the number is written as inside a country; send it with a plus and its country code,"
    " such as +12125551001, or name the batch's country"
)
MOST_DIGITS: Final = 11
"""Of a national number with what is dialled before it; longer ones (Austria has some) are not looked for."""

_LONGEST_PREFIX: Final = 2
_GROUPS_OF_NORTH_AMERICA: Final = re.compile(r"[^\d]*[2-9]\d{2}[^\d]+[2-9]\d{2}[^\d]+\d{4}[^\d]*").fullmatch
_AREA_CODE_OF_NORTH_AMERICA: Final = re.compile(
    r"[^\d]*[(\[\uff08]\s*[2-9]\d{2}\s*[)\]\uff09][^\d]*\d{3}[^\d]*\d{4}[^\d]*"
).fullmatch
_IN_BRACKETS: Final = re.compile(r"\s*[(\[\uff08]\s*\d+\s*[)\]\uff09]").match
_TRUNK_EIGHT: Final = re.compile(r"\s*\+?\s*8[^\d]+\d{3}").match
# Where most national numbers without country code come from; the other regions follow.
_FIRST: Final = (
    "US",
    "IN",
    "BR",
    "MX",
    "RU",
    "DE",
    "FR",
    "GB",
    "ES",
    "IT",
    "AU",
    "ID",
    "NG",
    "PH",
    "TR",
    "PL",
    "CN",
    "JP",
)


def shows_area_code(text: str, digits: str) -> bool:
    """Return whether a text is written as inside a country. `digits` are the text's, with the plus where it has one."""
    if digits[0] == "+":
        return digits[1:2] == "8" and len(digits) <= MOST_DIGITS + 1 and _TRUNK_EIGHT(text) is not None
    if len(digits) > MOST_DIGITS:
        return False
    if _GROUPS_OF_NORTH_AMERICA(text) or _AREA_CODE_OF_NORTH_AMERICA(text) or _TRUNK_EIGHT(text):
        return True
    return _IN_BRACKETS(text) is not None and is_national_elsewhere(digits)


def is_national_elsewhere(digits: str) -> bool:
    """Return whether digits are valid as dialled inside some country, and then are another number than with a plus."""
    return len(digits) <= MOST_DIGITS and any(is_valid_inside(digits, region) for region in _regions(len(digits)))


def is_valid_inside(digits: str, region: str) -> bool:
    """Return whether digits are valid as dialled inside a region, and then are another number than with a plus."""
    try:
        parsed = rp.parse(digits, region)
    except rp.NumberParseException:
        return False
    if parsed.country_code != rp.country_code_for_region(region) or not rp.is_valid_number(parsed):
        return False
    return bool(rp.format_number(parsed, rp.PhoneNumberFormat.E164) != "+" + digits)


@lru_cache
def _regions(length: int) -> tuple[str, ...]:
    """Return the regions with national numbers of this length, what is dialled before them included."""
    ordered = dict.fromkeys((*_FIRST, *sorted(rp.SUPPORTED_REGIONS)))
    return tuple(region for region in ordered if _may_have(region, length))


def _may_have(region: str, length: int) -> bool:
    plan = PhoneMetadata.metadata_for_region(region, None)
    lengths = plan.general_desc.possible_length if plan is not None and plan.general_desc is not None else ()
    return any(0 <= length - possible <= _LONGEST_PREFIX for possible in lengths)
