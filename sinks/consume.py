"""The loop that both consumers run: take what waits, write it, commit. It decides nothing about the messages.

While one flush is written, the next is taken and read. Offsets are committed only after the messages have been
written, in order, so that a stop at any point leaves work to be done again and never work undone. While the world is
wrong the same messages are tried again in place: nothing is fetched meanwhile beyond the next flush and what is
buffered, heartbeats go on, and the lag shows the wait.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaConnectionError, KafkaError

from schemas.kafka_connection import KafkaConnection
from schemas.messages import MustStopError, TryAgainError
from sinks.errors import RowsRefusedError
from sinks.kept_offsets import KeptOffsets

log = structlog.get_logger(__name__)
T = TypeVar("T")

IDLE_MS: Final = 200
LINGER_MS: Final = 25
"""Once more than one message waits, others are waited for as long as the next comes within this."""
READ_AHEAD_SECONDS: Final = 0.05
"""How often what has come is taken while a flush is written."""
UNHURRIED_LINGER_MS: Final = 100
"""Where nobody waits for an answer, the next message is waited for so long."""
LONGEST_LINGER_SECONDS: Final = 0.25
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 5.0
REVOKE_WITHIN_SECONDS: Final = 8.0
"""How long a rebalance waits for the flush in progress; less than the group's session timeout."""
STOP_WITHIN_SECONDS: Final = 10.0
STANDS_STILL_AFTER_SECONDS: Final = 120.0
"""Longer than an insert takes before it is given up and tried again."""
LIGHT_STEPS: Final = 16
"""So many times as many messages are taken at a time while all weigh so little."""
_FETCH_BYTES: Final = 4 * 1024 * 1024


class Consumer(Protocol):
    """What is used of an AIOKafkaConsumer."""

    def subscribe(self, topics: Sequence[str], *, listener: ConsumerRebalanceListener) -> None: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def getmany(
        self, *, timeout_ms: int, max_records: int
    ) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]: ...
    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None: ...
    def partitions_for_topic(self, topic: str) -> set[int] | None: ...


@dataclass(slots=True)
class _Flush(Generic[T]):
    """What is written at once: what was read of messages, and the offsets to commit once it has been written."""

    assignment: int
    items: list[T] = field(default_factory=list)
    offsets: dict[TopicPartition, int] = field(default_factory=dict)


def group_member(kafka: KafkaConnection, group: str) -> Consumer:
    """Return a consumer of the group, not started. The range assignor gives the same share of each topic."""
    consumer: Consumer = AIOKafkaConsumer(
        **kafka.group_options(group),
        auto_offset_reset="earliest",
        partition_assignment_strategy=[RangePartitionAssignor],
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    return consumer


class Consuming(Generic[T]):
    """One consumer's way from start to stop."""

    def __init__(
        self,
        name: str,
        topics: Sequence[str],
        make_consumer: Callable[[], Consumer],
        read: Callable[[Sequence[ConsumerRecord]], Sequence[T]],
        write: Callable[[Sequence[T]], Awaitable[None]],
        *,
        most_messages: int,
        most_bytes: int,
        weight_of: Callable[[ConsumerRecord], float] = lambda _: 1.0,
        unhurried: Callable[[Sequence[T]], bool] = lambda _: False,
        moved: Callable[[], None] = lambda: None,
        kept: KeptOffsets | None = None,
    ) -> None:
        """Bound what is written at once: messages by their weight, 1 unless said otherwise, and bytes.

        `read` is pure and runs in a thread. `write` may be repeated; it raises TryAgainError or MustStopError.
        Of what is `unhurried` even one item waits for others. `moved` is called when partitions have moved away and
        before others are worked on: forget what was read. With `kept` the store has to fit to the offsets.
        """
        self._name, self._topics, self._make_consumer = name, topics, make_consumer
        self._read, self._write = read, write
        self._most_messages, self._most_bytes, self._weight_of = most_messages, most_bytes, weight_of
        self._unhurried, self._moved, self._kept = unhurried, moved, kept
        self._unjudged: tuple[TopicPartition, ...] = ()  # partitions that are new here, and may not fit to the store
        self._step = max(most_messages // 8, 1)  # messages at a time; bytes are counted after each
        self._idle = asyncio.Event()  # cleared while a flush is being written
        self._idle.set()
        self._interrupted = asyncio.Event()  # the wait for a better world is over: stopping, or partitions move
        self._assigned = asyncio.Event()  # cleared while partitions move
        self._assigned.set()
        self._moving = asyncio.Event()  # partitions are being taken away: aiokafka's `getmany` may wait until all moved
        self._assignment = 0  # counts moves: what was taken before one is fetched again, and must not be written
        self._stopping = False
        self._ended = asyncio.Event()
        self._waiting = ""  # for what
        self._has_partitions = False
        self._turned = time.monotonic()

    def trouble(self) -> str:
        """Return why this consumer does not work now, or an empty text. An insert may take a while."""
        still = time.monotonic() - self._turned
        if self._waiting or still > STANDS_STILL_AFTER_SECONDS:
            return f"{self._name} waits: {self._waiting or f'nothing has happened for {still:.0f} s'}"
        return "" if self._has_partitions else f"{self._name} has not been given its partitions"

    async def run(self) -> None:
        """Consume until stopped. Raise MustStopError, with nothing of the flush in progress committed."""
        try:
            consumer = await self._started()
            if consumer is not None:
                try:
                    await self._consume(consumer)
                finally:
                    # aiokafka cancels its own fetches while it stops; it shows as if this task were cancelled.
                    await asyncio.gather(consumer.stop(), return_exceptions=True)
        except KafkaError as error:
            kind = type(error).__name__
            raise MustStopError(f"Kafka refuses consumer {self._name} ({kind}): see `dialfeed topics`") from error
        finally:
            self._ended.set()

    async def stop(self) -> bool:
        """Let the flush in progress end and be committed; return whether it did within STOP_WITHIN_SECONDS."""
        self._stopping = True
        self._interrupted.set()
        self._assigned.set()
        try:
            async with asyncio.timeout(STOP_WITHIN_SECONDS):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    async def _started(self) -> Consumer | None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping:
            consumer = self._make_consumer()
            consumer.subscribe(self._topics, listener=_Rebalance(self))
            try:
                await consumer.start()
            except KafkaConnectionError:
                await consumer.stop()
                self._note_waiting("Kafka does not answer")
                pause = await self._pause(pause)
            else:
                self._note_going_on()
                return consumer
        return None

    async def _consume(self, consumer: Consumer) -> None:
        gathering: asyncio.Future[_Flush[T]] | None = None
        try:
            while not self._stopping:
                self._turned = time.monotonic()
                gathering = gathering or asyncio.ensure_future(self._gather(consumer))
                flush, gathering = await gathering, None
                if (flush.offsets or self._unjudged) and flush.assignment == self._assignment:
                    self._idle.clear()
                    gathering = asyncio.ensure_future(self._gather(consumer))
                    try:
                        if await self._written(flush) and flush.offsets:
                            await self._commit(consumer, flush.offsets)
                    finally:
                        self._idle.set()
                await self._assigned.wait()
        finally:
            if gathering is not None:
                gathering.cancel()
                await asyncio.gather(gathering, return_exceptions=True)

    async def _gather(self, consumer: Consumer) -> _Flush[T]:
        """Return what waits, read, up to the bounds, and what comes while the flush before is written.

        A single message is not kept waiting for more. Under load larger flushes cost less: ClickHouse has a cost an
        insert, and merges small parts again and again.
        """
        flush: _Flush[T] = _Flush(self._assignment)
        size, weight, timeout = 0, 0.0, IDLE_MS
        step, until = self._step, math.inf
        while weight < self._most_messages and size < self._most_bytes:
            await self._written_within(READ_AHEAD_SECONDS)
            new = await self._taken(consumer, timeout, step)
            if not new and (self._moving.is_set() or self._idle.is_set()):
                break
            if new:
                until = until if flush.offsets else time.monotonic() + LONGEST_LINGER_SECONDS
                flush.items += await asyncio.to_thread(self._read, new)
                flush.offsets |= {TopicPartition(each.topic, each.partition): each.offset + 1 for each in new}
                size += sum(len(message.value or b"") for message in new)
                weights = [self._weight_of(message) for message in new]
                weight += sum(weights)
                step = self._step * (LIGHT_STEPS if max(weights) <= 1 / LIGHT_STEPS else 1)
            timeout = self._linger_ms(flush.items, weight) if time.monotonic() < until else 0
        return flush

    def _linger_ms(self, items: Sequence[T], weight: float) -> int:
        """Return how long the next message is waited for."""
        if items and self._unhurried(items):
            return UNHURRIED_LINGER_MS
        return LINGER_MS if weight > 1 or not self._idle.is_set() else 0

    async def _written_within(self, seconds: float) -> None:
        """Wait for the end of the flush being written, or so long: what comes meanwhile costs one fetch together."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    async def _taken(self, consumer: Consumer, timeout_ms: int, most: int) -> list[ConsumerRecord]:
        """Return some of what waits; nothing once partitions move, for which the flush in progress is waited for."""
        taking = asyncio.ensure_future(consumer.getmany(timeout_ms=timeout_ms, max_records=most))
        moving = asyncio.ensure_future(self._moving.wait())
        try:
            await asyncio.wait((taking, moving), return_when=asyncio.FIRST_COMPLETED)
            taken = taking.result() if taking.done() else {}
            return [message for of_partition in taken.values() for message in of_partition]
        finally:
            taking.cancel()
            moving.cancel()

    async def _written(self, flush: _Flush[T]) -> bool:
        pause = FIRST_PAUSE_SECONDS
        while True:
            self._turned = time.monotonic()
            try:
                await self._write_and_keep(flush)
            except TryAgainError as error:
                self._note_waiting(str(error))
            except RowsRefusedError as error:
                raise MustStopError(f"{error}: only rows of phone_log can be set aside") from None
            else:
                self._note_going_on()
                return True
            pause = await self._pause(pause)
            if self._interrupted.is_set():
                return False

    async def _write_and_keep(self, flush: _Flush[T]) -> None:
        if self._kept is not None:
            await self._kept.check([*self._unjudged, *flush.offsets])
            self._unjudged = ()
        if not flush.offsets:
            return
        await self._write(flush.items)
        if self._kept is not None:
            await self._kept.keep(flush.offsets)

    async def _commit(self, consumer: Consumer, offsets: Mapping[TopicPartition, int]) -> None:
        try:
            await consumer.commit(offsets)
            if self._kept is not None:
                self._kept.committed(offsets)
        except (CommitFailedError, IllegalStateError) as error:
            # The partitions have moved; whoever has them now writes the same again, to the same effect.
            log.warning("commit_refused", consumer=self._name, error=type(error).__name__)

    async def _pause(self, seconds: float) -> float:
        """Wait, unless interrupted; return the next, longer pause."""
        try:
            async with asyncio.timeout(seconds):
                await self._interrupted.wait()
        except TimeoutError:
            pass
        return min(seconds * 2, LONGEST_PAUSE_SECONDS)

    def _note_waiting(self, why: str) -> None:
        if not self._waiting:
            log.warning("waiting", consumer=self._name, why=why)
        self._waiting = why

    def _note_going_on(self) -> None:
        if self._waiting:
            log.info("going_on", consumer=self._name)
        self._waiting = ""

    async def let_go(self) -> None:
        """Let the flush in progress end, or give it up if it only waits, before partitions move."""
        self._moving.set()
        self._has_partitions = False
        self._assignment += 1
        if not self._stopping:
            self._assigned.clear()
        if self._waiting:
            self._interrupted.set()
        try:
            async with asyncio.timeout(REVOKE_WITHIN_SECONDS):
                await self._idle.wait()
        except TimeoutError:
            log.warning("partitions_move_during_flush", consumer=self._name)
        self._moved()
        if self._kept is not None:
            self._kept.forget()

    def take_up(self, assigned: Collection[TopicPartition] = ()) -> None:
        """Go on after partitions have moved."""
        if self._kept is not None:
            self._unjudged = tuple(assigned)
        self._moving.clear()
        self._has_partitions = True
        if not self._stopping:
            self._interrupted.clear()
        self._assigned.set()


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    def __init__(self, consuming: Consuming[Any]) -> None:
        self._consuming = consuming

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002 - all of them move
        await self._consuming.let_go()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        log.info("partitions_assigned", partitions=len(assigned))
        self._consuming.take_up(assigned)
