"""dialfeed as it is: its processes as `dialfeed run` starts them, on a real Kafka, with embedded ClickHouse."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.http_client import connected, latencies, post_all
from bench.measure import Pass, Watch
from bench.processes import BenchError, child, free_address, until_true
from bench.records import BATCH_ZONE, CALLING_NUMBER, SCHEMA, bodies, body
from dialfeed.kafka_publisher import KafkaPublisher
from dialfeed.registry_topic import write
from schemas.codecs import decode_any
from schemas.identity import hash_api_key, new_api_key, new_id
from schemas.kafka_connection import KafkaConnection
from schemas.messages import Message
from schemas.records import Agent, AgentVersion, ApiKey, Batch, CallingNumber, Receipt, Workspace
from schemas.topics import REPORT_PARTITIONS, TopicName

READY_WITHIN_SECONDS: Final = 60.0
STORED_WITHIN_SECONDS: Final = 120.0


class Dialfeed:
    """A running installation with one campaign."""

    def __init__(
        self, address: str, pids: Mapping[str, int], publisher: KafkaPublisher, receipts: AIOKafkaConsumer
    ) -> None:
        self.address, self.pids = address, pids
        self.api_key = new_api_key()
        self._publisher, self._receipts = publisher, receipts
        self._workspace_id, self._phone_id = new_id(), new_id()
        self._readiness: Any = "it does not answer"

    async def register(self) -> None:
        """Put workspace, key, agent and calling number into the registry."""
        now, agent_id = _now(), new_id()
        version = AgentVersion(version=1, schema=SCHEMA, created_at=now)
        owned: dict[str, Any] = {"workspace_id": self._workspace_id, "created_at": now}
        for record in (
            Workspace(name="bench", **owned),
            ApiKey(key_id=new_id(), name="bench", key_hash=hash_api_key(self.api_key), **owned),
            Agent(agent_id=agent_id, name="Invoices", versions=[version], **owned),
            CallingNumber(phone_id=self._phone_id, number=CALLING_NUMBER, agent_id=agent_id, **owned),
        ):
            await write(self._publisher, record)

    async def ready(self) -> None:
        """Wait until everything answers; raise BenchError."""
        try:
            await until_true(self._answers, READY_WITHIN_SECONDS)
        except TimeoutError:
            raise BenchError(f"dialfeed is not ready after {READY_WITHIN_SECONDS:.0f} s: {self._readiness}") from None

    async def new_batch(self) -> str:
        """Return the id of a new batch."""
        batch = Batch(
            batch_id=new_id(),
            workspace_id=self._workspace_id,
            name="bench",
            phone_ids=[self._phone_id],
            timezone=BATCH_ZONE,
            created_at=_now(),
        )
        await write(self._publisher, batch)
        return batch.batch_id

    async def publish(self, batch_id: str, records: Sequence[bytes]) -> None:
        """Put records on `calls.raw`, 1000 a message."""
        await self._publisher.publish(_raw(batch_id, records))

    async def from_topic(self, records: Sequence[bytes]) -> Pass:
        """Put records on `calls.raw`, 1000 a message; the pass ends when the last receipt says: stored.

        Without a key, so that Kafka spreads the messages over the partitions, as it does for the baseline.
        """
        batch_id = await self.new_batch()
        messages = _raw(batch_id, records)
        watch = Watch(self.pids)
        await self._publisher.publish(messages)
        async with asyncio.timeout(STORED_WITHIN_SECONDS):
            await self._until_stored(batch_id, len(records))
        measured = watch.done(len(records))
        await self._check(batch_id, len(records))
        return measured

    async def from_posts(self, records: Sequence[bytes], connections: int) -> Pass:
        """Post records, 1000 a request; the pass ends with the last 200."""
        batch_id = await self.new_batch()
        requests = bodies(batch_id, records)
        watch = Watch(self.pids)
        await post_all(self.address, self.api_key, requests, connections)
        measured = watch.done(len(records))
        await self._check(batch_id, len(records))
        return measured

    async def latencies(self, records: Sequence[bytes], posts: int) -> list[float]:
        """Return the seconds of each of so many requests with these records, one after the other."""
        return await latencies(self.address, self.api_key, [body(await self.new_batch(), records)] * posts)

    async def _answers(self) -> bool:
        try:
            async with connected(self.address) as connection:
                status, self._readiness = await connection.get("/readyz")
        except OSError:
            return False
        return status == 200

    async def _until_stored(self, batch_id: str, wanted: int) -> None:
        stored = 0
        while stored < wanted:
            for messages in (await self._receipts.getmany(timeout_ms=1000)).values():
                found = [decode_any(message.value) for message in messages]
                stored += sum(r.added for r in found if isinstance(r, Receipt) and r.batch_id == batch_id)

    async def _check(self, batch_id: str, wanted: int) -> None:
        async with connected(self.address, self.api_key) as connection:
            _, answer = await connection.get(f"/api/call/batch-details/{batch_id}?limit=1")
        if answer["data"]["total"] != wanted:
            raise BenchError(f"dialfeed stored {answer['data']['total']} of {wanted} records")


def _raw(batch_id: str, records: Sequence[bytes]) -> list[Message]:
    return [Message(TopicName.RAW, value) for value in bodies(batch_id, records)]


@asynccontextmanager
async def running(kafka: KafkaConnection, broker_pid: int, folder: Path) -> AsyncIterator[Dialfeed]:
    """Start dialfeed's processes and yield it once it is ready."""
    address = free_address()
    env = {
        "DIALFEED_DATA": str(folder),
        "DIALFEED_KAFKA": kafka.bootstrap,
        "DIALFEED_HTTP": address,
        "DIALFEED_LOG": "json",
    }
    async with AsyncExitStack() as stack:
        publisher = await stack.enter_async_context(KafkaPublisher(kafka))
        receipts = await stack.enter_async_context(_receipts(kafka))
        api = await stack.enter_async_context(child("api", "dialfeed", "api", "--with-load", folder=folder, env=env))
        worker = await stack.enter_async_context(child("worker", "dialfeed", "worker", folder=folder, env=env))
        pids = {"worker": worker.pid, "api and load": api.pid, "broker": broker_pid}
        dialfeed = Dialfeed(address, pids, publisher, receipts)
        await dialfeed.register()
        await dialfeed.ready()
        yield dialfeed


@asynccontextmanager
async def _receipts(kafka: KafkaConnection) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(**kafka.client_options(), enable_auto_commit=False)
    async with consumer:
        topic = kafka.topic(TopicName.RECEIPTS)
        consumer.assign([TopicPartition(topic, partition) for partition in range(REPORT_PARTITIONS)])
        await consumer.seek_to_end()
        yield consumer


def _now() -> int:
    return time.time_ns() // 1_000_000
