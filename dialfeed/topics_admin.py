"""The topics as they are against the topics as they should be, with Kafka's admin protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from schemas.kafka_connection import KafkaConnection
from schemas.messages import MustStopError, TryAgainError
from schemas.topics import TOPICS, Topic

MOST_REPLICAS: Final = 3
LED_WITHIN_SECONDS: Final = 30.0
REMEDY: Final = (
    "`dialfeed topics --create` makes those that are missing. Kafka's `kafka-configs.sh --alter --entity-type topics"
    " --entity-name TOPIC --add-config NAME=VALUE` changes a setting, `kafka-topics.sh --alter` adds partitions."
)


@dataclass(frozen=True, slots=True)
class TopicStatus:
    """One topic: `partitions` is 0 where it is missing; `differences` are sentences."""

    name: str
    partitions: int
    ok: bool
    differences: list[str]


async def describe(connection: KafkaConnection) -> list[TopicStatus]:
    """Return every topic's status; raise TryAgainError."""
    async with _admin(connection) as admin:
        present = await _partitions(admin)
        names = [connection.topic(topic.name) for topic in TOPICS]
        settings = await _settings(admin, [name for name in names if name in present])
    return [
        _status(topic, name, present.get(name, 0), settings.get(name, {}))
        for topic, name in zip(TOPICS, names, strict=True)
    ]


async def create_missing(connection: KafkaConnection) -> list[str]:
    """Create the topics that are missing and return their names; raise TryAgainError or MustStopError."""
    async with _admin(connection) as admin:
        present = await _partitions(admin)
        brokers = (await admin.describe_cluster())["brokers"]
        replicas = min(MOST_REPLICAS, len(brokers))
        missing = [_new(topic, connection, replicas) for topic in TOPICS if connection.topic(topic.name) not in present]
        if missing:
            _check(await admin.create_topics(missing))
            await _until_led(admin, [topic.name for topic in missing])
    return [topic.name for topic in missing]


async def require_topics(connection: KafkaConnection) -> None:
    """Return if every topic is there, since a consumer of a missing one idles. Raise MustStopError or TryAgainError."""
    missing = [topic.name for topic in await describe(connection) if not topic.partitions]
    if missing:
        raise MustStopError(f"topics are missing ({', '.join(missing)}): run `dialfeed topics --create`")


def _new(topic: Topic, connection: KafkaConnection, replicas: int) -> NewTopic:
    return NewTopic(
        connection.topic(topic.name), topic.partitions, replicas, topic_configs=topic.settings | topic.wishes
    )


def _check(answer: Any) -> None:
    for name, code, *text in answer.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):
            reason = (text[0] if text else None) or for_code(code).__name__
            raise MustStopError(f"Kafka does not create the topic {name}: {reason}")


async def _until_led(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    """Return once every partition has a leader: a client that asks sooner is told that there is no such topic."""
    try:
        async with asyncio.timeout(LED_WITHIN_SECONDS):
            while not all(map(_is_led, await admin.describe_topics(names))):  # noqa: ASYNC110  # Kafka has no event for it
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise TryAgainError("Kafka has made the topics, but their partitions have no leader yet") from None


def _is_led(topic: dict[str, Any]) -> bool:
    partitions = topic["partitions"]
    return topic["error_code"] == 0 and bool(partitions) and all(one["leader"] >= 0 for one in partitions)


def _status(topic: Topic, name: str, partitions: int, settings: dict[str, str]) -> TopicStatus:
    if not partitions:
        return TopicStatus(name, 0, ok=False, differences=["the topic is missing: run `dialfeed topics --create`"])
    differences = [
        f"{key} is {settings.get(key)}, should be {value}"
        for key, value in topic.settings.items()
        if settings.get(key) != value
    ]
    if partitions != topic.partitions:
        differences.insert(0, f"{partitions} partitions, should be {topic.partitions}")
    return TopicStatus(name, partitions, ok=not differences, differences=differences)


async def _partitions(admin: AIOKafkaAdminClient) -> dict[str, int]:
    names = await admin.list_topics()
    described = await admin.describe_topics(names) if names else []
    return {topic["topic"]: len(topic["partitions"]) for topic in described}


async def _settings(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    return {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
    }


@asynccontextmanager
async def _admin(connection: KafkaConnection) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**connection.client_options(), request_timeout_ms=10_000)
    try:
        await admin.start()
        yield admin
    except KafkaError as error:
        raise TryAgainError(f"Kafka does not answer at {connection.bootstrap}") from error
    finally:
        await admin.close()
