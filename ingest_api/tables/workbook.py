"""An XLSX file (ECMA-376, Office Open XML): its first visible sheet that is not blank, row by row.

Read here rather than by a library for what was measured on 200,000 rows of 8 cells: openpyxl takes 11 s of CPU and
65 MiB, this 6 s and 8 MiB; python-calamine takes 3 s, but holds the whole sheet (150 MiB), and a file of 5 KB with one
cell far out makes it ask for 512 GB, which ends the process.
"""

from __future__ import annotations

import posixpath
from array import array
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from ingest_api.tables.archive import Archive
from ingest_api.tables.rows import Table, TableError, table_of
from ingest_api.tables.serials import BUILT_IN_DATES, is_date_format
from ingest_api.tables.sheet import Sheet, SheetFormat, unescaped
from ingest_api.tables.xml_events import MAX_DEPTH, Handler, parse_whole

MAX_STRINGS: Final = 5_000_000
MAX_STRINGS_BYTES: Final = 256 * 1024 * 1024
_OFFICE_DOCUMENT: Final = "/officeDocument"


def read_workbook(file: BinaryIO) -> Table | None:
    """Return the table of the first visible sheet that has one, None where all are blank; raise TableError."""
    archive = Archive(file)
    main = _main_part(archive)
    parts = _relations(archive, main)
    workbook = _Workbook()
    parse_whole(archive.small(main), workbook)
    form = SheetFormat(
        texts=_strings(archive, parts.of_kind("/sharedStrings")),
        dates=_dates(archive, parts.of_kind("/styles")),
        from_1904=workbook.from_1904,
    )
    for relation in workbook.visible:
        kind, target = parts.by_id.get(relation, ("", ""))
        if kind.endswith("/worksheet"):
            table = table_of(Sheet(form).rows(archive.pieces(target)))
            if table is not None:
                return table
    return None


def _main_part(archive: Archive) -> str:
    main = _relations(archive, "").of_kind(_OFFICE_DOCUMENT)
    if main is None or not main.lower().endswith(".xml"):
        raise TableError("the file is no XLSX workbook: save the table as .xlsx or as CSV")
    return main


@dataclass(slots=True)
class _Relations(Handler):
    """The parts that one part names: id to (kind, target)."""

    folder: str
    by_id: dict[str, tuple[str, str]] = field(default_factory=dict)

    def of_kind(self, kind: str) -> str | None:
        return next((target for one, target in self.by_id.values() if one.endswith(kind)), None)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            target = attributes.get("Target", "")
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
    """The relations of the visible sheets, in the order of their tabs, and since when days are counted."""

    visible: list[str] = field(default_factory=list)
    from_1904: bool = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "workbookPr":
            self.from_1904 = attributes.get("date1904") in ("1", "true")
        elif name == "sheet" and attributes.get("state", "visible") == "visible":
            self.visible += [value for key, value in attributes.items() if key.endswith(":id")]


@dataclass(slots=True)
class _Styles(Handler):
    """Whether each cell style shows a date."""

    codes: dict[str, bool] = field(default_factory=dict)
    dates: bytearray = field(default_factory=bytearray)
    inside: bool = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        match name:
            case "numFmt":
                self.codes[attributes.get("numFmtId", "")] = is_date_format(attributes.get("formatCode", ""))
            case "cellXfs":
                self.inside = True
            case "xf" if self.inside:
                number = attributes.get("numFmtId", "0")
                self.dates.append(self.codes.get(number, number in BUILT_IN_DATES))

    def end(self, name: str) -> None:
        if name == "cellXfs":
            self.inside = False


def _dates(archive: Archive, part: str | None) -> bytes:
    styles = _Styles()
    if part is not None:
        parse_whole(archive.small(part), styles)
    return bytes(styles.dates)


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
