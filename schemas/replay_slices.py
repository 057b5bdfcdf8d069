"""Records that are tried again, grouped into slices: each of one batch, none beyond what a message may carry. Pure.

Grouped by count and size only, never by time: the same letters give the same slices with the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from schemas.codecs import encode
from schemas.messages import Message
from schemas.records import CHUNK_RECORDS, Chunk, Replay, Replayed
from schemas.replay_changes import Attempt
from schemas.replay_jobs import ReplayJob
from schemas.topics import TopicName

SLICE_BYTES: Final = 900_000
"""A slice carries less than this, unless a single record is larger: Kafka's usual limit is 1 MB."""

HISTORY_BYTES: Final = 200
"""What a record's history adds to its own bytes, generously."""

HELD_BYTES: Final = 32 * 1024 * 1024
"""Of slices that are not full yet, over all batches."""


@dataclass(slots=True)
class _Open:
    """A slice that is not full yet."""

    attempts: list[Attempt] = field(default_factory=list)
    size: int = 0


class Slicer:
    """Gathers what is to be tried. `part` is the number of the next slice; `counts_from` is used by `as_new` only."""

    def __init__(self, job: ReplayJob, *, counts_from: int | None, part: int = 0) -> None:
        self.part = part
        self._job = job
        self._counts_from = counts_from if job.as_new else None
        self._most = min(CHUNK_RECORDS, job.rate or CHUNK_RECORDS)
        self._open: dict[str | None, _Open] = {}
        self._held = 0

    def add(self, attempt: Attempt) -> Iterator[Chunk]:
        """Take one record; yield the slices that are full now."""
        batch_id, size = self._job.to_batch or attempt.letter.batch_id, size_of(attempt)
        gathered = self._open.get(batch_id)
        if gathered is not None and gathered.size + size > SLICE_BYTES:
            yield self._close(batch_id)
        elif self._held + size > HELD_BYTES:
            yield from self.flush()
        gathered = self._open.setdefault(batch_id, _Open())
        gathered.attempts.append(attempt)
        gathered.size += size
        self._held += size
        if len(gathered.attempts) >= self._most:
            yield self._close(batch_id)

    def flush(self) -> Iterator[Chunk]:
        """Yield the slices that are not full, in the order in which they were begun."""
        for batch_id in list(self._open):
            yield self._close(batch_id)

    def _close(self, batch_id: str | None) -> Chunk:
        gathered = self._open.pop(batch_id)
        self._held -= gathered.size
        part, self.part = self.part, self.part + 1
        first = gathered.attempts[0].letter
        return Chunk(
            submission_id=self._job.replay_id,
            batch_id=batch_id,
            first_index=0,
            total=len(gathered.attempts),
            accepted_at=self._counts_from or first.accepted_at,
            source_topic=first.source_topic,
            source_partition=first.source_partition,
            source_offset=first.source_offset,
            replay=Replay(
                replay_id=self._job.replay_id,
                part=part,
                counts_from=self._counts_from,
                agent_version=self._job.agent_version,
                max_attempts=self._job.max_attempts,
                records=[_replayed(attempt) for attempt in gathered.attempts],
            ),
            records=[attempt.record for attempt in gathered.attempts],
        )


def size_of(attempt: Attempt) -> int:
    """Return how many bytes an attempt takes in a slice, generously."""
    sent = len(attempt.sent or b"") * 4 // 3  # it travels as base64
    return len(attempt.record) + sent + len(attempt.changes) + HISTORY_BYTES


def _replayed(attempt: Attempt) -> Replayed:
    letter = attempt.letter
    return Replayed(
        submission_id=letter.submission_id,
        record_index=letter.record_index,
        accepted_at=letter.accepted_at,
        source_topic=letter.source_topic,
        source_partition=letter.source_partition,
        source_offset=letter.source_offset,
        attempt=letter.attempt,
        first_failed_at=letter.first_failed_at,
        sent=attempt.sent,
        changes=attempt.changes,
        body_hash=letter.body_hash,
        settled=attempt.settled,
    )


def slice_message(chunk: Chunk) -> Message:
    """Return what carries a slice to `clean`, spread over the workers."""
    part = chunk.replay.part if chunk.replay is not None else 0
    return Message(TopicName.CHUNKS, encode(chunk), key=f"{chunk.submission_id}/{part}".encode())
