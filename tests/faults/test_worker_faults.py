"""What a worker may never do: lose a record, acknowledge what it has not finished, or die of what a caller sends."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from dialfeed.worker_waits import WorkerWaits
from schemas.codecs import decode
from schemas.dead_letters import from_message
from schemas.messages import Message, TryAgainError
from schemas.outcomes import Code
from schemas.records import Agent, AgentVersion, PhoneLogChunk
from schemas.registry import registry_message
from schemas.topics import TopicName
from tests.support.bus import CAMPAIGN, Bus, bus_of_its_own, eventually, part
from tests.support.samples import body, record, records


@pytest.fixture
async def bus(kafka_bootstrap: str) -> AsyncIterator[Bus]:
    async with bus_of_its_own(kafka_bootstrap) as made:
        yield made


def logs(messages: list[Any]) -> list[PhoneLogChunk]:
    return [decode(message.value, PhoneLogChunk) for message in messages]


def at_least(wanted: int, messages: list[Any]) -> bool:
    return len(messages) >= wanted


def cleaned(messages: list[Any]) -> set[tuple[str, int]]:
    """Return every (submission, index) that came out, whether kept or dead-lettered."""
    return {
        (log.submission_id, index)
        for log in logs(messages)
        for index in range(log.first_index, log.first_index + log.size)
    }


async def test_nothing_a_caller_sends_stops_a_worker(bus: Bus, tmp_path: Path) -> None:
    rubbish = [None, b"", b"\xff\xfe\x00", b"[]", b"{}", b'{"batchId":"b","call_data":[]}', b"[" * 100_000]
    odd = [b'{"batchId":"b","call_data":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}", body(*[0] * 1500, batch="gone")]
    for value in (*rubbish, *odd):
        await bus.produce(value, key=b"k")
    await bus.produce(body(record(1), "x", record(2, name="\ud800")), submission_id="last")
    with part(bus, tmp_path, "worker") as worker:
        done = await bus.read(
            TopicName.PHONE_LOG, lambda found: any(log.submission_id == "last" for log in logs(found))
        )
        await bus.read(TopicName.PHONE_LOG, lambda found: len(found) >= len(rubbish) + 1 + 2 + 1)
        assert worker.poll() is None
    last = next(log for log in logs(done) if log.submission_id == "last")
    assert (last.size, last.record_index) == (3, [0])


async def test_a_worker_killed_again_and_again_loses_nothing(bus: Bus, tmp_path: Path) -> None:
    sent = {(f"s{number}", index) for number in range(60) for index in range(500)}
    for number in range(60):
        await bus.produce(body(*records(500)), submission_id=f"s{number}")
    for wanted in (1, 15, 30):
        with part(bus, tmp_path, "worker") as worker:
            await bus.read(TopicName.PHONE_LOG, partial(at_least, wanted))
            worker.send_signal(signal.SIGKILL)
    with part(bus, tmp_path, "worker"):
        found = await bus.read(TopicName.PHONE_LOG, lambda found: len(found) >= 60 and cleaned(found) >= sent)
    assert cleaned(found) == sent


async def test_two_workers_and_a_rebalance_lose_nothing_and_double_nothing(bus: Bus, tmp_path: Path) -> None:
    sent = {(f"s{number}", index) for number in range(80) for index in range(200)}
    with part(bus, tmp_path, "worker") as first:
        for number in range(40):
            await bus.produce(body(*records(200)), submission_id=f"s{number}")
        with part(bus, tmp_path, "worker") as second:
            for number in range(40, 80):
                await bus.produce(body(*records(200)), submission_id=f"s{number}")
            await bus.read(TopicName.PHONE_LOG, lambda found: len(found) >= 60)
            second.terminate()
            assert await asyncio.to_thread(second.wait, 20) == 0
        found = await bus.read(TopicName.PHONE_LOG, lambda found: cleaned(found) >= sent)
        first.terminate()
        assert await asyncio.to_thread(first.wait, 20) == 0
    assert len(found) == 80


async def test_sigterm_finishes_what_is_in_work_and_commits_it(bus: Bus, tmp_path: Path) -> None:
    for number in range(20):
        await bus.produce(body(*records(100)), submission_id=f"s{number}")
    with part(bus, tmp_path, "worker") as worker:
        await bus.read(TopicName.PHONE_LOG, lambda found: len(found) == 20)
        worker.terminate()
        assert await asyncio.to_thread(worker.wait, 15) == 0
    assert await bus.committed("worker", TopicName.RAW) == 20


async def test_a_dead_letter_topic_that_refuses_ends_the_worker_before_it_acknowledges(
    bus: Bus, tmp_path: Path
) -> None:
    await _set(bus, TopicName.DEAD_LETTER, {"max.message.bytes": "100"})
    await bus.produce(body(record(1), "x" * 500), submission_id="s")
    with part(bus, tmp_path, "worker") as worker:
        assert await asyncio.to_thread(worker.wait, 60) == 70
    assert await bus.committed("worker", TopicName.RAW) == 0
    said = (tmp_path / "parts.log").read_text()
    assert "worker_stops" in said
    assert "max.message.bytes" in said
    assert await bus.end(TopicName.PHONE_LOG) == 0

    await _set(bus, TopicName.DEAD_LETTER, {"max.message.bytes": "1000000"})
    with part(bus, tmp_path, "worker"):
        (log,) = logs(await bus.read(TopicName.PHONE_LOG, bool))
        assert len(await bus.dead_letters("s", 1)) == 1
    assert (log.record_index, log.size) == ([0], 2)


async def test_a_dead_letter_topic_that_is_gone_ends_the_worker_before_it_acknowledges(
    bus: Bus, tmp_path: Path
) -> None:
    with part(bus, tmp_path, "worker") as worker:
        await eventually(lambda: "worker_ready" in (tmp_path / "parts.log").read_text())
        async with _admin(bus) as admin:
            await admin.delete_topics([bus.connection.topic(TopicName.DEAD_LETTER)])
        await bus.produce(body(record(1), "x"), submission_id="s")
        assert await asyncio.to_thread(worker.wait, 60) == 70
    assert await bus.committed("worker", TopicName.RAW) == 0
    assert "topics --create" in (tmp_path / "parts.log").read_text()


async def test_a_schema_that_cannot_be_used_holds_the_worker_before_the_first_dead_letter(
    bus: Bus, tmp_path: Path
) -> None:
    await bus.publisher.publish([_broken_agent()])
    for submission in range(3):
        await bus.produce(body(*records(1500)), submission_id=f"s{submission}")
    log_file = tmp_path / "parts.log"
    async with WorkerWaits(bus.connection) as waits:
        with part(bus, tmp_path, "worker") as worker:
            reason = await eventually(lambda: _why(waits))
            await bus.read(TopicName.WORKERS, partial(at_least, 4))
            assert worker.poll() is None
            assert await bus.committed("worker", TopicName.RAW) == 0
            assert [await bus.end(topic) for topic in (TopicName.DEAD_LETTER, TopicName.PHONE_LOG)] == [0, 0]

            await bus.publisher.publish([_agent()])
            sent = {(f"s{submission}", index) for submission in range(3) for index in range(1500)}
            found = await bus.read(TopicName.PHONE_LOG, lambda found: cleaned(found) >= sent)
            await eventually(lambda: _acknowledged(bus, 3))
            await eventually(lambda: _waits_no_more(waits))
    assert "agent a, version 1" in reason
    assert sum(len(log.record_index) for log in logs(found)) == 4500
    assert await bus.end(TopicName.DEAD_LETTER) == 0
    assert log_file.read_text().count("breaker_open") == 1


async def test_rubbish_of_a_caller_never_trips_the_breaker(bus: Bus, tmp_path: Path) -> None:
    await bus.produce(body(*[{"name": "no number"}] * 3000), submission_id="s")
    await bus.produce(body(*records(5), batch="gone"), submission_id="gone")
    with part(bus, tmp_path, "worker"):
        assert len(await bus.dead_letters("s", 3000)) == 3000
        assert len(await bus.dead_letters("gone", 5)) == 5
    assert "breaker_open" not in (tmp_path / "parts.log").read_text()


async def test_below_the_share_such_records_are_dead_lettered(bus: Bus, tmp_path: Path) -> None:
    await bus.publisher.publish([_broken_agent()])
    await bus.produce(body(*records(2)), submission_id="s")
    with part(bus, tmp_path, "worker", DIALFEED_BREAKER_SHARE="1"):
        letters = await bus.dead_letters("s", 2)
    assert {letter.errors[0].code for letter in letters} == {Code.SCHEMA_UNUSABLE}


async def _why(waits: WorkerWaits) -> str:
    try:
        await waits.check()
    except TryAgainError as error:
        return str(error)
    return ""


async def _waits_no_more(waits: WorkerWaits) -> bool:
    return not await _why(waits)


async def _acknowledged(bus: Bus, messages: int) -> bool:
    return await bus.committed("worker", TopicName.RAW) == messages


@asynccontextmanager
async def _admin(bus: Bus) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**bus.connection.client_options())
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def _set(bus: Bus, topic: TopicName, settings: dict[str, str]) -> None:
    async with _admin(bus) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, bus.connection.topic(topic), settings)])


async def test_an_aborted_transaction_leaves_no_trace(bus: Bus, tmp_path: Path) -> None:
    topic = bus.connection.topic(TopicName.RAW)
    producer = AIOKafkaProducer(**bus.connection.client_options(), transactional_id=topic)
    async with producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, body(record(1)), headers=[("submission-id", b"aborted")], partition=0)
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait(topic, body(record(2)), headers=[("submission-id", b"kept")], partition=0)
    with part(bus, tmp_path, "worker"):
        found = await bus.read(TopicName.PHONE_LOG, bool)
        await eventually(lambda: _committed_past_the_markers(bus))
    assert [log.submission_id for log in logs(found)] == ["kept"]


async def _committed_past_the_markers(bus: Bus) -> bool:
    return await bus.committed("worker", TopicName.RAW) == 3  # message, marker of the abort, message


async def test_dead_letters_say_what_and_why(bus: Bus, tmp_path: Path) -> None:
    await bus.produce(body(record(1), record(2, amount="x")), submission_id="s", report_partition="5")
    with part(bus, tmp_path, "worker"):
        (message,) = await bus.read(TopicName.DEAD_LETTER, bool)
    letter = from_message(message.value, message.headers)
    assert letter is not None
    assert (letter.record_index, letter.batch_id, letter.errors[0].path) == (1, "b", "/amount")
    assert message.partition == 5


async def test_no_phone_number_is_logged(bus: Bus, tmp_path: Path) -> None:
    await bus.produce(body(record(1), record(2, amount="secret-value")), submission_id="s")
    with part(bus, tmp_path, "worker"):
        await eventually(lambda: "cleaned" in (tmp_path / "parts.log").read_text())
    said = (tmp_path / "parts.log").read_text()
    assert not any(text in said for text in ("12125550001", "12125550002", "secret-value"))


def _agent() -> Message:
    return registry_message(next(one for one in CAMPAIGN if isinstance(one, Agent)))


def _broken_agent() -> Message:
    version = AgentVersion(version=1, schema='{"type":"record","name":"x","fields":[{"name":"y"}]}', created_at=1)
    return registry_message(Agent(agent_id="a", workspace_id="w", name="n", versions=[version], created_at=1))
