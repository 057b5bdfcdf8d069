"""A message of `calls.raw` cut into chunks, without decoding a single record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from schemas.identity import submission_id_of, valid_submission_id
from schemas.messages import int_header, text_header
from schemas.outcomes import Code, FieldError
from schemas.records import CHUNK_RECORDS, Chunk
from schemas.submission_body import MAX_BATCH_ID_BYTES, MAX_RECORDS, parse_body
from schemas.topics import REPORT_PARTITIONS

SLICE_BYTES: Final = 900_000
"""A message carries less than this, unless a single record is larger: Kafka's usual limit is 1 MB."""


@dataclass(frozen=True, slots=True)
class RawMessage:
    """One message as read from Kafka; `timestamp` is its LogAppendTime, ms since the epoch."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


def cut_message(raw: RawMessage) -> list[Chunk]:
    """Return the chunks of a message, each at most 1000 records of one chunk number and 900 KB.

    A message that cannot be cut becomes one chunk that carries it whole, with the reason, so that `clean` alone writes
    dead letters. The records of a batch nobody named stay whole too, each with that reason.
    """
    body = parse_body(raw.value) if raw.value else FieldError(Code.EMPTY_VALUE, "", "the message has no value")
    if isinstance(body, FieldError):
        return [uncut(raw, body)]
    batch_id = body.batch_id or _batch_beside(raw)
    place = _Place.of(raw, len(body.records))
    reason = {} if batch_id else _reason(FieldError(Code.BATCH_MISSING, "/batchId", "no batch is named: add batchId"))
    origin = _origin(raw, place) | {"batch_id": batch_id} | reason
    return [
        Chunk(**origin, first_index=place.first_index + start, records=body.records[start:end])
        for start, end in slices(body.records, place.first_index)
    ]


def uncut(raw: RawMessage, error: FieldError) -> Chunk:
    """Return the chunk that carries a message whole, with why it cannot be cut."""
    place = _Place.of(raw, 1)
    origin = _origin(raw, place) | {"batch_id": _batch_beside(raw)} | _reason(error)
    return Chunk(**origin, first_index=place.first_index, records=[raw.value or b""])


def slices(records: Sequence[bytes], first_index: int, most_bytes: int = SLICE_BYTES) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of consecutive runs: none crosses a chunk's boundary, none but a lone record is larger.

    `first_index` is the index in the submission of `records[0]`.
    """
    start, size = 0, 0
    for position, record in enumerate(records):
        size += len(record)
        at_boundary = (first_index + position) % CHUNK_RECORDS == 0
        if position > start and (at_boundary or size > most_bytes):
            yield start, position
            start, size = position, len(record)
    if records:
        yield start, len(records)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a message's records stand in their submission."""

    submission_id: str
    first_index: int
    total: int

    @classmethod
    def of(cls, raw: RawMessage, count: int) -> _Place:
        """Read the edge's headers; where they make no sense together they count as absent."""
        given = valid_submission_id(text_header(raw.headers, "submission-id"))
        submission_id = given or submission_id_of(raw.topic, raw.partition, raw.offset)
        first = int_header(raw.headers, "first-index", MAX_RECORDS)
        total = int_header(raw.headers, "total", MAX_RECORDS)
        if first is None or total is None or first + count > total:
            return cls(submission_id, 0, count)
        return cls(submission_id, first, total)


def _batch_beside(raw: RawMessage) -> str | None:
    """Return the batch named beside the body: by the header `batch-id`, else by the key."""
    named = text_header(raw.headers, "batch-id") or text_header([("key", raw.key)], "key")
    return named if named is not None and len(named.encode()) <= MAX_BATCH_ID_BYTES else None


def _origin(raw: RawMessage, place: _Place) -> dict[str, Any]:
    return {
        "submission_id": place.submission_id,
        "total": place.total,
        "accepted_at": raw.timestamp,
        "source_topic": raw.topic,
        "source_partition": raw.partition,
        "source_offset": raw.offset,
        "report_partition": int_header(raw.headers, "report-partition", REPORT_PARTITIONS - 1),
    }


def _reason(error: FieldError) -> dict[str, str]:
    return {
        "rejected_code": error.code.value,
        "rejected_path": error.path,
        "rejected_message": error.message,
    }
