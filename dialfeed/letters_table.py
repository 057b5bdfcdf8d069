"""Exported dead letters as a table, CSV: a column for every field of any record, then the marks.

It is written only where it can be read again (`ingest_api.tables.delimited`): not every record fits into cells.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Final

import msgspec

from dialfeed.exits import WrongUseError
from ingest_api.tables.delimited import MAX_LINE_CHARACTERS
from ingest_api.tables.formula_cells import disarmed
from ingest_api.tables.rows import MAX_COLUMNS
from schemas.edited_record import shown
from schemas.returned import EXPORTED
from schemas.submission_body import MAX_RECORDS

MAX_CELL_CHARACTERS: Final = csv.field_size_limit()
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def as_csv(lines: IO[bytes], file: IO[bytes]) -> None:
    """Write exported lines as a table; raise WrongUseError where it could not be read again.

    A byte order mark says that it is UTF-8: some spreadsheet programs take it for something else without. What they
    would run as formulas is disarmed. The header is quoted, so that no name in it is taken for a delimiter.
    """
    columns = _columns(lines)
    with _text(file) as text:
        if not _put(csv.writer(text, quoting=csv.QUOTE_ALL).writerow, [disarmed(column) for column in columns]):
            raise _no_table("the names of their fields are too long for a row")
        write = csv.writer(text).writerow
        for line in _from_start(lines):
            members = _members(line)
            if not _put(write, [_cell(members.get(column)) for column in columns]):
                place = f"record {shown(bytes(members['_index']))} of submission {shown(bytes(members['_submission']))}"
                raise _no_table(f"{place} does not fit into a row with cells of {MAX_CELL_CHARACTERS} characters")


def _columns(lines: IO[bytes]) -> list[str]:
    names: dict[str, None] = {}
    for count, line in enumerate(_from_start(lines), start=1):
        names.update(dict.fromkeys(_members(line)))
        if len(names) > MAX_COLUMNS:
            raise _no_table(f"they have more than {MAX_COLUMNS - len(EXPORTED)} different fields")
        if count > MAX_RECORDS:
            raise _no_table(f"they are more than {MAX_RECORDS}")
    return [*(name for name in names if name not in EXPORTED), *EXPORTED]


def _from_start(lines: IO[bytes]) -> Iterator[bytes]:
    lines.seek(0)
    return iter(lines)


@contextmanager
def _text(file: IO[bytes]) -> Iterator[io.TextIOWrapper]:
    text = io.TextIOWrapper(file, "utf-8-sig", newline="", write_through=True)
    try:
        yield text
    finally:
        text.detach()


def _put(write: Callable[[Sequence[str]], int], cells: Sequence[str]) -> bool:
    """Write a row; return whether it can be read again. `write` returns how many characters that took."""
    return write(cells) <= MAX_LINE_CHARACTERS and max(map(len, cells)) <= MAX_CELL_CHARACTERS


def _cell(value: msgspec.Raw | None) -> str:
    """Return a member as a cell; a number, which no program runs, as it is."""
    if value is None:
        return ""
    raw = bytes(value)
    return disarmed(shown(raw)) if raw[:1] == b'"' else shown(raw)


def _no_table(reason: str) -> WrongUseError:
    return WrongUseError(
        f"the records cannot be exported as a table: {reason}",
        "Export them as NDJSON, to a file that ends in .ndjson, or fewer of them.",
    )
