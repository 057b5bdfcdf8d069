"""Cells as the agent's schema declares them: `3` as an integer for an int, as text for a string.

What cannot be read as its type stays the text that it is, and then fails with the same error as anywhere else; where
the text itself says better what is wrong with it, reading it raises MisreadError. Cells of every type but text are
trimmed here.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from ingest_api.tables.numbers import POINT, NoNumberError, Numbers, like_a_number
from ingest_api.tables.rows import Cell, Padded
from schemas.invisible_characters import without_invisible
from schemas.outcomes import Code
from schemas.variable_logical_types import LOGICAL
from schemas.variable_scalars import BOOLEAN, DOUBLE, FLOAT, INT, LONG, NULL, STRING, Kind, Scalar
from schemas.variable_shapes import Array, Map, Record, Shape, Union

Reader = Callable[[Cell], Any]
"""Takes a cell that is not empty and gives a JSON value; raises MisreadError."""

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}(?:\.0*)?")  # some programs write whole numbers as 3.0
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_DIGITS: Final = re.compile(r"-?[0-9]{1,15}")  # stay as they are: a double holds them exactly
_WHOLE: Final = re.compile(r"(\+?[0-9]+)\.0+")
_WITH_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}.*")
_APOSTROPHES: Final = ("'", "\u2019")
_DATE_CHARACTERS: Final = 10
_TRUTHS: Final = {"true": True, "false": False}
_DATE: Final = LOGICAL["int", "date"]
_DECIMAL: Final = frozenset({Kind.TEXT, Kind.NUMBER})
"""What a decimal is sent as; no other scalar takes both."""


class MisreadError(ValueError):
    """The text of a cell is no value of its type; the message ends a sentence that begins with the column's name."""

    def __init__(self, text: str, why: str, code: Code = Code.TYPE) -> None:
        super().__init__(why)
        self.text, self.code = text, code


def reader_of(shape: Shape, numbers: Numbers = POINT) -> Reader:
    """Return how cells of a column of this type are read, in a table that writes its numbers so."""
    match shape:
        case Union():
            return _choice([(one, reader_of(one, numbers)) for one in _values(shape)])
        case Array() | Map() | Record():
            return _trimming(partial(_json, shape.kinds))
        case Scalar() if shape is not STRING:
            return _trimming(_scalar(shape, numbers))
        case Scalar():
            return text_of
        case _:
            return _trimming(text_of)


def is_number(shape: Shape) -> bool:
    """Whether cells of this type are read as numbers."""
    if isinstance(shape, Union):
        return any(map(is_number, shape.branches))
    return shape in (INT, LONG, FLOAT, DOUBLE) or (isinstance(shape, Scalar) and shape.kinds == _DECIMAL)


def text_if_misread(read: Reader, cell: Cell) -> Any:
    """Return what a reader makes of a cell; its text, which fails with the usual error, where that is no value."""
    try:
        return read(cell)
    except MisreadError as error:
        return error.text


def _values(union: Union) -> list[Shape]:
    return [branch for branch in union.branches if branch is not NULL]


def _trimming(read: Reader) -> Reader:
    def trimmed(cell: Cell) -> Any:
        if type(cell) is not str:
            return read(cell)
        return read(cell.strip() if cell.isascii() else typed_text(cell))

    return trimmed


def _scalar(shape: Scalar, numbers: Numbers) -> Reader:
    if shape.kinds == _DECIMAL:
        return partial(_decimal, numbers)
    if shape in (INT, LONG):
        return partial(_integer, numbers)
    if shape in (FLOAT, DOUBLE):
        return partial(_floating, numbers)
    return _OTHERS.get(shape, text_of)


def text_of(cell: Cell) -> str:
    """Return a cell as text: numbers without a point they do not need, dates in ISO 8601, `true`, `false`."""
    if type(cell) is str:
        return cell
    match cell:
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


def typed_text(cell: Cell) -> str:
    """Return what somebody has typed, without blanks around it and what nobody sees in it."""
    text = text_of(cell)
    return (text if text.isascii() else without_invisible(text)).strip()


def phone_text(cell: Cell) -> str:
    """Return a telephone number's text: `12125551001.0`, as some programs write numbers, without its end.

    An apostrophe before it is how spreadsheets mark a text.
    """
    text = typed_text(cell)
    text = text[1:] if text[:1] in _APOSTROPHES else text
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


def _integer(numbers: Numbers, cell: Cell) -> Any:
    if type(cell) is not str:
        return int(cell) if isinstance(cell, int) and type(cell) is not bool else text_of(cell)
    if _DIGITS.fullmatch(cell):
        return int(cell)
    bare = _with_point(numbers, cell, whole=True)
    if _INTEGER.fullmatch(bare):
        return int(bare.partition(".")[0])
    if _NUMBER.fullmatch(bare):
        raise MisreadError(cell, f"{cell!r} is no whole number; write digits alone, such as 3")
    return _no_number(cell)


def _floating(numbers: Numbers, cell: Cell) -> Any:
    if type(cell) is int or type(cell) is float:
        return cell
    if type(cell) is Padded:
        return int(cell)
    text = text_of(cell)
    if _DIGITS.fullmatch(text):
        return int(text)
    bare = _with_point(numbers, text)
    if not _NUMBER.fullmatch(bare):
        return _no_number(text)
    value = float(bare)
    if not math.isfinite(value):
        raise MisreadError(text, "is beyond the largest number of its type", Code.OUT_OF_RANGE)
    return value


def _decimal(numbers: Numbers, cell: Cell) -> Any:
    """Read `12,50` as the text 12.50."""
    if type(cell) is str:
        return _with_point(numbers, cell, Code.FORMAT)
    return text_of(int(cell) if type(cell) is Padded else cell)


def _with_point(numbers: Numbers, text: str, code: Code = Code.TYPE, *, whole: bool = False) -> str:
    try:
        return numbers.read(text, whole=whole)
    except NoNumberError as error:
        raise MisreadError(text, str(error), code) from None


def _no_number(text: str) -> str:
    why = like_a_number(text)
    if why is None:
        return text
    raise MisreadError(text, why)


def _boolean(cell: Cell) -> Any:
    if type(cell) is bool:
        return cell
    text = text_of(cell)
    return _TRUTHS.get(text.lower(), text)


def _date(cell: Cell) -> Any:
    text = text_of(cell)
    if len(text) > _DATE_CHARACTERS and _WITH_TIME.fullmatch(text):
        raise MisreadError(
            text, "has a time of day beside its date; write the date alone, such as 2026-01-31", Code.FORMAT
        )
    return text


def _instant(cell: Cell) -> Any:
    """Read a date as UTC: a spreadsheet's has no zone, and the type needs one."""
    return f"{_local(cell)}Z" if isinstance(cell, dt.datetime) else text_of(cell)


def _local(cell: Cell) -> Any:
    return cell.isoformat("T", _precision(cell)) if isinstance(cell, dt.datetime) else text_of(cell)


def _json(kinds: frozenset[Kind], cell: Cell) -> Any:
    text = text_of(cell)
    opening = {"[": Kind.ARRAY, "{": Kind.OBJECT}.get(text[:1])
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
        misread = None
        for shape, reader in branches:
            try:
                value = reader(cell)
            except MisreadError as error:
                misread = misread or error
                continue
            if next(shape.errors(value, ()), None) is None:
                return value
        if misread is not None:
            raise misread
        return text_of(cell)

    return read


_OTHERS: Final[dict[Scalar, Reader]] = {
    BOOLEAN: _boolean,
    _DATE: _date,
    **dict.fromkeys((LOGICAL["long", "timestamp-millis"], LOGICAL["long", "timestamp-micros"]), _instant),
    **dict.fromkeys((LOGICAL["long", "local-timestamp-millis"], LOGICAL["long", "local-timestamp-micros"]), _local),
}
"""How the types are read that are neither numbers nor plain text."""
