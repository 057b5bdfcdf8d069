"""A status event that a replay tries again: its history goes in the headers of its message. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import structs

from schemas.dead_letters import CHANGES_BYTES, MAX_TIMESTAMP, DeadLetter, capped
from schemas.identity import valid_submission_id
from schemas.messages import Headers, Message, header, int_header, text_header
from schemas.replay_changes import Attempt
from schemas.replay_jobs import ReplayJob
from schemas.topics import TopicName

MAX_ATTEMPT: Final = 1_000_000

COUNTS_FROM: Final = "dlq.counts-from"
"""Header: ms since the epoch; the event counts as received then. Absent where it counts anew."""

_NAMES: Final = frozenset(
    {
        COUNTS_FROM,
        "submission-id",
        "dlq.attempt",
        "dlq.changes",
        "dlq.first-failed-at",
        "dlq.max-attempts",
        "dlq.original.offset",
        "dlq.original.partition",
        "dlq.original.timestamp",
        "dlq.original.topic",
        "dlq.record",
        "dlq.replay-id",
    }
)


class StatusHistory(msgspec.Struct, frozen=True):
    """What a replay says of a status event. Nonsense counts as absent; `sent` is what was sent first, if not this."""

    replay_id: str
    attempt: int
    submission_id: str | None
    source: tuple[str, int, int] | None
    accepted_at: int | None
    counts_from: int | None
    first_failed_at: int | None
    max_attempts: int | None
    sent: bytes | None
    changes: str

    @classmethod
    def of(cls, headers: Sequence[tuple[str, bytes | None]]) -> StatusHistory | None:
        """Return the history in the headers of a message of `calls.status`; None where no replay sent it."""
        replay_id = text_header(headers, "dlq.replay-id")
        if replay_id is None:
            return None
        topic = text_header(headers, "dlq.original.topic")
        partition = int_header(headers, "dlq.original.partition")
        offset = int_header(headers, "dlq.original.offset", MAX_TIMESTAMP)
        known = topic is not None and partition is not None and offset is not None
        return cls(
            replay_id=replay_id,
            attempt=int_header(headers, "dlq.attempt", MAX_ATTEMPT) or 1,
            submission_id=valid_submission_id(text_header(headers, "submission-id")),
            source=(topic or "", partition or 0, offset or 0) if known else None,
            accepted_at=int_header(headers, "dlq.original.timestamp", MAX_TIMESTAMP),
            counts_from=int_header(headers, COUNTS_FROM, MAX_TIMESTAMP),
            first_failed_at=int_header(headers, "dlq.first-failed-at", MAX_TIMESTAMP),
            max_attempts=int_header(headers, "dlq.max-attempts", MAX_ATTEMPT),
            sent=header(headers, "dlq.record"),
            changes=text_header(headers, "dlq.changes") or "",
        )

    def continued(self, letter: DeadLetter) -> DeadLetter:
        """Return the letter of the event, which failed again, as the next attempt at what was sent first."""
        topic, partition, offset = self.source or (letter.source_topic, letter.source_partition, letter.source_offset)
        attempt = self.attempt + 1
        return structs.replace(
            letter,
            record=letter.record if self.sent is None else self.sent,
            tried=letter.record if self.sent is not None and self.sent != letter.record else None,
            changes=self.changes,
            submission_id=self.submission_id or letter.submission_id,
            source_topic=topic,
            source_partition=partition,
            source_offset=offset,
            accepted_at=letter.accepted_at if self.accepted_at is None else self.accepted_at,
            attempt=attempt,
            first_failed_at=letter.first_failed_at if self.first_failed_at is None else self.first_failed_at,
            replay_id=self.replay_id,
            parked=self.max_attempts is not None and attempt > self.max_attempts,
        )


def status_message(attempt: Attempt, job: ReplayJob) -> Message:
    """Return what carries a status event to `calls.status` again, with its history."""
    letter = attempt.letter
    numbers = {
        "dlq.attempt": letter.attempt,
        "dlq.first-failed-at": letter.first_failed_at,
        "dlq.max-attempts": job.max_attempts,
        "dlq.original.partition": letter.source_partition,
        "dlq.original.offset": letter.source_offset,
        "dlq.original.timestamp": letter.accepted_at,
    }
    if not job.as_new:
        numbers[COUNTS_FROM] = letter.accepted_at
    pairs: list[tuple[str, bytes | None]] = [
        ("dlq.replay-id", job.replay_id.encode()),
        ("submission-id", letter.submission_id.encode()),
        ("dlq.original.topic", letter.source_topic.encode()),
        *((name, str(number).encode()) for name, number in numbers.items()),
        ("dlq.record", attempt.sent),
        ("dlq.changes", capped(attempt.changes, CHANGES_BYTES) if attempt.changes else None),
    ]
    key = letter.batch_id.encode() if letter.batch_id else None
    headers = tuple((name, value) for name, value in pairs if value is not None)
    return Message(TopicName.STATUS, attempt.record, key=key, headers=headers)


def history_headers(headers: Sequence[tuple[str, bytes | None]]) -> Headers:
    """Return those headers of a message that carry its history, where it is sent on."""
    return tuple((name, value) for name, value in headers if name in _NAMES and value is not None)
