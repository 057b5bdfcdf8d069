"""Replays that were asked for over HTTP, run by the API process that holds their topic, on a real Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import pytest

from dialfeed import replay_group
from dialfeed.kafka_publisher import KafkaPublisher
from dialfeed.registry_topic import write
from dialfeed.replay_group import ReplayGroup
from dialfeed.replay_reading import letter_reader
from dialfeed.replay_runner import Replay, Sight
from dialfeed.replays_topic import ReplaysTopic
from schemas.codecs import decode
from schemas.dead_letters import to_message
from schemas.messages import Message, Publisher
from schemas.records import Batch, Chunk
from schemas.replay_board import ReplayBoard, job_message, progress_message, summary
from schemas.replay_jobs import DONE
from schemas.topics import TopicName
from tests.support.bus import Bus, bus_of_its_own, eventually
from tests.support.edge_memory import MemoryStore
from tests.unit.schemas.test_replays import job, letter
from tests.wire.test_cli_replay import outcome_of, places, receipt


@pytest.fixture
async def bus(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bus]:
    monkeypatch.setattr(replay_group, "PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(replay_group, "LOOK_SECONDS", 0.05)
    async with bus_of_its_own(kafka_bootstrap) as bus:
        yield bus


@asynccontextmanager
async def member(bus: Bus) -> AsyncIterator[ReplaysTopic]:
    """Run one API process's part in the group."""
    async with AsyncExitStack() as stack:
        publisher = await stack.enter_async_context(KafkaPublisher(bus.connection))
        topic = await stack.enter_async_context(ReplaysTopic(bus.connection))
        task = asyncio.create_task(ReplayGroup(bus.connection, publisher, topic, bus.registry, MemoryStore()).run())
        try:
            yield topic
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def put(bus: Bus, *batch_ids: str) -> None:
    letters = [letter(n, batch_id=batch_id, workspace_id="") for n, batch_id in enumerate(batch_ids)]
    await bus.publisher.publish([to_message(one) for one in letters])


async def answer(bus: Bus, records: int) -> list[Chunk]:
    """Answer slices as workers and sink do, once there are so many records; return the slices."""

    def enough(found: list[Any]) -> bool:
        return len(set(places([decode(one.value, Chunk) for one in found]))) >= records

    chunks = [decode(one.value, Chunk) for one in await bus.read(TopicName.CHUNKS, enough)]
    await bus.publisher.publish([receipt(chunk, outcome_of) for chunk in chunks])
    return chunks


async def test_a_job_is_run_for_its_workspace_only(bus: Bus) -> None:
    await write(bus.publisher, Batch(batch_id="b2", workspace_id="other", name="b2", phone_ids=[], created_at=1))
    await bus.registry.refresh()
    await put(bus, "b", "b2", "b", "nobody's")
    async with member(bus) as topic:
        await bus.publisher.publish([job_message(job(workspace_id="w", runner="api"))])
        chunks = await answer(bus, 2)
        await eventually(lambda: "r" in topic.board.replays and topic.board.replays["r"].ended)
        facts = summary(topic.board.replays["r"])
    assert places(chunks) == [("s", 0), ("s", 2)]
    assert (facts["state"], facts["selected"], facts["replayed"]) == ("done", 2, 2)


async def test_replays_of_one_workspace_wait_for_each_other_and_hold_up_no_other_workspace(bus: Bus) -> None:
    await write(bus.publisher, Batch(batch_id="b2", workspace_id="other", name="b2", phone_ids=[], created_at=1))
    await put(bus, "b", "b2")
    slow = [f"slow-{n}" for n in range(replay_group.AT_A_TIME + 1)]
    async with member(bus) as topic:
        for replay_id in slow:
            await bus.publisher.publish([job_message(job(replay_id=replay_id, workspace_id="w", runner="api"))])
        await bus.publisher.publish([job_message(job(replay_id="theirs", workspace_id="other", runner="api"))])
        await answered(bus, "theirs")
        await eventually(lambda: topic.board.replays["theirs"].ended)
        await eventually(lambda: all(topic.board.replays[name].progress is not None for name in slow[:-1]))
        last_one = topic.board.replays[slow[-1]].progress
        await answered(bus, slow[0])
        await answered(bus, slow[-1])
        await eventually(lambda: topic.board.replays[slow[-1]].ended)
    assert last_one is None


async def answered(bus: Bus, replay_id: str) -> None:
    """Answer the slice of one replay as workers and sink do, once it is there; of the others none."""

    def its_own(found: list[Any]) -> list[Chunk]:
        return [chunk for chunk in (decode(one.value, Chunk) for one in found) if chunk.submission_id == replay_id]

    chunks = its_own(await bus.read(TopicName.CHUNKS, lambda found: bool(its_own(found))))
    await bus.publisher.publish([receipt(chunk, outcome_of) for chunk in chunks])


async def test_another_process_goes_on_where_one_ends(bus: Bus) -> None:
    await put(bus, *["b"] * 3)
    await bus.publisher.publish([job_message(job(runner="api", rate=1))])
    async with member(bus):
        before = await answer_nothing(bus, 1)
    async with member(bus) as topic:
        await answer(bus, 3)
        await eventually(lambda: topic.board.replays["r"].ended)
        facts = summary(topic.board.replays["r"])
    assert before
    assert (facts["selected"], facts["replayed"], facts["pending"]) == (3, 3, 0)


async def answer_nothing(bus: Bus, slices: int) -> list[Any]:
    return await bus.read(TopicName.CHUNKS, lambda found: len(found) >= slices)


async def test_of_two_processes_one_runs_it_and_both_show_it(bus: Bus) -> None:
    await put(bus, "b")
    async with member(bus) as one, member(bus) as other:
        await bus.publisher.publish([job_message(job(runner="api"))])
        await answer(bus, 1)
        await eventually(lambda: all("r" in t.board.replays and t.board.replays["r"].ended for t in (one, other)))
    assert len(await bus.read(TopicName.CHUNKS, bool)) == 1


class Held:
    """A publisher that lets nothing go before it is told to, as of a process that stands still."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self.waits, self.go = asyncio.Event(), asyncio.Event()

    async def publish(self, messages: Sequence[Message]) -> None:
        self.waits.set()
        await self.go.wait()
        await self._publisher.publish(messages)

    async def ready(self) -> None:
        await self._publisher.ready()


@asynccontextmanager
async def runner(bus: Bus, publisher: Publisher, **more: Any) -> AsyncIterator[tuple[ReplaysTopic, asyncio.Task[None]]]:
    """Run the replay `r` as a process of its own does."""
    async with ReplaysTopic(bus.connection) as topic, letter_reader(bus.connection) as reader:
        await eventually(lambda: "r" in topic.board.replays)
        state = topic.board.replays["r"]
        replay = Replay(state, reader=reader, publisher=publisher, topic=topic, registry=bus.registry.state, **more)
        task = asyncio.create_task(replay.run())
        try:
            yield topic, task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_of_two_runners_of_one_replay_the_slower_ends_with_the_faster_and_sends_nothing_more(bus: Bus) -> None:
    await put(bus, *["b"] * 3)
    await bus.publisher.publish([job_message(job(runner="api"))])
    held = Held(bus.publisher)
    async with runner(bus, held) as (topic, slower):
        await held.waits.wait()
        async with runner(bus, bus.publisher) as (_, faster):
            await answer(bus, 3)
            await asyncio.wait_for(faster, 30)
        await eventually(lambda: topic.board.replays["r"].ended)
        held.go.set()
        await asyncio.wait_for(slower, 30)
    assert len(await bus.everything(TopicName.CHUNKS)) == 1
    last = {one.key: one.value for one in await bus.everything(TopicName.REPLAYS)}  # what compaction leaves
    board = ReplayBoard()
    for value in last.values():
        board.apply(value, 1)
    facts = summary(board.replays["r"])
    assert (facts["state"], facts["selected"], facts["replayed"], facts["pending"]) == ("done", 3, 3, 0)


async def test_no_more_slices_are_on_their_way_than_its_share(bus: Bus) -> None:
    await put(bus, "b1", "b2", "b3")  # a slice each
    await bus.publisher.publish([job_message(job(runner="api"))])
    seen: list[Sight] = []
    async with runner(bus, bus.publisher, most_unanswered=lambda: 0, watch=seen.append) as (_, task):
        for slices in (1, 2, 3):
            await answer(bus, slices)
        await asyncio.wait_for(task, 30)
    assert max(sight.pending for sight in seen) == 1


async def test_a_runner_that_waits_for_receipts_ends_once_another_has_ended_the_replay(bus: Bus) -> None:
    await put(bus, *["b"] * 3)
    await bus.publisher.publish([job_message(job(runner="api"))])
    async with runner(bus, bus.publisher) as (topic, slower):
        await bus.read(TopicName.CHUNKS, bool)
        progress = await eventually(lambda: topic.board.replays["r"].progress)
        ended = msgspec.structs.replace(progress, state=DONE, positions=progress.ends, selected=3, added=3)
        await bus.publisher.publish([progress_message(ended)])
        await asyncio.wait_for(slower, 30)
    assert summary(topic.board.replays["r"])["added"] == 3


async def test_a_commands_replay_is_left_to_the_command(bus: Bus) -> None:
    await put(bus, "b")
    async with member(bus) as topic:
        await bus.publisher.publish([job_message(job()), job_message(job(replay_id="r2", runner="api", batch="none"))])
        await eventually(lambda: "r2" in topic.board.replays and topic.board.replays["r2"].ended)
    assert topic.board.replays["r"].progress is None
