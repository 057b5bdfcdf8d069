"""Numbers as a spreadsheet program writes them again: 007 as 7, 442079460123 as 4.42079E+11, 12.50 as 12,5. Pure.

A program reads a number into a double and writes it as its cell shows it: without zeros that it does not need, of at
most 15 digits, from 12 digits on in scientific notation with the few digits that fit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from typing import Final

from ingest_api.tables.numbers import POINT, NoNumberError

_MAX_CHARACTERS: Final = 100
_DIGITS_OF_A_DOUBLE: Final = 15
_WIDTH: Final = 10
"""Characters beside the point that a cell without a format shows of a fraction."""

_ROUNDINGS: Final = (ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_DOWN)
_EXACT: Final = Context(prec=2_000)
_SYMBOLS: Final = re.compile(r"[$\u20ac\xa3\xa5\u20b9%()]|(?<![eE])\+")
_BLANKS: Final = r"\s'\u2019"
_PADDED: Final = re.compile(r"[+-]?0[0-9]")
_SHORTENED: Final = re.compile(r"[+-]?[0-9](?:[.,]([0-9]{1,5}))?E\+[0-9]{2,3}")
_SHOWN_DECIMALS: Final = 5
_MANTISSA: Final = re.compile(r"[+-]?([0-9]+)(?:[.,]([0-9]*))?[eE].*")


def _form(mark: str, group: str) -> re.Pattern[str]:
    whole = rf"(?:[0-9]+|[0-9]{{1,3}}(?:([{group}{_BLANKS}])[0-9]{{3}})(?:\1[0-9]{{3}})*)"
    return re.compile(rf"[+-]?(?:{whole}(?:{mark}[0-9]*)?|{mark}[0-9]+)(?:[eE][+-]?[0-9]{{1,3}})?")


_FORMS: Final = ((_form(r"\.", ","), "."), (_form(",", r"\."), ","))
"""How numbers are written with a point before their fraction, and with a comma."""


def is_rewritten_number(before: str, cell: str) -> bool:
    """Say whether a cell is what a program makes of a text that it takes for a number.

    A program drops leading zeros, a plus and symbols, but adds none.
    """
    if _PADDED.match(cell.strip()) or not set(_SYMBOLS.findall(cell)) <= set(_SYMBOLS.findall(before)):
        return False
    numbers = readings(before)
    return any(_is_shown(number, other, cell) for number in numbers for other in readings(cell))


def is_shortened(cell: str, *, number: bool) -> bool:
    """Say whether a cell is a number in scientific notation that a program may have shortened: its digits are lost.

    `number`: it is one that its type takes, so only what fills the width that a program shows is doubtful.
    """
    found = _SHORTENED.fullmatch(cell.strip())
    return found is not None and (not number or len(found[1] or "") == _SHOWN_DECIMALS)


def is_same_number(before: str, cell: str) -> bool:
    """Say whether a cell is the very number that a text can only mean.

    Of `1,500`, which some read as one and a half, it is the number that the message of its error says.
    """
    numbers, others = readings(before), readings(cell)
    if len(numbers) > 1 and "," in before:
        try:
            POINT.read(before.strip())
        except NoNumberError:
            numbers = set(_readings(before, _FORMS[0]))
    return len(numbers) == 1 and len(others) == 1 and numbers == others


def readings(text: str) -> set[Decimal]:
    """Return the numbers that a text may be, in places with a decimal point and with a decimal comma."""
    if len(text) > _MAX_CHARACTERS:
        return set()
    return {number for form in _FORMS for number in _readings(text, form)}


def _readings(text: str, form: tuple[re.Pattern[str], str]) -> Iterator[Decimal]:
    pattern, mark = form
    bare = text.strip().replace("\u2212", "-")
    negative = bare[:1] == "(" and bare[-1:] == ")"
    bare = re.sub(r"[$\u20ac\xa3\xa5\u20b9%()]", "", bare).strip()
    if not pattern.fullmatch(bare):
        return
    digits = re.sub(rf"[{_BLANKS}{',' if mark == '.' else '.'}]", "", bare).replace(mark, ".")
    number = Decimal(digits)
    number = -number if negative else number
    yield number
    if "%" in text:
        yield number.scaleb(-2)


def _is_shown(number: Decimal, other: Decimal, cell: str) -> bool:
    if number == other:
        return True
    mantissa = _MANTISSA.fullmatch(cell.strip())
    digits = len(mantissa[1] + (mantissa[2] or "")) if mantissa is not None else _DIGITS_OF_A_DOUBLE
    return other in _rounded(number, digits) or other in _as_double(number) or other in _fitted(number)


def _rounded(number: Decimal, digits: int) -> Iterator[Decimal]:
    return (Context(prec=digits, rounding=rounding).plus(number) for rounding in _ROUNDINGS)


def _as_double(number: Decimal) -> tuple[Decimal, ...]:
    double = float(number)
    return (Decimal(double), Decimal(repr(double)))


def _fitted(number: Decimal) -> Iterator[Decimal]:
    """Yield a fraction with as many decimals as fit into the width of a cell, and with as many as any cell shows."""
    if number == number.to_integral_value() or number.adjusted() >= _WIDTH:
        return
    for decimals in (_WIDTH - 1 - max(number.adjusted(), 0), _WIDTH):
        for rounding in _ROUNDINGS[:2]:
            yield number.quantize(Decimal(1).scaleb(-decimals), rounding, _EXACT)
