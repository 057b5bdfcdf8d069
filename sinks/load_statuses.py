"""Statuses as `load` writes them: updates that came too late for their call moved on, then statuses, then contacts."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from aiokafka import ConsumerRecord
from aiokafka.partitioner import murmur2
from msgspec import structs

from schemas import dead_letters
from schemas.dead_letters import MAX_TIMESTAMP, DeadLetter
from schemas.identity import submission_id_of
from schemas.messages import Message, header, int_header, text_header
from schemas.outcomes import Code, FieldError
from schemas.replayed_status import StatusHistory, history_headers
from schemas.statuses import StatusEvent, parse_status
from schemas.submission_body import MAX_BATCH_ID_BYTES
from schemas.topics import TopicName
from sinks import starts
from sinks.batch_states import BatchStates
from sinks.facts import move_late, read_calls, read_workspaces, refresh_contacts
from sinks.refused import STAGE
from sinks.replays import Outcome, Remembered, joined, replayed_insert
from sinks.report_rows import receipts_insert
from sinks.rows import VERSIONS_START, Insert
from sinks.sessions import Store
from sinks.statuses import Call, Reported, StatusRow, call_status_insert, is_late, merged

log = structlog.get_logger(__name__)

FORWARDED: Final = "forwarded"
"""Header of a status that came on another batch's partition and was sent to its own: it is never sent on twice.

Its value is when the event first came, ms since the epoch; earlier versions sent 1, which says nothing.
"""

_UNKNOWN: Final = (FieldError(Code.CALL_UNKNOWN, "/callId", "no call has this id"),)


@dataclass(frozen=True, slots=True)
class _Parsed:
    message: ConsumerRecord
    reported: Reported
    history: StatusHistory | None


@dataclass(frozen=True, slots=True)
class _Rejected:
    message: ConsumerRecord
    errors: tuple[FieldError, ...]


@dataclass(frozen=True, slots=True)
class StatusesWritten:
    """What is left to do of a flush's statuses: those of unknown calls, and messages that are published last.

    `corrected` are submissions whose receipts name other calls now.
    """

    unknown: list[ConsumerRecord]
    to_publish: list[Message]
    corrected: list[str] = field(default_factory=list)


class StatusLoad:
    """Writes the statuses of a flush, in a way that may be repeated; raises TryAgainError or MustStopError."""

    def __init__(self, clickhouse: Store, app_version: str) -> None:
        self._clickhouse, self._app_version = clickhouse, app_version

    async def write(self, messages: Sequence[ConsumerRecord], states: BatchStates, partitions: int) -> StatusesWritten:
        """Write what can be read, is of a known call, and of a batch whose partition, of so many, this is."""
        parsed = [_parsed(message) for message in messages]
        to_publish = await self._dead_letters([each for each in parsed if not isinstance(each, _Parsed)])
        readable = [each for each in parsed if isinstance(each, _Parsed)]
        if not readable:
            return StatusesWritten([], to_publish)
        ids = list(dict.fromkeys(each.reported.event.call_id for each in readable))
        calls = await self._clickhouse.consult(lambda session: read_calls(session, ids))
        written = StatusesWritten([], to_publish)
        ours: dict[str, list[_Parsed]] = {}
        for each in readable:
            call = calls.get(each.reported.event.call_id)
            if call is None:
                written.unknown.append(each.message)
            elif is_ours(each.message, call.place.batch_id, partitions):
                ours.setdefault(call.call_id, []).append(each)
            else:
                written.to_publish.append(_forwarded(each, call.place.batch_id))
        if ours:
            told = [(calls[call_id], [each.reported for each in some]) for call_id, some in ours.items()]
            await self._apply(told, states, written)
            await self._remember([(calls[call_id], some) for call_id, some in ours.items()])
        return written

    async def of_unknown_calls(self, messages: Sequence[ConsumerRecord]) -> list[Message]:
        """Return the dead letters of statuses of calls that nobody knows."""
        return await self._dead_letters([_Rejected(message, _UNKNOWN) for message in messages])

    async def _apply(
        self, told: Sequence[tuple[Call, Sequence[Reported]]], states: BatchStates, written: StatusesWritten
    ) -> None:
        rows = [(call, merged(call, reported)) for call, reported in told]
        for call, row in rows:
            if call.status is not None and call.status.left_at not in (None, row.left_at):
                states.forget(row.place.batch_id)  # it left sooner than was known
        late = [row for call, row in rows if is_late(call, row)]
        if late:
            await self._move(late, written)
        await self._clickhouse.insert(call_status_insert([row for _, row in rows]))
        left = [row.call_id for _, row in rows if row.left_at is not None]
        if left:
            await self._clickhouse.consult(lambda session: refresh_contacts(session, left))
        for _, row in rows:
            if row.left_at is not None:
                states.leave(row.place.batch_id, row.place.phone_number, row.left_at)
        log.info("statuses_stored", statuses=sum(len(reported) for _, reported in told), late=len(late))

    async def _move(self, late: Sequence[StatusRow], written: StatusesWritten) -> None:
        """Make what came after its call began a call of its own, which the receipts name and a start announces.

        Until its offset is committed a status is found late again, and all of this is done again.
        """
        corrected = await self._clickhouse.consult(lambda session: move_late(session, late))
        if corrected:
            await self._clickhouse.insert(receipts_insert(corrected, corrected=True))
            written.corrected.extend(receipt.submission_id for receipt in corrected)
        written.to_publish.extend(starts.messages(map(starts.of_move, late), _now()))

    async def _remember(self, stored: Sequence[tuple[Call, Sequence[_Parsed]]]) -> None:
        """Write down which of the events a replay had tried again: they have failed no more."""
        now = _now()
        inserts = [
            _replayed_insert(call, each, each.history, now) for call, some in stored for each in some if each.history
        ]
        if inserts:
            await self._clickhouse.insert(joined(inserts))

    async def _dead_letters(self, rejected: Sequence[_Rejected]) -> list[Message]:
        """Return the dead letters, each of the workspace whose batch the event's key names."""
        if not rejected:
            return []
        log.warning("statuses_rejected", statuses=len(rejected))
        now = _now()
        letters = [_dead_letter(each, now, self._app_version) for each in rejected]
        batch_ids = {letter.batch_id for letter in letters if letter.batch_id}
        owners = await self._clickhouse.consult(lambda session: read_workspaces(session, batch_ids))
        return [
            dead_letters.to_message(structs.replace(letter, workspace_id=owners.get(letter.batch_id or "", "")))
            for letter in letters
        ]


def _parsed(message: ConsumerRecord) -> _Parsed | _Rejected:
    event = parse_status(message.value)
    if not isinstance(event, StatusEvent):
        return _Rejected(message, event)
    history = StatusHistory.of(message.headers)
    at = first_came(message)
    if history is not None and history.counts_from is not None:
        at = min(at, history.counts_from)
    return _Parsed(message, Reported(event, at), history)


def first_came(message: ConsumerRecord) -> int:
    """Return when an event first reached Kafka, ms since the epoch: one that was sent on says so, nonsense does not."""
    at: int = message.timestamp
    first = int_header(message.headers, FORWARDED, MAX_TIMESTAMP)
    return at if first is None or first < VERSIONS_START else min(at, first)


def _replayed_insert(call: Call, parsed: _Parsed, history: StatusHistory, done_at: int) -> Insert:
    message = parsed.message
    submission_id = history.submission_id or submission_id_of(message.topic, message.partition, message.offset)
    return replayed_insert(
        history.replay_id,
        call.place.batch_id,
        call.place.workspace_id,
        [Remembered((submission_id, 0), history.attempt, Outcome.UPDATED)],
        uuid.UUID(call.call_id).bytes,
        done_at,
    )


def is_ours(message: ConsumerRecord, batch_id: str, partitions: int) -> bool:
    """Return whether a status came on the partition of its batch, of so many, whose owner alone may write it.

    A producer may have given another key, or have partitioned the right one in its own way.
    """
    partition = (murmur2(batch_id.encode()) & 0x7FFFFFFF) % partitions
    return message.partition == partition or header(message.headers, FORWARDED) is not None


def _forwarded(parsed: _Parsed, batch_id: str) -> Message:
    message = parsed.message
    headers = (*history_headers(message.headers), (FORWARDED, b"%d" % parsed.reported.received_at))
    return Message(TopicName.STATUS, message.value, key=batch_id.encode(), headers=headers)


def _dead_letter(rejected: _Rejected, failed_at: int, app_version: str) -> DeadLetter:
    message = rejected.message
    key = text_header([("key", message.key)], "key")
    letter = DeadLetter(
        record=message.value,
        errors=rejected.errors,
        stage=STAGE,
        submission_id=submission_id_of(message.topic, message.partition, message.offset),
        batch_id=key if key is not None and len(key.encode()) <= MAX_BATCH_ID_BYTES else None,
        record_index=0,
        source_topic=message.topic,
        source_partition=message.partition,
        source_offset=message.offset,
        accepted_at=max(first_came(message), 0),
        attempt=1,
        first_failed_at=failed_at,
        failed_at=failed_at,
        app_version=app_version,
    )
    history = StatusHistory.of(message.headers)
    return letter if history is None else history.continued(letter)


def _now() -> int:
    return time.time_ns() // 1_000_000
