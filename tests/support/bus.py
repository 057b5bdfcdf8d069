"""A set of topics of a test's own on the real Kafka, with a campaign in the registry."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from dialfeed.bound_child import bound
from dialfeed.kafka_publisher import KafkaPublisher
from dialfeed.registry_topic import RegistryTopic, write
from dialfeed.topics_admin import create_missing
from schemas.dead_letters import DeadLetter, from_message
from schemas.identity import hash_api_key, record_id
from schemas.kafka_connection import KafkaConnection
from schemas.messages import Message
from schemas.records import Agent, AgentVersion, ApiKey, Batch, CallingNumber, RegistryRecord, Workspace
from schemas.topics import TOPICS, TopicName
from tests.support.samples import SCHEMA

WITHIN_SECONDS = 60.0
API_KEY = "df_test-key"
OTHER_API_KEY = "df_other-key"

CAMPAIGN: tuple[RegistryRecord, ...] = (
    Workspace(workspace_id="w", name="Acme", created_at=1),
    Workspace(workspace_id="other", name="Other", created_at=1),
    ApiKey(key_id="k", workspace_id="w", name="test", key_hash=hash_api_key(API_KEY), created_at=1),
    ApiKey(key_id="k2", workspace_id="other", name="test", key_hash=hash_api_key(OTHER_API_KEY), created_at=1),
    Agent(
        agent_id="a",
        workspace_id="w",
        name="Agent",
        versions=[AgentVersion(version=1, schema=SCHEMA, created_at=1)],
        created_at=1,
    ),
    CallingNumber(phone_id="n", workspace_id="w", number="+12125550199", agent_id="a", created_at=1),
    CallingNumber(phone_id="silent", workspace_id="w", number="+12125550198", created_at=1),
    Batch(batch_id="b", workspace_id="w", name="Batch", phone_ids=["n"], created_at=1),
    Batch(batch_id="unassigned", workspace_id="w", name="No agent", phone_ids=["silent"], created_at=1),
)


class Bus:
    """What a test does with its topics."""

    def __init__(self, connection: KafkaConnection, publisher: KafkaPublisher, registry: RegistryTopic) -> None:
        self.connection = connection
        self.publisher = publisher
        self.registry = registry

    async def produce(self, value: bytes | None, *, key: bytes | None = None, **headers: str) -> None:
        """Put one message on `calls.raw`, as a direct producer does."""
        pairs = tuple((name.replace("_", "-"), text.encode()) for name, text in headers.items())
        await self.publisher.publish([Message(TopicName.RAW, value, key=key, headers=pairs)])

    async def produce_record(self, value: bytes, batch_id: str = "b") -> str:
        """Put one bare record on `calls.records`; return the id of its submission."""
        async with AIOKafkaProducer(**self.connection.client_options()) as producer:
            topic = self.connection.topic(TopicName.RECORDS)
            at = await producer.send_and_wait(topic, value, headers=[("batch-id", batch_id.encode())])
        return record_id(at.partition, at.offset)

    async def read(self, topic: TopicName, until: Callable[[list[Any]], bool]) -> list[Any]:
        """Return the topic's messages from its beginning once they satisfy `until`."""
        consumer = AIOKafkaConsumer(
            self.connection.topic(topic),
            **self.connection.client_options(),
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
        )
        found: list[Any] = []
        async with consumer, asyncio.timeout(WITHIN_SECONDS):
            while not until(found):
                for messages in (await consumer.getmany(timeout_ms=200)).values():
                    found.extend(messages)
        return found

    async def end(self, topic: TopicName) -> int:
        """Return how many messages were ever put on a topic."""
        async with AIOKafkaConsumer(self.connection.topic(topic), **self.connection.client_options()) as consumer:
            places = consumer.assignment()
            assert places
            return sum((await consumer.end_offsets(places)).values())

    async def everything(self, topic: TopicName) -> list[Any]:
        """Return all that is on a topic now, by partition and offset."""
        end = await self.end(topic)
        found = await self.read(topic, lambda messages: len(messages) >= end)
        return sorted(found, key=lambda each: (each.partition, each.offset))

    async def dead_letters(self, submission_id: str, count: int) -> list[DeadLetter]:
        """Return a submission's dead letters once there are so many."""
        key = submission_id.encode()

        def ours(messages: list[Any]) -> list[DeadLetter]:
            letters = (from_message(message.value, message.headers) for message in messages if message.key == key)
            return [letter for letter in letters if letter is not None]

        return ours(await self.read(TopicName.DEAD_LETTER, lambda found: len(ours(found)) >= count))

    async def add_partitions(self, totals: Mapping[TopicName, int]) -> None:
        """Raise the numbers of partitions of these topics, and return once the broker tells so."""
        admin = AIOKafkaAdminClient(**self.connection.client_options())
        await admin.start()
        try:
            new = {self.connection.topic(name): NewPartitions(total) for name, total in totals.items()}
            answer = await admin.create_partitions(new)
            assert {code for _, code, *_ in answer.topic_errors} == {0}, answer
            await eventually(lambda: _have_partitions(admin, {name: one.total_count for name, one in new.items()}))
        finally:
            await admin.close()

    async def remove(self, topic: TopicName) -> None:
        """Delete a topic, and return once it is gone."""
        admin = AIOKafkaAdminClient(**self.connection.client_options())
        await admin.start()
        try:
            await admin.delete_topics([self.connection.topic(topic)])
            await eventually(lambda: _is_gone(admin, self.connection.topic(topic)))
        finally:
            await admin.close()

    async def configure(self, topic: TopicName, **settings: str) -> None:
        """Change settings of a topic, and return once the broker tells so; an underscore in a name stands for a dot."""
        admin = AIOKafkaAdminClient(**self.connection.client_options())
        await admin.start()
        try:
            named = {name.replace("_", "."): value for name, value in settings.items()}
            resource = ConfigResource(ConfigResourceType.TOPIC, self.connection.topic(topic), configs=named)
            await admin.alter_configs([resource])
            asked = ConfigResource(ConfigResourceType.TOPIC, self.connection.topic(topic))
            await eventually(lambda: _is_configured(admin, asked, named))
        finally:
            await admin.close()

    async def committed(self, group: str, topic: TopicName) -> int:
        """Return how many messages of a topic a group has committed."""
        admin = AIOKafkaAdminClient(**self.connection.client_options())
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(self.connection.topic(group))
        finally:
            await admin.close()
        full = self.connection.topic(topic)
        return sum(max(0, offset.offset) for place, offset in offsets.items() if place.topic == full)


async def _is_gone(admin: AIOKafkaAdminClient, name: str) -> bool:
    return name not in await admin.list_topics()


async def _is_configured(admin: AIOKafkaAdminClient, topic: ConfigResource, settings: Mapping[str, str]) -> bool:
    (answer,) = await admin.describe_configs([topic])
    found = {entry[0]: entry[1] for resource in answer.resources for entry in resource[4]}
    return found.items() >= settings.items()


async def _have_partitions(admin: AIOKafkaAdminClient, totals: Mapping[str, int]) -> bool:
    described = await admin.describe_topics(list(totals))
    return {topic["topic"]: len(topic["partitions"]) for topic in described} == totals


@asynccontextmanager
async def bus_of_its_own(bootstrap: str) -> AsyncIterator[Bus]:
    """Make topics with a prefix of their own, fill the registry, and remove the topics afterwards."""
    connection = KafkaConnection(bootstrap, prefix=f"t{uuid.uuid4().hex[:8]}.")
    await create_missing(connection)
    try:
        async with KafkaPublisher(connection) as publisher, RegistryTopic(connection) as registry:
            for record in CAMPAIGN:
                await write(publisher, record)
            await registry.refresh()
            yield Bus(connection, publisher, registry)
    finally:
        admin = AIOKafkaAdminClient(**connection.client_options())
        await admin.start()
        await admin.delete_topics([connection.topic(topic.name) for topic in TOPICS])
        await admin.close()


@contextmanager
def part(bus: Bus, folder: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run one part of dialfeed as a process of its own; what it logs goes to `folder`/parts.log."""
    env = os.environ | {
        "DIALFEED_DATA": str(folder),
        "DIALFEED_KAFKA": bus.connection.bootstrap,
        "DIALFEED_TOPIC_PREFIX": bus.connection.prefix,
        "DIALFEED_LOG": "json",
    }
    with (folder / "parts.log").open("ab") as log:
        process = subprocess.Popen(
            bound([sys.executable, "-m", "dialfeed", *arguments]), env=env | environment, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def eventually(check: Callable[[], Any], within_seconds: float = WITHIN_SECONDS) -> Any:
    """Return the first true answer of `check` (a plain or an async function); fail when the deadline passes."""
    deadline = time.monotonic() + within_seconds
    while True:
        answer = check()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{check} did not come true within {within_seconds} s"
        await asyncio.sleep(0.05)
