"""The table of corrected records: each row is laid over the dead letter it is from, so that only what changed is read.

An export shows texts, numbers, nested values and nothing alike as cells. A cell that still shows its field leaves that
field its JSON value; a changed one is read as the schema's type, as `send` and `upload` read it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import msgspec

from dialfeed.exits import WrongUseError
from dialfeed.formula_cells import rearmed_table
from ingest_api.tables.cells import reader_of, text_if_misread, text_of
from ingest_api.tables.columns import column_of
from ingest_api.tables.numbers import POINT, Numbers
from ingest_api.tables.reading import read_table
from ingest_api.tables.rows import BadCell, Cell, Row, Table, TableError, is_empty
from schemas.dead_letters import DeadLetter
from schemas.edited_record import RECORD, is_unchanged, members_of, put_together
from schemas.replay_changes import Place
from schemas.returned import added_among
from schemas.variable_scalars import BOOLEAN, DOUBLE, LONG
from schemas.variable_shapes import Field, Record

Declared = Callable[[DeadLetter], Record | None]
"""Says which variables the schema declares that a dead letter is checked against; None where that is not known."""

_KEEP: Final = "Nothing was sent. Keep the columns `_submission` and `_index` as they were exported."


@dataclass(frozen=True, slots=True)
class EditedRow:
    """A row of the table, without its marks. `numbers` says how numbers are written in it."""

    names: Sequence[str]
    cells: Sequence[Cell]
    numbers: Numbers = POINT

    def laid_over(self, declared: Declared, letter: DeadLetter, record: bytes) -> bytes:
        """Return what the row makes of a record that failed: the very bytes where nothing was changed."""
        before = members_of(record)
        members = dict(before)
        for name, cell in zip(self.names, self.cells, strict=True):
            if is_unchanged(before.get(name), _text(cell), decimal_comma=self.numbers.decimal_comma):
                continue
            value = self._value(_field(declared(letter), name), name, cell, before.get(name))
            if value is None:
                members.pop(name, None)
            else:
                members[name] = value
        return record if members == before else put_together(record, members)

    def says_as(self, other: EditedRow) -> bool:
        """Return whether both say the same of their record."""
        return self == other

    def _value(self, field: Field | None, name: str, cell: Cell, before: bytes | None) -> bytes | None:
        """Return a changed cell as JSON; None where an emptied one takes its field away."""
        if name == RECORD:
            return _as_json(_text(cell))
        column = column_of(name, field, self.numbers)
        if is_empty(cell):
            return b"null" if column.null_if_empty else None
        if field is None and before is not None:
            return msgspec.json.encode(_alike(before, cell, self.numbers))
        return msgspec.json.encode(text_if_misread(column.read, cell))


def read_rows(file: BinaryIO) -> list[tuple[Place, EditedRow]]:
    """Return the rows, CSV or XLSX, by their place; raise WrongUseError, repeating no content."""
    try:
        table = rearmed_table(read_table(file))
        names = _names(table)
        marks = added_among(names)
        return [_row(row, names, marks, table.numbers) for row in table.rows]
    except TableError as error:
        raise WrongUseError(f"the file cannot be read: {error}", "Nothing was sent. Correct the file.") from None


def _names(table: Table) -> list[str]:
    names = [_text(cell) for cell in table.header.cells]
    for mark in ("_submission", "_index"):
        if names.count(mark) != 1:
            raise WrongUseError(f"the file is no JSON, and no table with a column `{mark}`", _KEEP)
    if len(set(names)) < len(names):
        raise TableError("the header names a column twice: rename one, or remove it")
    return names


def _row(row: Row, names: Sequence[str], marks: frozenset[str], numbers: Numbers) -> tuple[Place, EditedRow]:
    flaw = row.flaw or next((f"has a cell that {cell}" for cell in row.cells if type(cell) is BadCell), None)
    if flaw is not None:
        raise TableError(f"row {row.number} {flaw}")
    cells = dict(zip(names, [*row.cells, *[None] * (len(names) - len(row.cells))], strict=False))
    try:
        place = (_text(cells["_submission"]), int(_text(cells["_index"])))
    except ValueError:
        raise WrongUseError(f"row {row.number} of the file has no number in the column `_index`", _KEEP) from None
    own = {name: cell for name, cell in cells.items() if name not in marks}
    return place, EditedRow(tuple(own), tuple(own.values()), numbers)


def _text(cell: Cell) -> str:
    return "" if cell is None else text_of(cell)


def _field(variables: Record | None, name: str) -> Field | None:
    return next((field for field in variables.fields if field.name == name), None) if variables is not None else None


def _alike(before: bytes, cell: Cell, numbers: Numbers) -> Any:
    """Return a cell of which no schema says the type as the kind of value that was there, else as text."""
    text = _text(cell)
    match before[:1]:
        case b"t" | b"f":
            return reader_of(BOOLEAN, numbers)(cell)
        case b"[" | b"{":
            return _nested(text)
        case b'"' | b"n":
            return text
    whole = text_if_misread(reader_of(LONG, numbers), cell) if b"." not in before else text
    return whole if isinstance(whole, int) else text_if_misread(reader_of(DOUBLE, numbers), cell)


def _nested(text: str) -> Any:
    return msgspec.Raw(_as_json(text)) if text.lstrip()[:1] in ("[", "{") else text


def _as_json(text: str) -> bytes:
    """Return a text that is JSON as it is, another one as a JSON text."""
    try:
        msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return msgspec.json.encode(text)
    return text.encode()
