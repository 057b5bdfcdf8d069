"""Do workers wait? They say so themselves, every few seconds, on `calls.workers`."""

from __future__ import annotations

import time
from typing import Any, Final

from dialfeed.followed_topic import FollowedTopic, Following
from schemas.codecs import refuse_newer
from schemas.kafka_connection import KafkaConnection
from schemas.messages import TryAgainError
from schemas.topics import TopicName
from streams.agents import HOLD_SECONDS

FORGET_AFTER_SECONDS: Final = 3 * HOLD_SECONDS
MOST_REMEMBERED: Final = 1000

_FOLLOWING: Final = Following(topic=TopicName.WORKERS, whole=False, read_wait_ms=500, not_read="worker_waits_not_read")


class WorkerWaits(FollowedTopic):
    """What the workers said within the last seconds, while it is entered. What was said before counts no more."""

    def __init__(self, connection: KafkaConnection) -> None:
        super().__init__(connection, _FOLLOWING)
        self._heard: dict[tuple[bytes, bytes], float] = {}

    async def check(self) -> None:
        """Return if no worker waits; raise TryAgainError with the reasons."""
        since = time.monotonic() - FORGET_AFTER_SECONDS
        self._heard = {said: at for said, at in self._heard.items() if at > since}
        if self._heard:
            workers = len({worker for worker, _ in self._heard})
            reasons = sorted({reason.decode("utf-8", "replace") for _, reason in self._heard})
            raise TryAgainError(f"workers that wait: {workers}: {'; '.join(reasons[:3])}")

    def apply(self, message: Any) -> None:
        refuse_newer(message.value)
        if message.key and message.value and len(self._heard) < MOST_REMEMBERED:
            self._heard[message.key, message.value] = time.monotonic()
