"""The consumer of receipts against a real Kafka."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from ingest_api.receipts import ReceiptConsumer
from ingest_api.waiting import Waiting
from schemas.codecs import encode
from schemas.dead_letters import dead_letter, to_message
from schemas.kafka_connection import KafkaConnection
from schemas.messages import Message, TryAgainError
from schemas.outcomes import Code, FieldError, Rejected
from schemas.records import Receipt, Slice, SubmissionAccepted
from schemas.topics import TopicName
from tests.support.edge import until

PARTITIONS = 4
Publish = Callable[[Message], Awaitable[None]]


@pytest.fixture
async def connection(kafka_bootstrap: str) -> KafkaConnection:
    connection = KafkaConnection(kafka_bootstrap, prefix=f"t{uuid.uuid4().hex[:8]}.")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    names = [connection.topic(name) for name in (TopicName.RECEIPTS, TopicName.DEAD_LETTER)]
    await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
    await admin.close()
    return connection


@pytest.fixture
async def publish(connection: KafkaConnection) -> AsyncIterator[Publish]:
    producer = AIOKafkaProducer(**connection.client_options())
    await producer.start()

    async def send(message: Message) -> None:
        await producer.send_and_wait(
            connection.topic(message.topic),
            message.value,
            message.key,
            partition=message.partition,
            headers=list(message.headers),
        )

    yield send
    await producer.stop()


@asynccontextmanager
async def running(connection: KafkaConnection) -> AsyncIterator[ReceiptConsumer]:
    consumer = ReceiptConsumer(connection)
    task = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def read(consumer: ReceiptConsumer) -> set[int]:
    return {partition for partition in range(PARTITIONS) if consumer.reads(partition)}


def accepted(submission_id: str, total: int = 2) -> SubmissionAccepted:
    return SubmissionAccepted(submission_id=submission_id, workspace_id="w", batch_id="b", total=total, accepted_at=0)


def receipt(submission_id: str, first: int, partition: int | None, failed: int = 0) -> Message:
    of_slice = Receipt(
        submission_id=submission_id,
        workspace_id="w",
        batch_id="b",
        first_index=first,
        size=1,
        total=2,
        added=1 - failed,
        failed=failed,
        accepted_at=0,
        call_ids=b"i" * 16 * (1 - failed),
    )
    return Message(TopicName.RECEIPTS, encode(of_slice), submission_id.encode(), partition=partition)


def letter(submission_id: str, index: int, partition: int | None) -> Message:
    origin = Slice(
        submission_id=submission_id,
        batch_id="b",
        first_index=0,
        total=2,
        accepted_at=0,
        source_topic="calls.raw",
        source_partition=0,
        source_offset=0,
        report_partition=partition,
    )
    rejected = Rejected((FieldError(Code.PHONE_INVALID, "/phoneNumber", "too short"),), "clean")
    return to_message(dead_letter(b'{"phoneNumber":"12"}', rejected, origin, index, 0, "test"))


def complete(waiting: Waiting) -> Callable[[], bool]:
    return lambda: waiting.report.complete


async def test_receipts_and_dead_letters_reach_the_report_that_waits_for_them(
    connection: KafkaConnection, publish: Publish
) -> None:
    async with running(connection) as consumer:
        await until(lambda: read(consumer) == set(range(PARTITIONS)), 30)
        await consumer.check()
        partition = consumer.choose_partition()
        with consumer.reports.expect(accepted("s"), partition) as waiting:
            for message in (
                Message(TopicName.RECEIPTS, b"not ours", b"s", partition=partition),
                Message(TopicName.RECEIPTS, None, b"s", partition=partition),
                Message(TopicName.RECEIPTS, encode(accepted("s")), b"s", partition=partition),
                Message(TopicName.DEAD_LETTER, b"not ours", b"s", partition=partition),
                receipt("other", 0, partition),
                receipt("s", 0, partition),
                receipt("s", 1, partition, failed=1),
                letter("s", 1, partition),
            ):
                await publish(message)
            await asyncio.wait_for(waiting.changed.wait(), 10)
            [chunk] = waiting.report.failed_chunks()
            assert (waiting.report.added, chunk["records"][0]["phoneNumber"]) == (1, "12")


async def test_a_consumer_that_has_not_joined_its_group_is_not_ready(connection: KafkaConnection) -> None:
    consumer = ReceiptConsumer(connection)
    assert consumer.choose_partition() is None
    with pytest.raises(TryAgainError):
        await consumer.check()


async def test_processes_share_the_partitions_and_take_over_from_each_other(connection: KafkaConnection) -> None:
    async with running(connection) as first:
        await until(lambda: len(read(first)) == PARTITIONS, 30)
        async with running(connection) as second:
            await until(lambda: len(read(first)) == len(read(second)) == PARTITIONS // 2, 30)
            assert read(first) | read(second) == set(range(PARTITIONS))
        await until(lambda: len(read(first)) == PARTITIONS, 30)


async def test_an_answer_that_came_while_the_partition_was_read_elsewhere_is_not_missed(
    connection: KafkaConnection, publish: Publish
) -> None:
    async with running(connection) as first:
        await until(lambda: len(read(first)) == PARTITIONS, 30)
        with contextlib.ExitStack() as stack:
            waiting = [stack.enter_context(first.reports.expect(accepted(f"s{p}"), p)) for p in range(PARTITIONS)]
            async with running(connection) as second:
                await until(lambda: len(read(second)) == PARTITIONS // 2, 30)
                for partition in range(PARTITIONS):
                    await publish(receipt(f"s{partition}", 0, partition))
                    await publish(receipt(f"s{partition}", 1, partition))
            for one in waiting:
                await until(complete(one), 30)


async def test_a_consumer_that_dies_begins_again_without_missing_an_answer(
    connection: KafkaConnection, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest_api.receipts.FIRST_PAUSE_SECONDS", 0.01)
    async with running(connection) as consumer:
        await until(lambda: len(read(consumer)) == PARTITIONS, 30)
        with consumer.reports.expect(accepted("s"), 1) as waiting:
            consumer.failed(RuntimeError("anything"))
            await until(lambda: read(consumer) == set(), 30)
            await publish(receipt("s", 0, 1))
            await publish(receipt("s", 1, 1))
            await until(complete(waiting), 30)
            await consumer.check()
