"""What a table is made of, whichever file it came in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from ingest_api.tables.numbers import POINT, Numbers
from schemas.invisible_characters import without_invisible
from schemas.options import FieldWarning
from schemas.submission_body import MAX_RECORDS

MAX_COLUMNS: Final = 2_000
LAST_ASCII: Final = "\x7f"


class TableError(ValueError):
    """The file as a whole cannot be read; the text says why and what to do. It holds no cell but names of columns."""


class BadCell(str):
    """What stands in a cell that has no value to read; the text ends a sentence that begins with the column's name."""

    __slots__ = ()


class Padded(int):
    """A whole number that its cell format shows with leading zeros or separators, as a ZIP code 02134 is shown."""

    shown: str

    def __new__(cls, value: int, shown: str) -> Self:
        """Make one of the value and the text that a spreadsheet shows."""
        made = super().__new__(cls, value)
        made.shown = shown
        return made

    def __str__(self) -> str:
        return self.shown


Cell = str | int | float | bool | dt.datetime | dt.time | None
"""None where it is empty. Files of text have text only; a datetime has no zone."""


@dataclass(slots=True)
class Row:
    """One row. `number` is what a spreadsheet shows beside it, from 1; `flaw` says why its cells cannot be trusted.

    `lines` are those of a text file that it stands in, from 1. `hidden`: a filter or a person has hidden it.
    """

    number: int
    cells: list[Cell]
    flaw: str | None = None
    lines: Sequence[int] = ()
    hidden: bool = False

    @property
    def blank(self) -> bool:
        """Whether nothing stands in it."""
        if self.flaw is not None:
            return False
        for cell in self.cells:  # rather than all(): nearly every row ends it at its first cell  # noqa: SIM110
            if not is_empty(cell):
                return False
        return True


@dataclass(slots=True)
class Notes:
    """What is worth saying of a file beside its rows; complete once its rows are read.

    `encoding` is None where the file is no text; `warnings` say what was not read.
    """

    encoding: str | None = None
    encoding_guessed: bool = False
    hidden_rows: int | None = None
    warnings: list[FieldWarning] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the members that an answer shows; those that say nothing of this kind of file are left out."""
        said = {"encoding": self.encoding, "encodingGuessed": self.encoding_guessed} if self.encoding else {}
        return said if self.hidden_rows is None else {**said, "hiddenRows": self.hidden_rows}


@dataclass(frozen=True, slots=True)
class Table:
    """A header and the rows below it, blank ones left out. `numbers` says how numbers are written in it.

    `again` begins to read all rows once more, also while they are being read; None where that would take too long.
    """

    header: Row
    rows: Iterator[Row]
    numbers: Numbers = POINT
    notes: Notes = field(default_factory=Notes)
    again: Callable[[], Iterator[Row]] | None = None


def is_empty(cell: Cell) -> bool:
    """Whether a cell counts as empty: white space does, and so does what nobody sees."""
    if type(cell) is not str:
        return cell is None
    if not cell or cell[0] <= LAST_ASCII:
        return not cell or cell.isspace()
    return not without_invisible(cell).strip()


def table_of(rows: Iterator[Row], numbers: Numbers = POINT, notes: Notes | None = None) -> Table | None:
    """Return the table that begins with the first row that is not blank; None where every row is."""
    written = (row for row in rows if not row.blank)
    header = next(written, None)
    if header is None:
        return None
    if header.flaw is not None:
        raise TableError(f"row {header.number}, the header, {header.flaw}")
    return Table(header, _bounded(written), numbers, notes or Notes())


def _bounded(rows: Iterator[Row]) -> Iterator[Row]:
    for count, row in enumerate(rows):
        if count == MAX_RECORDS:
            raise TableError(f"the table has more than {MAX_RECORDS} rows: split it")
        yield row
