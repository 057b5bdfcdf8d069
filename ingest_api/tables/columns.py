"""The header: which column is which member of a record, and how its cells are read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ingest_api.tables.cells import Reader, is_number, phone_text, reader_of, text_of, typed_text
from ingest_api.tables.numbers import POINT, Numbers
from ingest_api.tables.rows import Row, TableError, is_empty
from schemas.variable_scalars import Kind
from schemas.variable_shapes import Field, Record

PHONE: Final = "phoneNumber"
TIMEZONE: Final = "timezone"
_LIKE_PHONE: Final = ("phonenumber", "phone")
_MAX_NAME: Final = 256
_SHOWN: Final = 80
_SEPARATORS: Final = re.compile(r"[\s_.\-]+")


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `null_if_empty` where the schema wants the member and its type has null."""

    name: str
    read: Reader
    null_if_empty: bool = False
    numeric: bool = False


def columns_of(header: Row, variables: Record | None, numbers: Numbers = POINT) -> list[Column]:
    """Return the columns; raise TableError. `variables` None: no schema is known, and everything is text."""
    names = _names(header)
    phone = _place(names, PHONE, *_LIKE_PHONE)
    if phone is None:
        raise TableError(
            f"row {header.number}, the header, names no column phoneNumber: write the names of the columns into the "
            f"first row, {PHONE} among them"
        )
    names[phone] = PHONE
    zone = _place(names, TIMEZONE, TIMEZONE)
    if zone is not None:
        names[zone] = TIMEZONE
    _refuse_repeats(names)
    fields = {field.name: field for field in variables.fields} if variables is not None else {}
    return [column_of(name, fields.get(name), numbers) for name in names]


def phone_place(names: Sequence[str]) -> int | None:
    """Return which of these, if they are the names of columns, is that of the telephone numbers; None if none is."""
    names = [typed_text(name) for name in names]
    if PHONE in names:
        return names.index(PHONE)
    bare = list(map(_bare, names))
    return next((bare.index(name) for name in _LIKE_PHONE if name in bare), None)


def column_of(name: str, field: Field | None, numbers: Numbers = POINT) -> Column:
    """Return the column of a member; `field` is what the schema says of it, None if nothing."""
    if name == PHONE:
        return Column(name, phone_text)
    if name == TIMEZONE:
        return Column(name, typed_text)
    if field is None:
        return Column(name, text_of)
    null_if_empty = field.required and Kind.NULL in field.shape.kinds
    return Column(name, reader_of(field.shape, numbers), null_if_empty, is_number(field.shape))


def _names(header: Row) -> list[str]:
    cells = list(header.cells)
    while is_empty(cells[-1]):
        cells.pop()
    names = [typed_text(cell) if cell is not None else "" for cell in cells]
    gaps = [str(place) for place, name in enumerate(names, start=1) if not name]
    if gaps:
        raise TableError(f"the header has no name for column {', '.join(gaps[:10])}: name it, or remove the column")
    if any(len(name) > _MAX_NAME for name in names):
        raise TableError(f"a name in the header is longer than {_MAX_NAME} characters: shorten it")
    return names


def _place(names: Sequence[str], documented: str, *alike: str) -> int | None:
    """Return the place of the column that is meant; the documented name goes before those like it, in their order."""
    found = [[place for place, name in enumerate(names) if name == documented]]
    found += [[place for place, name in enumerate(names) if _bare(name) == bare] for bare in alike]
    places = next((places for places in found if places), [])
    if len(places) > 1:
        raise _repeated([names[places[0]], names[places[1]]])
    return places[0] if places else None


def _bare(name: str) -> str:
    return _SEPARATORS.sub("", name).lower()


def _refuse_repeats(names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise _repeated([name])
        seen.add(name)


def _repeated(names: Sequence[str]) -> TableError:
    shown = " and ".join(repr(name[:_SHOWN]) for name in names)
    return TableError(f"the header names the same column twice, {shown}: rename one, or remove it")
