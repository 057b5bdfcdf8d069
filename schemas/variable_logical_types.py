"""The Avro types that JSON records carry as text, and the tables of all types without parts by their Avro names."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Final, cast

from schemas.outcomes import Code
from schemas.variable_scalars import (
    BOOLEAN,
    DOUBLE,
    FLOAT,
    INT,
    LONG,
    NULL,
    STRING,
    Kind,
    Misfit,
    Reader,
    Scalar,
    not_this,
)
from schemas.variable_texts import (
    decimal_parser,
    fixed_parser,
    local_timestamp_parser,
    parse_bytes,
    parse_date,
    parse_uuid,
    time_parser,
    timestamp_parser,
)

_EPOCH: Final = dt.date(1970, 1, 1)
_DAY: Final = 24 * 60 * 60
_YEARS: Final = "in a year from 0001 to 9999"


def text_scalar(name: str, expected: str, parse: Callable[[str], object], limits: str, read_default: Reader) -> Scalar:
    """Make a type that records carry as text.

    `limits` completes "must be" where the text is in the form, but its value is not one of the type.
    """

    def read(value: object) -> object:
        if type(value) is not str:
            raise Misfit(Code.TYPE, not_this(expected, value))
        try:
            return parse(value)
        except OverflowError:
            raise Misfit(Code.OUT_OF_RANGE, f"must be {limits}") from None
        except ValueError:
            raise Misfit(Code.FORMAT, f"must be {expected}; this text is not") from None

    return Scalar(name, expected, frozenset({Kind.TEXT}), read, read_default)


def fixed_scalar(name: str, size: int) -> Scalar:
    expected = f"base64 text of {size} bytes (Avro fixed)"
    return text_scalar(name, expected, fixed_parser(size), f"of {size} bytes", _bytes_default(size))


def decimal_scalar(name: str, precision: int, scale: int, size: int | None) -> Scalar:
    """Make a decimal: text, or a JSON integer. A JSON number with a point is a double by now, and no longer exact."""
    of_text = text_scalar(
        name,
        f"a decimal as text such as {'0.5' if scale else '5'}, or an integer (Avro decimal)",
        decimal_parser(precision, scale),
        f"of at most {precision - scale} digits before the point and {scale} after it (Avro decimal)",
        _bytes_default(size),
    )
    bound = 10 ** (precision - scale)

    def read(value: object) -> object:
        if type(value) is not int:
            return of_text.read(value)
        if abs(value) >= bound:
            raise Misfit(Code.OUT_OF_RANGE, f"must be of at most {precision - scale} digits (Avro decimal)")
        return Decimal(value)

    return replace(of_text, kinds=frozenset({Kind.TEXT, Kind.NUMBER}), read=read)


def _bytes_default(size: int | None = None) -> Reader:
    """Read the default of bytes: text of one character a byte (Avro specification, "Complex Types", field defaults)."""

    def read(value: object) -> bytes:
        if type(value) is not str:
            raise Misfit(Code.TYPE, not_this("text of one character a byte", value))
        try:
            data = value.encode("latin-1")
        except UnicodeEncodeError:
            raise Misfit(Code.FORMAT, "must be text of one character from U+0000 to U+00FF a byte") from None
        if size is not None and len(data) != size:
            raise Misfit(Code.OUT_OF_RANGE, f"must be of {size} bytes")
        return data

    return read


PRIMITIVES: Final[dict[str, Scalar]] = {
    "null": NULL,
    "boolean": BOOLEAN,
    "int": INT,
    "long": LONG,
    "float": FLOAT,
    "double": DOUBLE,
    "bytes": text_scalar("bytes", "base64 text (Avro bytes)", parse_bytes, "", _bytes_default()),
    "string": STRING,
}


def _date() -> Scalar:
    days = dt.date.max - dt.date.min
    default = _number_default(INT, dt.date.min.toordinal() - _EPOCH.toordinal(), days.days)
    return text_scalar("int", "a date as text such as 2026-01-31 (Avro date)", parse_date, _YEARS, default)


def _time(base: Scalar, name: str, digits: int) -> Scalar:
    expected = f"a time of day as text such as 14:30:00 {_at_most(digits)} (Avro {name})"
    return text_scalar(base.name, expected, time_parser(digits), "", _number_default(base, 0, _DAY * 10**digits - 1))


def _timestamp(name: str, digits: int) -> Scalar:
    expected = f"a date and time with offset as text such as 2026-01-31T14:30:00Z {_at_most(digits)} (Avro {name})"
    return text_scalar("long", expected, timestamp_parser(digits), f"{_YEARS} in UTC", _instant_default(digits))


def _local_timestamp(name: str, digits: int) -> Scalar:
    expected = f"a date and time without offset as text such as 2026-01-31T14:30:00 {_at_most(digits)} (Avro {name})"
    return text_scalar("long", expected, local_timestamp_parser(digits), _YEARS, _instant_default(digits))


def _uuid() -> Scalar:
    expected = "a UUID as text such as 123e4567-e89b-12d3-a456-426614174000 (Avro uuid)"
    uuid = text_scalar("string", expected, parse_uuid, "", STRING.read)
    return replace(uuid, read_default=uuid.read)


def _at_most(digits: int) -> str:
    return f"with at most {digits} digits of a second's fraction"


def _instant_default(digits: int) -> Reader:
    first = (dt.date.min - _EPOCH).days * _DAY * 10**digits
    return _number_default(LONG, first, ((dt.date.max - dt.date.min).days + 1) * _DAY * 10**digits - 1)


def _number_default(base: Scalar, first: int, span: int) -> Reader:
    """Read the default of a date or time: Avro's number, where Python's calendar (and so fastavro) can read it back."""

    def read(value: object) -> object:
        number = base.read(value)
        if not first <= cast("int", number) <= first + span:
            raise Misfit(Code.OUT_OF_RANGE, f"must be from {first} to {first + span}")
        return number

    return read


LOGICAL: Final[dict[tuple[str, str], Scalar]] = {
    ("int", "date"): _date(),
    ("int", "time-millis"): _time(INT, "time-millis", 3),
    ("long", "time-micros"): _time(LONG, "time-micros", 6),
    ("long", "timestamp-millis"): _timestamp("timestamp-millis", 3),
    ("long", "timestamp-micros"): _timestamp("timestamp-micros", 6),
    ("long", "local-timestamp-millis"): _local_timestamp("local-timestamp-millis", 3),
    ("long", "local-timestamp-micros"): _local_timestamp("local-timestamp-micros", 6),
    ("string", "uuid"): _uuid(),
}
