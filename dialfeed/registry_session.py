"""Changing the registry from a command: read to its end, changed, and read back before success is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from dialfeed.installation import find_kafka
from dialfeed.kafka_publisher import KafkaPublisher
from dialfeed.registry_topic import RegistryTopic, write
from dialfeed.settings import Settings
from schemas.messages import Publisher, TryAgainError
from schemas.records import RegistryRecord
from schemas.registry import Registry, RegistryReader

CONNECT_WITHIN_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class RegistrySession:
    """The registry as it is, and the way to change it."""

    _publisher: Publisher
    _reader: RegistryReader

    @property
    def state(self) -> Registry:
        """What is registered, to the end that the topic had when the session began."""
        return self._reader.state

    async def write(self, record: RegistryRecord) -> None:
        """Put one record into the registry, and return once it can be read back. Raise TryAgainError."""
        await write(self._publisher, record)
        await self._reader.refresh()


@asynccontextmanager
async def registry_to_read(settings: Settings) -> AsyncIterator[Registry]:
    """Yield the registry, read to its end; raise UnreachableError, TryAgainError or MustStopError."""
    topic = RegistryTopic(find_kafka(settings))
    await _in_time(topic.__aenter__())
    try:
        yield topic.state
    finally:
        await topic.__aexit__(None, None, None)
