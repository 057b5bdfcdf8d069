"""ClickHouse's Native format, written straight from columns: a third of the cost of writing it value by value.

A block is the number of columns and of rows, then for each column its name, its type and its values one after the
other (https://clickhouse.com/docs/interfaces/formats/Native). Blocks may follow each other in one insert. ClickHouse
converts a column to the type that the table has, so `String` may be written for `LowCardinality(String)`.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

MILLISECONDS: Final = "DateTime64(3, 'UTC')"
"""The type of times: ms since the epoch, as `integers` takes them."""

_ARRAY_CODES: Final = {"UInt32": "I", "Int32": "i", "UInt64": "Q", "Int64": "q", MILLISECONDS: "q"}
_MORE: Final = 0x80


class Column(NamedTuple):
    """One column of a block: its values in Native's binary form."""

    name: str
    type: str
    data: bytes


def block(rows: int, columns: Sequence[Column]) -> bytes:
    """Return one block; no bytes at all if it has no rows."""
    if not rows:
        return b""
    parts = [_varint(len(columns)), _varint(rows)]
    for column in columns:
        parts += (_text(column.name.encode()), _text(column.type.encode()), column.data)
    return b"".join(parts)


def texts(name: str, values: Iterable[str | bytes]) -> Column:
    """Return a String column."""
    encoded = [value if isinstance(value, bytes) else value.encode() for value in values]
    return Column(name, "String", b"".join([_varint(len(value)) + value for value in encoded]))


def few_texts(name: str, values: Sequence[str]) -> Column:
    """Return a String column of which most values are equal."""
    written = {value: _text(value.encode()) for value in set(values)}
    return Column(name, "String", b"".join([written[value] for value in values]))


def same_text(name: str, value: str, rows: int) -> Column:
    """Return a String column of which all values are equal."""
    return Column(name, "String", _text(value.encode()) * rows)


def integers(name: str, kind: str, values: Iterable[int]) -> Column:
    """Return a column of integers of this ClickHouse type, or of times."""
    return Column(name, kind, _little_endian(array(_ARRAY_CODES[kind], values)))


def same_integer(name: str, kind: str, value: int, rows: int) -> Column:
    """Return a column of integers of which all values are equal."""
    return Column(name, kind, integers(name, kind, (value,)).data * rows)


def booleans(name: str, values: Iterable[bool]) -> Column:
    """Return a Bool column."""
    return Column(name, "Bool", bytes(values))


def optional_texts(name: str, values: Sequence[str | None]) -> Column:
    """Return a Nullable(String) column: which values are missing, then the values."""
    column = texts(name, [value or "" for value in values])
    return Column(name, "Nullable(String)", _missing(values) + column.data)


def optional_numbers(name: str, values: Sequence[float | None]) -> Column:
    """Return a Nullable(Float64) column."""
    data = _little_endian(array("d", [value or 0.0 for value in values]))
    return Column(name, "Nullable(Float64)", _missing(values) + data)


def uuids(name: str, packed: bytes) -> Column:
    """Return a UUID column from 16 bytes each; Native wants each half of them as a little-endian UInt64."""
    halves = array("Q", packed)
    halves.byteswap()
    return Column(name, "UUID", halves.tobytes())


def _missing(values: Sequence[object]) -> bytes:
    return bytes([value is None for value in values])


def _little_endian(values: array[Any]) -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def _text(value: bytes) -> bytes:
    return _varint(len(value)) + value


@lru_cache(maxsize=1 << 15)
def _varint(number: int) -> bytes:
    """Return an unsigned LEB128 number."""
    out = bytearray()
    while number >= _MORE:
        out.append(number % _MORE | _MORE)
        number //= _MORE
    out.append(number)
    return bytes(out)
