"""A message of `calls.raw` cut into chunks, without decoding a single record."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from schemas.identity import submission_id_of, valid_submission_id
from schemas.messages import header, int_header, text_header
from schemas.options import option_in_header, unsupported_header
from schemas.outcomes import Code, FieldError
from schemas.records import CHUNK_RECORDS, Chunk
from schemas.submission_body import MAX_BATCH_ID_BYTES, MAX_RECORDS, SubmissionBody, batch_named, parse_body
from schemas.topics import MAX_MESSAGE_BYTES

SLICE_BYTES: Final = 900_000
"""A message carries less than this, unless a single record is larger: Kafka's usual limit is 1 MB."""

KEPT_BYTES: Final = MAX_MESSAGE_BYTES - 64 * 1024
"""Of a record that is longer only so much goes on: no message of ours holds more. It was compressed when it came in."""

_NOTHING: Final = ()
_BODY_HASH: Final = re.compile("[0-9a-f]{64}")


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
    wrong = body if isinstance(body, FieldError) else next(iter(_unsupported(raw.headers, body)), None)
    if wrong is not None:
        return [uncut(raw, wrong)]
    assert isinstance(body, SubmissionBody)
    batch_id = body.batch_id or batch_beside(raw.headers, raw.key)
    place = _Place.of(raw, len(body.records))
    missing = FieldError(Code.BATCH_MISSING, "/batchId", "no batch is named: add batchId")
    reason = {} if batch_id else reason_fields(missing)
    origin = _origin(raw, place) | {"batch_id": batch_id} | reason
    return [
        Chunk(**origin, first_index=place.first_index + start, records=_kept(body.records[start:end]))
        for start, end in slices(body.records, place.first_index)
    ]


def _unsupported(headers: Sequence[tuple[str, bytes | None]], body: SubmissionBody) -> list[FieldError]:
    return [*body.unsupported(), *unsupported_beside(headers)]


def unsupported_beside(headers: Sequence[tuple[str, bytes | None]]) -> Sequence[FieldError]:
    """Return an error for each header that asks for an option that nobody supports."""
    for name, _ in headers:  # of nearly every message this is all
        if _is_option(name):
            return unsupported_header((each, (value or b"").decode("utf-8", "replace")) for each, value in headers)
    return _NOTHING


@lru_cache(maxsize=4096)
def _is_option(name: str) -> bool:
    return option_in_header(name) is not None


def uncut(raw: RawMessage, error: FieldError) -> Chunk:
    """Return the chunk that carries a message whole, with why it cannot be cut.

    Nobody knows how many records it has: where its headers place it among others, they count as absent, and it is a
    submission of its own. Else the records that it may have had would stay pending for ever.
    """
    place = _Place.of(raw, 1)
    if place.total > 1:
        place = _Place.alone(raw)
    batch_id = batch_named(raw.value or b"") or batch_beside(raw.headers, raw.key)
    origin = _origin(raw, place) | {"batch_id": batch_id} | reason_fields(error)
    return Chunk(**origin, first_index=place.first_index, records=_kept([raw.value or b""]))


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

    @classmethod
    def alone(cls, raw: RawMessage) -> _Place:
        """Return the place of the one record of a submission that nobody else writes to."""
        return cls(submission_id_of(raw.topic, raw.partition, raw.offset), 0, 1)


def batch_beside(headers: Sequence[tuple[str, bytes | None]], key: bytes | None) -> str | None:
    """Return the batch named beside a value: by the header `batch-id`, else by the key."""
    named = _batch_in(header(headers, "batch-id")) if headers else None
    return named or _batch_in(key)


def _batch_in(value: bytes | None) -> str | None:
    return _batch_text(value) if value and len(value) <= MAX_BATCH_ID_BYTES else None


@lru_cache(maxsize=4096)
def _batch_text(value: bytes) -> str | None:
    return text_header([("batch-id", value)], "batch-id")


def _kept(records: list[bytes]) -> list[bytes]:
    """Cut the record that no message of ours could hold; slices leave such a one alone."""
    return [records[0][:KEPT_BYTES]] if len(records) == 1 else records


def _body_hash(raw: RawMessage) -> str | None:
    text = text_header(raw.headers, "body-hash")
    return text if text is not None and _BODY_HASH.fullmatch(text) else None


def _origin(raw: RawMessage, place: _Place) -> dict[str, Any]:
    return {
        "submission_id": place.submission_id,
        "total": place.total,
        "accepted_at": raw.timestamp,
        "source_topic": raw.topic,
        "source_partition": raw.partition,
        "source_offset": raw.offset,
        "report_partition": int_header(raw.headers, "report-partition"),
        "body_hash": _body_hash(raw),
    }


def reason_fields(error: FieldError) -> dict[str, Any]:
    """Return the fields of a chunk that say why none of its records can be looked into."""
    return {
        "rejected_code": error.code.value,
        "rejected_path": error.path,
        "rejected_message": error.message,
    }
