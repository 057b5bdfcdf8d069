"""CSV in the forms that programs write it: the delimiter and the encoding are found out, not asked for.

RFC 4180 quoting (doubled quotes, line breaks inside quotes). The delimiter is the one that the header line has most of
and that leaves a column of numbers. The encoding is what a byte order mark says; without one UTF-8, and where the bytes
are none, Windows-1252.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from ingest_api.tables.columns import names_numbers
from ingest_api.tables.rows import MAX_COLUMNS, Row, Table, TableError, table_of

DELIMITERS: Final = ",;\t|"
MAX_LINE_CHARACTERS: Final = 1024 * 1024
_PIECE_BYTES: Final = 256 * 1024
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SAYS_DELIMITER: Final = re.compile(r"sep=([,;\t|])\r?\n?", re.IGNORECASE)
_NOT_UTF8: Final = re.compile("[\udc80-\udcff]")
_BEYOND_ASCII: Final = re.compile("[^\x00-\x7f]")
_QUOTED: Final = re.compile(r'"[^"]*"|(?:^|(?<=[,;\t|"]))"[^"]*$')
"""A quoted name, also one that goes on in the next line; a quote inside a name that is not quoted begins none."""
_ENDS_EARLY: Final = "unexpected end of data"
_TOO_LONG: Final = "field larger than field limit"


def read_delimited(file: BinaryIO) -> Table | None:
    """Return the table, None where the file is blank. The file must be able to seek; raise TableError."""
    text = io.TextIOWrapper(_Kept(file), encoding=encoding_of(file), newline="")
    lines = _lines(text)
    blank, first = next(((number, line) for number, line in enumerate(lines) if line.strip()), (0, ""))
    said = _SAYS_DELIMITER.fullmatch(first)
    if said is not None:
        first = next(lines, "")
    delimiter = said[1] if said is not None else _delimiter(first)
    return table_of(_rows(_after(first, lines), delimiter, blank), decimal_comma=delimiter == ";")


def encoding_of(file: BinaryIO) -> str:
    """Return the encoding of a whole file, which is read once for it and put back to its beginning."""
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    marked = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    if marked is not None:
        return marked
    if b"\0" in start:
        raise TableError("the file is neither CSV nor XLSX: save the table as CSV in UTF-8")
    utf8, other = _beyond_ascii(file)
    file.seek(0)
    if utf8 and other:
        raise TableError("the text is UTF-8 with broken characters in it: save the table again as CSV in UTF-8")
    return "cp1252" if other else "utf-8"


def _beyond_ascii(file: BinaryIO) -> tuple[bool, bool]:
    """Say whether there are characters beyond ASCII in UTF-8, and bytes that are none."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    utf8 = other = False
    while piece := file.read(_PIECE_BYTES):
        text = decoder.decode(piece)
        if not text.isascii():
            found = set(_BEYOND_ASCII.findall(text))
            broken = {character for character in found if _NOT_UTF8.match(character)}
            other = other or bool(broken)
            utf8 = utf8 or found != broken
    return utf8, other or bool(decoder.decode(b"", final=True))


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    try:
        while line := text.readline(MAX_LINE_CHARACTERS):
            if len(line) == MAX_LINE_CHARACTERS and line[-1] not in "\r\n":
                raise TableError(f"a line is longer than {MAX_LINE_CHARACTERS} characters: this is not a table")
            yield line
    except UnicodeDecodeError:
        raise TableError(f"the text is not {text.encoding.upper()}: save the table as CSV in UTF-8") from None


def _after(first: str, lines: Iterator[str]) -> Iterator[str]:
    yield first
    yield from lines


def _delimiter(line: str) -> str:
    """Return what separates the names of the header: what it has most of, unless that leaves no column of numbers.

    Quoted names are not looked into.
    """
    plain = _QUOTED.sub("", line)
    likely = sorted(DELIMITERS, key=plain.count, reverse=True)
    names = {each: next(csv.reader([line], delimiter=each), []) for each in likely if plain.count(each)}
    return next((each for each in names if names_numbers(names[each])), likely[0])


def _rows(lines: Iterator[str], delimiter: str, number: int) -> Iterator[Row]:
    """Yield every row, blank ones too: they count, from the `number` of those before. A broken one says so."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    width = 0
    while True:
        number += 1
        before = reader.line_num
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _broken(number, str(error), in_one_line=reader.line_num - before <= 1)
            continue
        width = width or len(_without_end(cells))
        yield _row(number, cells, width)


def _without_end(cells: list[str]) -> list[str]:
    """Drop delimiters at the end, as some programs leave them."""
    while cells and not cells[-1].strip():
        cells.pop()
    return cells


def _row(number: int, cells: list[str], width: int) -> Row:
    if len(cells) > width:
        cells = [*cells[:width], *_without_end(cells[width:])]
    if len(cells) > MAX_COLUMNS:
        raise TableError(f"row {number} has more than {MAX_COLUMNS} cells: this is not a table of contacts")
    if len(cells) == width or not any(cell.strip() for cell in cells):
        return Row(number, [*cells])
    return Row(number, [*cells], f"has {len(cells)} cells, the header has {width}: quote a cell that holds a delimiter")


def _broken(number: int, reason: str, *, in_one_line: bool) -> Row:
    if in_one_line and reason.startswith(_TOO_LONG):
        raise TableError(f"row {number} has a cell of more than {csv.field_size_limit()} characters")
    if reason.startswith((_ENDS_EARLY, _TOO_LONG)):
        raise TableError(
            f"row {number} begins a quoted cell that does not end: close the quote, and double quotes inside it"
        )
    return Row(number, [], 'has a quote inside a quoted cell: double it, as in "say ""hi"""')


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
