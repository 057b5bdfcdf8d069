"""CSV in the forms that programs write it: the delimiter and the encoding are found out, not asked for.

RFC 4180 quoting (doubled quotes, line breaks inside quotes). The delimiter is the one that the header line has most of
and that leaves a column of numbers. Every line is accounted for: it is part of a row that is read, or of one that fails
and says which lines it stands in, or the file is refused.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import BinaryIO, Final

from ingest_api.tables.columns import phone_place
from ingest_api.tables.encodings import EncodingError, encoding_of, shown
from ingest_api.tables.numbers import Numbers, Style
from ingest_api.tables.quotes import Shape, first_cells, opening_line
from ingest_api.tables.rows import MAX_COLUMNS, Notes, Row, Table, TableError, table_of

DELIMITERS: Final = ",;\t|"
MAX_LINE_CHARACTERS: Final = 1024 * 1024
_SAYS_DELIMITER: Final = re.compile(r'"?sep=([^\w\s"]|\t)"?[,;\t|]*\s*', re.IGNORECASE)
_QUOTED: Final = re.compile(r'"[^"]*"|(?:^|(?<=[,;\t|"]))"[^"]*$')
"""A quoted name, also one that goes on in the next line; a quote inside a name that is not quoted begins none."""
_FORMULA_OF_TEXT: Final = re.compile(r'\A="([^"]*)"\Z')
"""As some programs keep a spreadsheet from reading a text as a number: `="007"` is shown as 007."""

_ENDS_EARLY: Final = "unexpected end of data"
_TOO_LONG: Final = "field larger than field limit"
_END_OF_FILE: Final = "\x1a"


def read_delimited(file: BinaryIO, encoding: str | None = None) -> Table | None:
    """Return the table, None where the file is blank. The file must be able to seek; raise TableError.

    `encoding` is the one that whoever sends the file names; None: it is found out.
    """
    found = encoding_of(file, encoding)
    text = _Text(file, found.name)
    numbers = Numbers(Style.POINT if text.delimiter == "," else Style.EITHER)
    table = table_of(text.rows(), numbers, Notes(encoding=found.shown, encoding_guessed=found.guessed))
    return None if table is None else replace(table, again=partial(_again, file, found.name))


def _again(file: BinaryIO, encoding: str) -> Iterator[Row]:
    """Yield the rows from the first on, while somebody else is reading them."""
    place = file.tell()
    try:
        file.seek(0)
        yield from _Text(file, encoding).rows()
    finally:
        file.seek(place)


class _Text:
    """A file as lines, of which the first ones say how it is to be read."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._taken: list[str] = []
        self._lines = _lines(io.TextIOWrapper(_Kept(file), encoding=encoding, newline=""), self._taken)
        self._blank, first = next(((n, line) for n, line in enumerate(self._lines) if line.strip()), (0, ""))
        said = _SAYS_DELIMITER.fullmatch(first)
        self._before = self._blank + (said is not None)
        self._first = next(self._lines, "") if said is not None else first
        self.delimiter = said[1] if said is not None else _delimiter(self._first)

    def rows(self) -> Iterator[Row]:
        """Yield every row, blank ones too.

        Rows count as a spreadsheet shows them, lines as they are there: the one that names the delimiter is no row.
        """
        lines = _after(self._first, self._lines, self._taken)
        return _rows(lines, self._taken, self.delimiter, self._blank, self._before)


def _lines(text: io.TextIOWrapper, taken: list[str]) -> Iterator[str]:
    """Yield the lines, each of which is also put into `taken`."""
    try:
        while line := text.readline(MAX_LINE_CHARACTERS):
            if len(line) == MAX_LINE_CHARACTERS and line[-1] not in "\r\n":
                raise TableError(f"a line is longer than {MAX_LINE_CHARACTERS} characters: this is not a table")
            if _END_OF_FILE in line:
                line = _without_end_of_file(line)
            taken.append(line)
            yield line
    except UnicodeDecodeError:
        raise EncodingError(
            f"the text is not {shown(text.encoding)}: save the table as CSV in UTF-8, or name its encoding"
        ) from None


def _without_end_of_file(line: str) -> str:
    """Take off the sign that DOS programs end a file with."""
    if line[-1] == _END_OF_FILE:
        return line.rstrip(_END_OF_FILE)
    return "\n" if not line.strip(f"{_END_OF_FILE}\r\n") else line


def _after(first: str, lines: Iterator[str], taken: list[str]) -> Iterator[str]:
    taken.append(first)
    yield first
    yield from lines


def _delimiter(line: str) -> str:
    """Return what separates the names of the header: what it has most of, unless that leaves no column of numbers.

    Quoted names are not looked into.
    """
    plain = _QUOTED.sub("", line)
    likely = sorted(DELIMITERS, key=plain.count, reverse=True)
    names = {each: next(csv.reader([line], delimiter=each), []) for each in likely if plain.count(each)}
    return next((each for each in names if phone_place(names[each]) is not None), likely[0])


def _rows(lines: Iterator[str], taken: list[str], delimiter: str, number: int, offset: int) -> Iterator[Row]:
    """Yield every row, blank ones too. `number` rows and `offset` lines come before; `taken` gets each line read."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    shape = None
    while True:
        first = offset + reader.line_num + 1
        taken.clear()
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            row = _broken(number, str(error), taken, delimiter, first)
        else:
            if '="' in taken[0]:
                cells = [_FORMULA_OF_TEXT.sub(r"\1", cell) for cell in cells]
            shape = shape or _shape(cells, delimiter)
            row = _row(number, cells, shape)
            if shape is not None and row.flaw is None and shape.hides_a_row(cells, taken):
                row.flaw = _hides_rows(first + opening_line(taken, delimiter), first + len(taken) - 1)
        row.lines = (first,) if len(taken) == 1 else range(first, first + len(taken))
        yield row
        if row.flaw is not None and shape is not None and len(taken) > 1:
            for hidden in _hidden(taken, shape, row):
                number = hidden.number
                yield hidden


def _hidden(taken: Sequence[str], shape: Shape, row: Row) -> Iterator[Row]:
    """Yield the lines of a failed row that look like rows of their own: they fail with it, and are counted."""
    number = row.number
    for line, text in zip(row.lines[1:], taken[1:], strict=True):
        if shape.fits(text):
            number += 1
            flaw = f"stands in the quoted cell of line {row.lines[0]}, or behind it: close the quote there"
            yield Row(number, [*first_cells(text, shape.delimiter)], flaw, (line,))


def _shape(cells: list[str], delimiter: str) -> Shape | None:
    names = _without_end(cells)
    return Shape(delimiter, len(names), phone_place(names)) if names else None


def _without_end(cells: list[str]) -> list[str]:
    """Drop delimiters at the end, as some programs leave them."""
    while cells and not cells[-1].strip():
        cells.pop()
    return cells


def _row(number: int, cells: list[str], shape: Shape | None) -> Row:
    width = shape.width if shape is not None else 0
    if len(cells) > width:
        cells = [*cells[:width], *_without_end(cells[width:])]
    if len(cells) > MAX_COLUMNS:
        raise TableError(f"row {number} has more than {MAX_COLUMNS} cells: this is not a table of contacts")
    if len(cells) != width and any(cell.strip() for cell in cells):
        return Row(number, [*cells], _wrong_width(cells, width))
    return Row(number, [*cells])


def _wrong_width(cells: Sequence[str], width: int) -> str:
    count = f"has {len(cells)} cells, the header has {width}: "
    if any(cell[:1].isspace() and cell.lstrip()[:1] == '"' for cell in cells):
        return count + "remove the blank before a quote, else it quotes nothing"
    if len(cells) > width:
        return count + "quote a cell that holds a delimiter"
    return count + "it is cut off, or cells are left out; write a delimiter for each empty cell"


def _broken(number: int, reason: str, taken: Sequence[str], delimiter: str, first: int) -> Row:
    if len(taken) <= 1 and reason.startswith(_TOO_LONG):
        raise TableError(f"row {number} has a cell of more than {csv.field_size_limit()} characters")
    opening = first + opening_line(taken, delimiter)
    if reason.startswith((_ENDS_EARLY, _TOO_LONG)):
        raise TableError(
            f"row {number} begins a quoted cell in line {opening} that does not end: close the quote there, and double "
            f"quotes inside the cell"
        )
    flaw = 'has a quote inside a quoted cell: double it, as in "say ""hi"""'
    if len(taken) > 1:
        flaw = _hides_rows(opening, first + len(taken) - 1)
    return Row(number, [*first_cells(taken[0], delimiter)], flaw)


def _hides_rows(opening: int, last: int) -> str:
    return f"opens a quoted cell in line {opening} that goes on to line {last}: close the quote, double quotes inside"


class _Kept(io.BufferedReader):
    """The file, not closed together with the text that is read from it."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(_Raw(file))


class _Raw(io.RawIOBase):
    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader hands over
        piece = self._file.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)
