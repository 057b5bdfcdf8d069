"""Changing the registry from a command: read to its end, changed, and read back before success is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from dialfeed.exits import WrongUseError
from dialfeed.installation import find_kafka, kafka_unreachable
from dialfeed.kafka_publisher import KafkaPublisher
from dialfeed.plain_text import one_line
from dialfeed.registry_topic import RegistryTopic, write
from dialfeed.settings import Settings
from schemas.kafka_connection import KafkaConnection
from schemas.messages import Publisher, TryAgainError
from schemas.records import RegistryRecord
from schemas.registrations import RegistrationRefusedError, Rules
from schemas.registry import Registry, RegistryReader
from streams.phone_numbers import normalise
from streams.timezones import zone_names

CONNECT_WITHIN_SECONDS: Final = 15.0
RULES: Final = Rules(known_timezone=lambda name: name in zone_names(), normalise=normalise)


@dataclass(frozen=True, slots=True)
class RegistrySession:
    """The registry as it is, and the way to change it."""

    _publisher: Publisher
    _reader: RegistryReader

    @property
    def state(self) -> Registry:
        """What is registered."""
        return self._reader.state

    async def write(self, record: RegistryRecord) -> None:
        """Put one record into the registry, and return once it can be read back. Raise TryAgainError."""
        await write(self._publisher, record)
        await self._reader.refresh()


@asynccontextmanager
async def open_registry(settings: Settings) -> AsyncIterator[RegistrySession]:
    """Yield the installation's registry, read to its end; raise UnreachableError or MustStopError.

    What is refused for registration inside the block is raised as WrongUseError.
    """
    connection = find_kafka(settings)
    reader = await _read(connection)
    publisher = KafkaPublisher(connection)  # connects when it first publishes
    try:
        yield RegistrySession(publisher, reader)
    except RegistrationRefusedError as refused:
        raise WrongUseError(one_line(refused.sentence), one_line(refused.remedy)) from None
    finally:
        await publisher.stop()
        await reader.__aexit__(None, None, None)


async def _read(connection: KafkaConnection) -> RegistryTopic:
    try:
        async with asyncio.timeout(CONNECT_WITHIN_SECONDS):
            return await RegistryTopic(connection).__aenter__()
    except (TimeoutError, TryAgainError) as error:
        raise kafka_unreachable(connection) from error
