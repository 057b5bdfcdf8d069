"""From `calls.phone-log` to ClickHouse: rows, then receipts, then the receipts' messages, then offsets.

A sink consumer in the manner of a Kafka Connect sink task. Under load it writes what waits, up to 50 chunks, in one
insert; when idle a single chunk goes at once. Repeated at any point it has the same effect.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from aiokafka import ConsumerRecord

from schemas import dead_letters
from schemas.codecs import UndecodableError, decode, encode
from schemas.kafka_connection import KafkaConnection
from schemas.messages import Message, MustStopError, Publisher
from schemas.records import PhoneLogChunk, Receipt
from schemas.topics import TopicName
from sinks.consume import Consumer, Consuming, group_member
from sinks.errors import RowsRefusedError
from sinks.refused import RefusedRow, dead_letter_of, halves, sample
from sinks.report_rows import receipts_insert
from sinks.rows import PreparedChunk, Tables, is_whole, phone_log_insert, prepare, receipt_of

log = structlog.get_logger(__name__)

GROUP: Final = "load"
MOST_CHUNKS: Final = 50
MOST_BYTES: Final = 24 * 1024 * 1024


class Load:
    """The consumer of cleaned chunks. `run` until `stop`; MustStopError from `run` means: end the process."""

    def __init__(
        self,
        kafka: KafkaConnection,
        clickhouse: Tables,
        publisher: Publisher,
        *,
        app_version: str,
        make_consumer: Callable[[KafkaConnection, str], Consumer] = group_member,
    ) -> None:
        self._clickhouse, self._publisher, self._app_version = clickhouse, publisher, app_version
        self._consuming = Consuming(
            GROUP,
            [kafka.topic(TopicName.PHONE_LOG)],
            lambda: make_consumer(kafka, GROUP),
            self.write,
            most_messages=MOST_CHUNKS,
            most_bytes=MOST_BYTES,
        )

    async def run(self) -> None:
        """Consume until stopped. Raise MustStopError, with nothing of the flush in progress committed."""
        await self._consuming.run()

    async def stop(self) -> bool:
        """Let the flush in progress end and be committed; return whether it did in time."""
        return await self._consuming.stop()

    async def write(self, messages: Sequence[ConsumerRecord]) -> None:
        """Store the chunks of these messages and tell so; raise TryAgainError or MustStopError."""
        prepared = await asyncio.to_thread(prepared_chunks, messages)
        if not prepared:
            return
        refused = await self._store(prepared)
        receipts = _receipts(prepared, refused)
        await self._clickhouse.insert(receipts_insert(receipts))
        if refused:
            await self._publisher.publish(self._dead_letters(refused))
        await self._publisher.publish([_receipt_message(*pair) for pair in zip(prepared, receipts, strict=True)])
        log.info("chunks_stored", chunks=len(prepared), rows=sum(r.added for r in receipts), refused=len(refused))

    async def _store(self, prepared: Sequence[PreparedChunk]) -> list[RefusedRow]:
        """Write the rows and return those that ClickHouse refuses for their own sake."""
        if await self._why_refused(prepared) is None:
            return []
        probes = sample(prepared)
        reasons = [await self._why_refused([probe]) for probe in probes]
        if probes and None not in reasons:
            raise MustStopError(f"{reasons[0]}, and every other row too: look for what was changed in table phone_log")
        return await self._search(prepared)

    async def _search(self, prepared: Sequence[PreparedChunk]) -> list[RefusedRow]:
        reason = await self._why_refused(prepared)
        if reason is None:
            return []
        if sum(each.rows for each in prepared) == 1:
            return [RefusedRow(next(each.chunk for each in prepared if each.rows), reason)]
        left, right = halves(prepared)
        return [*await self._search(left), *await self._search(right)]

    async def _why_refused(self, prepared: Sequence[PreparedChunk]) -> str | None:
        insert = phone_log_insert(prepared)
        if insert is None:
            return None
        try:
            await self._clickhouse.insert(insert)
        except RowsRefusedError as error:
            return str(error)
        return None

    def _dead_letters(self, refused: Sequence[RefusedRow]) -> list[Message]:
        now = time.time_ns() // 1_000_000
        return [dead_letters.to_message(dead_letter_of(row, now, self._app_version)) for row in refused]


def prepared_chunks(messages: Sequence[ConsumerRecord]) -> list[PreparedChunk]:
    """Return the chunks in the messages, ready to be written; a message that is not dialfeed's is passed over."""
    found: list[PreparedChunk] = []
    for message in messages:
        chunk = _chunk_in(message)
        if chunk is not None:
            found.append(prepare(chunk))
    if len(found) < len(messages):
        first = messages[0]
        log.warning("foreign_messages_skipped", count=len(messages) - len(found), topic=first.topic)
    return found


def _chunk_in(message: ConsumerRecord) -> PhoneLogChunk | None:
    try:
        chunk = decode(message.value, PhoneLogChunk)
    except UndecodableError:
        return None
    return chunk if is_whole(chunk) else None


def _receipts(prepared: Sequence[PreparedChunk], refused: Sequence[RefusedRow]) -> list[Receipt]:
    lost: defaultdict[str, set[int]] = defaultdict(set)
    for row in refused:
        lost[row.chunk.submission_id].update(row.chunk.record_index)
    return [receipt_of(each, lost[each.chunk.submission_id]) for each in prepared]


def _receipt_message(prepared: PreparedChunk, receipt: Receipt) -> Message:
    return Message(
        topic=TopicName.RECEIPTS,
        key=receipt.submission_id.encode(),
        value=encode(receipt),
        partition=prepared.chunk.report_partition,
    )
