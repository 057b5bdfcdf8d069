"""The time zone of each record, and where it was learned: the record, its number, the batch, the workspace, or nowhere.

Two tables are joined here: the tz database (`tzdata`) and libphonenumber's map from number prefixes to zones
(`phonenumbers.tzdata`). Both are wheels, so that every worker answers alike, whatever its machine has installed.
The map was made for display. Three things are put right before its zones decide when a person's telephone may ring:

- Old names get their present one (Asia/Calcutta is Asia/Kolkata).
- Zones that the tz database links to one another are one clock, so they count as one zone: a British mobile is in
  Europe/London, although the map also names Guernsey, Jersey and the Isle of Man.
- For some countries the map names another country's zone, which was alike once or nearly (Lithuania: Europe/Bucharest;
  Algeria: Europe/Paris, wrong all summer). The country's own zone is taken where it has one, else none.

What remains several zones (toll-free, most mobiles of large countries, +881) determines none: the batch decides.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import tzdata
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
from phonenumbers.tzdata import TIMEZONE_DATA

from schemas.outcomes import Code, FieldError
from streams.phone_numbers import LATE_AREA_CODES, is_geographic

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PATH: Final = "/timezone"
TZ_DATABASE_VERSION: Final[str] = tzdata.IANA_VERSION
_NORTH_AMERICAN: Final = 12  # characters of such a number, plus included
_START: Final = 5  # characters of a number that choose which lengths of prefix are tried: the plus and four digits

WRONG_TYPE: Final = FieldError(
    Code.TYPE, PATH, "the time zone must be text; send an IANA name such as America/New_York, or leave it out"
)
UNKNOWN: Final = FieldError(
    Code.TIMEZONE_UNKNOWN,
    PATH,
    "the tz database has no zone of exactly this name; send one such as America/New_York, or leave it out",
)


class ZoneSource(StrEnum):
    """Where a record's zone was learned, from the surest to the least sure."""

    RECORD = "record"
    NUMBER = "number"
    BATCH = "batch"
    WORKSPACE = "workspace"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Zones:
    """Two columns, a row a record in the order given, and what was wrong, by row.

    A row with an error has the zone that its record would have without its own.
    """

    names: list[str]
    sources: list[ZoneSource]
    errors: dict[int, FieldError]


def zones_for(
    numbers: Sequence[str | None], own: Sequence[object], batch_zone: str | None, workspace_zone: str | None
) -> Zones:
    """Return the zone of each record of a chunk.

    `numbers` are E.164 with plus, None where the record has no usable one; `own` the decoded values of the records'
    `timezone`, None where the key is missing. A batch or workspace zone that the tz database lacks is passed over.
    """
    fallback, source = fallback_zone(batch_zone, workspace_zone)
    zone_of = _number_zones().zone_of
    by_number = [None if number is None else zone_of(number) for number, _ in zip(numbers, own, strict=True)]
    found = Zones(
        [fallback if zone is None else zone for zone in by_number],
        [source if zone is None else ZoneSource.NUMBER for zone in by_number],
        {},
    )
    if own.count(None) < len(own):
        _give_their_own(found, own)
    return found


def _give_their_own(found: Zones, own: Sequence[object]) -> None:
    for row, value in enumerate(own):
        zone = own_zone(value)
        if isinstance(zone, FieldError):
            found.errors[row] = zone
        elif zone is not None:
            found.names[row], found.sources[row] = zone, ZoneSource.RECORD


def own_zone(value: object) -> str | FieldError | None:
    """Return the zone a record (or a batch, or a workspace) names, None where it names none.

    Only an exact name will do, but any: Asia/Calcutta and EST are kept in the database for old data, and kept here.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        return WRONG_TYPE
    if value in zone_names():
        return value
    return UNKNOWN if value.strip() else None


def fallback_zone(batch_zone: str | None, workspace_zone: str | None) -> tuple[str, ZoneSource]:
    """Return the zone of a record that determines none itself."""
    for zone, source in ((batch_zone, ZoneSource.BATCH), (workspace_zone, ZoneSource.WORKSPACE)):
        if zone in zone_names():
            return zone, source
    return "UTC", ZoneSource.DEFAULT


def zone_of_number(number: str) -> str | None:
    """Return the one zone of an E.164 number with plus, or None where it may be in several or in none.

    Agrees with `phonenumbers.timezone.time_zones_for_number` on whether that is one zone, but for what this module's
    docstring lists, and for numbers outside every range of their country's plan: the country alone places those.
    """
    return _number_zones().zone_of(number)


@cache
def zone_names() -> frozenset[str]:
    """Return every name of the tz database, links and old names included, from the wheel and not from the machine."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


@dataclass(frozen=True, slots=True)
class _Atlas:
    """What the tz database says of names: what each link stands for, and which zones each country uses."""

    links: Mapping[str, str]
    of_region: Mapping[str, Sequence[str]]

    def clock(self, zone: str) -> str:
        return self.links.get(zone, zone)

    def clocks(self, zones: Iterable[str]) -> set[str]:
        return {self.clock(zone) for zone in zones}


def _read_atlas() -> _Atlas:
    folder = files("tzdata.zoneinfo")
    lines = folder.joinpath("tzdata.zi").read_text(encoding="utf-8").splitlines()
    links = {line.split()[2]: line.split()[1] for line in lines if line.startswith("L ")}
    of_region: dict[str, list[str]] = {}
    for line in folder.joinpath("zone.tab").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            region, _, zone = line.split("\t")[:3]
            of_region.setdefault(region, []).append(zone)
    return _Atlas(links, of_region)


@dataclass(frozen=True, slots=True)
class _NumberZones:
    """Zones by number prefix: (by place, by country) of each, plus included.

    `lengths` has, for the first four digits of a number, the lengths of prefix to try: mostly one, longest first.
    Of North American numbers a block of ten thousand has one zone: it is remembered as its place in `zones`, which
    takes two bytes a block; 0 is a block not seen yet.
    """

    prefixes: Mapping[str, tuple[str | None, str | None]]
    lengths: Mapping[str, Sequence[int]]
    zones: Sequence[str | None]
    blocks: array[int] = field(default_factory=lambda: array("H", bytes(2_000_000)))

    def zone_of(self, number: str) -> str | None:
        if not number.startswith("+1") or len(number) != _NORTH_AMERICAN:
            return self._found(number)
        block = int(number[2:8])
        place = self.blocks[block]
        if place:
            return self.zones[place]
        zone = self._found(number)
        if not number.startswith(LATE_AREA_CODES):
            self.blocks[block] = self.zones.index(zone, 1)
        return zone

    def _found(self, number: str) -> str | None:
        for length in self.lengths.get(number[:_START], ()):
            entry = self.prefixes.get(number[:length])
            if entry is not None:
                by_place, by_country = entry
                # Asking for the kind of number is what costs; mostly both answers are the same.
                return by_place if by_place == by_country or is_geographic(number) else by_country
        return None


@cache
def _number_zones() -> _NumberZones:
    atlas = _read_atlas()
    prefixes: dict[str, tuple[str | None, str | None]] = {}
    for digits, zones in TIMEZONE_DATA.items():
        code, regions = _country_of(digits)
        by_country = _one_zone(atlas, TIMEZONE_DATA.get(code, ()), regions)
        prefixes["+" + digits] = (_one_zone(atlas, zones, regions), by_country)
    names = {zone for both in prefixes.values() for zone in both if zone is not None}
    return _NumberZones(prefixes, _lengths(prefixes), [None, None, *sorted(names)])


def _lengths(prefixes: Iterable[str]) -> dict[str, list[int]]:
    lengths: defaultdict[str, set[int]] = defaultdict(set)
    for prefix in prefixes:
        free = max(0, _START - len(prefix))
        ends = (f"{end:0{free}d}" for end in range(10**free)) if free else ("",)
        for end in ends:
            lengths[prefix[:_START] + end].add(len(prefix))
    return {start: sorted(found, reverse=True) for start, found in lengths.items()}


def _country_of(digits: str) -> tuple[str, Sequence[str]]:
    """Return the country code a prefix begins with, and its regions, the main one first."""
    code = next(digits[:n] for n in (1, 2, 3) if int(digits[:n]) in COUNTRY_CODE_TO_REGION_CODE)
    return code, COUNTRY_CODE_TO_REGION_CODE[int(code)]


def _one_zone(atlas: _Atlas, zones: Sequence[str], regions: Sequence[str]) -> str | None:
    """Return the present name of the one clock among `zones`, None where there are several or none."""
    if len(atlas.clocks(zones)) != 1:
        return None
    clock = atlas.clock(zones[0])
    of_country = [zone for region in regions for zone in atlas.of_region.get(region, ())]
    alike = [zone for zone in of_country if atlas.clock(zone) == clock]
    if alike:
        if len(zones) == 1 and zones[0] in alike:
            return zones[0]
        return clock if clock in alike else alike[0]
    if not of_country:  # a region that the tz database does not list, such as Kosovo
        return zones[0]
    # A zone of another country: look for the one of the country itself, or of the main one where several share a code.
    of_main = atlas.of_region.get(regions[0], ())
    return of_main[0] if len(atlas.clocks(of_main)) == 1 else None
