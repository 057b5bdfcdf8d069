"""The compacted topic `calls.registry`: read whole at start, then followed; written one record at a time."""

from __future__ import annotations

from typing import Any, Final

import structlog

from dialfeed.followed_topic import FollowedTopic, Following
from schemas.codecs import UndecodableError, decode_any
from schemas.kafka_connection import KafkaConnection
from schemas.messages import Publisher
from schemas.records import Agent, ApiKey, Batch, CallingNumber, RegistryRecord, Workspace
from schemas.registry import Registry, registry_message
from schemas.topics import TopicName

log = structlog.get_logger(__name__)

_FOLLOWING: Final = Following(
    topic=TopicName.REGISTRY,
    fetch_wait_ms=500,
    refresh_within_seconds=5.0,
    missing="the registry topic is missing: run `dialfeed topics --create`",
    not_refreshed="the registry cannot be read to its end: Kafka does not answer",
    not_followed="the registry is not followed any more: restart this process",
    not_read="registry_not_read",
)


class RegistryTopic(FollowedTopic):
    """A `schemas.registry.RegistryReader` that follows the topic while it is entered."""

    def __init__(self, connection: KafkaConnection) -> None:
        super().__init__(connection, _FOLLOWING)
        self.state = Registry()

    def apply(self, message: Any) -> None:
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
