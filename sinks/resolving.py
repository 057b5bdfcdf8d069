"""Dead letters that are resolved because their record was posted again, corrected, and is stored now. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from schemas.identity import record_id
from schemas.records import PhoneLogChunk
from sinks import native
from sinks.refused import RefusedRow
from sinks.rows import Insert, PreparedChunk

BY_RECORD: Final = "record"

Resolution = tuple[str, int, str, str, int]
"""Submission and index of a dead letter; workspace, submission and index of the record that is stored in its place."""


def resolved_insert(prepared: Sequence[PreparedChunk], refused: Sequence[RefusedRow], now_ms: int) -> Insert | None:
    """Return the insert that says which dead letters the stored rows resolve, None where they resolve none."""
    lost = {(row.chunk.submission_id, index) for row in refused for index in row.chunk.record_index}
    rows = [found for each in prepared if each.chunk.returned for found in _resolutions(each.chunk, lost)]
    if not rows:
        return None
    columns = [
        native.texts("submission_id", [row[0] for row in rows]),
        native.integers("record_index", "UInt32", [row[1] for row in rows]),
        native.few_texts("workspace_id", [row[2] for row in rows]),
        native.same_text("by", BY_RECORD, len(rows)),
        native.texts("by_submission_id", [row[3] for row in rows]),
        native.integers("by_record_index", "UInt32", [row[4] for row in rows]),
        native.same_integer("resolved_at", native.MILLISECONDS, now_ms, len(rows)),
    ]
    return Insert("resolved", tuple(each.name for each in columns), native.block(len(rows), columns), len(rows))


def _resolutions(chunk: PhoneLogChunk, lost: set[tuple[str, int]]) -> Iterator[Resolution]:
    stored = set(chunk.record_index)
    for one in chunk.returned:
        if one.record_index in stored and (chunk.submission_id, one.record_index) not in lost:
            yield one.submission_id, one.index, chunk.workspace_id, *_place(chunk, one.record_index)


def _place(chunk: PhoneLogChunk, index: int) -> tuple[str, int]:
    """Return where a record of the chunk came first."""
    if chunk.replay is not None:
        again = chunk.replay.records[index]
        return again.submission_id, again.record_index
    if chunk.origins is not None:
        place = index - chunk.first_index
        return record_id(chunk.origins.partition[place], chunk.origins.offset[place]), 0
    return chunk.submission_id, index
