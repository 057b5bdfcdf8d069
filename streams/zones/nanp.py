"""How `nanp.tsv` is made: which zones each area code and exchange of North America may be in.

Two sources, neither complete nor right for overlays: the public list of NANPA (`npa_report.csv`, columns `TIME_ZONE`,
`LOCATION`, `OVERLAY_COMPLEX`) and libphonenumber's map. An area code has the zones that either names, and those of
every code of its overlay complex, because an overlay takes new numbers anywhere in it. An exchange that the map lists
has its own zone, where the corrections below do not say otherwise.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata
from phonenumbers import __version__ as library_version
from phonenumbers.tzdata import TIMEZONE_DATA

HEADER: Final = "# code\tzones\tsources\tas of"
_DATE: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})").fullmatch
_AREA_CODE_DIGITS: Final = 3
_EXCHANGE_DIGITS: Final = 6

# The list's letters, and what the map names, as a clock of the place; a place that is not here keeps the usual ones.
_US: Final = {
    "E": "America/New_York",
    "C": "America/Chicago",
    "M": "America/Denver",
    "P": "America/Los_Angeles",
    "AK": "America/Anchorage",
    "(UTC-10)": "Pacific/Honolulu",
}
_OF_PLACE: Final[dict[str, dict[str, str]]] = {
    "AZ": {"M": "America/Phoenix"},
    "BRITISH COLUMBIA": {"P": "America/Vancouver", "M": "America/Edmonton"},
    "ALBERTA": {"M": "America/Edmonton"},
    "SASKATCHEWAN": {"C": "America/Regina"},
    "MANITOBA": {"C": "America/Winnipeg"},
    "ONTARIO": {"E": "America/Toronto", "C": "America/Winnipeg"},
    "QUEBEC": {"E": "America/Toronto", "A": "America/Halifax"},
    "NEW BRUNSWICK": {"A": "America/Moncton"},
    "NOVA SCOTIA - PRINCE EDWARD ISLAND": {"A": "America/Halifax"},
    "NEWFOUNDLAND AND LABRADOR": {"N": "America/St_Johns", "A": "America/Goose_Bay"},
    "NORTHWEST TERRITORIES -YUKON - NUNAVUT": {
        "E": "America/Iqaluit",
        "C": "America/Rankin_Inlet",
        "M": "America/Edmonton",
        "P": "America/Whitehorse",
    },
}
_LETTERS: Final = re.compile(r"\(UTC[+-]\d+\)|AK|MT|PT|[ECMPAN]")
_LETTER_OF_WORD: Final = {"MT": "M", "PT": "P"}
_LETTER_OF_MAP: Final = {
    "America/New_York": "E",
    "America/Toronto": "E",
    "America/Chicago": "C",
    "America/Winnipeg": "C",
    "America/North_Dakota/Center": "C",
    "America/Denver": "M",
    "America/Boise": "M",
    "America/Edmonton": "M",
    "America/Phoenix": "M",
    "America/Los_Angeles": "P",
    "America/Vancouver": "P",
    "America/Halifax": "A",
    "America/St_Johns": "N",
    "America/Anchorage": "AK",
    "America/Juneau": "AK",
}
# What neither source says. Places on a neighbour's clock, and zones of the tz database without a letter.
_ALSO: Final[dict[str, tuple[str, ...]]] = {
    "250": ("America/Edmonton", "America/Dawson_Creek", "America/Fort_Nelson", "America/Creston"),
    "306": ("America/Edmonton", "America/Winnipeg"),  # Lloydminster; Creighton
    "334": ("America/New_York",),  # Phenix City
    "418": ("America/Halifax", "America/Blanc-Sablon"),
    "709": ("America/Goose_Bay",),
    "807": ("America/Winnipeg", "America/Atikokan"),
    "867": (
        "America/Dawson",
        "America/Inuvik",
        "America/Cambridge_Bay",
        "America/Resolute",
        "America/Iqaluit",
        "America/Atikokan",
    ),
    "907": ("America/Adak",),
    "928": ("America/Denver",),  # the Navajo Nation
}
# Exchanges that the map places by a zone which stood for several once; None: as the whole area code.
_EXCHANGES: Final[dict[str, str | None]] = {
    "250242": "America/Dawson_Creek",  # Tumbler Ridge
    "250262": "America/Dawson_Creek",  # Fort St. John
    "250785": "America/Dawson_Creek",
    "250787": "America/Dawson_Creek",
    "250782": "America/Dawson_Creek",
    "250788": "America/Dawson_Creek",  # Chetwynd
    "250774": "America/Fort_Nelson",
    "250428": "America/Creston",
    "250261": None,
    "250263": None,
    "250341": None,
    "250719": None,
    "250784": None,
    "867334": None,
    "867587": None,
    "867777": "America/Inuvik",
    "867983": "America/Cambridge_Bay",
    "907581": None,  # Unalaska: the map says Honolulu
}


@dataclass(frozen=True, slots=True)
class AreaCode:
    """What the public list says of an area code."""

    code: str
    place: str
    letters: str
    complex: tuple[str, ...]


def read_report(lines: Iterable[str]) -> tuple[str, list[AreaCode]]:
    """Return the date (ISO 8601) of NANPA's list and its geographic area codes; raise ValueError for another file."""
    rows = iter(csv.reader(lines))
    date = _DATE(next(rows, ["", ""])[-1].strip())
    columns = next(rows, [])
    if date is None or not {"NPA_ID", "USE", "LOCATION", "TIME_ZONE", "OVERLAY_COMPLEX"} <= set(columns):
        raise ValueError("this is not NANPA's area code report (npa_report.csv): it begins with File Date and a header")
    month, day, year = date.groups()
    records = (dict(zip(columns, row, strict=False)) for row in rows)
    codes = [_area_code(one) for one in records if one["ASSIGNED"] == "Yes" and one["USE"] == "G"]
    return f"{year}-{int(month):02d}-{int(day):02d}", codes


def _area_code(record: Mapping[str, str]) -> AreaCode:
    overlays = tuple(record["OVERLAY_COMPLEX"].strip().split("/")) if record["OVERLAY_COMPLEX"].strip() else ()
    return AreaCode(record["NPA_ID"], record["LOCATION"].strip(), record["TIME_ZONE"].strip(), overlays)


def table(as_of: str, codes: Sequence[AreaCode], of_region: Mapping[str, Sequence[str]]) -> str:
    """Return the text of `nanp.tsv`. `of_region` has the zones of each region (ISO 3166), the main one first."""
    own = {one.code: _zones_of(one, of_region) for one in codes}
    rows = dict(_closed(codes, own))
    sources = f"nanpa,libphonenumber {library_version}"
    lines = [f"{code}\t{','.join(zones)}\t{sources}\t{as_of}" for code, zones in rows.items()]
    several = {code for code, zones in rows.items() if len(zones) > 1}
    places = {one.code: one.place for one in codes}
    exchanges = dict(_exchanges(several, places))
    lines += [f"{exchange}\t{zone}\tlibphonenumber {library_version}\t{as_of}" for exchange, zone in exchanges.items()]
    return "\n".join([HEADER, *sorted(lines)]) + "\n"


def _closed(codes: Sequence[AreaCode], own: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, list[str]]]:
    """Yield each code with the zones of its overlay complex: of the codes that overlay each other everywhere."""
    complexes = {one.code: one.complex for one in codes if len(own[one.code]) > 1}
    for one in codes:
        partners = {one.code, *(code for code, others in complexes.items() if one.code in others)}
        zones = [zone for code in sorted(partners, key=lambda code: code != one.code) for zone in own[code]]
        yield one.code, list(dict.fromkeys(zones))


def _zones_of(one: AreaCode, of_region: Mapping[str, Sequence[str]]) -> list[str]:
    region = region_of(one.code)
    if region not in ("US", "CA"):
        return [of_region[region][0]]
    letters = [_LETTER_OF_WORD.get(letter, letter) for letter in _LETTERS.findall(one.letters)]
    mapped = [_LETTER_OF_MAP[zone] for zone in _mapped(one.code) if zone in _LETTER_OF_MAP]
    zones = [_zone(one.place, letter) for letter in (*letters, *mapped) if _is_of(one.place, letter)]
    zones += [zone for code, others in _ALSO.items() for zone in others if one.code == code]
    if not zones:
        raise ValueError(f"area code {one.code}: no zone is known for {one.place} {one.letters}")
    return list(dict.fromkeys(zones))


def _zone(place: str, letter: str) -> str:
    return _OF_PLACE.get(place, {}).get(letter) or _US[letter]


def _is_of(place: str, letter: str) -> bool:
    return letter in _OF_PLACE.get(place, {}) or (letter in _US and place not in _CANADA)


_CANADA: Final = frozenset(_OF_PLACE) - {"AZ"}


def _mapped(code: str) -> list[str]:
    """Return the zones that the map names for an area code and its exchanges, if several: one alone may be a guess."""
    zones = [zone for start, named in TIMEZONE_DATA.items() if start[:4] == f"1{code}" for zone in named]
    return list(dict.fromkeys(zones)) if len(set(zones)) > 1 else []


def _exchanges(several: set[str], places: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the exchanges of area codes with several zones that the map places in one of them."""
    for start, zones in sorted(TIMEZONE_DATA.items(), key=lambda one: len(one[0])):  # the longest comes last and wins
        code, exchange = start[1:4], start[1:]
        if start[0] != "1" or code not in several or len(exchange) <= _AREA_CODE_DIGITS or len(zones) > 1:
            continue
        zone = _EXCHANGES.get(exchange, _zone_of_exchange(places[code], zones[0]))
        if zone is not None:
            free = _EXCHANGE_DIGITS - len(exchange)
            for end in range(10**free) if free else ("",):
                yield f"{exchange}{end}", zone


def _zone_of_exchange(place: str, mapped: str) -> str | None:
    letter = _LETTER_OF_MAP.get(mapped)
    return _zone(place, letter) if letter is not None and _is_of(place, letter) else None


def region_of(code: str) -> str:
    """Return the region (ISO 3166) of an area code: US where no plan of another one claims it and Canada does not."""
    for region in COUNTRY_CODE_TO_REGION_CODE[1]:
        plan = PhoneMetadata.metadata_for_region(region, None)
        if plan is not None and plan.leading_digits and re.fullmatch(plan.leading_digits, code):
            return str(region)
    return "US"
