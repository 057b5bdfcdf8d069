"""The compacted topic `calls.registry`: read whole at start, then followed; written one record at a time."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Final, Self

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.codecs import UndecodableError, decode_any
from schemas.kafka_connection import KafkaConnection
from schemas.messages import MustStopError, Publisher, TryAgainError
from schemas.records import Agent, ApiKey, Batch, CallingNumber, RegistryRecord, Workspace
from schemas.registry import Registry, registry_message
from schemas.topics import TopicName

log = structlog.get_logger(__name__)

REFRESH_WITHIN_SECONDS: Final = 5.0


class RegistryTopic:
    """A `schemas.registry.RegistryReader` that follows the topic while it is entered."""

    def __init__(self, connection: KafkaConnection) -> None:
        self.state = Registry()
        self._connection = connection
        self._partition = TopicPartition(connection.topic(TopicName.REGISTRY), 0)
        self._read_to = 0
        self._progress = asyncio.Condition()
        self._consumer: AIOKafkaConsumer | None = None
        self._follower: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        consumer = AIOKafkaConsumer(
            **self._connection.client_options(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=500,
        )
        try:
            await consumer.start()
        except KafkaError as error:
            await consumer.stop()
            raise TryAgainError("Kafka does not answer") from error
        self._consumer = consumer
        try:
            await self._begin(consumer)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    async def refresh(self) -> None:
        """See `schemas.registry.RegistryReader.refresh`."""
        try:
            async with asyncio.timeout(REFRESH_WITHIN_SECONDS):
                await self._read_to_end()
        except (TimeoutError, KafkaError) as error:
            raise TryAgainError("the registry cannot be read to its end: Kafka does not answer") from error

    async def _begin(self, consumer: AIOKafkaConsumer) -> None:
        if self._partition.topic not in await consumer.topics():
            raise MustStopError("the registry topic is missing: run `dialfeed topics --create`")
        consumer.assign([self._partition])
        await consumer.seek_to_beginning(self._partition)
        self._follower = asyncio.create_task(self._follow(consumer), name="registry")
        await self.refresh()

    async def _stop(self) -> None:
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)
        if self._consumer is not None:
            # aiokafka cancels its own fetches while it stops, and lets that show as if this task were cancelled.
            await asyncio.gather(self._consumer.stop(), return_exceptions=True)

    async def _read_to_end(self) -> None:
        if self._consumer is None or self._follower is None or self._follower.done():
            raise TryAgainError("the registry is not followed any more: restart this process")
        end = (await self._consumer.end_offsets([self._partition]))[self._partition]
        async with self._progress:
            await self._progress.wait_for(lambda: self._read_to >= end)

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            try:
                fetched = await consumer.getmany(timeout_ms=200, max_records=1000)
                position = await consumer.position(self._partition)
            except KafkaError as error:
                log.warning("registry_not_read", error=type(error).__name__)
                await asyncio.sleep(1)
                continue
            for message in fetched.get(self._partition, []):
                self._apply(message)
            async with self._progress:
                self._read_to = position
                self._progress.notify_all()

    def _apply(self, message: Any) -> None:
        if message.value is None:
            return
        try:
            record = decode_any(message.value)
        except UndecodableError as error:
            log.warning("registry_record_skipped", offset=message.offset, error=str(error))
            return
        if isinstance(record, Workspace | ApiKey | Agent | CallingNumber | Batch):
            self.state.apply(record)


async def write(publisher: Publisher, record: RegistryRecord) -> None:
    """Put one record into the registry; raise TryAgainError or MustStopError."""
    await publisher.publish([registry_message(record)])
