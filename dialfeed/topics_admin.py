"""The topics as they are against the topics as they should be, with Kafka's admin protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaError,
    NotCoordinatorForGroupError,
    TopicAlreadyExistsError,
    for_code,
)

from dialfeed.topic_status import Found, TopicStatus, copies, statuses
from schemas.kafka_connection import KafkaConnection
from schemas.messages import MustStopError, TryAgainError
from schemas.topics import READ_TOGETHER, TOPICS, WORKER_GROUP, Topic

log = structlog.get_logger(__name__)

LED_WITHIN_SECONDS: Final = 30.0
REMEDY: Final = (
    "`dialfeed topics --create` makes those that are missing. Kafka's `kafka-configs.sh --alter --entity-type topics"
    " --entity-name TOPIC --add-config NAME=VALUE` changes a setting, `kafka-topics.sh --alter` adds partitions,"
    " `kafka-reassign-partitions.sh` adds replicas."
)


async def describe(connection: KafkaConnection) -> list[TopicStatus]:
    """Return every topic's status; raise TryAgainError."""
    async with _admin(connection) as admin:
        present = await _described(admin)
        names = [connection.topic(topic.name) for topic in TOPICS]
        settings = await _settings(admin, [name for name in names if name in present])
        brokers = await _brokers(admin)
    found = {
        topic.name: Found(name, len(present[name]), _fewest_replicas(present[name]), settings.get(name, {}))
        for topic, name in zip(TOPICS, names, strict=True)
        if name in present
    }
    return statuses(found, connection.topic, brokers)


async def create_missing(connection: KafkaConnection) -> list[str]:
    """Create the topics that are missing and return their names; raise TryAgainError or MustStopError."""
    async with _admin(connection) as admin:
        present = {name: len(partitions) for name, partitions in (await _described(admin)).items()}
        brokers = await _brokers(admin)
        missing = [
            _new(topic, connection, present, brokers) for topic in TOPICS if connection.topic(topic.name) not in present
        ]
        if missing:
            _check(await admin.create_topics(missing))
            await _until_led(admin, [topic.name for topic in missing])
        await _until_coordinated(admin, connection.topic(WORKER_GROUP))
    return [topic.name for topic in missing]


async def require_topics(connection: KafkaConnection) -> None:
    """Return if every topic keeps what is promised. Raise MustStopError or TryAgainError.

    A consumer of a missing topic idles; one of topics that do not go together loses a batch's order.
    """
    described = await describe(connection)
    missing = [status.name for status in described if not status.partitions]
    if missing:
        raise MustStopError(f"topics are missing ({', '.join(missing)}): run `dialfeed topics --create`")
    wrong = dict.fromkeys(sentence for status in described for sentence in status.stops)  # a pair tells the same
    if wrong:
        raise MustStopError(f"topics cannot be used as they are: {'; '.join(wrong)}")
    log_warnings(described)


def log_warnings(described: Sequence[TopicStatus]) -> None:
    """Log what differs without breaking a promise, in one line."""
    told = [f"{status.name}: {text}" for status in described for text in (*status.differences, *status.warnings)]
    if told:
        log.warning("topics_differ", differences="; ".join(told), see="dialfeed topics")


def _new(topic: Topic, connection: KafkaConnection, present: Mapping[str, int], brokers: int) -> NewTopic:
    """Return the topic to be made, with as many partitions as the one has that it is read together with."""
    partners = [connection.topic(other) for pair in READ_TOGETHER if topic.name in pair for other in pair]
    partitions = next((present[partner] for partner in partners if partner in present), topic.partitions)
    replicas, in_sync = copies(brokers)
    settings = topic.settings | topic.wishes | ({"min.insync.replicas": str(in_sync)} if in_sync > 1 else {})
    return NewTopic(connection.topic(topic.name), partitions, replicas, topic_configs=settings)


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


async def _until_coordinated(admin: AIOKafkaAdminClient, group: str) -> None:
    """Return once groups have a coordinator. A new cluster makes its topic for them when it is first asked.

    Kafka's clients would log an error for each time they ask too soon.
    """
    with suppress(TimeoutError, KafkaError):  # a cluster that forbids to ask had groups before
        async with asyncio.timeout(LED_WITHIN_SECONDS):
            while not await _has_coordinator(admin, group):  # noqa: ASYNC110  as above
                await asyncio.sleep(0.05)


async def _has_coordinator(admin: AIOKafkaAdminClient, group: str) -> bool:
    try:
        await admin.list_consumer_group_offsets(group)
    except (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError):
        return False
    return True


def _is_led(topic: dict[str, Any]) -> bool:
    partitions = topic["partitions"]
    return topic["error_code"] == 0 and bool(partitions) and all(one["leader"] >= 0 for one in partitions)


async def _described(admin: AIOKafkaAdminClient) -> dict[str, list[Any]]:
    """Return the partitions of every topic, as Kafka describes them."""
    names = await admin.list_topics()
    described = await admin.describe_topics(names) if names else []
    return {topic["topic"]: topic["partitions"] for topic in described}


def _fewest_replicas(partitions: Sequence[Any]) -> int:
    return min(len(partition["replicas"]) for partition in partitions)


async def _brokers(admin: AIOKafkaAdminClient) -> int:
    return len((await admin.describe_cluster())["brokers"])


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
