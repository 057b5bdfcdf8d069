"""What is written to ClickHouse, as pure functions of what was read from Kafka.

A chunk becomes one Native block and one receipt, whichever chunks it is written together with. Written twice, it
gives the same rows: `ReplacingMergeTree` keeps one of each order key, the one with the highest version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from schemas.identity import CALL_ID_BYTES, call_ids, record_id, uuid_texts
from schemas.phone_log_columns import PARALLEL
from schemas.records import INDEX_BITS, Origins, PhoneLogChunk, Receipt, Replay, Replayed
from schemas.topics import TopicName
from sinks import native
from sinks.entries import Entries, LeftTimes

VERSIONS_START: Final = 1_577_836_800_000
"""2020-01-01 in ms since the epoch: 40 bits of ms from here, then 24 bits of record index, fill a version."""

_PHONE_LOG_COLUMNS: Final = (
    "batch_id",
    "phone_number",
    "entry",
    "call_id",
    "workspace_id",
    "version",
    "submission_id",
    "record_index",
    "accepted_at",
    "phone_number_sent",
    "timezone",
    "timezone_source",
    "variables",
    "agent_id",
    "schema_version",
    "tz_database",
    "phone_number_read_as",
    "timezone_confidence",
    "timezone_candidates",
)
_CERTAIN, _NOT_NOTED = ("certain", ""), ("", "")
_CERTAIN_SOURCES: Final = frozenset({"record", "number"})


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
    """A chunk with what is computed from it: its entries, its rows as a Native block, 16 bytes of callId a row."""

    chunk: PhoneLogChunk
    entries: Entries
    call_ids: bytes
    block: bytes

    @property
    def rows(self) -> int:
        return len(self.chunk.record_index)

    @property
    def left(self) -> list[str]:
        """Return the callIds of the rows whose call has left pending."""
        return uuid_texts(_at(self.call_ids, self.entries.left))


def is_whole(chunk: PhoneLogChunk) -> bool:
    """Return whether the columns fit each other and the slice, as they do in every chunk that dialfeed writes."""
    rows = len(chunk.record_index)
    if any(len(getattr(chunk, name)) != rows for name in PARALLEL):
        return False
    end = chunk.first_index + chunk.size
    fits = chunk.first_index >= 0 and rows <= chunk.size and end <= 2**INDEX_BITS and chunk.total >= 0
    if chunk.origins is not None:
        fits &= all(len(getattr(chunk.origins, name)) == chunk.size for name in Origins.__struct_fields__)
    if chunk.replay is not None:
        fits &= chunk.first_index == 0 and len(chunk.replay.records) == chunk.size
    if not rows:
        return fits
    places = chunk.first_index <= min(chunk.record_index) and max(chunk.record_index) < end
    areas = set(chunk.uncertain_area) <= set(range(len(chunk.areas)))
    places &= areas and len(chunk.uncertain) == len(chunk.uncertain_area)
    return fits and places and chunk.batch_id is not None and chunk.schema_version >= 0


def row_version(accepted_at: int, record_index: int) -> int:
    """Return the version of a row (UInt64): the later accepted wins, then the later in its submission."""
    since = min(max(accepted_at - VERSIONS_START, 0), 2**40 - 1)
    return since << INDEX_BITS | record_index


def replayed_time(replay: Replay, one: Replayed) -> int:
    """Return the time as of which a replayed record counts, ms since the epoch."""
    return one.accepted_at if replay.counts_from is None else replay.counts_from


def replayed_index(one: Replayed) -> int:
    """Return the index that a replayed record had in the version of its row at first."""
    bare = one.source_topic.endswith(TopicName.RECORDS)
    return (one.source_offset if bare else one.record_index) % 2**INDEX_BITS


def replayed_versions(replay: Replay, records: Sequence[Replayed]) -> list[int]:
    """Return the versions of replayed records: those they would have had at first, at the time each counts from."""
    times = [replayed_time(replay, one) for one in records]
    starts = {time: row_version(time, 0) for time in set(times)}
    return [starts[time] | replayed_index(one) for time, one in zip(times, records, strict=True)]


def prepare(chunk: PhoneLogChunk, left: LeftTimes | None = None) -> PreparedChunk:
    """Return the chunk with its callIds and its block; `left` is the state of its batch, None a batch without any."""
    return prepare_as(chunk, (left or LeftTimes()).entries(chunk.phone_number, _times(chunk)))


def _times(chunk: PhoneLogChunk) -> int | list[int]:
    """Return the accepted time of all rows, or of each."""
    if chunk.replay is not None:
        return [replayed_time(chunk.replay, chunk.replay.records[index]) for index in chunk.record_index]
    return chunk.accepted_at if chunk.origins is None else _of_rows(chunk, chunk.origins.accepted_at)


def prepare_as(chunk: PhoneLogChunk, entries: Entries) -> PreparedChunk:
    """Return the chunk with its callIds and its block, its entries being known."""
    ids = call_ids(chunk.batch_id or "", zip(chunk.phone_number, entries.entry, strict=True))
    return PreparedChunk(chunk, entries, ids, _phone_log_block(chunk, entries.entry, ids))


def _phone_log_block(chunk: PhoneLogChunk, entries: Sequence[int], ids: bytes) -> bytes:
    rows = len(chunk.record_index)
    return native.block(
        rows,
        [
            native.same_text("batch_id", chunk.batch_id or "", rows),
            native.texts("phone_number", chunk.phone_number),
            native.integers("entry", "UInt32", entries),
            native.uuids("call_id", ids),
            native.same_text("workspace_id", chunk.workspace_id, rows),
            *_source(chunk, rows),
            native.texts("phone_number_sent", chunk.phone_number_sent),
            native.few_texts("timezone", chunk.timezone),
            native.few_texts("timezone_source", chunk.timezone_source),
            native.texts("variables", chunk.variables),
            _agents(chunk, rows),
            native.integers("schema_version", "UInt32", _schema_versions(chunk)),
            native.same_text("tz_database", chunk.tz_database, rows),
            _read_as(chunk, rows),
            *_certainty(chunk, rows),
        ],
    )


def _read_as(chunk: PhoneLogChunk, rows: int) -> native.Column:
    """Return how each number was read: as an international form, or as a national one of a country."""
    if not chunk.national:
        return native.same_text("phone_number_read_as", "international", rows)
    how = {index: f"national:{_country(chunk, index)}" for index in chunk.national}
    read_as = [how.get(index, "international") for index in chunk.record_index]
    return native.few_texts("phone_number_read_as", read_as)


def _certainty(chunk: PhoneLogChunk, rows: int) -> list[native.Column]:
    """Return how well each zone is known, and the zones it may be instead, with blanks between."""
    names = ("timezone_confidence", "timezone_candidates")
    if not chunk.uncertain:
        all_known = _CERTAIN_SOURCES.issuperset(chunk.timezone_source)  # else an earlier version wrote the chunk
        texts = _CERTAIN if all_known else _NOT_NOTED
        return [native.same_text(name, text, rows) for name, text in zip(names, texts, strict=True)]
    areas = [tuple(text.partition(" ")[::2]) for text in chunk.areas]
    of_row = {index: areas[place] for index, place in zip(chunk.uncertain, chunk.uncertain_area, strict=True)}
    known = [of_row.get(index, _CERTAIN) for index in chunk.record_index]
    return [native.few_texts(name, [one[place] for one in known]) for place, name in enumerate(names)]


def _country(chunk: PhoneLogChunk, index: int) -> str:
    own = chunk.replay.records[index].country if chunk.replay is not None else None
    return chunk.country if own is None else own


def _agents(chunk: PhoneLogChunk, rows: int) -> native.Column:
    """Return the agent by whose schema each row was checked; a slice of a replay may have several."""
    own = [] if chunk.replay is None else [chunk.replay.records[index].agent_id for index in chunk.record_index]
    if not any(own):
        return native.same_text("agent_id", chunk.agent_id, rows)
    return native.few_texts("agent_id", [chunk.agent_id if one is None else one for one in own])


def _schema_versions(chunk: PhoneLogChunk) -> list[int]:
    if chunk.replay is None:
        return [chunk.schema_version] * len(chunk.record_index)
    versions = [chunk.replay.records[index].schema_version for index in chunk.record_index]
    return [chunk.schema_version if version is None else version for version in versions]


def _source(chunk: PhoneLogChunk, rows: int) -> list[native.Column]:
    if chunk.replay is not None:
        return _replayed(chunk.replay, [chunk.replay.records[index] for index in chunk.record_index])
    return _origin(chunk, rows) if chunk.origins is None else _origins(chunk, chunk.origins)


def _replayed(replay: Replay, records: Sequence[Replayed]) -> list[native.Column]:
    """Return where replayed rows come from: the submission in which each came first."""
    return [
        native.integers("version", "UInt64", replayed_versions(replay, records)),
        native.texts("submission_id", [one.submission_id for one in records]),
        native.integers("record_index", "UInt32", [one.record_index for one in records]),
        native.integers("accepted_at", native.MILLISECONDS, [replayed_time(replay, one) for one in records]),
    ]


def _origin(chunk: PhoneLogChunk, rows: int) -> list[native.Column]:
    """Return where the rows of a slice of one submission come from."""
    first = row_version(chunk.accepted_at, 0)
    return [
        native.integers("version", "UInt64", [first | index for index in chunk.record_index]),
        native.same_text("submission_id", chunk.submission_id, rows),
        native.integers("record_index", "UInt32", chunk.record_index),
        native.same_integer("accepted_at", native.MILLISECONDS, chunk.accepted_at, rows),
    ]


def _origins(chunk: PhoneLogChunk, origins: Origins) -> list[native.Column]:
    """Return where the rows of a gathered slice come from: each is a submission of its own.

    Of those that a partition took in the same millisecond, as it does with all of a producer's batch, the later wins.
    """
    times, offsets = _of_rows(chunk, origins.accepted_at), _of_rows(chunk, origins.offset)
    ids = map(record_id, _of_rows(chunk, origins.partition), offsets)
    versions = [row_version(time, offset % 2**INDEX_BITS) for time, offset in zip(times, offsets, strict=True)]
    return [
        native.integers("version", "UInt64", versions),
        native.texts("submission_id", ids),
        native.same_integer("record_index", "UInt32", 0, len(times)),
        native.integers("accepted_at", native.MILLISECONDS, times),
    ]


def _of_rows(chunk: PhoneLogChunk, column: Sequence[int]) -> list[int]:
    """Return the items of the accepted records, from a column with one a record of the slice."""
    return [column[index - chunk.first_index] for index in chunk.record_index]


def phone_log_insert(prepared: Sequence[PreparedChunk]) -> Insert | None:
    """Return the insert of these chunks' rows, or None if they have none."""
    rows = sum(each.rows for each in prepared)
    blocks = b"".join(each.block for each in prepared)
    return Insert("phone_log", _PHONE_LOG_COLUMNS, blocks, rows) if rows else None


def receipts_of(prepared: PreparedChunk, refused: Collection[int] = ()) -> list[Receipt]:
    """Return the chunk's receipt, or of a gathered slice one a record.

    `refused` are the `record_index` of rows that ClickHouse did not take.
    """
    origins = prepared.chunk.origins
    return [receipt_of(prepared, refused)] if origins is None else _receipts_of_each(prepared, origins, refused)


def _receipts_of_each(prepared: PreparedChunk, origins: Origins, refused: Collection[int]) -> list[Receipt]:
    chunk = prepared.chunk
    places = {index: place for place, index in enumerate(chunk.record_index) if index not in refused}
    receipts = []
    for place in range(chunk.size):
        row = places.get(chunk.first_index + place)
        receipt = Receipt(
            submission_id=record_id(origins.partition[place], origins.offset[place]),
            workspace_id=chunk.workspace_id,
            batch_id=chunk.batch_id,
            first_index=0,
            size=1,
            total=1,
            added=0 if row is None else 1,
            failed=1 if row is None else 0,
            accepted_at=origins.accepted_at[place],
            call_ids=b"" if row is None else _at(prepared.call_ids, [row]),
        )
        receipts.append(receipt)
    return receipts


def receipt_of(prepared: PreparedChunk, refused: Collection[int] = ()) -> Receipt:
    """Return the receipt of a slice of one submission; `refused` as in `receipts_of`."""
    chunk = prepared.chunk
    ids = prepared.call_ids
    if refused:
        ids = _at(ids, [place for place, index in enumerate(chunk.record_index) if index not in refused])
    added = len(ids) // CALL_ID_BYTES
    return Receipt(
        submission_id=chunk.submission_id,
        workspace_id=chunk.workspace_id,
        batch_id=chunk.batch_id,
        first_index=chunk.first_index,
        size=chunk.size,
        total=chunk.total,
        added=added,
        failed=chunk.size - added,
        accepted_at=chunk.accepted_at,
        call_ids=ids,
        body_hash=chunk.body_hash,
    )


def _at(packed: bytes, places: Sequence[int]) -> bytes:
    return b"".join(packed[place * CALL_ID_BYTES : (place + 1) * CALL_ID_BYTES] for place in places)
