"""The table of corrected records: each row is laid over the dead letter it is from, so that only what changed is read.

An export shows texts, numbers, nested values and nothing alike as cells. A cell that still shows its field, or what a
spreadsheet program makes of it, leaves that field its JSON value; a changed one is read as the schema's type, as `send`
and `upload` read it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO, Final

import msgspec

from dialfeed.exits import WrongUseError
from dialfeed.replay_remarks import Remarks
from ingest_api.tables.cells import is_number, phone_text, reader_of, text_if_misread, text_of
from ingest_api.tables.columns import PHONE, column_of
from ingest_api.tables.formula_cells import rearmed_table
from ingest_api.tables.numbers import POINT, Numbers
from ingest_api.tables.reading import read_table
from ingest_api.tables.rewritten import has_lost_its_form, is_rewritten
from ingest_api.tables.rewritten_dates import is_same_day
from ingest_api.tables.rewritten_numbers import is_same_number, is_shortened
from ingest_api.tables.rows import BadCell, Cell, Row, Table, TableError, is_empty
from schemas.dead_letters import DeadLetter
from schemas.edited_record import RECORD, is_unchanged, members_of, put_together, shown
from schemas.replay_changes import LeftOutError, Place
from schemas.returned import added_among
from schemas.variable_scalars import BOOLEAN, DOUBLE, LONG
from schemas.variable_shapes import Field, Record

Declared = Callable[[DeadLetter], Record | None]
"""Says which variables the schema declares that a dead letter is checked against; None where that is not known."""

_KEEP: Final = "Nothing was sent. Keep the columns `_submission` and `_index` as they were exported."


@dataclass(frozen=True, slots=True)
class _Edited:
    """What somebody made of a cell, as JSON; None where its field goes. `is_doubtful`: a program rewrote it since."""

    value: bytes | None
    is_doubtful: bool


@dataclass(frozen=True, slots=True)
class EditedRow:
    """A row of the table, without its marks.

    `numbers` says how numbers are written in it; `number` is what a spreadsheet program shows beside it.
    """

    names: Sequence[str]
    cells: Sequence[Cell]
    numbers: Numbers = POINT
    number: int = field(default=0, compare=False)

    def laid_over(self, declared: Declared, remarks: Remarks, letter: DeadLetter, record: bytes) -> bytes:
        """Return what the row makes of a record that failed: the very bytes where nothing was changed.

        Raise LeftOutError where a spreadsheet program rewrote what was edited.
        """
        before = members_of(record)
        members = dict(before)
        for name, cell in zip(self.names, self.cells, strict=True):
            was, text = before.get(name), _text(cell)
            if text == shown(was):
                continue
            edited = self._edited(partial(_field, declared, letter, name), name, cell, was)
            if edited is None:
                remarks.add_rewritten(name, self.number)
            elif edited.is_doubtful:
                remarks.add_left_out(name, self.number)
                raise LeftOutError
            elif edited.value is None:
                members.pop(name, None)
            else:
                members[name] = edited.value
        return record if members == before else put_together(record, members)

    def says_as(self, other: EditedRow) -> bool:
        """Return whether both say the same of their record."""
        return self == other

    def _edited(self, field_of: Callable[[], Field | None], name: str, cell: Cell, was: bytes | None) -> _Edited | None:
        """Return what somebody made of a cell; None where a spreadsheet program may have done it."""
        text = _text(cell)
        if is_unchanged(was, text, decimal_comma=self.numbers.decimal_comma):
            return None
        field = field_of()
        value = self._value(field, name, cell, was)
        if is_rewritten(shown(was), text) and not _corrects(field, name, cell, was, value):
            return None
        number = field is not None and is_number(field.shape)
        shortened = type(cell) is str and is_shortened(text, number=number)
        is_text = name != PHONE and not number and was is not None and was[:1] == b'"'
        return _Edited(value, shortened or (is_text and has_lost_its_form(shown(was), text)))

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
    return place, EditedRow(tuple(own), tuple(own.values()), numbers, row.number)


def _text(cell: Cell) -> str:
    return "" if cell is None else text_of(cell)


def _field(declared: Declared, letter: DeadLetter, name: str) -> Field | None:
    variables = declared(letter)
    return next((one for one in variables.fields if one.name == name), None) if variables is not None else None


def _corrects(field: Field | None, name: str, cell: Cell, was: bytes | None, value: bytes | None) -> bool:
    """Say whether a cell that a program may have rewritten is a correction all the same.

    It is one where the schema rejects what was exported, takes what came back, and both can only mean the same number
    or day: `12.50` as text, 31/01/2026. Of a telephone number where it loses the `.0` of an amount.
    """
    before, text = shown(was), _text(cell)
    if name == PHONE:
        return before != text and phone_text(before) == text
    if field is None or was is None or value is None:
        return False
    if not is_same_number(before, text) and not (type(cell) is str and is_same_day(before, text)):
        return False
    return _fails(field, was) and not _fails(field, value)


def _fails(field: Field, value: bytes) -> bool:
    return next(field.shape.errors(msgspec.json.decode(value), ()), None) is not None


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
