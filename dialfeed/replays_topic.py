"""The compacted topic `calls.replays`: read whole at start, then followed; whoever waits for a receipt waits here."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.kafka_connection import KafkaConnection
from schemas.messages import MustStopError, TryAgainError
from schemas.replay_board import ReplayBoard
from schemas.topics import TopicName

log = structlog.get_logger(__name__)

REFRESH_WITHIN_SECONDS: Final = 15.0


class ReplaysTopic:
    """A `schemas.replay_board.ReplayReader` that follows the topic while it is entered."""

    def __init__(self, connection: KafkaConnection) -> None:
        self.board = ReplayBoard()
        self.changed = asyncio.Condition()
        self._connection = connection
        self._partition = TopicPartition(connection.topic(TopicName.REPLAYS), 0)
        self._read_to = 0
        self._consumer: AIOKafkaConsumer | None = None
        self._follower: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        consumer = AIOKafkaConsumer(
            **self._connection.client_options(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=200,
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
        """See `schemas.replay_board.ReplayReader.refresh`."""
        try:
            async with asyncio.timeout(REFRESH_WITHIN_SECONDS):
                await self._read_to_end()
        except (TimeoutError, KafkaError) as error:
            raise TryAgainError("the replays cannot be read to their end: Kafka does not answer") from error

    async def _begin(self, consumer: AIOKafkaConsumer) -> None:
        if self._partition.topic not in await consumer.topics():
            raise MustStopError("the topic of replays is missing: run `dialfeed topics --create`")
        consumer.assign([self._partition])
        await consumer.seek_to_beginning(self._partition)
        self._follower = asyncio.create_task(self._follow(consumer), name="replays")
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
            raise TryAgainError("the replays are not followed any more: restart this process")
        end = (await self._consumer.end_offsets([self._partition]))[self._partition]
        async with self.changed:
            await self.changed.wait_for(lambda: self._read_to >= end)

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            try:
                fetched = await consumer.getmany(timeout_ms=200, max_records=1000)
                position = await consumer.position(self._partition)
            except KafkaError as error:
                log.warning("replays_not_read", error=type(error).__name__)
                await asyncio.sleep(1)
                continue
            for message in fetched.get(self._partition, []):
                self.board.apply(message.value, message.timestamp)
            if position != self._read_to:
                async with self.changed:
                    self._read_to = position
                    self.changed.notify_all()
