"""What a table is made of, whichever file it came in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from schemas.submission_body import MAX_RECORDS

MAX_COLUMNS: Final = 2_000


class TableError(ValueError):
    """The file as a whole cannot be read; the text says why and what to do. It holds no cell but names of columns."""


class BadCell(str):
    """What stands in a cell that has no value to read; the text ends a sentence that begins with the column's name."""

    __slots__ = ()


Cell = str | int | float | bool | dt.datetime | dt.time | None
"""None where it is empty. Files of text have text only; a datetime has no zone."""


@dataclass(slots=True)
class Row:
    """One row. `number` is what a spreadsheet shows beside it, from 1; `flaw` says why its cells cannot be trusted."""

    number: int
    cells: list[Cell]
    flaw: str | None = None

    @property
    def blank(self) -> bool:
        """Whether nothing stands in it."""
        return self.flaw is None and all(is_empty(cell) for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Table:
    """A header and the rows below it, blank ones left out. `decimal_comma`: numbers may be written `12,5`."""

    header: Row
    rows: Iterator[Row]
    decimal_comma: bool = False


def is_empty(cell: Cell) -> bool:
    """Whether a cell counts as empty: white space does."""
    return cell is None or (type(cell) is str and (not cell or cell.isspace()))


def table_of(rows: Iterator[Row], *, decimal_comma: bool = False) -> Table | None:
    """Return the table that begins with the first row that is not blank; None where every row is."""
    written = (row for row in rows if not row.blank)
    header = next(written, None)
    if header is None:
        return None
    if header.flaw is not None:
        raise TableError(f"row {header.number}, the header, {header.flaw}")
    return Table(header, _bounded(written), decimal_comma)


def _bounded(rows: Iterator[Row]) -> Iterator[Row]:
    for count, row in enumerate(rows):
        if count == MAX_RECORDS:
            raise TableError(f"the table has more than {MAX_RECORDS} rows: split it")
        yield row
