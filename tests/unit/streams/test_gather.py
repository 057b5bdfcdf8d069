from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, KafkaConnectionError, TopicAuthorizationFailedError
from aiokafka.structs import ConsumerRecord
from structlog.testing import capture_logs

from schemas.codecs import decode
from schemas.kafka_connection import KafkaConnection
from schemas.messages import Message, MustStopError, TryAgainError
from schemas.records import Chunk
from streams import gather, gathering
from streams.gather import Gather

WITHIN_SECONDS = 10.0
PLACE = TopicPartition("calls.records", 0)


def message(offset: int, batch: str = "b") -> Any:
    headers = (("batch-id", batch.encode()),)
    return ConsumerRecord("calls.records", 0, offset, 1, 1, None, b"%d" % offset, None, 0, 0, headers)


class World:
    """A consumer with messages to give, and a publisher; writes down what is done to both, in order."""

    def __init__(self, *polls: Sequence[Any]) -> None:
        self.polls = list(polls)
        self.actions: list[Any] = []
        self.start_errors: list[Exception] = []
        self.commit_errors: list[Exception] = []
        self.publish_errors: list[Exception] = []
        self.happened = asyncio.Condition()
        self.publishing = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self.listener: ConsumerRebalanceListener
        self.gather = Gather(KafkaConnection("nowhere"), self, lambda _: self)

    def subscribe(self, topics: Sequence[str], *, listener: ConsumerRebalanceListener) -> None:
        assert topics == ["calls.records"]
        self.listener = listener

    async def start(self) -> None:
        if self.start_errors:
            raise self.start_errors.pop(0)

    async def stop(self) -> None:
        await self._note("stop")

    async def getmany(self, *, timeout_ms: int, max_records: int) -> Mapping[TopicPartition, Sequence[Any]]:
        assert max_records > 0
        if self.polls:
            return {PLACE: self.polls.pop(0)}
        await asyncio.sleep(timeout_ms / 1000)
        return {}

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        if self.commit_errors:
            raise self.commit_errors.pop(0)
        await self._note(("commit", offsets[PLACE]))

    async def publish(self, messages: Sequence[Message]) -> None:
        self.publishing.set()
        await self.open.wait()
        if self.publish_errors:
            raise self.publish_errors.pop(0)
        for one in messages:
            await self._note([int(record) for record in decode(one.value, Chunk).records])

    async def ready(self) -> None:
        raise NotImplementedError

    async def _note(self, action: Any) -> None:
        async with self.happened:
            self.actions.append(action)
            self.happened.notify_all()

    async def until(self, action: Any) -> None:
        async with asyncio.timeout(WITHIN_SECONDS), self.happened:
            await self.happened.wait_for(lambda: action in self.actions)

    async def run_until(self, action: Any) -> None:
        running = asyncio.create_task(self.gather.run())
        await self.until(action)
        self.gather.stop()
        await running


async def test_chunks_are_held_by_kafka_before_offsets_are_committed() -> None:
    world = World([message(4, "a"), message(5, "b"), message(6, "a")], [message(7, "b")])
    await world.run_until(("commit", 8))
    assert world.actions == [[4, 6], [5, 7], ("commit", 8), "stop"]
    assert world.gather.received == 4


async def test_a_full_chunk_goes_at_once_but_is_not_committed_before_the_rest() -> None:
    world = World([message(0, "few"), *(message(n) for n in range(1, 1001))])
    await world.run_until(("commit", 1001))
    assert world.actions == [list(range(1, 1001)), [0], ("commit", 1001), "stop"]


async def test_too_much_to_hold_goes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "GATHER_MS", 60_000)
    monkeypatch.setattr(gathering, "MOST_BYTES", 1000)
    world = World([message(n, f"b{n}") for n in range(10)])
    await world.run_until(("commit", 10))


async def test_while_kafka_is_away_the_same_is_tried_again() -> None:
    world = World([message(1)])
    world.publish_errors = [TryAgainError("Kafka does not answer")] * 2
    with capture_logs() as logs:
        await world.run_until(("commit", 2))
    assert world.actions == [[1], ("commit", 2), "stop"]
    assert [entry["reason"] for entry in logs if entry["event"] == "waiting"] == ["Kafka does not answer"] * 2


async def test_what_must_be_mended_stops_it_with_nothing_committed() -> None:
    world = World([message(1)])
    world.publish_errors = [MustStopError("a topic is missing")]
    with pytest.raises(MustStopError, match="missing"):
        await world.gather.run()
    assert world.actions == ["stop"]


async def test_a_refused_group_stops_it() -> None:
    world = World()
    world.start_errors = [TopicAuthorizationFailedError()]
    with pytest.raises(MustStopError, match="Kafka refuses consumer gather"):
        await world.gather.run()


async def test_a_broker_that_is_away_at_the_start_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "LONGEST_PAUSE_SECONDS", 0.001)
    world = World([message(1)])
    world.start_errors = [KafkaConnectionError(), KafkaConnectionError()]
    await world.run_until(("commit", 2))


async def test_a_commit_that_is_refused_is_passed_over() -> None:
    world = World([message(1)])
    world.commit_errors = [CommitFailedError()]
    running = asyncio.create_task(world.gather.run())
    await world.until([1])
    world.polls.append([message(2)])
    await world.until(("commit", 3))
    world.gather.stop()
    await running


async def test_before_partitions_move_what_is_in_memory_is_sent_and_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "GATHER_MS", 60_000)
    world = World([message(1)])
    running = asyncio.create_task(world.gather.run())
    await _received(world, 1)
    await world.listener.on_partitions_revoked({PLACE})
    assert world.actions == [[1], ("commit", 2)]
    running.cancel()


async def test_what_cannot_be_sent_before_partitions_move_is_never_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "REVOKE_WITHIN_SECONDS", 0.01)
    world = World([message(1)])
    world.open.clear()
    running = asyncio.create_task(world.gather.run())
    await asyncio.wait_for(world.publishing.wait(), WITHIN_SECONDS)
    with capture_logs() as logs:
        await world.listener.on_partitions_revoked({PLACE})
    world.open.set()
    await world.until([1])
    world.polls.append([message(7)])
    await world.until(("commit", 8))
    world.gather.stop()
    await running
    assert world.actions == [[1], [7], ("commit", 8), "stop"]
    assert "records_given_up" in [entry["event"] for entry in logs]


async def test_stopping_sends_and_commits_what_is_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "GATHER_MS", 300)
    world = World([message(1)])
    running = asyncio.create_task(world.gather.run())
    await _received(world, 1)
    world.gather.stop()
    await running
    assert world.actions == [[1], ("commit", 2), "stop"]


async def test_stopping_while_kafka_is_away_gives_up_without_committing() -> None:
    world = World([message(1)])
    world.publish_errors = [TryAgainError("Kafka does not answer")] * 1000
    running = asyncio.create_task(world.gather.run())
    await asyncio.wait_for(world.publishing.wait(), WITHIN_SECONDS)
    world.gather.stop()
    await asyncio.wait_for(running, WITHIN_SECONDS)
    assert world.actions == ["stop"]


async def _received(world: World, count: int) -> None:
    async with asyncio.timeout(WITHIN_SECONDS):
        while world.gather.received < count:  # noqa: ASYNC110  # there is no event of it
            await asyncio.sleep(0.001)
