"""Cells as the agent's schema declares them: `3` as an integer for an int, as text for a string.

What cannot be read as its type stays the text that it is, and then fails with the same error as anywhere else.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from ingest_api.tables.rows import Cell
from schemas.variable_logical_types import LOGICAL
from schemas.variable_scalars import BOOLEAN, DOUBLE, FLOAT, INT, LONG, NULL, Kind, Scalar
from schemas.variable_shapes import Array, Map, Record, Shape, Union

Reader = Callable[[Cell], Any]
"""Takes a cell that is not empty and gives a JSON value."""

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}(?:\.0*)?")  # some programs write whole numbers as 3.0
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
# 1,500 may be one and a half or fifteen hundred, so it is neither.
_COMMA: Final = re.compile(r"[+-]?[0-9]+,(?:[0-9]{1,2}|[0-9]{4,})")
_DIGITS: Final = re.compile(r"-?[0-9]{1,15}")  # stay as they are: a double holds them exactly
_WHOLE: Final = re.compile(r"(\+?[0-9]+)\.0+")
_TRUTHS: Final = {"true": True, "false": False}
_INSTANTS: Final = frozenset({LOGICAL["long", "timestamp-millis"], LOGICAL["long", "timestamp-micros"]})
_DECIMAL: Final = frozenset({Kind.TEXT, Kind.NUMBER})
"""What a decimal is sent as; no other scalar takes both."""

_LOCALS: Final = frozenset({LOGICAL["long", "local-timestamp-millis"], LOGICAL["long", "local-timestamp-micros"]})


def reader_of(shape: Shape, *, decimal_comma: bool) -> Reader:
    """Return how cells of a column of this type are read."""
    match shape:
        case Union():
            return _choice([(one, reader_of(one, decimal_comma=decimal_comma)) for one in _values(shape)])
        case Array() | Map() | Record():
            return partial(_json, shape.kinds)
        case Scalar():
            return _scalar(shape, decimal_comma=decimal_comma)
        case _:
            return text_of


def _values(union: Union) -> list[Shape]:
    return [branch for branch in union.branches if branch is not NULL]


def _scalar(shape: Scalar, *, decimal_comma: bool) -> Reader:
    if shape in (INT, LONG):
        return _integer
    if shape in (FLOAT, DOUBLE):
        return partial(_floating, decimal_comma=decimal_comma)
    if shape is BOOLEAN:
        return _boolean
    if decimal_comma and shape.kinds == _DECIMAL:
        return _decimal
    if shape in _INSTANTS:
        return _instant
    return _local if shape in _LOCALS else text_of


def text_of(cell: Cell) -> str:
    """Return a cell as text: numbers without a point they do not need, dates in ISO 8601, `true`, `false`."""
    match cell:
        case str():
            return str(cell)
        case bool():
            return "true" if cell else "false"
        case dt.datetime():
            return _iso(cell)
        case dt.time():
            return cell.isoformat(_precision(cell))
        case float():
            return _plain(cell)
        case _:
            return str(cell)


def phone_text(cell: Cell) -> str:
    """Return a telephone number's text: `12125551001.0`, as some programs write numbers, without its end."""
    text = text_of(cell).strip()
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def _iso(moment: dt.datetime) -> str:
    if moment.time() == dt.time():
        return moment.date().isoformat()
    return moment.isoformat("T", _precision(moment))


def _precision(moment: dt.datetime | dt.time) -> str:
    return "milliseconds" if moment.microsecond else "seconds"


def _plain(number: float) -> str:
    """Return a number's shortest digits, without an exponent where it is not extreme."""
    text = repr(number)
    return f"{number:.17f}".rstrip("0") if "e-" in text and abs(number) > 1e-9 else text  # noqa: PLR2004  extreme


def _integer(cell: Cell) -> Any:
    if type(cell) is str and _INTEGER.fullmatch(cell.strip()):
        return int(cell.strip().partition(".")[0])
    return cell if type(cell) is int else text_of(cell)


def _floating(cell: Cell, *, decimal_comma: bool) -> Any:
    if type(cell) is int or type(cell) is float:
        return cell
    text = text_of(cell)
    bare = _with_point(text.strip()) if decimal_comma else text.strip()
    if _DIGITS.fullmatch(bare):
        return int(bare)
    value = float(bare) if _NUMBER.fullmatch(bare) else math.inf
    return value if math.isfinite(value) else text


def _decimal(cell: Cell) -> Any:
    """Read `12,50` as the text 12.50."""
    return _with_point(text_of(cell))


def _with_point(text: str) -> str:
    return text.replace(",", ".") if _COMMA.fullmatch(text) else text


def _boolean(cell: Cell) -> Any:
    if type(cell) is bool:
        return cell
    text = text_of(cell)
    return _TRUTHS.get(text.strip().lower(), text)


def _instant(cell: Cell) -> Any:
    """Read a date as UTC: a spreadsheet's has no zone, and the type needs one."""
    return f"{_local(cell)}Z" if isinstance(cell, dt.datetime) else text_of(cell)


def _local(cell: Cell) -> Any:
    return cell.isoformat("T", _precision(cell)) if isinstance(cell, dt.datetime) else text_of(cell)


def _json(kinds: frozenset[Kind], cell: Cell) -> Any:
    text = text_of(cell)
    opening = {"[": Kind.ARRAY, "{": Kind.OBJECT}.get(text.lstrip()[:1])
    if opening not in kinds:
        return text
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return text


def _choice(branches: list[tuple[Shape, Reader]]) -> Reader:
    """Return the reader of a union: the first type, in the order declared, that takes the cell."""
    if len(branches) == 1:
        return branches[0][1]

    def read(cell: Cell) -> Any:
        for shape, reader in branches:
            value = reader(cell)
            if next(shape.errors(value, ()), None) is None:
                return value
        return text_of(cell)

    return read
