from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaConnectionError, TopicAuthorizationFailedError
from structlog.testing import capture_logs

from schemas.messages import MustStopError, TryAgainError
from sinks import consume
from sinks.consume import Consuming
from sinks.errors import RowsRefusedError
from tests.unit.sinks.consuming import TOPIC, MemoryConsumer, record

WITHIN_SECONDS = 10.0


class Writing:
    """Writes messages down; first raises the errors given, and waits while `open` is not set."""

    def __init__(self, actions: list[Any], *errors: Exception) -> None:
        self.actions = actions
        self.errors = list(errors)
        self.open = asyncio.Event()
        self.open.set()
        self.begun = asyncio.Event()
        self.failed = asyncio.Event()

    async def __call__(self, messages: Sequence[Any]) -> None:
        self.begun.set()
        await self.open.wait()
        if self.errors:
            self.failed.set()
            raise self.errors.pop(0)
        self.actions.append(("write", *(message.offset for message in messages)))


def consuming(
    consumer: MemoryConsumer, write: Writing, *, most_messages: int = 50, most_bytes: int = 10_000, **more: Any
) -> Consuming[Any]:
    more |= {"most_messages": most_messages, "most_bytes": most_bytes}
    return Consuming("load", [TOPIC], lambda: consumer, list, write, **more)


async def run_until_idle(loop: Consuming[Any], consumer: MemoryConsumer) -> None:
    async with asyncio.timeout(WITHIN_SECONDS):
        running = asyncio.create_task(loop.run())
        idle = asyncio.create_task(consumer.idle.wait())
        await asyncio.wait([running, idle], return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        await loop.stop()
        await running


@pytest.fixture
def actions() -> list[Any]:
    return []


async def test_what_waits_is_written_at_once_and_then_committed(actions: list[Any]) -> None:
    consumer = MemoryConsumer([record(offset) for offset in range(5)], actions)

    await run_until_idle(consuming(consumer, Writing(actions)), consumer)

    assert actions == ["start", ("write", 0, 1, 2, 3, 4), ("commit", 5), "stop"]


@pytest.mark.parametrize("bounds", [{"most_messages": 2}, {"most_messages": 16, "most_bytes": 20}])
async def test_what_is_written_at_once_is_bounded(actions: list[Any], bounds: dict[str, int]) -> None:
    consumer = MemoryConsumer([record(offset, b"x" * 10) for offset in range(4)], actions)

    await run_until_idle(consuming(consumer, Writing(actions), **bounds), consumer)

    assert actions[1:-1] == [("write", 0, 1), ("commit", 2), ("write", 2, 3), ("commit", 4)]


async def test_what_weighs_little_is_written_with_more_of_its_kind(actions: list[Any]) -> None:
    consumer = MemoryConsumer([record(offset) for offset in range(12)], actions)
    loop = consuming(consumer, Writing(actions), most_messages=2, weight_of=lambda _: 0.25)

    await run_until_idle(loop, consumer)

    assert actions[1:-1] == [("write", *range(8)), ("commit", 8), ("write", *range(8, 12)), ("commit", 12)]


async def test_what_weighs_little_is_taken_more_at_a_time_until_something_heavy_comes(actions: list[Any]) -> None:
    consumer = MemoryConsumer([record(offset) for offset in range(60)], actions)
    loop = consuming(
        consumer, Writing(actions), most_messages=16, weight_of=lambda message: 1.0 if message.offset == 33 else 0.01
    )

    await run_until_idle(loop, consumer)

    assert consumer.sizes == [2, 32, 2, 24]


async def test_under_load_a_flush_waits_for_what_comes_shortly(actions: list[Any]) -> None:
    consumer = MemoryConsumer([record(0), record(1)], actions)
    consumer.late = [record(2), record(3)]

    await run_until_idle(consuming(consumer, Writing(actions)), consumer)

    assert actions[1:3] == [("write", 0, 1, 2, 3), ("commit", 4)]


async def test_a_single_message_waits_for_no_other(actions: list[Any]) -> None:
    consumer = MemoryConsumer([record(0)], actions)
    consumer.late = [record(1)]

    await run_until_idle(consuming(consumer, Writing(actions)), consumer)

    assert actions[1:5] == [("write", 0), ("commit", 1), ("write", 1), ("commit", 2)]


async def test_what_is_unhurried_waits_for_others_even_alone(actions: list[Any]) -> None:
    consumer = MemoryConsumer([record(0)], actions)
    consumer.late = [record(1)]
    loop = consuming(consumer, Writing(actions), unhurried=lambda items: len(items) > 0)

    await run_until_idle(loop, consumer)

    assert actions[1:3] == [("write", 0, 1), ("commit", 2)]


async def test_a_flush_waits_for_others_in_bounded_time(actions: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consume, "LONGEST_LINGER_SECONDS", 0)
    consumer = MemoryConsumer([record(0), record(1)], actions)
    consumer.late = [record(2)]

    await run_until_idle(consuming(consumer, Writing(actions)), consumer)

    assert actions[1:5] == [("write", 0, 1), ("commit", 2), ("write", 2), ("commit", 3)]


async def test_while_a_flush_is_written_the_next_is_gathered(actions: list[Any]) -> None:
    consumer, write = MemoryConsumer([record(0)], actions), Writing(actions)
    write.open.clear()
    loop = consuming(consumer, write)
    running = asyncio.create_task(loop.run())
    await write.begun.wait()

    consumer.late = [record(1), record(2), record(3)]
    consumer.dry.clear()
    await consumer.dry.wait()
    write.open.set()
    await consumer.idle.wait()
    await loop.stop()
    await running

    assert actions[1:-1] == [("write", 0), ("commit", 1), ("write", 1, 2, 3), ("commit", 4)]


async def test_what_was_gathered_before_partitions_moved_is_not_written(actions: list[Any]) -> None:
    consumer, write = MemoryConsumer([record(0), record(1)], actions), Writing(actions)
    write.open.clear()
    loop = consuming(consumer, write, most_messages=1)
    running = asyncio.create_task(loop.run())
    await write.begun.wait()
    await consumer.dry.wait()

    moving = asyncio.create_task(consumer.listener.on_partitions_revoked(set()))
    await asyncio.sleep(0.01)
    write.open.set()
    await moving
    await asyncio.sleep(0.01)
    assert actions == ["start", ("write", 0), ("commit", 1)]

    consumer.waiting = [record(1)]  # fetched again from what was committed
    await consumer.listener.on_partitions_assigned(set())
    await consumer.idle.wait()
    await loop.stop()
    await running
    assert actions[3:-1] == [("write", 1), ("commit", 2)]


async def test_what_was_read_is_forgotten_when_partitions_move(actions: list[Any]) -> None:
    consumer = MemoryConsumer([], actions)
    forgotten: list[bool] = []
    loop = consuming(consumer, Writing(actions), most_messages=2, most_bytes=9, moved=lambda: forgotten.append(True))
    await run_until_idle(loop, consumer)

    await consumer.listener.on_partitions_revoked(set())

    assert forgotten == [True]


async def test_while_the_world_is_wrong_the_same_is_tried_again_in_place(actions: list[Any]) -> None:
    consumer = MemoryConsumer([record(7)], actions)
    write = Writing(actions, *[TryAgainError("ClickHouse does not answer")] * 3)

    with capture_logs() as logs:
        await run_until_idle(consuming(consumer, write), consumer)

    assert actions[1:-1] == [("write", 7), ("commit", 8)]
    assert [line["event"] for line in logs] == ["waiting", "going_on"]


@pytest.mark.parametrize("error", [MustStopError("mend the table"), RowsRefusedError("code 53")])
async def test_what_a_person_has_to_mend_ends_the_run_uncommitted(actions: list[Any], error: Exception) -> None:
    consumer = MemoryConsumer([record(0)], actions)

    with pytest.raises(MustStopError, match=str(error)):
        await run_until_idle(consuming(consumer, Writing(actions, error)), consumer)

    assert actions == ["start", "stop"]


async def test_an_unexpected_error_ends_the_run_uncommitted(actions: list[Any]) -> None:
    consumer = MemoryConsumer([record(0)], actions)

    with pytest.raises(ZeroDivisionError):
        await run_until_idle(consuming(consumer, Writing(actions, ZeroDivisionError())), consumer)

    assert actions == ["start", "stop"]


@pytest.mark.parametrize("error", [CommitFailedError(), IllegalStateError()])
async def test_a_commit_refused_after_a_rebalance_is_not_fatal(actions: list[Any], error: Exception) -> None:
    consumer = MemoryConsumer([record(offset) for offset in range(2)], actions)
    consumer.commit_errors = [error]

    await run_until_idle(consuming(consumer, Writing(actions), most_messages=1), consumer)

    assert actions[1:-1] == [("write", 0), ("write", 1), ("commit", 2)]


async def test_a_kafka_that_refuses_the_consumer_ends_the_run_saying_so(actions: list[Any]) -> None:
    consumer = MemoryConsumer([record(0)], actions)
    consumer.commit_errors = [TopicAuthorizationFailedError()]

    with pytest.raises(MustStopError, match="TopicAuthorizationFailedError"):
        await run_until_idle(consuming(consumer, Writing(actions)), consumer)


async def test_a_kafka_that_is_away_at_the_start_is_waited_for(actions: list[Any]) -> None:
    consumer = MemoryConsumer([record(0)], actions)
    consumer.start_errors = [KafkaConnectionError()]

    await run_until_idle(consuming(consumer, Writing(actions)), consumer)

    assert actions == ["stop", "start", ("write", 0), ("commit", 1), "stop"]


async def test_stopping_lets_the_flush_in_progress_end_and_be_committed(actions: list[Any]) -> None:
    consumer, write = MemoryConsumer([record(0), record(1)], actions), Writing(actions)
    write.open.clear()
    loop = consuming(consumer, write, most_messages=1)
    running = asyncio.create_task(loop.run())
    await write.begun.wait()

    stopping = asyncio.create_task(loop.stop())
    await asyncio.sleep(0)
    write.open.set()

    assert await stopping
    await running
    assert actions == ["start", ("write", 0), ("commit", 1), "stop"]


async def test_stopping_does_not_wait_for_a_better_world(actions: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consume, "FIRST_PAUSE_SECONDS", 3600.0)
    consumer, write = MemoryConsumer([record(0)], actions), Writing(actions, TryAgainError("away"))
    loop = consuming(consumer, write)
    running = asyncio.create_task(loop.run())
    await write.failed.wait()

    async with asyncio.timeout(WITHIN_SECONDS):
        assert await loop.stop()
        await running

    assert actions == ["start", "stop"]


async def test_stopping_is_bounded(actions: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consume, "STOP_WITHIN_SECONDS", 0.01)
    consumer, write = MemoryConsumer([record(0)], actions), Writing(actions)
    write.open.clear()
    loop = consuming(consumer, write)
    running = asyncio.create_task(loop.run())
    await write.begun.wait()

    assert not await loop.stop()

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert actions == ["start", "stop"]


async def test_partitions_move_after_the_flush_in_progress_is_committed(actions: list[Any]) -> None:
    consumer, write = MemoryConsumer([record(0)], actions), Writing(actions)
    write.open.clear()
    loop = consuming(consumer, write)
    running = asyncio.create_task(loop.run())
    await write.begun.wait()

    moving = asyncio.create_task(noting(actions, "moved", consumer.listener.on_partitions_revoked))
    await asyncio.sleep(0)
    write.open.set()
    await moving

    assert actions == ["start", ("write", 0), ("commit", 1), "moved"]
    await loop.stop()
    await running


async def noting(actions: list[Any], name: str, revoked: Callable[[set[Any]], Any]) -> None:
    await revoked(set())
    actions.append(name)


async def test_partitions_move_at_once_from_a_flush_that_only_waits(
    actions: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consume, "FIRST_PAUSE_SECONDS", 3600.0)
    consumer, write = MemoryConsumer([record(0), record(1)], actions), Writing(actions, TryAgainError("away"))
    loop = consuming(consumer, write, most_messages=1)
    running = asyncio.create_task(loop.run())
    await write.failed.wait()

    async with asyncio.timeout(WITHIN_SECONDS):
        await consumer.listener.on_partitions_revoked(set())
    for _ in range(100):
        await asyncio.sleep(0)
    assert actions == ["start"]  # nothing behind what was given up is written, let alone committed

    consumer.waiting = [record(0), record(1)]  # the next owner, here the same, begins where was committed
    await consumer.listener.on_partitions_assigned(set())
    await consumer.idle.wait()
    await loop.stop()
    await running
    assert actions[1:-1] == [("write", 0), ("commit", 1), ("write", 1), ("commit", 2)]


class BlockedConsumer(MemoryConsumer):
    """Waits, as aiokafka does, until partitions have moved, once it has given its first messages."""

    async def getmany(self, *, timeout_ms: int, max_records: int) -> Mapping[TopicPartition, Sequence[Any]]:
        if not self.waiting:
            self.idle.set()
            await asyncio.Event().wait()
        return await super().getmany(timeout_ms=timeout_ms, max_records=max_records)


async def test_partitions_move_at_once_from_a_flush_that_waits_for_more(actions: list[Any]) -> None:
    consumer = BlockedConsumer([record(0), record(1)], actions)
    loop = consuming(consumer, Writing(actions))
    running = asyncio.create_task(loop.run())
    await consumer.idle.wait()

    async with asyncio.timeout(WITHIN_SECONDS / 2):
        await consumer.listener.on_partitions_revoked(set())

    assert actions == ["start"]
    await loop.stop()
    await running


async def test_a_flush_that_does_not_end_does_not_hold_up_a_rebalance_for_ever(
    actions: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consume, "REVOKE_WITHIN_SECONDS", 0.01)
    consumer, write = MemoryConsumer([record(0)], actions), Writing(actions)
    write.open.clear()
    loop = consuming(consumer, write)
    running = asyncio.create_task(loop.run())
    await write.begun.wait()

    async with asyncio.timeout(WITHIN_SECONDS):
        await consumer.listener.on_partitions_revoked(set())

    write.open.set()
    await loop.stop()
    await running
