"""Exported dead letters as a table, CSV: a column for every field of any record, then the marks."""

from __future__ import annotations

import csv
import io
from typing import IO, Final

import msgspec

from dialfeed.formula_cells import disarmed
from dialfeed.record_marks import EXPORTED
from schemas.edited_record import shown

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def as_csv(lines: IO[bytes], file: IO[bytes]) -> None:
    """Write exported lines as a table: the records' fields as they first come, then the marks.

    A byte order mark says that it is UTF-8: some spreadsheet programs take it for something else without. What they
    would run as formulas is disarmed.
    """
    lines.seek(0)
    fields = dict.fromkeys(name for line in lines for name in _members(line) if name not in EXPORTED)
    columns = [*fields, *EXPORTED]
    table = csv.writer(text := io.TextIOWrapper(file, "utf-8-sig", newline="", write_through=True))
    table.writerow(map(disarmed, columns))
    lines.seek(0)
    for line in lines:
        members = _members(line)
        table.writerow([_cell(members.get(column)) for column in columns])
    text.detach()


def _cell(value: msgspec.Raw | None) -> str:
    """Return a member as a cell; a number, which no program runs, as it is."""
    if value is None:
        return ""
    raw = bytes(value)
    return disarmed(shown(raw)) if raw[:1] == b'"' else shown(raw)
