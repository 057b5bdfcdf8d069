"""Rows that ClickHouse refuses: found by halving, then dead letters. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from schemas.dead_letters import DeadLetter, dead_letter
from schemas.outcomes import Code, FieldError, Rejected
from schemas.phone_log_columns import rows_of
from schemas.records import PhoneLogChunk
from sinks.entries import Entries
from sinks.rows import PreparedChunk, prepare_as

STAGE: Final = "load"
SAMPLE_ROWS: Final = 16


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """One row that ClickHouse refuses, as a chunk of one row; `reason` says why, without the row's values."""

    chunk: PhoneLogChunk
    reason: str


def sample(prepared: Sequence[PreparedChunk]) -> list[PreparedChunk]:
    """Return at most SAMPLE_ROWS rows, spread evenly, each as a chunk of its own; none where rows are few.

    If ClickHouse refuses all of them, the table is wrong rather than the rows, and nothing may be dead-lettered.
    """
    places = [(each, row) for each in prepared for row in range(each.rows)]
    if len(places) <= SAMPLE_ROWS:
        return []
    chosen = [places[i * len(places) // SAMPLE_ROWS] for i in range(SAMPLE_ROWS)]
    return [_cut(each, slice(row, row + 1)) for each, row in chosen]


def halves(prepared: Sequence[PreparedChunk]) -> tuple[list[PreparedChunk], list[PreparedChunk]]:
    """Return the rows in two parts; there must be at least two. Chunks are parted before one is cut."""
    with_rows = [each for each in prepared if each.rows]
    if len(with_rows) > 1:
        middle = len(with_rows) // 2
        return with_rows[:middle], with_rows[middle:]
    whole, middle = with_rows[0], with_rows[0].rows // 2
    return [_cut(whole, slice(0, middle))], [_cut(whole, slice(middle, whole.rows))]


def _cut(prepared: PreparedChunk, rows: slice) -> PreparedChunk:
    chunk, entries = prepared.chunk, prepared.entries
    left = [place - rows.start for place in entries.left if rows.start <= place < rows.stop]
    return prepare_as(rows_of(chunk, range(prepared.rows)[rows]), Entries(entries.entry[rows], left))


def dead_letter_of(row: RefusedRow, failed_at: int, app_version: str) -> DeadLetter:
    """Return the dead letter of a refused row.

    The sender's bytes are no longer at hand: its record is put together again from the number as it was sent (as
    text, also where it was sent as a number), the timezone if the sender gave one, and the variables untouched.
    A replay brings the sender's bytes along: there it is needed only where the replay changed them.
    """
    chunk = row.chunk
    rejected = Rejected((FieldError(Code.SINK_REJECTED, "", row.reason),), STAGE)
    index, workspace_id = chunk.record_index[0], chunk.workspace_id
    letter = dead_letter(_record(chunk), rejected, chunk, index, failed_at, app_version, workspace_id)
    return letter if letter.changes else msgspec.structs.replace(letter, tried=None)


def _record(chunk: PhoneLogChunk) -> bytes:
    given = {"phoneNumber": chunk.phone_number_sent[0]}
    if chunk.timezone_source[0] == "record":
        given["timezone"] = chunk.timezone[0]
    head = msgspec.json.encode(given)[:-1]
    variables = chunk.variables[0].strip()[1:].lstrip()
    return head + (b"," if variables != b"}" else b"") + variables
