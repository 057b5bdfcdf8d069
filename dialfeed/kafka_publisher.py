"""Publishing to Kafka with aiokafka: a process's one producer, and the one place where its errors are translated."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from types import TracebackType
from typing import Any, Final, Self

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from schemas.kafka_connection import KafkaConnection
from schemas.messages import Message, MustStopError, TryAgainError
from schemas.topics import MAX_MESSAGE_BYTES

log = structlog.get_logger(__name__)

PUBLISH_WITHIN_SECONDS: Final = 30.0
READY_WITHIN_SECONDS: Final = 3.0
BATCH_BYTES: Final = 512 * 1024
_STOP: Final = {
    UnknownTopicOrPartitionError: "a topic is missing: run `dialfeed topics --create`",
    InvalidTopicError: "a topic name is not allowed: check DIALFEED_TOPIC_PREFIX",
    TopicAuthorizationFailedError: "Kafka denies writing to a topic: give this user WRITE on the dialfeed topics",
    MessageSizeTooLargeError: "Kafka refuses a message for its size: see `dialfeed topics` for max.message.bytes",
    RecordTooLargeError: "Kafka refuses a message for its size: see `dialfeed topics` for max.message.bytes",
}


class KafkaPublisher:
    """A `schemas.messages.Publisher`: acks=all, idempotent, bounded in time.

    A producer that Kafka has fenced or that lost its sequence is replaced by a fresh one at the next use.
    """

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._acknowledged_at = 0.0

    async def start(self) -> None:
        """Connect; raise TryAgainError while no broker answers."""
        await self._started()

    async def stop(self) -> None:
        """Send what waits, at most for a few seconds, and disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                async with asyncio.timeout(READY_WITHIN_SECONDS):
                    await producer.stop()
            except (TimeoutError, KafkaError) as error:
                log.warning("producer_not_flushed", error=type(error).__name__)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def publish(self, messages: Sequence[Message]) -> None:
        """See `schemas.messages.Publisher.publish`."""
        try:
            async with asyncio.timeout(PUBLISH_WITHIN_SECONDS):
                producer = await self._started()
                sent = [await self._send(producer, message) for message in messages]
                await asyncio.gather(*sent)
        except TimeoutError:
            raise TryAgainError(f"Kafka did not acknowledge within {PUBLISH_WITHIN_SECONDS:.0f} s") from None
        except UnknownTopicOrPartitionError as error:
            # aiokafka says so too of a topic that it has not used yet while no broker answers.
            if not await self._lacks_any({self._connection.topic(message.topic) for message in messages}):
                raise TryAgainError("Kafka does not answer") from error
            await self._translate(error)
        except KafkaError as error:
            await self._translate(error)
        self._acknowledged_at = time.monotonic()

    async def ready(self) -> None:
        """See `schemas.messages.Publisher.ready`. An acknowledgement within the last second is answer enough."""
        if time.monotonic() - self._acknowledged_at < 1.0:
            return
        try:
            async with asyncio.timeout(READY_WITHIN_SECONDS):
                producer = await self._started()
                if not await producer.client.force_metadata_update():
                    raise TryAgainError("Kafka does not answer")
        except (TimeoutError, KafkaError) as error:
            raise TryAgainError("Kafka does not answer") from error
        self._acknowledged_at = time.monotonic()

    async def _send(self, producer: AIOKafkaProducer, message: Message) -> asyncio.Future[Any]:
        topic = self._connection.topic(message.topic)
        partition = message.partition
        if partition is not None and partition not in await producer.partitions_for(topic):
            partition = None
        future: asyncio.Future[Any] = await producer.send(
            topic, message.value, key=message.key, headers=list(message.headers), partition=partition
        )
        return future

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                self._producer = await self._connect()
            return self._producer

    async def _connect(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **self._connection.client_options(),
            acks="all",
            enable_idempotence=True,
            max_request_size=MAX_MESSAGE_BYTES,
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=10_000,
        )
        try:
            await producer.start()
        except (KafkaError, TimeoutError, asyncio.CancelledError) as error:
            await producer.stop()
            if isinstance(error, asyncio.CancelledError):
                raise
            raise TryAgainError("Kafka does not answer") from error
        return producer

    async def _lacks_any(self, topics: AbstractSet[str]) -> bool:
        """Return whether a broker answers, and has not all of these topics."""
        try:
            async with asyncio.timeout(READY_WITHIN_SECONDS):
                there = await (await self._started()).client.fetch_all_metadata()
                return not topics <= there.topics()
        except (TimeoutError, KafkaError, TryAgainError):
            return False

    async def _translate(self, error: KafkaError) -> None:
        remedy = next((text for kind, text in _STOP.items() if isinstance(error, kind)), None)
        if remedy is not None:
            raise MustStopError(remedy) from error
        if not error.retriable:
            log.warning("producer_replaced", error=type(error).__name__)
            await self.stop()
        raise TryAgainError(f"Kafka answered {type(error).__name__}") from error
