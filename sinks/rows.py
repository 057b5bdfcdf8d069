"""What is written to ClickHouse, as pure functions of what was read from Kafka.

A chunk becomes one Native block and one receipt, whichever chunks it is written together with. Written twice, it
gives the same rows: `ReplacingMergeTree` keeps one of each order key, the one with the highest version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from schemas.identity import CALL_ID_BYTES, call_ids
from schemas.records import PhoneLogChunk, Receipt
from sinks import native
from sinks.entries import entries_of

VERSIONS_START: Final = 1_577_836_800_000
"""2020-01-01 in ms since the epoch: 40 bits of ms from here, then 24 bits of record index, fill a version."""

_INDEX_BITS: Final = 24
_PHONE_LOG_COLUMNS: Final = (
    "batch_id",
    "phone_number",
    "entry",
    "call_id",
    "version",
    "workspace_id",
    "submission_id",
    "record_index",
    "accepted_at",
    "phone_number_sent",
    "timezone",
    "timezone_source",
    "variables",
    "agent_id",
    "schema_version",
)
_PARALLEL: Final = ("record_index", "phone_number", "phone_number_sent", "timezone", "timezone_source", "variables")


@dataclass(frozen=True, slots=True)
class Insert:
    """One insert into one table: Native blocks, all of the same columns. Rows must not be 0."""

    table: str
    columns: tuple[str, ...]
    blocks: bytes
    rows: int

    @property
    def token(self) -> str:
        """The `insert_deduplication_token`: the same for exactly the same rows, and for no others."""
        return hashlib.sha256(self.blocks).hexdigest()


class Tables(Protocol):
    """Where inserts go: `sinks.clickhouse.ClickHouse`."""

    async def insert(self, insert: Insert) -> None:
        """Write rows, all or none; the same rows again change nothing.

        Raise TryAgainError, MustStopError, or RowsRefusedError if a row is refused for its own sake.
        """
        ...


@dataclass(frozen=True, slots=True)
class PreparedChunk:
    """A chunk with what is computed from it: its rows as a Native block, and 16 bytes of callId a row."""

    chunk: PhoneLogChunk
    call_ids: bytes
    block: bytes

    @property
    def rows(self) -> int:
        return len(self.chunk.record_index)


def is_whole(chunk: PhoneLogChunk) -> bool:
    """Return whether the columns fit each other and the slice, as they do in every chunk that dialfeed writes."""
    rows = len(chunk.record_index)
    if any(len(getattr(chunk, name)) != rows for name in _PARALLEL):
        return False
    end = chunk.first_index + chunk.size
    fits = chunk.first_index >= 0 and rows <= chunk.size and end <= 2**_INDEX_BITS and chunk.total >= 0
    if not rows:
        return fits
    places = chunk.first_index <= min(chunk.record_index) and max(chunk.record_index) < end
    return fits and places and chunk.batch_id is not None and chunk.schema_version >= 0


def row_version(accepted_at: int, record_index: int) -> int:
    """Return the version of a row (UInt64): the later accepted wins, then the later in its submission."""
    since = min(max(accepted_at - VERSIONS_START, 0), 2**40 - 1)
    return since << _INDEX_BITS | record_index


def prepare(chunk: PhoneLogChunk) -> PreparedChunk:
    """Return the chunk with its callIds and its block."""
    batch_id = chunk.batch_id or ""
    entries = entries_of(batch_id, chunk.phone_number, chunk.accepted_at)
    ids = b"".join(call_ids(batch_id, zip(chunk.phone_number, entries, strict=True)))
    return PreparedChunk(chunk, ids, _phone_log_block(chunk, entries, ids))


def _phone_log_block(chunk: PhoneLogChunk, entries: Sequence[int], ids: bytes) -> bytes:
    rows = len(chunk.record_index)
    first = row_version(chunk.accepted_at, 0)
    return native.block(
        rows,
        [
            native.same_text("batch_id", chunk.batch_id or "", rows),
            native.texts("phone_number", chunk.phone_number),
            native.integers("entry", "UInt32", entries),
            native.uuids("call_id", ids),
            native.integers("version", "UInt64", [first | index for index in chunk.record_index]),
            native.same_text("workspace_id", chunk.workspace_id, rows),
            native.same_text("submission_id", chunk.submission_id, rows),
            native.integers("record_index", "UInt32", chunk.record_index),
            native.same_integer("accepted_at", native.MILLISECONDS, chunk.accepted_at, rows),
            native.texts("phone_number_sent", chunk.phone_number_sent),
            native.few_texts("timezone", chunk.timezone),
            native.few_texts("timezone_source", chunk.timezone_source),
            native.texts("variables", chunk.variables),
            native.same_text("agent_id", chunk.agent_id, rows),
            native.same_integer("schema_version", "UInt32", chunk.schema_version, rows),
        ],
    )


def phone_log_insert(prepared: Sequence[PreparedChunk]) -> Insert | None:
    """Return the insert of these chunks' rows, or None if they have none."""
    rows = sum(each.rows for each in prepared)
    blocks = b"".join(each.block for each in prepared)
    return Insert("phone_log", _PHONE_LOG_COLUMNS, blocks, rows) if rows else None


def receipt_of(prepared: PreparedChunk, refused: Collection[int] = ()) -> Receipt:
    """Return the chunk's receipt; `refused` are indices, in the submission, of rows that ClickHouse did not take."""
    chunk = prepared.chunk
    stored = [place for place, index in enumerate(chunk.record_index) if index not in refused]
    return Receipt(
        submission_id=chunk.submission_id,
        workspace_id=chunk.workspace_id,
        batch_id=chunk.batch_id,
        first_index=chunk.first_index,
        size=chunk.size,
        total=chunk.total,
        added=len(stored),
        failed=chunk.size - len(stored),
        accepted_at=chunk.accepted_at,
        call_ids=_at(prepared.call_ids, stored) if refused else prepared.call_ids,
    )


def _at(packed: bytes, places: Sequence[int]) -> bytes:
    return b"".join(packed[place * CALL_ID_BYTES : (place + 1) * CALL_ID_BYTES] for place in places)
