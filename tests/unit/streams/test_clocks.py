"""Which zones keep the same time; Python's `zoneinfo` is the reference."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from streams.zones.clocks import TZ_DATABASE_VERSION, atlas, clock, one_a_clock

ZONES: Final = sorted({zone for zones in atlas().of_region.values() for zone in zones})
START: Final = datetime(int(TZ_DATABASE_VERSION[:4]), 1, 1, tzinfo=UTC)


def offsets(zone: str) -> tuple[timedelta | None, ...]:
    """Return what a zone shows every six hours of four years, read from the wheel and not from the machine."""
    with files("tzdata.zoneinfo").joinpath(*zone.split("/")).open("rb") as data:
        rules = ZoneInfo.from_file(data, zone)
    return tuple((START + timedelta(hours=6 * step)).astimezone(rules).utcoffset() for step in range(4 * 366 * 4))


def test_zones_have_one_clock_exactly_when_they_agree_all_year() -> None:
    by_clock: dict[object, str] = {}
    by_offsets: dict[object, str] = {}
    for zone in ZONES:
        by_clock.setdefault(clock(zone), zone)
        by_offsets.setdefault(offsets(zone), zone)
    apart = set(by_clock.values()) - set(by_offsets.values())
    assert set(by_offsets.values()) <= set(by_clock.values())
    assert apart <= {"Europe/Dublin"}  # the same time as London, but winter is its daylight saving


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        (["America/New_York", "America/Detroit", "America/Toronto"], ("America/New_York",)),
        (["Europe/London", "Europe/Guernsey"], ("Europe/London",)),
        (["America/Denver", "America/Phoenix", "America/Boise"], ("America/Denver", "America/Phoenix")),
        (["Asia/Kolkata", "Asia/Calcutta"], ("Asia/Kolkata",)),
        ([], ()),
    ],
)
def test_of_zones_that_agree_the_first_one_stands_for_all(zones: list[str], expected: tuple[str, ...]) -> None:
    assert one_a_clock(zones) == expected


def test_the_zones_of_a_country_begin_with_those_of_the_main_region() -> None:
    assert atlas().of_regions(["GB", "GG"]) == ("Europe/London",)
    assert atlas().of_regions(["ES"]) == ("Europe/Madrid", "Atlantic/Canary")
    assert atlas().of_regions(["XK"]) == ()
