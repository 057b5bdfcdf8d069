"""Which zones a telephone number may be in: one where every clock of its area agrees all year, else all candidates.

The first that applies:

1. +1: the exchange, then the area code, in `nanp.tsv`; a number of neither is of no place (toll-free).
2. a prefix of `areas.tsv`, the longest first: an area code whose place is known.
3. the country: certain where it keeps one clock.

A chunk asks a thousand times, so what is looked up is a prefix, and the answers are made once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from streams.zones.clocks import atlas, one_a_clock

_NOWHERE: Final = "*"
_START: Final = 5
"""Characters of a number that choose which lengths of prefix are tried: the plus and four digits."""


class Confidence(StrEnum):
    """How well a record's zone is known."""

    CERTAIN = "certain"  # the record says so, or all clocks of the number's area agree
    CANDIDATES = "candidates"  # the number's area keeps several clocks
    COUNTRY = "country"  # the number may be anywhere in its country, or in the world


@dataclass(frozen=True, slots=True)
class Area:
    """What a number says of its zone: `zone` where it is certain. `candidates` has a zone for each clock.

    `prefix` and `source` say which row decided.
    """

    candidates: tuple[str, ...]
    confidence: Confidence
    prefix: str
    source: str
    zone: str | None
    text: str
    """Confidence and candidates with blanks between: how an area that is not certain travels and is stored."""


def _area(candidates: Sequence[str], prefix: str, source: str, unsure: Confidence = Confidence.CANDIDATES) -> Area:
    certain = len(candidates) == 1
    confidence = Confidence.CERTAIN if certain else unsure
    text = " ".join((confidence, *candidates))
    return Area(tuple(candidates), confidence, prefix, source, candidates[0] if certain else None, text)


NO_AREA: Final = _area((), "", "the number is of no country", Confidence.COUNTRY)


@dataclass(frozen=True, slots=True)
class NumberZones:
    """Areas by exchange and area code of North America (digits without 1), and by prefix (with plus) elsewhere."""

    north_american: Mapping[str, Area]
    other_north_american: Area
    prefixes: Mapping[str, Area]
    lengths: Mapping[str, Sequence[int]]

    def area_of(self, number: str) -> Area:
        """Return the area of an E.164 number with plus."""
        if number.startswith("+1"):
            known = self.north_american
            return known.get(number[2:8]) or known.get(number[2:5]) or self.other_north_american
        for length in self.lengths.get(number[:_START], ()):
            area = self.prefixes.get(number[:length])
            if area is not None:
                return area
        return NO_AREA


def area_of(number: str) -> Area:
    """Return what an E.164 number with plus says of its zone."""
    return number_zones().area_of(number)


@cache
def number_zones() -> NumberZones:
    """Return the tables, read once a process."""
    north_american = {
        code: _area(one_a_clock(zones.split(",")), f"+1{code}", f"{sources}, as of {as_of}")
        for code, zones, sources, as_of in _rows("nanp.tsv")
    }
    prefixes = _countries()
    for prefix, zones, place in _rows("areas.tsv"):
        country = prefixes["+" + _country_code(prefix)]
        prefixes["+" + prefix] = (
            _area(country.candidates, "+" + prefix, place, Confidence.COUNTRY)
            if zones == _NOWHERE
            else _area(one_a_clock(zones.split(",")), "+" + prefix, place)
        )
    everywhere = one_a_clock(zone for area in north_american.values() for zone in area.candidates)
    other = _area(everywhere, "+1", "no area code of a place", Confidence.COUNTRY)
    return NumberZones(north_american, other, prefixes, _lengths(prefixes))


def as_of() -> str:
    """Return the date (ISO 8601) of the newest list that `nanp.tsv` was made from."""
    return max(row[-1] for row in _rows("nanp.tsv"))


def _rows(name: str) -> list[list[str]]:
    lines = files("streams.zones").joinpath(name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


def _countries() -> dict[str, Area]:
    """Return the area of each country code but 1, of those that belong to countries."""
    areas = {}
    for code, regions in COUNTRY_CODE_TO_REGION_CODE.items():
        if code == 1:
            continue
        zones = atlas().of_regions(regions)
        areas[f"+{code}"] = _area(zones, f"+{code}", f"tz database, zones of {', '.join(regions)}", Confidence.COUNTRY)
    return areas


def _country_code(digits: str) -> str:
    return next(digits[:n] for n in (1, 2, 3) if int(digits[:n]) in COUNTRY_CODE_TO_REGION_CODE)


def _lengths(prefixes: Iterable[str]) -> dict[str, list[int]]:
    lengths: defaultdict[str, set[int]] = defaultdict(set)
    for prefix in prefixes:
        free = max(0, _START - len(prefix))
        ends = (f"{end:0{free}d}" for end in range(10**free)) if free else ("",)
        for end in ends:
            lengths[prefix[:_START] + end].add(len(prefix))
    return {start: sorted(found, reverse=True) for start, found in lengths.items()}
