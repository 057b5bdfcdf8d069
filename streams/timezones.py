"""The time zone of each record, and where it was learned: the record, its number, the batch, the workspace, or nowhere.

A number determines a zone only where every clock of its area agrees all year (`zones/number_zones.py`). Where it does
not, its candidates are kept beside the zone that the batch, the workspace or UTC gives, so that whoever dials can wait
until the hours are right in all of them. All tables are wheels or files of ours: every worker answers alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final

from schemas.invisible_characters import without_invisible
from schemas.outcomes import Code, FieldError
from streams.zones.number_zones import NO_AREA, Area, number_zones

PATH: Final = "/timezone"

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

    A row with an error has the zone that its record would have without its own. `uncertain` has the areas of the rows
    whose zone neither the record nor its number determines.
    """

    names: list[str]
    sources: list[ZoneSource]
    errors: dict[int, FieldError]
    uncertain: dict[int, Area]


def zones_for(
    numbers: Sequence[str | None], own: Sequence[object], batch_zone: str | None, workspace_zone: str | None
) -> Zones:
    """Return the zone of each record of a chunk.

    `numbers` are E.164 with plus, None where the record has no usable one; `own` the decoded values of the records'
    `timezone`, None where the key is missing. A batch or workspace zone that the tz database lacks is passed over.
    """
    fallback, source = fallback_zone(batch_zone, workspace_zone)
    area_of = number_zones().area_of
    areas = [NO_AREA if number is None else area_of(number) for number, _ in zip(numbers, own, strict=True)]
    by_number = [area.zone for area in areas]
    found = Zones(
        [fallback if zone is None else zone for zone in by_number],
        [source if zone is None else ZoneSource.NUMBER for zone in by_number],
        {},
        {row: areas[row] for row, zone in enumerate(by_number) if zone is None},
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
            found.uncertain.pop(row, None)


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
    name = without_invisible(value)
    if name in zone_names():
        return name
    return UNKNOWN if name.strip() else None


def fallback_zone(batch_zone: str | None, workspace_zone: str | None) -> tuple[str, ZoneSource]:
    """Return the zone of a record that determines none itself."""
    for zone, source in ((batch_zone, ZoneSource.BATCH), (workspace_zone, ZoneSource.WORKSPACE)):
        if zone in zone_names():
            return zone, source
    return "UTC", ZoneSource.DEFAULT


@cache
def zone_names() -> frozenset[str]:
    """Return every name of the tz database, links and old names included, from the wheel and not from the machine."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())
