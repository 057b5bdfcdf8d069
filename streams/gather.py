"""The consumer of `calls.records`: a service of the Faust app that reads in bulk, a thousand messages at a time.

Faust's own streams cost some 70 us a message. The rule is that of the agents all the same: chunks first, held by Kafka,
then the offsets, in order, never past a record that is still in memory. What is in memory when the process dies comes
again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from mode import Service

from schemas.kafka_connection import KafkaConnection
from schemas.messages import MustStopError, Publisher, TryAgainError
from schemas.records import Chunk
from schemas.topics import TopicName
from streams.gathering import Incoming, Window
from streams.pipeline import chunk_messages

log = structlog.get_logger(__name__)

GATHER_GROUP: Final = "gather"
GATHER_MS: Final = 200
"""A record waits so long at most for others of its batch, from the first record in memory."""

AT_ONCE: Final = 4000
FETCH_BYTES: Final = 1024 * 1024
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 5.0
REVOKE_WITHIN_SECONDS: Final = 8.0
"""How long a rebalance waits for what is in memory; less than the group's session timeout."""
STOP_WITHIN_SECONDS: Final = 4.0


class Consumer(Protocol):
    """What is used of an AIOKafkaConsumer."""

    def subscribe(self, topics: Sequence[str], *, listener: ConsumerRebalanceListener) -> None: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def getmany(self, *, timeout_ms: int, max_records: int) -> Mapping[TopicPartition, Sequence[Incoming]]: ...
    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None: ...


def group_member(kafka: KafkaConnection) -> Consumer:
    """Return a consumer of the group, not started."""
    consumer: Consumer = AIOKafkaConsumer(
        **kafka.group_options(GATHER_GROUP),
        auto_offset_reset="earliest",
        partition_assignment_strategy=[RoundRobinPartitionAssignor],
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    return consumer


class Gather:
    """Gathers until stopped. `received` counts records; `at_work` is set while Kafka is waited for."""

    def __init__(
        self,
        kafka: KafkaConnection,
        publisher: Publisher,
        make_consumer: Callable[[KafkaConnection], Consumer] = group_member,
    ) -> None:
        self.received = 0
        self.at_work = False
        self.consumer: Consumer | None = None
        self._topic = kafka.topic(TopicName.RECORDS)
        self._publisher = publisher
        self._make_consumer: Callable[[], Consumer] = lambda: make_consumer(kafka)
        self._window = Window()
        self._since = 0.0  # of a monotonic clock: when the window's first record came
        self._sending = asyncio.Lock()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Gather until stopped; raise MustStopError, with nothing of what is in memory committed."""
        try:
            while not self._stopping.is_set():
                await self._run()
        except KafkaError as error:
            kind = type(error).__name__
            raise MustStopError(f"Kafka refuses consumer gather ({kind}): see `dialfeed topics`") from error
        except TryAgainError:
            log.warning("records_given_up", consumer=GATHER_GROUP)  # stopped while Kafka was waited for
        finally:
            await self._leave()

    async def _run(self) -> None:
        if self.consumer is None:
            self.consumer = await self._started()
        while self.consumer is not None and not self._stopping.is_set():
            await self._turn(self.consumer)
            await asyncio.sleep(0)  # with much to read nothing else waits
        if self.consumer is not None:
            await self._let_go(self.consumer, STOP_WITHIN_SECONDS / 2)

    def stop(self) -> None:
        """Ask `run` to end, with what is in memory published and committed if that can be done soon."""
        self._stopping.set()

    async def _started(self) -> Consumer | None:
        consumer = self._make_consumer()
        consumer.subscribe([self._topic], listener=_Rebalance(self, consumer))
        try:
            await consumer.start()
        except KafkaError as error:
            await consumer.stop()
            if not error.retriable:
                raise
            log.warning("waiting", step=GATHER_GROUP, reason="Kafka does not answer")
            await self._pause(LONGEST_PAUSE_SECONDS)
            return None
        return consumer

    async def _turn(self, consumer: Consumer) -> None:
        """Read once; send what is full, and everything once the first record has waited long enough."""
        fetched = await consumer.getmany(timeout_ms=self._patience_ms(), max_records=AT_ONCE)
        async with self._sending:  # free, unless partitions move; then nothing has been read of those that go
            await self._send(self._add(fetched))
            if self._window.is_overfull or self._patience_ms() == 0:
                await self._flush(consumer)

    def _add(self, fetched: Mapping[TopicPartition, Sequence[Incoming]]) -> list[Chunk]:
        if fetched and not self._window.next_offsets:
            self._since = time.monotonic()
        self.received += sum(len(messages) for messages in fetched.values())
        return [chunk for messages in fetched.values() for chunk in self._window.add(messages)]

    def _patience_ms(self) -> int:
        if not self._window.next_offsets:
            return GATHER_MS
        return max(0, round(GATHER_MS - 1000 * (time.monotonic() - self._since)))

    async def _flush(self, consumer: Consumer) -> None:
        """Send all that is in memory, then commit. Partitions that moved meanwhile are somebody else's to commit."""
        window = self._window
        await self._send(window.rest())
        if window is self._window:
            self._window = Window()
            await self._commit(consumer, window.next_offsets)

    async def _send(self, chunks: Sequence[Chunk]) -> None:
        if not chunks:
            return
        messages = chunk_messages(chunks)
        self.at_work = True
        try:
            await self._until_done(lambda: self._publisher.publish(messages))
        finally:
            self.at_work = False
        log.debug("gathered", chunks=len(chunks), records=sum(len(chunk.records) for chunk in chunks))

    async def _until_done(self, effect: Callable[[], Awaitable[None]]) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return await effect()
            except TryAgainError as error:
                log.warning("waiting", step=GATHER_GROUP, reason=str(error))
                if self._stopping.is_set():
                    raise
            await self._pause(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _commit(self, consumer: Consumer, next_offsets: Mapping[tuple[str, int], int]) -> None:
        if not next_offsets:
            return
        try:
            await consumer.commit({TopicPartition(*place): offset for place, offset in next_offsets.items()})
        except (CommitFailedError, IllegalStateError) as error:
            # The partitions have moved; whoever has them now gathers the same records, to the same effect.
            log.warning("commit_refused", consumer=GATHER_GROUP, error=type(error).__name__)

    async def revoked(self, consumer: Consumer) -> None:
        """Before partitions move: send and commit what is in memory, or forget it; it is read again then."""
        await self._let_go(consumer, REVOKE_WITHIN_SECONDS)

    async def _let_go(self, consumer: Consumer, within_seconds: float) -> None:
        try:
            async with asyncio.timeout(within_seconds), self._sending:
                await self._flush(consumer)
        except (TimeoutError, TryAgainError):
            log.warning("records_given_up", consumer=GATHER_GROUP)
        finally:
            self._window = Window()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    async def _leave(self) -> None:
        """Leave the group, so that others need not wait for its session to end."""
        if self.consumer is not None:
            try:
                async with asyncio.timeout(STOP_WITHIN_SECONDS / 2):
                    await self.consumer.stop()
            except (TimeoutError, KafkaError) as error:
                log.warning("group_not_left", consumer=GATHER_GROUP, error=type(error).__name__)


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    def __init__(self, gather: Gather, consumer: Consumer) -> None:
        self._gather, self._consumer = gather, consumer

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        if revoked:
            await self._gather.revoked(self._consumer)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        log.info("partitions_assigned", consumer=GATHER_GROUP, partitions=len(assigned))


def service_of(gather: Gather, stop_process: Callable[[Exception], None]) -> type[Service]:
    """Return what the Faust app starts and stops. `stop_process` ends the process; it does not return."""

    class GatherService(Service):  # type: ignore[misc]  # mode is untyped here
        """Runs beside the agents, on their loop."""

        logger = logging.getLogger("faust.gather")  # else the library tells of its starts under our module's name

        async def on_start(self) -> None:
            self.running = asyncio.create_task(self._run(), name="gather")

        async def on_stop(self) -> None:
            gather.stop()
            await asyncio.wait({self.running}, timeout=STOP_WITHIN_SECONDS)
            self.running.cancel()

        async def _run(self) -> None:
            try:
                await gather.run()
            except Exception as error:  # noqa: BLE001  # whatever it is, nothing may be acknowledged after it
                stop_process(error)

    return GatherService
