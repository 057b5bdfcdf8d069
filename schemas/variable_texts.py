"""The text that stands in JSON records for what JSON has no values for: dates, times, decimals, UUIDs and bytes.

A parser takes text and gives the Python object that fastavro writes. It raises `ValueError` where the text is not in
the form at all, and `OverflowError` where it is, but names a value that the type cannot hold; nothing else.
The forms: RFC 3339 for dates, times and timestamps, RFC 4648 section 4 for base64, RFC 4122 for UUIDs.
"""

from __future__ import annotations

import base64
import datetime as dt
import re
import uuid
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_DATE: Final = "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_DATE_ONLY: Final = re.compile(_DATE)
_CLOCK: Final = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_OFFSET: Final = "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
_UUID: Final = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DECIMAL: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


@lru_cache(maxsize=1 << 14)
def parse_date(text: str) -> dt.date:
    """Read a calendar date, `2026-01-31`. Campaigns have few of them, again and again."""
    _must_match(_DATE_ONLY, text)
    _must_have_year(text)
    return dt.date.fromisoformat(text)


def time_parser(digits: int) -> Callable[[str], dt.time]:
    """Read times of day, `14:30:00.250`, with at most so many digits of a second's fraction; no leap seconds."""
    pattern = re.compile(_CLOCK + _fraction(digits))

    def parse(text: str) -> dt.time:
        _must_match(pattern, text)
        return dt.time.fromisoformat(text)

    return parse


def timestamp_parser(digits: int) -> Callable[[str], dt.datetime]:
    """Read instants, `2026-01-31T14:30:00+02:00`, as datetimes in UTC."""
    pattern = re.compile(f"{_DATE}[Tt]{_CLOCK}{_fraction(digits)}{_OFFSET}")

    def parse(text: str) -> dt.datetime:
        _must_match(pattern, text)
        _must_have_year(text)
        return dt.datetime.fromisoformat(text.upper()).astimezone(dt.UTC)

    return parse


def local_timestamp_parser(digits: int) -> Callable[[str], dt.datetime]:
    """Read dates with times and no zone, `2026-01-31T14:30:00`, as naive datetimes."""
    pattern = re.compile(f"{_DATE}[Tt]{_CLOCK}{_fraction(digits)}")

    def parse(text: str) -> dt.datetime:
        _must_match(pattern, text)
        _must_have_year(text)
        return dt.datetime.fromisoformat(text.upper())

    return parse


def decimal_parser(precision: int, scale: int) -> Callable[[str], Decimal]:
    """Read `-12.50`, no exponent; zeros at either end do not count as digits."""

    def parse(text: str) -> Decimal:
        _must_match(_DECIMAL, text)
        whole, _, fraction = text.removeprefix("-").partition(".")
        whole, fraction = whole.lstrip("0"), fraction.rstrip("0")
        if len(whole) > precision - scale or len(fraction) > scale:
            raise OverflowError
        sign = "-" if text.startswith("-") and (whole or fraction) else ""  # Avro has no negative zero
        return Decimal(f"{sign}{whole or '0'}.{fraction}")

    return parse


def parse_uuid(text: str) -> uuid.UUID:
    _must_match(_UUID, text)
    return uuid.UUID(text)


def parse_bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def fixed_parser(size: int) -> Callable[[str], bytes]:
    """Read base64 of exactly `size` bytes."""

    def parse(text: str) -> bytes:
        data = parse_bytes(text)
        if len(data) != size:
            raise OverflowError
        return data

    return parse


def _fraction(digits: int) -> str:
    return rf"(?:\.[0-9]{{1,{digits}}})?"


def _must_match(pattern: re.Pattern[str], text: str) -> None:
    if pattern.fullmatch(text) is None:
        raise ValueError


def _must_have_year(text: str) -> None:
    # Avro's days and microseconds reach the year 0, Python's calendar does not.
    if text.startswith("0000"):
        raise OverflowError
