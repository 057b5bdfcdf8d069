"""Dates and times as a spreadsheet program writes them again: 2026-01-31 as 31/01/2026, 3-4 as 4-Mar. Pure.

A program takes a text for a date in the order of day and month of its language, and writes it in the same order.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_MAX_CHARACTERS: Final = 60
_CENTURY: Final = 100
_FIRST_SERIAL: Final = dt.date(1899, 12, 30)
_MONTHS: Final = (
    "jan janv ene gen",
    "feb févr fév fev",
    "mar mär mars mrt",
    "apr avr abr",
    "may mai mei mag",
    "jun juin giu",
    "jul juil lug",
    "aug août aoû ago",
    "sep sept set",
    "oct okt out ott",
    "nov",
    "dec dez déc dic",
)
_MONTH_OF: Final = {name: month for month, names in enumerate(_MONTHS, start=1) for name in names.split()}
_PARTS: Final = re.compile(r"[0-9]+|[^\W\d_]+")
_CLOCK: Final = re.compile(
    r"(?P<day>.*?)(?:[T\s,]+|^)(?P<hour>[0-9]{1,3}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,][0-9]+)?)?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?(?:Z|[+-]00:?00)?"
)
_DAY: Final = re.compile(r"(?:[^\W\d_]+\.?,?\s+)?[0-9]{1,4}(?:[\s\-/.,]+(?:[0-9]{1,4}|[^\W\d_]{3,})){0,2}[.,]?")
_NAMED_DAY: Final = re.compile(r"(?:[^\W\d_]+\.?,\s+)?[^\W\d_]{3,}[\s\-/.,]*[0-9]{1,4}(?:[\s\-/.,]+[0-9]{2,4})?")
_ISO: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Moment:
    """What a text says of a day and a time; None where it does not."""

    year: int | None = None
    month: int | None = None
    day: int | None = None
    clock: tuple[int, int] | None = None
    second: int | None = None

    def may_be(self, shown: Moment) -> bool:
        """Say whether a program shows this so. It adds a year or the first of a month, and drops a midnight."""
        if (self.month is None) != (shown.month is None):
            return False
        return (
            self.month == shown.month
            and self.year in (None, shown.year)
            and (shown.day == (self.day or 1) or (self.day is None and shown.day is None))
            and (self.clock or (0, 0)) == (shown.clock or (0, 0))
            and (self.second or 0) == (shown.second if shown.second is not None else self.second or 0)
        )


def is_rewritten_date(before: str, cell: str) -> bool:
    """Say whether a cell is what a program makes of a text that it takes for a date or a time."""
    if len(before) > _MAX_CHARACTERS or len(cell) > _MAX_CHARACTERS:
        return False
    for day_first in (True, False):
        moments = _moments(before, day_first=day_first)
        others = set(_moments(cell, day_first=day_first))
        if any(moment.may_be(other) or _serial(moment) == cell for moment in moments for other in others | {_NEVER}):
            return True
    return False


def is_same_day(before: str, cell: str) -> bool:
    """Say whether a cell is, in ISO 8601, the day that a text can only mean."""
    if not _ISO.fullmatch(cell.strip()) or len(before) > _MAX_CHARACTERS:
        return False
    days = {moment for day_first in (True, False) for moment in _moments(before, day_first=day_first)}
    return days == set(_moments(cell, day_first=True))


def is_reformatted_day(before: str, cell: str) -> bool:
    """Say whether a cell is a day in a form of some language, where one in ISO 8601 was exported."""
    if not _ISO.match(before) or _ISO.match(cell) or len(cell) > _MAX_CHARACTERS:
        return False
    days = [moment for day_first in (True, False) for moment in _moments(cell, day_first=day_first)]
    return any(None not in (day.year, day.month, day.day) for day in days)


_NEVER: Final = Moment(month=0)


def _moments(text: str, *, day_first: bool) -> Iterator[Moment]:
    text = text.strip()
    found = _CLOCK.fullmatch(text)
    clock, second, written = None, None, text
    if found is not None:
        hour = int(found["hour"])
        if found["half"]:
            hour = hour % 12 + (12 if found["half"] in "Pp" else 0)
        clock, second = (hour, int(found["minute"])), int(found["second"]) if found["second"] else None
        written = found["day"]
        if not written:
            yield Moment(clock=clock, second=second)
            return
    if _DAY.fullmatch(written) or _NAMED_DAY.fullmatch(written):
        for year, month, day in _days(_PARTS.findall(written), day_first=day_first):
            if _is_day(year, month, day):
                yield Moment(year, month, day, clock, second)


def _days(parts: list[str], *, day_first: bool) -> Iterator[tuple[int | None, int, int | None]]:
    """Yield year, month and day as the parts may say them."""
    named = [_month(part.lower()) for part in parts if part.isalpha()]
    numbers = [part for part in parts if not part.isalpha()]
    match named, numbers:
        case [*_, int(month)], [one]:
            if len(one) <= 2:  # noqa: PLR2004  a day, or the year's last digits
                yield None, month, int(one)
            yield _year(one), month, None
        case [*_, int(month)], [day, year]:
            if len(day) == 4:  # noqa: PLR2004  the year goes first
                day, year = year, day
            yield _year(year), month, int(day)
        case [], [first, second]:
            yield from _two(first, second, day_first=day_first)
        case [], [first, second, third]:
            if len(first) == 4:  # noqa: PLR2004  the year goes first
                yield int(first), int(second), int(third)
            elif day_first:
                yield _year(third), int(second), int(first)
            else:
                yield _year(third), int(first), int(second)


def _month(name: str) -> int | None:
    return _MONTH_OF.get(name) or _MONTH_OF.get(name[:4]) or _MONTH_OF.get(name[:3])


def _two(first: str, second: str, *, day_first: bool) -> Iterator[tuple[int | None, int, int | None]]:
    if len(first) == 4:  # noqa: PLR2004  a year
        yield int(first), int(second), None
        return
    yield (None, int(second), int(first)) if day_first else (None, int(first), int(second))
    if len(second) in (2, 4):
        yield _year(second), int(first), None


def _year(digits: str) -> int:
    year = int(digits)
    if len(digits) > 2:  # noqa: PLR2004  all of them
        return year
    return year + (2000 if year < 30 else 1900)  # noqa: PLR2004  as the programs do


def _is_day(year: int | None, month: int, day: int | None) -> bool:
    try:
        dt.date(year if year is not None else 2000, month, day if day is not None else 1)
    except ValueError:
        return False
    return True


def _serial(moment: Moment) -> str | None:
    """Return the number that a program keeps for a day, shown where its format was lost."""
    if moment.year is None or moment.month is None or moment.clock is not None:
        return None
    return str((dt.date(moment.year, moment.month, moment.day or 1) - _FIRST_SERIAL).days)
