"""What the tz database says of its zones: which keep the same time, and which each country has."""

from __future__ import annotations

import re
import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

import tzdata

TZ_DATABASE_VERSION: Final[str] = tzdata.IANA_VERSION
_HEADER: Final = struct.Struct(">4s1s15x6l")
_NAMES: Final = re.compile(r"[A-Za-z]+|<[^>]*>")
Clock = tuple[object, ...]
"""What a zone shows from the beginning of the database's year on; equal where two agree all year."""


@dataclass(frozen=True, slots=True)
class Atlas:
    """Which zones each region (ISO 3166) has, those with most people first as the tz database lists them."""

    of_region: Mapping[str, Sequence[str]]

    def of_regions(self, regions: Iterable[str]) -> tuple[str, ...]:
        """Return a zone for each clock that some regions keep, the main region's first."""
        return one_a_clock(zone for region in regions for zone in self.of_region.get(region, ()))


def one_a_clock(zones: Iterable[str]) -> tuple[str, ...]:
    """Return the zones without those that keep the time of an earlier one."""
    found: dict[Clock, str] = {}
    for zone in zones:
        found.setdefault(clock(zone), zone)
    return tuple(found.values())


@cache
def atlas() -> Atlas:
    """Return the atlas of the installed `tzdata`, whatever the machine has."""
    of_region: defaultdict[str, list[str]] = defaultdict(list)
    for line in _folder().joinpath("zone.tab").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            region, _, zone = line.split("\t")[:3]
            of_region[region].append(zone)
    return Atlas(dict(of_region))


@cache
def clock(zone: str) -> Clock:
    """Return what tells the time of a zone from others: its rule, and before it the changes that are still to come."""
    times, offsets, rule = _read(_folder().joinpath(*zone.split("/")).read_bytes())
    start, lasting = _start_of_year(), _NAMES.sub("", rule)
    past = sum(time <= start for time in times)
    if past == len(times):
        return (lasting,)
    shown = zip(times[past:], offsets[past:-1], offsets[past + 1 :], strict=True)
    return offsets[past], tuple((time, after) for time, before, after in shown if after != before), lasting


def _start_of_year() -> float:
    return datetime(int(TZ_DATABASE_VERSION[:4]), 1, 1, tzinfo=UTC).timestamp()


def _folder() -> Traversable:
    return files("tzdata.zoneinfo")


def _read(data: bytes) -> tuple[Sequence[int], Sequence[int], str]:
    """Return the times of changes, the offset before them and after each, and the rule that follows (RFC 9636)."""
    *_, isut, isstd, leap, changes, types, characters = _HEADER.unpack_from(data)
    second = _HEADER.size + changes * 5 + types * 6 + characters + leap * 8 + isstd + isut
    *_, isut, isstd, leap, changes, types, characters = _HEADER.unpack_from(data, second)
    at = second + _HEADER.size
    times = struct.unpack_from(f">{changes}q", data, at)
    kinds = data[at + 8 * changes : at + 9 * changes]
    first = at + 9 * changes
    of_kind = [struct.unpack_from(">l", data, first + 6 * kind)[0] for kind in range(types)]
    rule = data.rstrip(b"\n").rpartition(b"\n")[2].decode("ascii")
    return times, [of_kind[0], *(of_kind[kind] for kind in kinds)], rule
