"""Bare records gathered into chunks of one batch, without decoding any: a buffer with no clock of its own.

How records happen to be gathered decides nothing: each is a submission of its own, known by partition and offset, with
an accepted time of its own. Gathered again after a crash, in other company, it gives the same row or dead letter.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

from schemas.identity import record_id
from schemas.outcomes import Code, FieldError
from schemas.records import CHUNK_RECORDS, Chunk, Origins
from streams.chunking import KEPT_BYTES, SLICE_BYTES, batch_beside, reason_fields, unsupported_beside

MOST_BYTES: Final = 16 * 1024 * 1024
"""A window with more than this leaves as a whole, however small its chunks are: thousands of batches fit in memory."""

_BYTES_A_RECORD: Final = 256  # what a record costs in memory beside its own bytes
_EMPTY: Final = FieldError(Code.EMPTY_VALUE, "", "the message has no value")
_BATCH_MISSING: Final = FieldError(
    Code.BATCH_MISSING, "", "no batch is named: send its id in the header batch-id, or as the key"
)


class Incoming(Protocol):
    """What is read of a message of `calls.records`; `timestamp` is its LogAppendTime, ms since the epoch."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


@dataclass(slots=True)
class _Pile:
    """Records of one batch, all good or all failing for the same reason."""

    topic: str
    batch_id: str | None
    reason: FieldError | None
    records: list[bytes] = field(default_factory=list)
    partitions: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    size: int = 0

    def add(self, record: bytes, message: Incoming) -> None:
        self.records.append(record)
        self.partitions.append(message.partition)
        self.offsets.append(message.offset)
        self.times.append(message.timestamp)
        self.size += len(record)

    def chunk(self) -> Chunk:
        origins = Origins(partition=self.partitions, offset=self.offsets, accepted_at=self.times)
        return Chunk(
            submission_id=record_id(self.partitions[0], self.offsets[0]),
            batch_id=self.batch_id,
            first_index=0,
            total=len(self.records),
            accepted_at=self.times[0],
            source_topic=self.topic,
            source_partition=self.partitions[0],
            source_offset=self.offsets[0],
            origins=origins,
            records=self.records,
            **(reason_fields(self.reason) if self.reason else {}),
        )


@dataclass(slots=True)
class Window:
    """Records that have not left in a chunk yet, and how far each partition has been read with them.

    `next_offsets` may be committed once every chunk that the window gave is held by Kafka, not earlier.
    """

    next_offsets: dict[tuple[str, int], int] = field(default_factory=dict)
    size: int = 0
    _piles: dict[Hashable, _Pile] = field(default_factory=dict)

    def add(self, messages: Iterable[Incoming]) -> list[Chunk]:
        """Take messages of one partition, in order; return the chunks that are full with them."""
        full: list[Chunk] = []
        message = None
        for message in messages:
            record, batch_id, reason = _read(message)
            key = batch_id if reason is None else (batch_id, reason)
            pile = self._piles.get(key)
            if pile is not None and pile.size + len(record) > SLICE_BYTES:
                full.append(self._leave(key))
                pile = None
            if pile is None:
                pile = self._piles[key] = _Pile(message.topic, batch_id, reason)
            pile.add(record, message)
            self.size += len(record) + _BYTES_A_RECORD
            if len(pile.records) == CHUNK_RECORDS:
                full.append(self._leave(key))
        if message is not None:
            self.next_offsets[message.topic, message.partition] = message.offset + 1
        return full

    def rest(self) -> list[Chunk]:
        """Return everything that is left as chunks, the oldest first; the window is empty then."""
        return [self._leave(key) for key in list(self._piles)]

    @property
    def is_overfull(self) -> bool:
        return self.size > MOST_BYTES

    def _leave(self, key: Hashable) -> Chunk:
        pile = self._piles.pop(key)
        self.size -= pile.size + _BYTES_A_RECORD * len(pile.records)
        return pile.chunk()


def _read(message: Incoming) -> tuple[bytes, str | None, FieldError | None]:
    """Return the record, its batch, and why it cannot be looked into."""
    batch_id = batch_beside(message.headers, message.key)
    value = message.value
    if not value or value.isspace():
        return value or b"", batch_id, _EMPTY
    asked = unsupported_beside(message.headers)
    reason = asked[0] if asked else None if batch_id else _BATCH_MISSING
    return value if len(value) <= KEPT_BYTES else value[:KEPT_BYTES], batch_id, reason


def parted(chunk: Chunk, origins: Origins, kinds: Sequence[Hashable]) -> list[Chunk]:
    """Return a gathered chunk's records by kind, one chunk a kind; `kinds` has one for each record."""
    places: dict[Hashable, list[int]] = {}
    for place, kind in enumerate(kinds):
        places.setdefault(kind, []).append(place)
    return [chunk] if len(places) == 1 else [_only(chunk, origins, kept) for kept in places.values()]


def _only(chunk: Chunk, origins: Origins, kept: Sequence[int]) -> Chunk:
    partitions, offsets = [origins.partition[i] for i in kept], [origins.offset[i] for i in kept]
    times = [origins.accepted_at[i] for i in kept]
    return msgspec.structs.replace(
        chunk,
        submission_id=record_id(partitions[0], offsets[0]),
        total=len(kept),
        accepted_at=times[0],
        source_partition=partitions[0],
        source_offset=offsets[0],
        origins=Origins(partition=partitions, offset=offsets, accepted_at=times),
        records=[chunk.records[i] for i in kept],
    )
