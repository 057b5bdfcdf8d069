"""An XLSX file (ECMA-376, Office Open XML): its first visible sheet that is not blank, row by row.

Read here rather than by a library for what was measured on 200,000 rows of 8 cells: openpyxl takes 11 s of CPU and
65 MiB, this 6 s and 8 MiB; python-calamine takes 3 s, but holds the whole sheet (150 MiB), and a file of 5 KB with one
cell far out makes it ask for 512 GB, which ends the process.
"""

from __future__ import annotations

import posixpath
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO, Final
from urllib.parse import unquote

from ingest_api.tables.archive import Archive
from ingest_api.tables.numbers import Numbers, Style
from ingest_api.tables.other_files import archive_refusal_of
from ingest_api.tables.paddings import padding_of
from ingest_api.tables.rows import Notes, Row, Table, TableError, table_of
from ingest_api.tables.serials import BUILT_IN_DATES, is_date_format
from ingest_api.tables.sheet import TRUE, Sheet, SheetFormat, unescaped
from ingest_api.tables.xml_events import MAX_DEPTH, Handler, parse_whole
from schemas.options import FieldWarning
from schemas.outcomes import WarningCode

MAX_STRINGS: Final = 5_000_000
MAX_STRINGS_BYTES: Final = 256 * 1024 * 1024
_OFFICE_DOCUMENT: Final = "/officeDocument"
_WORKSHEET: Final = "/worksheet"
_USUAL_MAIN: Final = "xl/workbook.xml"
_PIECES_LOOKED_INTO: Final = 8
_SHEETS_SHOWN: Final = 10
_NAME_SHOWN: Final = 40


def read_workbook(file: BinaryIO) -> Table | None:
    """Return the table of the first visible sheet that has one, None where all are blank; raise TableError.

    The other visible sheets that hold something are named in the table's notes: they are not read.
    """
    archive = Archive(file)
    main = _main_part(archive)
    parts = _relations(archive, main)
    workbook = _Workbook()
    parse_whole(archive.small(main), workbook)
    form = _form(archive, parts, from_1904=workbook.from_1904)
    sheets = list(_visible(archive, parts, workbook))
    for place, (_, part) in enumerate(sheets):
        notes = Notes(hidden_rows=0)
        table = table_of(_counted(Sheet(form).rows(archive.pieces(part)), notes), Numbers(Style.TEXT), notes)
        if table is not None:
            left_out = [name for name, other in sheets[place + 1 :] if _holds_something(archive, other, form)]
            notes.warnings += _not_read(left_out, sheets[place][0])
            return table
    return None


def _counted(rows: Iterator[Row], notes: Notes) -> Iterator[Row]:
    """Yield the rows; the hidden ones that are not blank are counted: they are read as well."""
    for row in rows:
        if row.hidden and not row.blank:
            notes.hidden_rows = (notes.hidden_rows or 0) + 1
        yield row


def _holds_something(archive: Archive, part: str, form: SheetFormat) -> bool:
    """Return whether there is a cell near the beginning of a sheet."""
    try:
        return any(not row.blank for row in Sheet(form).rows(islice(archive.pieces(part), _PIECES_LOOKED_INTO)))
    except TableError:  # it goes on
        return False


def _not_read(names: Sequence[str], read: str) -> Iterator[FieldWarning]:
    if names:
        shown = ", ".join(name[:_NAME_SHOWN] for name in names[:_SHEETS_SHOWN])
        message = f"only the sheet {read[:_NAME_SHOWN]} was read, not: {shown}. Send each sheet as a file of its own"
        yield FieldWarning(WarningCode.SHEET_NOT_READ, "/file", message)


def _main_part(archive: Archive) -> str:
    main = _relations(archive, "").of_kind(_OFFICE_DOCUMENT)
    if main is None or not archive.has(main):
        main = _USUAL_MAIN
    if not archive.has(main) or not main.lower().endswith(".xml") or archive.has("word/document.xml"):
        raise TableError(archive_refusal_of(archive.names))
    return main


def _visible(archive: Archive, parts: _Relations, workbook: _Workbook) -> Iterator[tuple[str, str]]:
    """Yield the visible sheets: name and part. Where no relation tells the part, it is the one of the usual name."""
    for number, (name, relation, visible) in enumerate(workbook.sheets, start=1):
        usual = f"{parts.folder}/worksheets/sheet{number}.xml"
        kind, part = parts.by_id.get(relation, (_WORKSHEET, usual))
        if visible and kind.endswith(_WORKSHEET):
            found = next((one for one in (part, usual) if archive.has(one)), None)
            if found is None:
                raise TableError(f"the XLSX file is damaged, it lacks its sheet {name[:_NAME_SHOWN]}: save it again")
            yield name, found


def _form(archive: Archive, parts: _Relations, *, from_1904: bool) -> SheetFormat:
    styles = _Styles()
    styled = _part(archive, parts, "styles")
    if styled is not None:
        parse_whole(archive.small(styled), styles)
    texts = _strings(archive, _part(archive, parts, "sharedStrings"))
    return SheetFormat(texts, bytes(styles.dates), from_1904, styles.paddings)


def _part(archive: Archive, parts: _Relations, kind: str) -> str | None:
    found = parts.of_kind(f"/{kind}") or f"{parts.folder}/{kind}.xml"
    return found if archive.has(found) else None


@dataclass(slots=True)
class _Relations(Handler):
    """The parts that one part names: id to (kind, target)."""

    folder: str
    by_id: dict[str, tuple[str, str]] = field(default_factory=dict)

    def of_kind(self, kind: str) -> str | None:
        return next((target for one, target in self.by_id.values() if one.endswith(kind)), None)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            target = unquote(attributes.get("Target", "")).replace("\\", "/")
            path = target[1:] if target.startswith("/") else posixpath.normpath(posixpath.join(self.folder, target))
            self.by_id[attributes.get("Id", "")] = (attributes.get("Type", ""), path)


def _relations(archive: Archive, part: str) -> _Relations:
    folder, name = posixpath.split(part)
    found = _Relations(folder)
    path = posixpath.join(folder, "_rels", f"{name}.rels")
    if archive.has(path):
        parse_whole(archive.small(path), found)
    return found


@dataclass(slots=True)
class _Workbook(Handler):
    """The sheets in the order of their tabs (name, relation, visible), and since when days are counted."""

    sheets: list[tuple[str, str, bool]] = field(default_factory=list)
    from_1904: bool = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "workbookPr":
            self.from_1904 = attributes.get("date1904") in TRUE
        elif name == "sheet":
            relation = next((value for key, value in attributes.items() if key.endswith(":id")), "")
            visible = attributes.get("state", "visible") == "visible"
            self.sheets.append((attributes.get("name", ""), relation, visible))


@dataclass(slots=True)
class _Styles(Handler):
    """Whether each cell style shows a date, and those that pad numbers, with how."""

    codes: dict[str, str] = field(default_factory=dict)
    dates: bytearray = field(default_factory=bytearray)
    paddings: dict[int, str] = field(default_factory=dict)
    inside: bool = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        match name:
            case "numFmt":
                self.codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
            case "cellXfs":
                self.inside = True
            case "xf" if self.inside:
                self._add(attributes.get("numFmtId", "0"))

    def _add(self, number: str) -> None:
        code = self.codes.get(number)
        padding = padding_of(code) if code is not None else None
        if padding is not None:
            self.paddings[len(self.dates)] = padding
        self.dates.append(is_date_format(code) if code is not None else number in BUILT_IN_DATES)

    def end(self, name: str) -> None:
        if name == "cellXfs":
            self.inside = False


class SharedTexts(Handler):
    """The texts that cells share, packed: a million of them cost what their bytes do, and 8 bytes each."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("Q")
        self._reading = False
        self._phonetic = False
        self._depth = 0

    def __getitem__(self, index: int) -> str:
        """Return a text; raise IndexError."""
        if index < 0:
            raise IndexError
        start = self._ends[index - 1] if index else 0
        return unescaped(self._bytes[start : self._ends[index]].decode())

    def start(self, name: str, attributes: dict[str, str]) -> None:  # noqa: ARG002  a Handler's signature
        self._depth += 1
        self._reading = name == "t" and not self._phonetic
        self._phonetic = self._phonetic or name == "rPh"

    def end(self, name: str) -> None:
        self._depth -= 1
        self._reading = False
        if name == "rPh":
            self._phonetic = False
        elif name == "si":
            self._ends.append(len(self._bytes))

    def text(self, characters: str) -> None:
        if self._reading:
            self._bytes += characters.encode()

    def check(self) -> None:
        if len(self._ends) > MAX_STRINGS or len(self._bytes) > MAX_STRINGS_BYTES or self._depth > MAX_DEPTH:
            raise TableError("the workbook holds too much text: split the table, or save it as CSV")


def _strings(archive: Archive, part: str | None) -> SharedTexts:
    texts = SharedTexts()
    if part is not None:
        parse_whole(archive.pieces(part), texts)
    return texts
