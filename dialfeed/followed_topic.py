"""A topic of one partition that is followed: read whole at start, or heard from now on."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.kafka_connection import KafkaConnection
from schemas.messages import MustStopError, NewerError, TryAgainError
from schemas.topics import TopicName

log = structlog.get_logger(__name__)

AGAIN_AFTER_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """How a topic is followed, and what is said when that is not possible.

    `missing`: it does not exist, asked only of what is read `whole`. `not_refreshed`: Kafka does not answer.
    `not_followed`: the task that follows it has ended. `not_read`: the log line of a read that failed.
    """

    topic: TopicName
    not_read: str
    fetch_wait_ms: int = 500
    read_wait_ms: int = 200
    whole: bool = True
    refresh_within_seconds: float = 5.0
    missing: str = ""
    not_refreshed: str = ""
    not_followed: str = ""


class FollowedTopic(ABC):
    """Hands the messages of a topic to `apply`, in order, while it is entered. `changed` tells that some have come."""

    def __init__(self, connection: KafkaConnection, following: Following) -> None:
        self.changed = asyncio.Condition()
        self._following = following
        self._connection = connection
        self._partition = TopicPartition(connection.topic(following.topic), 0)
        self._read_to = 0
        self._consumer: AIOKafkaConsumer | None = None
        self._asker: AIOKafkaConsumer | None = None
        self._asking = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None
        self._failed: Exception | None = None

    @abstractmethod
    def apply(self, message: Any) -> None:
        """Take one message. Raise NewerError; whatever it raises ends the following."""

    async def ended(self) -> None:
        """Raise what has ended the following; until then do not return."""
        assert self._follower is not None
        await asyncio.shield(self._follower)

    async def __aenter__(self) -> Self:
        try:
            self._consumer = await self._started()
            await self._begin(self._consumer)
        except KafkaError as error:
            await self._stop()
            raise TryAgainError("Kafka does not answer") from error
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    async def refresh(self) -> None:
        """Return once everything has been applied that was on the topic when this was called.

        Raise TryAgainError, or NewerError.
        """
        async with self._in_time():
            if self._is_over:
                self._raise_why()
            await self._reached(await self._end(await self._who_asks()))

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._following.refresh_within_seconds):
                yield
        except (TimeoutError, KafkaError) as error:
            raise TryAgainError(self._following.not_refreshed) from error

    async def _started(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            **self._connection.client_options(),
            enable_auto_commit=False,
            auto_offset_reset="earliest" if self._following.whole else "latest",
            isolation_level="read_committed",
            fetch_max_wait_ms=self._following.fetch_wait_ms,
        )
        try:
            await consumer.start()
        except BaseException:
            await _stopped(consumer)
            raise
        return consumer

    async def _who_asks(self) -> AIOKafkaConsumer:
        """Return a consumer that never fetches: a broker lets what is asked after a fetch wait until that ends."""
        async with self._asking:
            if self._asker is None:
                self._asker = await self._started()
                self._assign_paused(self._asker)
            return self._asker

    def _assign_paused(self, consumer: AIOKafkaConsumer) -> None:
        consumer.assign([self._partition])  # before asking: aiokafka pauses 100 ms over a topic it has not heard of
        consumer.pause(self._partition)

    async def _begin(self, consumer: AIOKafkaConsumer) -> None:
        if self._following.whole and self._partition.topic not in await consumer.topics():
            raise MustStopError(self._following.missing)
        self._assign_paused(consumer)
        end = await self._end(consumer)
        consumer.resume(self._partition)
        if self._following.whole:
            await consumer.seek_to_beginning(self._partition)
        else:
            await consumer.seek_to_end(self._partition)
        self._follower = asyncio.create_task(self._follow(consumer), name=self._following.topic)
        if self._following.whole:
            async with self._in_time():
                await self._reached(end)

    async def _stop(self) -> None:
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)
        for consumer in (self._consumer, self._asker):
            if consumer is not None:
                await _stopped(consumer)

    async def _end(self, consumer: AIOKafkaConsumer) -> int:
        end: int = (await consumer.end_offsets([self._partition]))[self._partition]
        return end

    async def _reached(self, end: int) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: self._read_to >= end or self._is_over)
        if self._is_over:
            self._raise_why()

    @property
    def _is_over(self) -> bool:
        return self._follower is None or self._follower.done() or self._failed is not None

    def _raise_why(self) -> None:
        if isinstance(self._failed, NewerError):
            raise self._failed
        raise TryAgainError(self._following.not_followed) from self._failed

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        """Follow until cancelled; whoever waits for what comes learns at once why that is over."""
        try:
            await self._read_on(consumer)
        except Exception as error:
            async with self.changed:
                self._failed = error
                self.changed.notify_all()
            raise

    async def _read_on(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            try:
                fetched = await consumer.getmany(timeout_ms=self._following.read_wait_ms, max_records=1000)
                position = await consumer.position(self._partition)
            except KafkaError as error:
                log.warning(self._following.not_read, error=type(error).__name__)
                await asyncio.sleep(AGAIN_AFTER_SECONDS)
                continue
            for message in fetched.get(self._partition, []):
                self._apply(message)
            if position != self._read_to:
                async with self.changed:
                    self._read_to = position
                    self.changed.notify_all()

    def _apply(self, message: Any) -> None:
        try:
            self.apply(message)
        except NewerError as newer:
            raise newer.at(message) from None


async def _stopped(consumer: AIOKafkaConsumer) -> None:
    # aiokafka cancels its own fetches while it stops, and lets that show as if this task were cancelled.
    await asyncio.gather(consumer.stop(), return_exceptions=True)
