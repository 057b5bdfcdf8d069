"""Numbers as people write them: 1500, 1,500, 1.500, 1.234,56. Pure.

A point or a comma may begin a fraction or a group of three digits. Most texts say which: `1.234,56`, `12,5`, `0.125`.
One mark before three digits, as in `1.500`, says nothing: it is one and a half, or fifteen hundred.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from enum import Enum, auto
from typing import Final

Texts = Callable[[], Generator[str, None, None]]
"""Begins to read a table anew, and yields the texts of its columns of numbers."""

MOST_SHOWN: Final = 40
_SURE: Final = re.compile(r"[+-]?[0-9]*\.(?:[0-9]{1,2}|[0-9]{4,})")
_EITHER: Final = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}")
_GROUPS: Final = re.compile(r"[+-]?[1-9][0-9]{0,2}([.,])[0-9]{3}(?:(?:\1[0-9]{3})+|(?:\1[0-9]{3})*(?!\1)[.,][0-9]*)")
_FRACTION: Final = re.compile(r"[+-]?[0-9]*([.,])[0-9]*")
_PLAIN: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_SIGNS: Final = r"0-9.,'\u2019\s%$\u20ac\xa3\xa5\u20b9+\-\u2212"
_LIKE_A_NUMBER: Final = re.compile(f"[{_SIGNS}]*[0-9][{_SIGNS}]*")
_DECORATION: Final = re.compile(r"['\u2019\s$\u20ac\xa3\xa5\u20b9]")


class NoNumberError(ValueError):
    """The text is not a number here; the message says what to write, and ends a sentence that begins with a name."""


class Style(Enum):
    """What a kind of file lets numbers be written with."""

    POINT = auto()  # commas separate its cells, so a point begins a fraction
    TEXT = auto()  # the text cells of a workbook: a point may begin a fraction, or a group
    EITHER = auto()  # something else separates its cells: a comma begins a fraction as well


class Numbers:
    """How the numbers of one table are written.

    Of an `EITHER` file the other cells are looked at, once, when the first number comes that says nothing by itself.
    """

    def __init__(self, style: Style, texts: Texts | None = None) -> None:
        self._style = style
        self._texts = texts
        self._mark: str | None = None

    @property
    def decimal_comma(self) -> bool:
        """Whether numbers may be written `12,5`."""
        return self._style is Style.EITHER

    def look_at(self, texts: Texts) -> None:
        """Say where the other numbers of the table are found."""
        self._texts = texts

    def read(self, text: str, *, whole: bool = False) -> str:
        """Return a number with a point before its fraction and no groups; what is none comes back as it is.

        Raise NoNumberError where it is one that this table leaves open, or does not take. `whole`: a fraction is no
        value here, so none is advised.
        """
        if "," not in text and (self._style is Style.POINT or "." not in text or _SURE.fullmatch(text)):
            return text
        if _EITHER.fullmatch(text):
            return self._either(text, whole=whole)
        mark = decimal_mark(text)
        if mark is None:
            return text
        number = with_point(text, mark)
        if self._style is Style.EITHER or number == text:
            return number
        raise NoNumberError(f"{text[:MOST_SHOWN]!r} is no number; write {number}")

    def _either(self, text: str, *, whole: bool) -> str:
        mark = self._settled() if self._style is Style.EITHER else None
        if mark is not None:
            return with_point(text, mark)
        if self._style is Style.POINT:
            raise NoNumberError(f"{text!r} is no number; write {with_point(text, '.')}")
        thousands, fraction = re.sub("[.,]", "", text), text.replace(",", ".").rstrip("0").removesuffix(".")
        clear = f"{fraction}0" if _EITHER.fullmatch(fraction) else fraction
        advice = thousands if whole and "." in clear else f"{thousands}, or {clear}"
        raise NoNumberError(f"{text!r} is ambiguous, it may be {thousands} or {fraction}; write {advice}")

    def _settled(self) -> str | None:
        if self._texts is not None:
            texts, self._texts = self._texts, None
            with closing(texts()) as others:
                self._mark = settled(others)
        return self._mark


POINT: Final = Numbers(Style.POINT)


def decimal_mark(text: str) -> str | None:
    """Return what begins the fraction where the text says it, by a fraction or by groups; else None."""
    if _EITHER.fullmatch(text):
        return None
    groups = _GROUPS.fullmatch(text)
    if groups is not None:
        return "," if groups[1] == "." else "."
    fraction = _FRACTION.fullmatch(text)
    return fraction[1] if fraction is not None and text.strip("+-.,") else None


def with_point(text: str, mark: str) -> str:
    """Return a number without groups, and with a point where `mark` begins its fraction."""
    return text.replace("." if mark == "," else ",", "").replace(mark, ".")


def settled(texts: Iterable[str]) -> str | None:
    """Return the one mark that these begin their fractions with; None where none says it, or they disagree."""
    found = None
    for text in texts:
        mark = decimal_mark(text.strip()) if "," in text or "." in text else None
        if mark is not None and found not in (None, mark):
            return None
        found = mark or found
    return found


def like_a_number(text: str) -> str | None:
    """Return what is wrong with a text that is nearly a number, and what to write; None where it is none at all."""
    if len(text) > MOST_SHOWN or not _LIKE_A_NUMBER.fullmatch(text):
        return None
    bare = _DECORATION.sub("", text).replace("\u2212", "-")
    mark = decimal_mark(bare)
    number = with_point(bare, mark) if mark is not None else bare
    written = number if _PLAIN.fullmatch(number) and not _EITHER.fullmatch(number) else "digits, such as 1500 or 12.5"
    return f"{text!r} is no number; write {written}"
