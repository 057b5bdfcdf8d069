"""One worksheet's XML as rows, however long it is."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from ingest_api.tables.paddings import padded
from ingest_api.tables.rows import MAX_COLUMNS, BadCell, Cell, Row, TableError
from ingest_api.tables.serials import moment
from ingest_api.tables.xml_events import MAX_DEPTH, Handler, parse

MAX_CELL_CHARACTERS: Final = 1024 * 1024
MAX_DIGITS: Final = 9  # of a row's number
_ESCAPE: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_SURROGATES: Final = range(0xD800, 0xE000)
TRUE: Final = ("1", "true")
_ERROR_SHOWN: Final = 16
_EXACT: Final = 2**53
"""From here on a spreadsheet's numbers, which are doubles, skip whole numbers."""


class Texts(Protocol):
    """The texts that cells share."""

    def __getitem__(self, index: int) -> str: ...


@dataclass(frozen=True, slots=True)
class SheetFormat:
    """What cells refer to: shared texts, which styles show dates, since when days are counted, which styles pad."""

    texts: Texts
    dates: bytes
    from_1904: bool
    paddings: Mapping[int, str]


class Sheet(Handler):
    """Gathers rows while its XML is read."""

    def __init__(self, form: SheetFormat) -> None:
        self._form = form
        self._done: list[Row] = []
        self._row = Row(0, [])
        self._column = -1
        self._kind = "n"
        self._style: str | None = None
        self._formula = False
        self._reading = False
        self._phonetic = False
        self._text = ""
        self._depth = 0

    def rows(self, pieces: Iterator[bytes]) -> Iterator[Row]:
        """Yield the sheet's rows; rows without cells are not in the file. Raise TableError."""
        for _ in parse(pieces, self):
            yield from self._done
            self._done.clear()

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if name == "c":
            place = attributes.get("r")
            self._column = _column(place) if place else self._column + 1
            self._kind = attributes.get("t", "n")
            self._style = attributes.get("s")
            self._formula = False
            self._text = ""
        elif name in ("v", "t"):
            self._reading = not self._phonetic
        elif name == "f":
            self._formula = True
        elif name == "row":
            self._row = Row(_number(attributes.get("r"), self._row.number + 1), [])
            self._row.hidden = attributes.get("hidden") in TRUE
            self._column = -1
        elif name == "rPh":
            self._phonetic = True

    def end(self, name: str) -> None:
        self._depth -= 1
        if name in ("v", "t"):
            self._reading = False
        elif name == "c":
            self._keep()
        elif name == "row":
            self._done.append(self._row)
        elif name == "rPh":
            self._phonetic = False

    def text(self, characters: str) -> None:
        if self._reading:
            self._text += characters

    def check(self) -> None:
        if self._depth > MAX_DEPTH or len(self._text) > MAX_CELL_CHARACTERS:
            raise TableError("the XLSX file holds a cell that is too large: shorten it")

    def _keep(self) -> None:
        cell = self._cell()
        if cell is None:
            return
        cells = self._row.cells
        if not 0 <= self._column < MAX_COLUMNS:
            self._row.flaw = f"has a cell beyond column {MAX_COLUMNS}: empty it"
            return
        if len(cells) <= self._column:
            cells.extend([None] * (self._column - len(cells)))
            cells.append(cell)
        else:
            cells[self._column] = cell

    def _cell(self) -> Cell:
        text, kind = self._text, self._kind
        if kind == "s":
            return self._shared(text)
        if not text and kind != "e":
            return self._nothing()
        return self._numeric(text) if kind == "n" else _other(kind, text)

    def _numeric(self, text: str) -> Cell:
        value = _value(text)
        style = _whole(self._style) if self._style is not None else None
        if style is None or not isinstance(value, int | float):
            return value
        if style < len(self._form.dates) and self._form.dates[style]:
            shown = moment(value, from_1904=self._form.from_1904)
            return value if shown is None else shown
        if style in self._form.paddings and isinstance(value, int) and value >= 0:
            return padded(value, self._form.paddings[style])
        return value

    def _shared(self, text: str) -> Cell:
        try:
            return self._form.texts[int(text)] if text else None
        except (ValueError, IndexError):
            raise TableError("the XLSX file is damaged: open it and save it again") from None

    def _nothing(self) -> BadCell | None:
        """Return what an empty cell is: that of a formula has a value, which was not saved."""
        unsaved = "holds a formula without its result: open the file in a spreadsheet program and save it"
        return BadCell(unsaved) if self._formula and self._kind != "str" else None


def _other(kind: str, text: str) -> Cell:
    match kind:
        case "inlineStr" | "str":
            return unescaped(text)
        case "b":
            return text in TRUE
        case "d":
            return _iso(text)
    return BadCell(f"holds the error {text[:_ERROR_SHOWN]} instead of a value")


def _value(text: str) -> Cell:
    """Return a number: whole where it is whole, so that 12125551001 is no 12125551001.0."""
    try:
        value = int(text) if text.isdecimal() else float(text)
    except ValueError:
        return BadCell("holds a number that cannot be read")
    if -_EXACT <= value <= _EXACT:
        return int(value) if value == int(value) else value
    return float(value) if abs(value) < float("inf") else BadCell("holds a number that is too large")


def _iso(text: str) -> Cell:
    try:
        return dt.datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return BadCell("holds a date that cannot be read")


def _number(text: str | None, following: int) -> int:
    """Return the row's number; rows only ever go down."""
    number = _whole(text or "")
    if number is None:
        return following
    if number < following:
        raise TableError("the XLSX file is damaged, its rows are out of order: open it and save it again")
    return number


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) <= MAX_DIGITS else None


def _column(place: str) -> int:
    """Return the column of a cell's place, from 0: 27 of AB12."""
    column = 0
    for character in place:
        if not "A" <= character <= "Z":
            break
        column = column * 26 + ord(character) - 64
    return column - 1


def unescaped(text: str) -> str:
    """Return the text without the escapes of characters that XML does not allow (ST_Xstring, 22.9.2.19)."""
    return _ESCAPE.sub(_character, text) if "_x" in text else text


def _character(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return match[0] if code in _SURROGATES else chr(code)
