"""When a person may be called: a batch's calling hours and allowed days, by the clock on that person's wall. Pure.

A window belongs to the day it begins on: 22:00-06:00 on Mondays ends on Tuesday morning. Where clocks are put forward,
a window that would begin in the missing hour begins after it; where they are put back, the repeated hour counts twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

_MIDNIGHT = time(0)
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_DAYS_AHEAD = 15
"""Two weeks and a day: a week's only window may fall into a missing hour."""


@dataclass(frozen=True, slots=True)
class CallingHours:
    """Wall clock times, both None for the whole day; an end before the start is past midnight.

    `days` are 0 = Sunday to 6; an empty set: every day.
    """

    start: time | None = None
    end: time | None = None
    days: frozenset[int] = frozenset()

    def is_open(self, at: datetime, zone: ZoneInfo) -> bool:
        """Return whether people in the zone may be called at that instant."""
        wall = at.astimezone(zone)
        clock, today = wall.time(), _day(wall)
        if self.start is None or self.end is None:
            return self._allows(today)
        if self.start < self.end:
            return self._allows(today) and self.start <= clock < self.end
        return (self._allows(today) and clock >= self.start) or (self._allows((today - 1) % 7) and clock < self.end)

    def next_opening(self, at: datetime, zone: ZoneInfo) -> datetime:
        """Return the first instant from `at` on, in UTC, at which people in the zone may be called."""
        if self.is_open(at, zone):
            return at
        return min(moment for moment in self._openings(at, zone) if moment > at)

    def _allows(self, day: int) -> bool:
        return not self.days or day in self.days

    def _openings(self, at: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        first = at.astimezone(zone).date()
        for ahead in range(_DAYS_AHEAD + 1):
            wall = datetime.combine(first + ahead * _DAY, self.start or _MIDNIGHT, zone)
            early, late = (wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
            moment = min(early, late)
            while moment <= max(early, late):  # they differ only around the hour that is missing or repeated
                if moment > at and self.is_open(moment, zone):
                    yield moment
                    break
                moment += _MINUTE


def _day(wall: datetime) -> int:
    """Return the day of the week, 0 = Sunday."""
    return wall.isoweekday() % 7
