from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialfeed.simulate_hours import CallingHours

NEW_YORK = ZoneInfo("America/New_York")
BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = CallingHours(time(9), time(18), frozenset({1, 2, 3, 4, 5}))
NIGHT = CallingHours(time(22), time(6), frozenset({1}))


def wall(zone: ZoneInfo, text: str, *, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        ("2026-11-23T08:59:59", False),  # a Monday
        ("2026-11-23T09:00", True),
        ("2026-11-23T17:59:59", True),
        ("2026-11-23T18:00", False),
        ("2026-11-22T12:00", False),  # a Sunday
    ],
)
def test_hours_are_from_their_start_to_just_before_their_end(at: str, *, is_open: bool) -> None:
    assert OFFICE.is_open(wall(NEW_YORK, at), NEW_YORK) is is_open


def test_the_clock_is_that_of_the_person_who_is_called() -> None:
    at = wall(NEW_YORK, "2026-11-23T09:30")  # 15:30 in Berlin, 06:30 in Los Angeles
    zones = [NEW_YORK, BERLIN, ZoneInfo("America/Los_Angeles")]
    assert [OFFICE.is_open(at, zone) for zone in zones] == [True, True, False]


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        ("2026-11-23T21:59", False),
        ("2026-11-23T22:00", True),
        ("2026-11-24T05:59", True),  # Tuesday morning belongs to Monday's window
        ("2026-11-24T06:00", False),
        ("2026-11-24T22:00", False),
        ("2026-11-23T05:00", False),  # Monday morning belongs to Sunday's
    ],
)
def test_a_window_past_midnight_belongs_to_the_day_it_begins_on(at: str, *, is_open: bool) -> None:
    assert NIGHT.is_open(wall(BERLIN, at), BERLIN) is is_open


def test_without_hours_and_days_it_is_always_open() -> None:
    at = wall(BERLIN, "2026-11-22T03:00")
    assert CallingHours().is_open(at, BERLIN)
    assert CallingHours().next_opening(at, BERLIN) == at


def test_days_alone_are_whole_days() -> None:
    sundays = CallingHours(days=frozenset({0}))
    assert sundays.is_open(wall(BERLIN, "2026-11-22T23:59"), BERLIN)
    assert sundays.next_opening(wall(BERLIN, "2026-11-23T00:00"), BERLIN) == wall(BERLIN, "2026-11-29T00:00")


@pytest.mark.parametrize(
    ("at", "opening"),
    [
        ("2026-11-23T07:00", "2026-11-23T09:00"),
        ("2026-11-23T12:00", "2026-11-23T12:00"),
        ("2026-11-23T18:00", "2026-11-24T09:00"),
        ("2026-11-27T18:00", "2026-11-30T09:00"),  # Friday evening to Monday
    ],
)
def test_the_next_opening_passes_over_nights_and_days_that_are_not_allowed(at: str, opening: str) -> None:
    assert OFFICE.next_opening(wall(NEW_YORK, at), NEW_YORK) == wall(NEW_YORK, opening)


def test_hours_stay_on_the_wall_clock_when_summer_time_ends() -> None:
    daily = CallingHours(time(9), time(18))
    before, after = (daily.next_opening(wall(BERLIN, f"2026-10-{day}T03:30"), BERLIN) for day in (24, 25))
    assert after - before == timedelta(hours=25)


def test_a_window_that_begins_in_the_missing_hour_begins_after_it() -> None:
    early = CallingHours(time(2, 30), time(5))
    opening = early.next_opening(wall(BERLIN, "2026-03-29T00:00"), BERLIN)
    assert opening == wall(BERLIN, "2026-03-29T03:00")


def test_a_window_that_is_missing_altogether_waits_for_the_next_week() -> None:
    lost = CallingHours(time(2, 15), time(2, 45), frozenset({0}))
    opening = lost.next_opening(wall(BERLIN, "2026-03-29T00:00"), BERLIN)
    assert opening == wall(BERLIN, "2026-04-05T02:15")


def test_in_the_repeated_hour_the_wall_clock_counts_twice() -> None:
    hours = CallingHours(time(2, 30), time(2, 45))
    between = wall(BERLIN, "2026-10-25T02:45")
    assert hours.next_opening(between, BERLIN) == wall(BERLIN, "2026-10-25T02:30", fold=1)


clock_times = st.times().map(lambda of: of.replace(second=0, microsecond=0))
instants = st.datetimes(
    datetime(2026, 1, 1),  # noqa: DTZ001  hypothesis adds the zone
    datetime(2027, 1, 1),  # noqa: DTZ001  hypothesis adds the zone
    timezones=st.just(UTC),
)


@given(clock_times, clock_times, st.frozensets(st.integers(0, 6)), instants, st.sampled_from([NEW_YORK, BERLIN]))
def test_the_next_opening_is_open_and_nothing_is_before_it(
    start: time, end: time, days: frozenset[int], at: datetime, zone: ZoneInfo
) -> None:
    hours = CallingHours(start, end, days)
    if start == end:
        return
    opening = hours.next_opening(at, zone)
    assert opening >= at
    assert hours.is_open(opening, zone)
    if opening > at:
        assert not hours.is_open(at, zone)
        assert not hours.is_open(max(at, opening - timedelta(seconds=1)), zone)
