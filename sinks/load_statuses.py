"""Statuses as `load` writes them: updates that came too late for their call moved on, then statuses, then contacts."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from aiokafka import ConsumerRecord
from aiokafka.partitioner import murmur2

from schemas import dead_letters
from schemas.dead_letters import DeadLetter
from schemas.identity import submission_id_of
from schemas.messages import Message, Publisher, header, text_header
from schemas.outcomes import Code, FieldError
from schemas.statuses import StatusEvent, parse_status
from schemas.submission_body import MAX_BATCH_ID_BYTES
from schemas.topics import BATCH_PARTITIONS, TopicName
from sinks.batch_states import BatchStates
from sinks.facts import move_late, read_calls, refresh_contacts
from sinks.refused import STAGE
from sinks.sessions import Store
from sinks.statuses import Call, Reported, call_status_insert, is_late, merged

log = structlog.get_logger(__name__)

FORWARDED: Final = "forwarded"
"""Header of a status that came on another batch's partition and was sent to its own: it is never sent on twice."""

_UNKNOWN: Final = (FieldError(Code.CALL_UNKNOWN, "/callId", "no call has this id"),)


@dataclass(frozen=True, slots=True)
class _Parsed:
    message: ConsumerRecord
    reported: Reported


@dataclass(frozen=True, slots=True)
class _Rejected:
    message: ConsumerRecord
    errors: tuple[FieldError, ...]


class StatusLoad:
    """Writes the statuses of a flush, in a way that may be repeated; raises TryAgainError or MustStopError."""

    def __init__(self, clickhouse: Store, publisher: Publisher, app_version: str) -> None:
        self._clickhouse, self._publisher, self._app_version = clickhouse, publisher, app_version

    async def write(self, messages: Sequence[ConsumerRecord], states: BatchStates) -> list[ConsumerRecord]:
        """Write what can be read and is of a known call; return the messages whose call is unknown."""
        parsed = [_parsed(message) for message in messages]
        await self._reject([each for each in parsed if not isinstance(each, _Parsed)])
        readable = [each for each in parsed if isinstance(each, _Parsed)]
        if not readable:
            return []
        ids = list(dict.fromkeys(each.reported.event.call_id for each in readable))
        calls = await self._clickhouse.consult(lambda session: read_calls(session, ids))
        known = [each for each in readable if each.reported.event.call_id in calls]
        ours = [each for each in known if is_ours(each.message, calls[each.reported.event.call_id].place.batch_id)]
        await self._apply(ours, calls, states)
        elsewhere = [each for each in known if each not in ours]
        await self._forward(elsewhere, calls)
        unknown = [each.message for each in readable if each.reported.event.call_id not in calls]
        log.info("statuses_stored", statuses=len(ours), forwarded=len(elsewhere), unknown=len(unknown))
        return unknown

    async def reject_unknown(self, messages: Sequence[ConsumerRecord]) -> None:
        """Dead-letter the statuses of calls that nobody knows."""
        await self._reject([_Rejected(message, _UNKNOWN) for message in messages])

    async def _apply(self, parsed: Sequence[_Parsed], calls: Mapping[str, Call], states: BatchStates) -> None:
        if not parsed:
            return
        of_call: dict[str, list[Reported]] = {}
        for each in parsed:
            of_call.setdefault(each.reported.event.call_id, []).append(each.reported)
        rows = [merged(calls[call_id], reported) for call_id, reported in of_call.items()]
        late = [row for row in rows if is_late(calls[row.call_id], row)]
        if late:
            await self._clickhouse.consult(lambda session: move_late(session, late))
            log.info("late_statuses", calls=len(late), done="updates moved to the next entry")
        await self._clickhouse.insert(call_status_insert(rows))
        left = [row for row in rows if row.left_at is not None]
        if left:
            await self._clickhouse.consult(lambda session: refresh_contacts(session, [row.call_id for row in left]))
        for row in left:
            before = calls[row.call_id].status
            instead_of = None if before is None else before.left_at
            states.leave(row.place.batch_id, row.place.phone_number, row.left_at or 0, instead_of)

    async def _forward(self, parsed: Sequence[_Parsed], calls: Mapping[str, Call]) -> None:
        if parsed:
            await self._publisher.publish(
                [_forwarded(each.message, calls[each.reported.event.call_id].place.batch_id) for each in parsed]
            )

    async def _reject(self, rejected: Sequence[_Rejected]) -> None:
        if rejected:
            now = time.time_ns() // 1_000_000
            letters = [_dead_letter(each, now, self._app_version) for each in rejected]
            await self._publisher.publish([dead_letters.to_message(letter) for letter in letters])
            log.warning("statuses_rejected", statuses=len(letters))


def _parsed(message: ConsumerRecord) -> _Parsed | _Rejected:
    event = parse_status(message.value)
    if isinstance(event, StatusEvent):
        return _Parsed(message, Reported(event, message.timestamp))
    return _Rejected(message, event)


def is_ours(message: ConsumerRecord, batch_id: str) -> bool:
    """Return whether a status came on the partition of its batch, whose owner alone may write it.

    A producer may have given another key, or have partitioned the right one in its own way.
    """
    partition = (murmur2(batch_id.encode()) & 0x7FFFFFFF) % BATCH_PARTITIONS
    return message.partition == partition or header(message.headers, FORWARDED) is not None


def _forwarded(message: ConsumerRecord, batch_id: str) -> Message:
    return Message(TopicName.STATUS, message.value, key=batch_id.encode(), headers=((FORWARDED, b"1"),))


def _dead_letter(rejected: _Rejected, failed_at: int, app_version: str) -> DeadLetter:
    message = rejected.message
    key = text_header([("key", message.key)], "key")
    return DeadLetter(
        record=message.value,
        errors=rejected.errors,
        stage=STAGE,
        submission_id=submission_id_of(message.topic, message.partition, message.offset),
        batch_id=key if key is not None and len(key.encode()) <= MAX_BATCH_ID_BYTES else None,
        record_index=0,
        source_topic=message.topic,
        source_partition=message.partition,
        source_offset=message.offset,
        accepted_at=max(message.timestamp, 0),
        attempt=1,
        first_failed_at=failed_at,
        failed_at=failed_at,
        app_version=app_version,
    )
