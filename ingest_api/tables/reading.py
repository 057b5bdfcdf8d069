"""From a file to records: CSV or XLSX by its content, the header, then a record a row.

table = read_table(file)                                  # raises TableError
for one in records_of(table, variables):                  # raises TableError where the file breaks
    one.row, one.raw, one.errors
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, BinaryIO, Final

import msgspec

from ingest_api.tables.cells import MisreadError
from ingest_api.tables.columns import PHONE, Column, columns_of
from ingest_api.tables.delimited import read_delimited
from ingest_api.tables.formula_cells import rearmed_table
from ingest_api.tables.other_files import refusal_of
from ingest_api.tables.rewritten_numbers import is_shortened
from ingest_api.tables.rows import LAST_ASCII, BadCell, Cell, Row, Table, TableError, is_empty
from ingest_api.tables.workbook import read_workbook
from schemas.outcomes import Code, FieldError
from schemas.returned import is_exported, shortened
from schemas.variable_scalars import error_at
from schemas.variable_shapes import Record

ZIP: Final = b"PK\3\4"
_LOOKED_AT_BYTES: Final = 1024
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class TableRecord:
    """A row as the JSON text of its record. Where `errors` are there the row is not to be sent."""

    row: int
    raw: bytes
    errors: tuple[FieldError, ...] = ()
    lines: Sequence[int] = ()


def read_table(file: BinaryIO, encoding: str | None = None) -> Table:
    """Return the table in a file, CSV or XLSX by its content. The file must be able to seek; raise TableError.

    `encoding` is the one that its sender names for CSV; None: it is found out.
    """
    file.seek(0)
    start = file.read(_LOOKED_AT_BYTES)
    file.seek(0)
    refusal = refusal_of(start)
    if refusal is not None:
        raise TableError(refusal)
    table = read_workbook(file) if start.startswith(ZIP) else read_delimited(file, encoding)
    if table is None:
        raise TableError("the file is empty: give a header row with phoneNumber, and a row for each contact")
    return table


def records_of(table: Table, variables: Record | None) -> Iterator[TableRecord]:
    """Return the records, made as they are taken; a wrong header raises TableError at once.

    `variables` is the shape of what the agent's schema declares; None where no schema is known. Exported dead letters
    are read without the quotes that stand before formulas, and a number that lost its digits fails.
    """
    exported = is_exported(table.header.cells)
    if exported:
        table = rearmed_table(table)
    columns = columns_of(table.header, variables, table.numbers)
    if exported:
        columns = [replace(column, read=partial(_unshortened, column)) for column in columns]
    numeric = [place for place, column in enumerate(columns) if column.numeric]
    if table.again is not None and numeric:
        table.numbers.look_at(partial(_texts, table.again, numeric))
    return (_record(row, columns) for row in table.rows)


def _unshortened(column: Column, cell: Cell) -> Any:
    """Read a cell of an export; raise MisreadError where a spreadsheet program has shortened its number."""
    if type(cell) is str and is_shortened(cell, number=column.numeric):
        raise MisreadError(
            cell,
            f"a spreadsheet program has rewritten the cell: {cell.strip()!r} has lost digits; write all of them, or "
            "use `dialfeed replay --from`, which keeps what nobody edited",
            Code.PHONE_INVALID if column.name == PHONE else Code.FORMAT,
        )
    return column.read(cell)


def _texts(again: Callable[[], Iterator[Row]], places: Sequence[int]) -> Generator[str, None, None]:
    for row in again():
        if row.flaw is None:
            for place in places:
                cell = row.cells[place] if place < len(row.cells) else None
                if type(cell) is str:
                    yield cell


def _record(row: Row, columns: Sequence[Column]) -> TableRecord:
    if row.flaw is None and len(row.cells) > len(columns) and not all(map(is_empty, row.cells[len(columns) :])):
        row.flaw = f"has a cell beyond the header's {len(columns)} columns: name its column, or empty it"
    values, errors = _values(row, columns)
    if row.flaw is not None:
        errors = [FieldError(Code.ROW_UNREADABLE, "", f"the row {row.flaw}")]
    return TableRecord(row.number, shortened(_encode(values)), tuple(errors), row.lines)


def _values(row: Row, columns: Sequence[Column]) -> tuple[dict[str, Any], list[FieldError]]:
    """Return a record's members; an empty cell is none, so that the schema's default or its demand applies."""
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    cells = row.cells if len(row.cells) >= len(columns) else row.cells + [None] * (len(columns) - len(row.cells))
    for column, cell in zip(columns, cells, strict=False):
        if (type(cell) is not str or cell[:1] <= " " or cell[0] > LAST_ASCII) and is_empty(cell):  # seldom asked
            if column.null_if_empty:
                values[column.name] = None
        elif type(cell) is BadCell:
            errors.append(error_at((column.name,), Code.ROW_UNREADABLE, cell))
        else:
            try:
                values[column.name] = column.read(cell)
            except MisreadError as error:
                values[column.name] = error.text
                errors.append(error_at((column.name,), error.code, str(error)))
    return values, errors
