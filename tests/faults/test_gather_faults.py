"""Bare records, gathered: what happens to the worker in between decides nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas.codecs import decode
from schemas.dead_letters import from_message
from schemas.identity import record_id
from schemas.records import Batch, PhoneLogChunk
from schemas.registry import registry_message
from schemas.topics import TopicName
from tests.support.bus import Bus, bus_of_its_own, eventually, part
from tests.support.installation import Installation, failed_records, installation
from tests.support.samples import record

BATCHES = 300
Stored = tuple[str, int, str, str]
"""Submission, accepted time, batch and number of one row."""


@pytest.fixture
async def bus(kafka_bootstrap: str) -> AsyncIterator[Bus]:
    async with bus_of_its_own(kafka_bootstrap) as made:
        yield made


def batch_of(number: int) -> str:
    return f"b{number % BATCHES}"


async def register_batches(bus: Bus) -> None:
    made = (
        Batch(batch_id=batch_of(number), workspace_id="w", name="n", phone_ids=["n"], created_at=1)
        for number in range(BATCHES)
    )
    await bus.publisher.publish([registry_message(batch) for batch in made])
    await bus.registry.refresh()


async def send_records(bus: Bus, numbers: Iterable[int]) -> dict[str, tuple[str, int]]:
    """Produce one bare record a message, every 50th of them bad; return batch and number of each by submission."""
    topic = bus.connection.topic(TopicName.RECORDS)
    producer = AIOKafkaProducer(**bus.connection.client_options(), acks="all", max_batch_size=256 * 1024, linger_ms=5)
    sent = []
    async with producer:
        for number in numbers:
            value = json.dumps(record(number % 10_000, amount="bad" if number % 50 == 0 else 1.5)).encode()
            headers = [("batch-id", batch_of(number).encode())]
            sent.append((number, await producer.send(topic, value, headers=headers)))
        held = [(number, await future) for number, future in sent]
    return {record_id(at.partition, at.offset): (batch_of(number), number) for number, at in held}


def rows(messages: Iterable[Any]) -> list[Stored]:
    """Return every row of gathered phone-log chunks, as a sink reads them."""
    found: list[Stored] = []
    for message in messages:
        log = decode(message.value, PhoneLogChunk)
        assert log.origins is not None
        assert log.batch_id is not None
        for index, phone_number in zip(log.record_index, log.phone_number, strict=True):
            place = record_id(log.origins.partition[index], log.origins.offset[index])
            found.append((place, log.origins.accepted_at[index], log.batch_id, phone_number))
    return found


def failed(messages: Iterable[Any]) -> list[tuple[str, int, str | None]]:
    letters = [from_message(message.value, message.headers) for message in messages]
    assert all(letter is not None and letter.errors[0].path == "/amount" for letter in letters)
    return [(letter.submission_id, letter.record_index, letter.batch_id) for letter in letters if letter is not None]


async def everything_on(bus: Bus, topic: TopicName) -> list[Any]:
    """Return every message of a topic that is there now."""
    count = await held(bus, topic)
    return await bus.read(topic, lambda found: len(found) >= count)


async def held(bus: Bus, topic: TopicName) -> int:
    """Return how many messages a topic has; none of ours is ever removed, and none is written in a transaction."""
    full = bus.connection.topic(topic)
    consumer = AIOKafkaConsumer(full, **bus.connection.client_options())
    async with consumer:
        ends: dict[Any, int] = await consumer.end_offsets(list(consumer.assignment()))
    return sum(ends.values())


async def done(bus: Bus, count: int) -> bool:
    """Return whether so many records have been gathered, and all their chunks cleaned."""
    gathered = await bus.committed("gather", TopicName.RECORDS)
    return gathered == count and await bus.committed("worker", TopicName.CHUNKS) == await held(bus, TopicName.CHUNKS)


async def test_a_worker_killed_again_and_again_gives_every_bare_record_once(bus: Bus, tmp_path: Path) -> None:
    count = 100_000
    await register_batches(bus)
    sent = await send_records(bus, range(count))
    for share in (0.05, 0.3, 0.6):
        with part(bus, tmp_path, "worker") as worker:
            await eventually(lambda share=share: _gathered(bus, share * count))  # type: ignore[misc]
            worker.kill()
    with part(bus, tmp_path, "worker"):
        await eventually(lambda: done(bus, count))
    kept = set(rows(await everything_on(bus, TopicName.PHONE_LOG)))  # what came twice is the same row
    dead = set(failed(await everything_on(bus, TopicName.DEAD_LETTER)))
    assert Counter(row[0] for row in kept).most_common(1)[0][1] == 1
    assert {submission: batch for submission, _, batch, _ in kept} | {
        submission: batch for submission, _, batch in dead
    } == {submission: batch for submission, (batch, _) in sent.items()}
    assert {submission for submission, _, _ in dead} == {s for s, (_, number) in sent.items() if number % 50 == 0}
    assert {index for _, index, _ in dead} == {0}


async def _gathered(bus: Bus, count: float) -> bool:
    return await bus.committed("gather", TopicName.RECORDS) >= count


async def test_bare_records_are_stored_once_and_have_a_report_each(kafka_bootstrap: str) -> None:
    async with installation(kafka_bootstrap) as system:
        await register_batches(system.bus)
        sent = await send_records(system.bus, range(3000))
        await eventually(lambda: _gathered(system.bus, 1))
        system.kill("worker")
        system.start_worker()
        good = {batch_of(number): number for number in range(3000) if number % 50}
        for batch in ("b1", "b7"):
            wanted = sum(1 for number in range(3000) if batch_of(number) == batch and number % 50)
            await eventually(lambda batch=batch, wanted=wanted: _has(system, batch, wanted))  # type: ignore[misc]
        stored = next(submission for submission, (_, number) in sent.items() if number == good["b7"])
        report = await system.report(stored)
        assert (report["total"], report["added"], report["failed"]) == (1, 1, 0)
        dead = next(submission for submission, (_, number) in sent.items() if number == 50)
        report = await system.report(dead)
        assert (report["total"], report["added"], report["failed"]) == (1, 0, 1)
        assert failed_records(report) == {0: {("type", "/amount")}}


async def _has(system: Installation, batch: str, wanted: int) -> bool:
    answer = await system.http.get(f"/api/call/batch-details/{batch}", params={"limit": 1})
    return bool(answer.is_success and answer.json()["data"]["total"] == wanted)
