"""Follows `calls.receipts` and `calls.dead-letter` for the reports that requests of this process wait for.

A consumer group of all API processes shares the partitions; the range assignor gives the same partition numbers of both
topics to one process. Nothing is committed: whoever gets a partition begins at its end, because answers to earlier
requests are in the store. Where somebody here still waits for a partition's answers, reading goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError

from ingest_api.waiting import WaitingReports
from schemas.kafka_connection import KafkaConnection
from schemas.messages import NewerError, TryAgainError
from schemas.topics import TopicName

log = structlog.get_logger(__name__)

GROUP: Final = "api"
POLL_MS: Final = 1_000
FETCH_BYTES: Final = 4 * 1024 * 1024
STOP_SECONDS: Final = 5.0
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 15.0
STEADY_SECONDS: Final = 60.0
"""A consumer that ran this long was well: the next pause is the first one again."""


class ReceiptConsumer:
    """Feeds the waiting reports of this process. `run` it as a task; everything else may be asked meanwhile."""

    def __init__(self, connection: KafkaConnection) -> None:
        self.reports = WaitingReports()
        self._connection = connection
        self._topics = [connection.topic(TopicName.RECEIPTS), connection.topic(TopicName.DEAD_LETTER)]
        self._positions: dict[TopicPartition, int] = {}
        self._read: frozenset[int] = frozenset()
        self._joined = False
        self._failed: Exception | None = None

    def choose_partition(self) -> int | None:
        """Return one of the partitions read here, at random; None if there is none just now."""
        return random.choice(tuple(self._read)) if self._read else None  # noqa: S311  # spreads load, hides nothing

    def reads(self, partition: int) -> bool:
        """Return whether the partition is read here just now."""
        return partition in self._read

    async def check(self) -> None:
        """Return if the consumer is in its group; a process beyond the number of partitions reads none, and is well."""
        if not self._joined:
            raise TryAgainError("the consumer of receipts is not in its group yet: is Kafka up, do the topics exist?")

    async def run(self) -> None:
        """Follow until cancelled; whatever goes wrong, begin again after a growing pause. Raise NewerError only."""
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE_SECONDS
        while True:
            began = loop.time()
            try:
                await self._follow()
            except NewerError:
                raise
            except KafkaError as error:
                log.warning("receipts_interrupted", error=type(error).__name__, pause_seconds=pause)
            except Exception as error:  # noqa: BLE001  # requests fall back to the store meanwhile; the check is red
                log.error("receipts_failed", error=type(error).__name__, pause_seconds=pause)  # noqa: TRY400  # texts may hold content
            if loop.time() - began > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _follow(self) -> None:
        consumer = AIOKafkaConsumer(
            **self._connection.group_options(GROUP),
            partition_assignment_strategy=(RangePartitionAssignor,),
            auto_offset_reset="latest",
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        consumer.subscribe(self._topics, listener=_Listener(self, consumer))
        try:
            await consumer.start()
            while True:
                self._take(await consumer.getmany(timeout_ms=POLL_MS))
                self._raise_failure()
        finally:
            self.revoked()
            await _stop(consumer)

    def _raise_failure(self) -> None:
        failed, self._failed = self._failed, None
        if failed is not None:
            raise failed

    def _take(self, batches: Mapping[TopicPartition, Sequence[Any]]) -> None:
        for partition, messages in batches.items():
            for message in messages:
                self._take_one(message)
            if messages:
                self._positions[partition] = messages[-1].offset + 1

    def _take_one(self, message: Any) -> None:
        try:
            if message.topic == self._topics[0]:
                self.reports.take_receipt(message.key, message.value)
            else:
                self.reports.take_dead_letter(message.key, message.value, message.headers)
        except NewerError as newer:
            raise newer.at(message) from None

    async def assigned(self, consumer: AIOKafkaConsumer, partitions: frozenset[TopicPartition]) -> None:
        """Begin to read the partitions. Only then are answers asked to go there: none can be missed."""
        ends = await consumer.end_offsets(list(partitions)) if partitions else {}
        waited_for = self.reports.partitions()
        for partition, end in ends.items():
            stopped = self._positions.get(partition, end) if partition.partition in waited_for else end
            self._positions[partition] = min(stopped, end)
            consumer.seek(partition, self._positions[partition])
        receipts, dead_letters = ({p.partition for p in partitions if p.topic == t} for t in self._topics)
        self._read = frozenset(receipts & dead_letters)
        self._joined = True
        log.info("receipts_assigned", partitions=len(self._read))

    def revoked(self) -> None:
        """Read nothing until the next assignment."""
        self._read = frozenset()
        self._joined = False

    def failed(self, error: Exception) -> None:
        """Make `run` begin again."""
        self._failed = error


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped here
    def __init__(self, owner: ReceiptConsumer, consumer: AIOKafkaConsumer) -> None:
        self._owner = owner
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:  # noqa: ARG002  # all are, in aiokafka
        self._owner.revoked()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        try:
            await self._owner.assigned(self._consumer, frozenset(assigned))
        except Exception as error:  # noqa: BLE001  # aiokafka would log it and go on without partitions
            self._owner.failed(error)


async def _stop(consumer: AIOKafkaConsumer) -> None:
    """Leave the group, if the brokers let us; without them it leaves by itself after the session's time."""
    try:
        async with asyncio.timeout(STOP_SECONDS):
            # aiokafka cancels its own fetches while it stops, and lets that show as if this task were cancelled.
            (error,) = await asyncio.gather(consumer.stop(), return_exceptions=True)
    except TimeoutError as late:
        error = late
    if error is not None:
        log.warning("receipts_stopped_without_leaving", error=type(error).__name__)
