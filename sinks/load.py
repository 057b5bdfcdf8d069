"""From `calls.phone-log` and `calls.status` to ClickHouse, in the manner of a Kafka Connect sink task.

Of each flush first the statuses, then the chunks: rows, a start of the calling service for each batch, dead letters of
rows that ClickHouse refuses, receipts, the receipts' messages; then the slices of replays (`load_replays`); then
offsets. Under load up to 36 chunks are written in one insert, a single chunk goes at once when idle. Repeated from any
point it has the same effect.

A start comes after the rows, so that it announces what can be read, and before the receipts: a chunk whose receipt is
stored is done only once (`receipts_given`), and then its start has been published.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import structlog
from aiokafka import ConsumerRecord

from schemas import dead_letters
from schemas.codecs import UndecodableError, decode_message, encode
from schemas.kafka_connection import KafkaConnection
from schemas.messages import Message, MustStopError, Publisher
from schemas.records import PhoneLogChunk, Receipt
from schemas.topics import TopicName, unequal
from sinks import starts
from sinks.batch_states import BatchStates
from sinks.consume import Consumer, Consuming, group_member
from sinks.entries import LeftTimes
from sinks.facts import read_left_times, read_receipts, refresh_contacts
from sinks.kept_offsets import KeptOffsets
from sinks.load_replays import ReplayLoad
from sinks.load_rows import store
from sinks.load_statuses import StatusesWritten, StatusLoad
from sinks.receipts_given import ReceiptsGiven
from sinks.refused import RefusedRow, dead_letter_of
from sinks.report_rows import receipts_insert
from sinks.resolving import resolved_insert
from sinks.rows import PreparedChunk, is_whole, prepare, receipts_of
from sinks.sessions import Store

log = structlog.get_logger(__name__)

GROUP: Final = "load"
MOST_CHUNKS: Final = 36
STATUSES_A_CHUNK: Final = 160
"""A flush takes so many statuses in place of a chunk: each asks ClickHouse for what is known of the calls."""
MOST_BYTES: Final = 24 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Memory:
    """What is known of the partitions at hand without asking ClickHouse again."""

    states: BatchStates = field(default_factory=BatchStates)
    given: ReceiptsGiven = field(default_factory=ReceiptsGiven)


class Load:
    """The consumer of cleaned chunks and statuses. `run` until `stop`; MustStopError from it means: end the process."""

    def __init__(
        self,
        kafka: KafkaConnection,
        clickhouse: Store,
        publisher: Publisher,
        *,
        app_version: str,
        make_consumer: Callable[[KafkaConnection, str], Consumer] = group_member,
        kept: KeptOffsets | None = None,
    ) -> None:
        self._clickhouse, self._publisher, self._app_version = clickhouse, publisher, app_version
        self._statuses = StatusLoad(clickhouse, app_version)
        self._replays = ReplayLoad(clickhouse, publisher, app_version)
        self._status_topic, self._chunk_topic = kafka.topic(TopicName.STATUS), kafka.topic(TopicName.PHONE_LOG)
        self._memory = _Memory()
        self._consumer: Consumer | None = None
        self._consuming = Consuming(
            GROUP,
            [self._chunk_topic, self._status_topic],
            lambda: self._member(make_consumer(kafka, GROUP)),
            self.read,
            self.write,
            most_messages=MOST_CHUNKS,
            most_bytes=MOST_BYTES,
            weight_of=lambda message: 1 / STATUSES_A_CHUNK if message.topic == self._status_topic else 1.0,
            unhurried=_are_replayed,
            moved=self._forget,
            kept=kept,
        )

    async def run(self) -> None:
        """Consume until stopped. Raise MustStopError, with nothing of the flush in progress committed."""
        await self._consuming.run()

    def trouble(self) -> str:
        """Return why nothing is consumed now, or an empty text."""
        return self._consuming.trouble()

    async def stop(self) -> bool:
        """Let the flush in progress end and be committed; return whether it did in time."""
        return await self._consuming.stop()

    def _member(self, consumer: Consumer) -> Consumer:
        self._consumer = consumer
        return consumer

    def _partitions(self) -> int:
        """Return how many partitions both topics have now. Raise MustStopError where the numbers differ.

        Then another process may have the statuses of a batch whose chunks are here. They may be raised at any time.
        """
        assert self._consumer is not None
        topics = (self._chunk_topic, self._status_topic)
        chunks, statuses = (len(self._consumer.partitions_for_topic(topic) or ()) for topic in topics)
        if chunks != statuses:
            raise MustStopError(unequal(self._chunk_topic, chunks, self._status_topic, statuses))
        return chunks

    def _forget(self) -> None:
        self._memory = _Memory()  # a flush still under way keeps the old one, and what it learns is not kept

    def read(self, messages: Sequence[ConsumerRecord]) -> list[ConsumerRecord | PhoneLogChunk]:
        """Return the statuses, as they are, and the chunks; a message that is not dialfeed's is passed over.

        Raise NewerError.
        """
        items = [message if message.topic == self._status_topic else _chunk_in(message) for message in messages]
        found = [item for item in items if item is not None]
        if len(found) < len(messages):
            log.warning("foreign_messages_skipped", count=len(messages) - len(found), topic=self._chunk_topic)
        return found

    async def write(self, items: Sequence[ConsumerRecord | PhoneLogChunk]) -> None:
        """Store what `read` returned and tell so; raise TryAgainError or MustStopError."""
        memory = self._memory
        chunks = [item for item in items if isinstance(item, PhoneLogChunk)]
        statuses = [item for item in items if not isinstance(item, PhoneLogChunk)]
        partitions = self._partitions()
        written = await self._statuses.write(statuses, memory.states, partitions)
        memory.given.drop(written.corrected)
        first = [chunk for chunk in chunks if chunk.replay is None]
        if first:
            await self._write_chunks(first, memory)
        await self._replays.write([chunk for chunk in chunks if chunk.replay is not None], memory.states)
        await self._end_statuses(written, memory, partitions, look_again=bool(chunks))

    async def _end_statuses(
        self, written: StatusesWritten, memory: _Memory, partitions: int, *, look_again: bool
    ) -> None:
        """Send what is left of the statuses, last: while ClickHouse is away it is not sent anew with each try."""
        unknown, to_publish = written.unknown, written.to_publish
        if unknown and look_again:  # where a sink is built again, call and status may be in one flush
            again = await self._statuses.write(unknown, memory.states, partitions)
            memory.given.drop(again.corrected)
            unknown, to_publish = again.unknown, to_publish + again.to_publish
        to_publish = to_publish + await self._statuses.of_unknown_calls(unknown)
        if to_publish:
            await self._publisher.publish(to_publish)

    async def _write_chunks(self, chunks: Sequence[PhoneLogChunk], memory: _Memory) -> None:
        await self._learn(chunks, memory.given)
        parted = memory.given.part(chunks)
        prepared = await self._prepared(parted.new, memory.states)
        refused = await store(self._clickhouse, prepared)
        await self._refresh([call_id for each in prepared for call_id in each.left])
        receipts = _receipts(prepared, refused)
        await self._start_calls(chain.from_iterable(receipts))
        if refused:
            await self._publisher.publish(self._dead_letters(refused))
        if receipts:
            await self._clickhouse.insert(receipts_insert(list(chain.from_iterable(receipts))))
        resolved = resolved_insert(prepared, refused, time.time_ns() // 1_000_000)
        if resolved is not None:
            await self._clickhouse.insert(resolved)
        told = [(each.chunk, of[0]) for each, of in zip(prepared, receipts, strict=True) if each.chunk.origins is None]
        memory.given.add(receipt for _, receipt in told)
        told += [(chunk, memory.given.receipt(chunk)) for chunk in parted.again]
        if told:
            await self._publisher.publish([_receipt_message(*each) for each in told])
        memory.given.forget()
        rows = sum(receipt.added for receipt in chain.from_iterable(receipts))
        log.info("chunks_stored", chunks=len(prepared), rows=rows, refused=len(refused), again=len(parted.again))
        if parted.others:
            log.warning("chunks_of_another_body_passed_over", chunks=parted.others)

    async def _learn(self, chunks: Sequence[PhoneLogChunk], given: ReceiptsGiven) -> None:
        """Read which of these have been done before, as far as it is not known."""
        unknown = given.unknown(chunks)
        if unknown:
            given.learn(chunks, await self._clickhouse.consult(lambda session: read_receipts(session, unknown)))

    async def _prepared(self, chunks: Sequence[PhoneLogChunk], states: BatchStates) -> list[PreparedChunk]:
        batch_ids = [chunk.batch_id for chunk in chunks if chunk.batch_id is not None and chunk.record_index]
        unknown = states.unknown(batch_ids)
        if unknown:
            states.learn(await self._clickhouse.consult(lambda session: read_left_times(session, unknown)))
        taken = states.take(batch_ids)
        return await asyncio.to_thread(prepared_chunks, chunks, taken)

    async def _refresh(self, call_ids: list[str]) -> None:
        """Have the contacts told of records that were accepted in time for a call that has left pending since."""
        if call_ids:
            await self._clickhouse.consult(lambda session: refresh_contacts(session, call_ids))

    async def _start_calls(self, receipts: Iterable[Receipt]) -> None:
        """Tell of each batch of which something is stored now that it has pending calls."""
        first: dict[str | None, Receipt] = {}
        for receipt in receipts:
            if receipt.added:
                first.setdefault(receipt.batch_id, receipt)
        told = starts.messages(map(starts.of_receipt, first.values()), time.time_ns() // 1_000_000)
        if told:
            await self._publisher.publish(told)

    def _dead_letters(self, refused: Sequence[RefusedRow]) -> list[Message]:
        now = time.time_ns() // 1_000_000
        return [dead_letters.to_message(dead_letter_of(row, now, self._app_version)) for row in refused]


def _are_replayed(items: Sequence[ConsumerRecord | PhoneLogChunk]) -> bool:
    """Return whether nobody waits for an answer: each flush of a replay asks ClickHouse what is there already."""
    return all(isinstance(item, PhoneLogChunk) and item.replay is not None for item in items)


def _chunk_in(message: ConsumerRecord) -> PhoneLogChunk | None:
    try:
        chunk = decode_message(message, PhoneLogChunk)
    except UndecodableError:
        return None
    return chunk if is_whole(chunk) else None


def prepared_chunks(chunks: Sequence[PhoneLogChunk], states: Mapping[str, LeftTimes]) -> list[PreparedChunk]:
    """Return the chunks ready to be written; `states` has those of their batches."""
    return [prepare(chunk, states.get(chunk.batch_id or "")) for chunk in chunks]


def _receipts(prepared: Sequence[PreparedChunk], refused: Sequence[RefusedRow]) -> list[list[Receipt]]:
    lost: defaultdict[str, set[int]] = defaultdict(set)
    for row in refused:
        lost[row.chunk.submission_id].update(row.chunk.record_index)
    return [receipts_of(each, lost[each.chunk.submission_id]) for each in prepared]


def _receipt_message(chunk: PhoneLogChunk, receipt: Receipt) -> Message:
    return Message(
        topic=TopicName.RECEIPTS,
        key=receipt.submission_id.encode(),
        value=encode(receipt),
        partition=chunk.report_partition,
    )
