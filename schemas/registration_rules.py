"""What may be registered, one set of rules for the command line and for HTTP. Pure; each raises RuleError.

The sentence of a RuleError goes on after the name of the field: `must not be blank`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from typing import Final, TypeVar

T = TypeVar("T", bound=Hashable)

MOST_NAME_CHARACTERS: Final = 200
MOST_NUMBERS: Final = 1000
MOST_RETRIES: Final = 10
MOST_DELAY_SECONDS: Final = 7 * 24 * 60 * 60
DAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
"""A day's index is its number in the contract: 0 is Sunday."""

_CLOCK_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
CLOCK_TIME_PATTERN: Final = f"^{_CLOCK_TIME.pattern}$"
_JOINERS: Final = str.maketrans("", "", "\u200c\u200d")
"""Signs between letters of many scripts and parts of emoji: they show nothing, and belong to names."""


class RuleError(ValueError):
    """A value that cannot be registered; the text is what it must be."""


def usable_name(text: str) -> str:
    """Return a name for people without blanks around it."""
    name = text.strip()
    if not name.translate(_JOINERS).strip():
        raise RuleError("must not be blank")
    if len(name) > MOST_NAME_CHARACTERS:
        raise RuleError(f"must have at most {MOST_NAME_CHARACTERS} characters")
    if not name.translate(_JOINERS).isprintable():
        raise RuleError("must have printable characters only, no line breaks or control characters")
    return name


def usable_id(text: str) -> str:
    """Return an id without blanks around it."""
    if not text.strip():
        raise RuleError("must not be blank")
    return text.strip()


def usable_zone(known_timezone: Callable[[str], bool], name: str | None) -> str | None:
    """Return a zone, None for none and for blank."""
    if name is None or not name.strip():
        return None
    if not known_timezone(name):
        raise RuleError("must be a name of the tz database, such as America/New_York")
    return name


def usable_clock_time(text: str) -> str:
    """Return a time of day."""
    if not _CLOCK_TIME.fullmatch(text):
        raise RuleError("must be a time as HH:MM, such as 09:00")
    return text


def usable_hours(start: str, end: str) -> tuple[str, str]:
    """Return the times between which people may be called; an end before the start is past midnight."""
    if usable_clock_time(start) == usable_clock_time(end):
        raise RuleError("start and end must differ")
    return start, end


def usable_numbers(phone_ids: Sequence[str]) -> list[str]:
    """Return phone ids without blanks around them: one at least, none twice."""
    if not 1 <= len(phone_ids) <= MOST_NUMBERS:
        raise RuleError(f"must name 1 to {MOST_NUMBERS} phone ids")
    return distinct([usable_id(phone_id) for phone_id in phone_ids])


def distinct(values: Sequence[T]) -> list[T]:
    """Return values of which none is there twice."""
    if len(set(values)) != len(values):
        raise RuleError("must not name anything twice")
    return list(values)


def in_bounds(value: int, most: int) -> int:
    """Return a number from 0."""
    if not 0 <= value <= most:
        raise RuleError(f"must be an integer from 0 to {most}")
    return value


def day_of(text: str) -> int:
    """Return the number of a day that is named (`mon`, `Monday`) or numbered (`1`)."""
    word = text.strip().lower()
    for number, day in enumerate(DAYS):
        if word in (day, day[:3], str(number)):
            return number
    raise RuleError("must be sun, mon, tue, wed, thu, fri, sat, or 0 to 6")
