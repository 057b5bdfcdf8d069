"""Every accepted record is called, once: by calling services that know only docs/calling-service.md."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from schemas.records import Batch
from schemas.registry import registry_message
from schemas.topics import TopicName
from tests.support.bus import eventually
from tests.support.dialling_service import DiallingService, elsewhere, follow, on_the_topic, over_http
from tests.support.installation import Installation, installation
from tests.support.listening_service import Heard, listening_service

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

IN_ONE_REQUEST = {"one": 1, "a-chunk": 1_000, "four-chunks": 3_500}
LARGE = {"large": 20_000, "large-topic": 20_000}
BARE = {"bare": 50_000}
BY_TOPIC = {"a-chunk", "large-topic", "bare", "again"}
"""Batches whose service follows the topic and reports there; the others' is told by POST and reports over HTTP."""

ALL = [*IN_ONE_REQUEST, *LARGE, *BARE, "again"]
ONE_BAD_IN = 50


def number_of(index: int) -> str:
    return f"+1{2_120_000_000 + index}"


def record_of(index: int, **more: Any) -> dict[str, Any]:
    amount = "wrong" if is_bad(index) else 1.5
    return {"phoneNumber": number_of(index), "name": "n", "amount": amount} | more


def is_bad(index: int) -> bool:
    return index % ONE_BAD_IN == 7


def once(count: int) -> Counter[str]:
    """Return what is to be called where records of so many numbers were sent."""
    return Counter({number_of(index): 1 for index in range(count) if not is_bad(index)})


class _World:
    """An installation and the two calling services that serve it."""

    def __init__(
        self, system: Installation, url: dict[str, Any], by_post: DiallingService, by_topic: DiallingService
    ) -> None:
        self.system, self._url, self._by_post, self._by_topic = system, url, by_post, by_topic

    def told_by_post(self, heard: Heard) -> int:
        batch_id = heard.command["batchId"]
        if batch_id not in BY_TOPIC:
            self._by_post.started(batch_id)
        return 204

    def told_by_topic(self, batch_id: str) -> None:
        if batch_id in BY_TOPIC:
            self._by_topic.started(batch_id)

    def service(self, batch_id: str) -> DiallingService:
        return self._by_topic if batch_id in BY_TOPIC else self._by_post

    def calls(self, batch_id: str) -> Counter[str]:
        return self.service(batch_id).calls_of(batch_id)

    async def accepted(self, batch_id: str, count: int) -> None:
        records = [record_of(index) for index in range(count)]
        answer = await self.system.post(*records, batch=batch_id, Prefer="respond-async")
        assert answer.status_code == 202, answer.text

    async def killed(self, name: str) -> None:
        """Kill a part and start it again."""
        self.system.kill(name)
        if name == "api":
            self.system.start_api(**self._url)
        else:
            self.system.start_worker(name)
        await self.system.ready()

    async def called(self, batch_id: str, wanted: Counter[str], within: float = 60) -> None:
        """Return once every number has been called as often as wanted; a call too many fails."""
        await eventually(lambda: self.calls(batch_id).total() >= wanted.total(), within)
        assert self.calls(batch_id) == wanted


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(kafka_bootstrap: str) -> AsyncIterator[_World]:
    async with listening_service() as listening:
        url: dict[str, Any] = {"DIALFEED_CALLING_SERVICE": listening.url}
        async with installation(kafka_bootstrap, **url) as system, status_producer(system) as producer:
            services = (
                DiallingService(system.http, over_http(system.http)),
                DiallingService(system.http, on_the_topic(producer, system.bus.connection)),
            )
            world = _World(system, url, *services)
            listening.answer = world.told_by_post
            following = asyncio.create_task(follow(system.bus.connection, world.told_by_topic))
            await register(system)
            yield world
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            for service in services:
                await service.close()


def status_producer(system: Installation) -> AIOKafkaProducer:
    options = system.bus.connection.client_options()
    return AIOKafkaProducer(**options, acks="all", partitioner=elsewhere, linger_ms=5)


async def register(system: Installation) -> None:
    made = [Batch(batch_id=name, workspace_id="w", name=name, phone_ids=["n"], created_at=1) for name in ALL]
    await system.bus.publisher.publish([registry_message(batch) for batch in made])


async def send_bare(system: Installation, batch_id: str, count: int) -> None:
    connection = system.bus.connection
    topic, headers = connection.topic(TopicName.RECORDS), [("batch-id", batch_id.encode())]
    async with AIOKafkaProducer(**connection.client_options(), acks="all", max_batch_size=256 * 1024) as producer:
        values = (json.dumps(record_of(index)).encode() for index in range(count))
        sent = [await producer.send(topic, value, headers=headers) for value in values]
        await asyncio.gather(*sent)


@pytest.mark.parametrize("batch_id", IN_ONE_REQUEST)
async def test_every_record_of_a_request_is_called_once(world: _World, batch_id: str) -> None:
    count = IN_ONE_REQUEST[batch_id]
    await world.accepted(batch_id, count)
    await world.called(batch_id, once(count))
    assert world.service(batch_id).starts[batch_id] <= count // 1_000 + 1


async def test_whoever_is_sent_again_after_the_call_began_is_called_again(world: _World) -> None:
    """The statuses come on partitions of other batches, and may be read after the records that came after them."""
    count = 2_000
    for times in (1, 2, 3):
        await world.accepted("again", count)
        await world.called("again", Counter(dict.fromkeys(once(count), times)))
        await asyncio.sleep(0.05)  # a record of the same millisecond as the status belongs to the call


async def test_whatever_is_killed_every_record_is_called_once(world: _World) -> None:
    for batch_id, count in LARGE.items():
        await world.accepted(batch_id, count)
    sending = asyncio.create_task(send_bare(world.system, "bare", BARE["bare"]))
    for victim, share in (("worker", 0.05), ("api", 0.15), ("api", 0.5)):
        wanted = share * sum((*LARGE.values(), *BARE.values()))
        await eventually(lambda wanted=wanted: made(world) >= wanted)  # type: ignore[misc]
        await world.killed(victim)
    await sending
    for batch_id, count in (LARGE | BARE).items():
        await world.called(batch_id, once(count), within=120)
    await eventually(lambda: nothing_pending(world))
    for batch_id, count in (LARGE | BARE).items():
        assert world.calls(batch_id) == once(count)


def made(world: _World) -> int:
    return sum(world.calls(batch_id).total() for batch_id in (*LARGE, *BARE))


async def nothing_pending(world: _World) -> bool:
    answer = await world.system.http.get("/api/call/batches", params={"limit": "100"})
    rows = answer.json()["data"]["batches"]
    return {row["queue_status"] for row in rows if row["_id"] in ALL} == {"completed"}
