"""Do workers wait? They say so themselves, every few seconds, on `calls.workers`."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any, Final, Self

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.kafka_connection import KafkaConnection
from schemas.messages import TryAgainError
from schemas.topics import TopicName
from streams.agents import HOLD_SECONDS

log = structlog.get_logger(__name__)

FORGET_AFTER_SECONDS: Final = 3 * HOLD_SECONDS
MOST_REMEMBERED: Final = 1000


class WorkerWaits:
    """What the workers said within the last seconds, while it is entered. What was said before counts no more."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._partition = TopicPartition(connection.topic(TopicName.WORKERS), 0)
        self._consumer = AIOKafkaConsumer(**connection.client_options(), enable_auto_commit=False)
        self._heard: dict[tuple[bytes, bytes], float] = {}
        self._follower: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._consumer.start()
            self._consumer.assign([self._partition])
            await self._consumer.seek_to_end(self._partition)
        except KafkaError as error:
            await self._consumer.stop()
            raise TryAgainError("Kafka does not answer") from error
        self._follower = asyncio.create_task(self._follow(), name="worker-waits")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
        # aiokafka cancels its own fetches while it stops, and lets that show as if this task were cancelled.
        await asyncio.gather(self._consumer.stop(), return_exceptions=True)

    async def check(self) -> None:
        """Return if no worker waits; raise TryAgainError with the reasons."""
        since = time.monotonic() - FORGET_AFTER_SECONDS
        self._heard = {said: at for said, at in self._heard.items() if at > since}
        if self._heard:
            workers = len({worker for worker, _ in self._heard})
            reasons = sorted({reason.decode("utf-8", "replace") for _, reason in self._heard})
            raise TryAgainError(f"workers that wait: {workers}: {'; '.join(reasons[:3])}")

    async def _follow(self) -> None:
        while True:
            try:
                fetched = await self._consumer.getmany(timeout_ms=500)
            except KafkaError as error:
                log.warning("worker_waits_not_read", error=type(error).__name__)
                await asyncio.sleep(1)
                continue
            for message in fetched.get(self._partition, []):
                self._hear(message)

    def _hear(self, message: Any) -> None:
        if message.key and message.value and len(self._heard) < MOST_REMEMBERED:
            self._heard[message.key, message.value] = time.monotonic()
