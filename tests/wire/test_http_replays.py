"""Replays over a real socket: what is asked for, by whom, and who sees it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from schemas.codecs import decode, encode
from schemas.dead_letter_query import KeptLetter
from schemas.records import ReplayReceipt
from schemas.registry import ADMINISTRATION
from schemas.replay_jobs import RUNNING, ReplayJob, ReplayProgress
from schemas.topics import TopicName
from tests.support.edge import World, served, until
from tests.support.edge_memory import REHEARSAL
from tests.support.known import BATCH, KEY, OTHER_KEY, WORKSPACE, key_record
from tests.support.letter_pages import a_letter

ADMIN_KEY = "df_key-of-the-administration"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with served() as world:
        world.registry.state.apply(key_record(ADMIN_KEY, ADMINISTRATION))
        yield world


async def ask(world: World, body: Any, **headers: str) -> httpx.Response:
    return await world.post("replays", json.dumps(body), headers=headers)


def jobs(world: World) -> list[ReplayJob]:
    return [decode(one.value, ReplayJob) for one in world.pipeline.published if one.topic is TopicName.REPLAYS]


async def test_a_replay_is_accepted_once_kafka_holds_its_job(world: World) -> None:
    asked = {"batch": BATCH, "class": "policy", "since": "2h", "map": {"a": "b"}, "set": {"n": [1]}, "maxAttempts": 2}
    answer = await ask(world, asked)
    data = answer.json()["data"]
    assert (answer.status_code, answer.headers["location"]) == (202, f"/api/call/replays/{data['replayId']}")
    (job,) = jobs(world)
    assert (job.replay_id, job.workspace_id, job.runner) == (data["replayId"], WORKSPACE, "api")
    assert (job.batch, job.failure_class, job.since, job.max_attempts) == (BATCH, "policy", world.now_ms - 7_200_000, 2)
    assert [(move.old, move.new) for move in job.moves] == [("a", "b")]
    assert [(value.name, value.value) for value in job.values] == [("n", b"[1]")]


async def test_how_far_it_is_can_be_asked_without_the_values_that_are_set(world: World) -> None:
    location = (await ask(world, {"set": {"name": "Ann Example"}})).headers["location"]
    (job,) = jobs(world)
    world.replays.topic += [encode(progress(job.replay_id)), encode(receipt(job.replay_id))]
    answer = await world.get("/api/call/replays")
    assert answer.json()["data"]["replays"][0]["replayId"] == job.replay_id
    data = (await world.get(location)).json()["data"]
    assert (data["selected"], data["replayed"], data["superseded"], data["pending"]) == (5, 2, 1, 2)
    assert (data["state"], data["read"], data["toRead"], data["asked"]["set"]) == ("running", 4, 9, ["name"])
    assert "Ann" not in answer.text


def progress(replay_id: str) -> ReplayProgress:
    return ReplayProgress(
        replay_id=replay_id,
        state=RUNNING,
        updated_at=1,
        starts=[1],
        positions=[5],
        ends=[10],
        other_ends=[0],
        parts=1,
        selected=5,
    )


def receipt(replay_id: str) -> ReplayReceipt:
    counts: dict[str, Any] = {"added": 1, "updated": 1, "superseded": 1, "failed": 0, "parked": 0}
    return ReplayReceipt(replay_id=replay_id, part=0, batch_id="b", size=3, done_at=1, **counts)


async def test_another_workspace_sees_nothing_of_it_and_the_administration_all(world: World) -> None:
    location = (await ask(world, {})).headers["location"]
    other, admin = {"x-api-key": OTHER_KEY}, {"x-api-key": ADMIN_KEY}
    unknown = await world.get("/api/call/replays/0b4a2a63-5c5e-4f4e-9a39-3f7f1f6f2d77", other)
    foreign = await world.get(location, other)
    assert (foreign.status_code, foreign.json()) == (404, unknown.json())
    assert (await world.get("/api/call/replays", other)).json()["data"]["total"] == 0
    assert (await world.get(location, admin)).status_code == 200
    assert (await world.get("/api/call/replays", admin)).json()["data"]["total"] == 1


async def test_the_administration_replays_for_all_workspaces(world: World) -> None:
    assert (await ask(world, {}, **{"x-api-key": ADMIN_KEY})).status_code == 202
    assert [job.workspace_id for job in jobs(world)] == [""]


async def test_a_version_alone_is_that_of_the_agent_whose_all_the_letters_are(world: World) -> None:
    common: dict[str, Any] = {"batch_id": BATCH, "workspace_id": WORKSPACE}
    world.store.letters += [KeptLetter(a_letter(index, **common)) for index in range(2)]
    answer = await ask(world, {"agentVersion": 1})
    assert answer.status_code == 202
    assert [job.agent for job in jobs(world)] == ["agent-1"]


@pytest.mark.parametrize("dry", [True, False])
async def test_a_version_of_nobody_knows_whose_schema_is_refused(world: World, dry: bool) -> None:
    answer = await ask(world, {"agentVersion": 1, "dryRun": dry})
    (error,) = answer.json()["data"]["errors"]
    assert (answer.status_code, error["path"]) == (400, "/agentVersion")
    assert "name agent, batch or submission too" in error["message"]
    assert jobs(world) == []


async def test_the_same_key_asks_once(world: World) -> None:
    first, again = [await ask(world, {}, **{"idempotency-key": "once"}) for _ in range(2)]
    assert (first.status_code, again.json()["data"]) == (202, first.json()["data"])
    assert len(jobs(world)) == 1


async def test_the_same_key_with_another_body_is_refused_and_the_first_one_stands(world: World) -> None:
    key = {"idempotency-key": "once"}
    first = await ask(world, {"batch": BATCH}, **key)
    other = await ask(world, {"batch": BATCH, "asNew": True}, **key)
    again = await ask(world, {"batch": BATCH}, **key)
    assert (other.status_code, other.json()["data"]["errors"][0]["code"]) == (422, "idempotency_body_differs")
    assert (again.status_code, again.json()["data"]) == (202, first.json()["data"])
    assert [(job.batch, job.as_new) for job in jobs(world)] == [(BATCH, False)]


async def test_of_two_processes_with_one_key_and_two_bodies_the_one_that_is_second_on_the_topic_refuses(
    world: World,
) -> None:
    key = {"idempotency-key": "once"}
    await ask(world, {"batch": BATCH}, **key)
    (first,) = jobs(world)
    world.replays.board.replays.clear()  # as in another process, which has not read the topic yet
    world.replays.topic.clear()
    world.pipeline.held.clear()
    refreshes = world.replays.refreshes
    asking = asyncio.create_task(ask(world, {}, **key))
    await until(lambda: world.replays.refreshes > refreshes)
    world.replays.topic.append(encode(first))
    world.pipeline.held.set()
    assert (await asking).status_code == 422
    assert (await ask(world, {"batch": BATCH}, **key)).status_code == 202


async def test_a_dry_run_uses_up_no_key(world: World) -> None:
    key = {"idempotency-key": "once"}
    assert (await ask(world, {"dryRun": True}, **key)).status_code == 200
    assert (await ask(world, {}, **key)).status_code == 202
    assert (await ask(world, {"dryRun": True}, **key)).status_code == 200


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"bach": "b"}, "/bach"),
        ({"code": "nothing"}, "/code"),
        ({"since": "yesterday"}, "/since"),
        ({"until": "2026-02-30T00:00:00Z"}, "/until"),
        ({"maxAttempts": 0}, "/maxAttempts"),
        ({"map": {"a": 1}}, "/map/a"),
        ({"parked": "yes"}, "/parked"),
        ([], ""),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_published(world: World, body: Any, path: str) -> None:
    answer = await ask(world, body)
    assert (answer.status_code, answer.json()["data"]["errors"][0]["path"]) == (400, path)
    assert jobs(world) == []


async def test_without_a_key_or_without_kafka_nothing_is_published(world: World) -> None:
    assert (await ask(world, {}, **{"x-api-key": "df_nobody"})).status_code == 403
    world.replays.down = True
    answer = await ask(world, {})
    assert (answer.status_code, "retry-after" in answer.headers, jobs(world)) == (503, True, [])


async def test_while_kafka_is_silent_the_answer_is_a_503_within_seconds() -> None:
    async with served(bus_seconds=0.1) as world:
        world.replays.held.clear()
        answers = [await ask(world, {}), await world.get("/api/call/replays"), await world.get("/api/call/replays/x")]
    assert [(one.status_code, "retry-after" in one.headers) for one in answers] == [(503, True)] * 3


async def test_a_dry_run_while_kafka_is_silent_does_not_say_that_there_is_too_much() -> None:
    async with served(bus_seconds=0.1, rehearse_seconds=20) as world:
        world.pipeline.down = True
        world.replays.rehearsal = {}
        assert (await ask(world, {"dryRun": True})).status_code == 503


async def test_a_dry_run_is_answered_at_once_and_publishes_nothing(world: World) -> None:
    answer = await ask(world, {"dryRun": True, "batch": BATCH})
    assert (answer.status_code, answer.json()["data"], jobs(world)) == (200, REHEARSAL, [])
    assert [(job.batch, job.workspace_id) for job in world.replays.rehearsed] == [(BATCH, WORKSPACE)]


async def test_a_dry_run_that_cannot_be_done_now_says_so(world: World) -> None:
    world.replays.down = True
    assert (await ask(world, {"dryRun": True})).status_code == 503


async def test_a_dry_run_that_takes_too_long_says_what_to_do() -> None:
    async with served(rehearse_seconds=0.1) as world:
        world.replays.rehearsal = {}
        answer = await ask(world, {"dryRun": True})
    assert (answer.status_code, "narrow the filter" in answer.json()["errorMessage"]) == (429, True)


A_RECORD = {"phoneNumber": "+12125551001", "acceptedAt": 1_772_355_600_000, "recordIndex": 3}


async def foresee(world: World, body: Any, **headers: str) -> httpx.Response:
    return await world.post("replays/outcomes", json.dumps(body), headers=headers)


async def test_what_a_replay_would_make_of_records_is_told_to_those_who_may_see_the_batch(world: World) -> None:
    asked = {"batchId": BATCH, "records": [A_RECORD]}
    for key in (KEY, ADMIN_KEY):
        answer = await foresee(world, asked, **{"x-api-key": key})
        assert (answer.status_code, answer.json()["data"]) == (200, {"outcomes": [{"outcome": "added", "entry": 0}]})
    foreign = await foresee(world, asked, **{"x-api-key": OTHER_KEY})
    unknown = await foresee(world, {**asked, "batchId": "nowhere"})
    assert (foreign.status_code, foreign.json()) == (404, unknown.json())
    assert (await foresee(world, asked, **{"x-api-key": "df_nobody"})).status_code == 403
    assert world.pipeline.published == []


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"phoneNumber": "12125551001"}, "/records/0/phoneNumber"),
        ({"acceptedAt": "now"}, "/records/0/acceptedAt"),
        ({"recordIndex": -1}, "/records/0/recordIndex"),
        ({"recordIndex": 2**24}, "/records/0/recordIndex"),
        ({"more": 1}, "/records/0/more"),
    ],
)
async def test_records_that_cannot_be_ones_are_refused(world: World, wrong: dict[str, Any], path: str) -> None:
    answer = await foresee(world, {"batchId": BATCH, "records": [A_RECORD | wrong]})
    (error,) = answer.json()["data"]["errors"]
    assert (answer.status_code, error["path"]) == (400, path)


@pytest.mark.parametrize("count", [0, 1001])
async def test_no_records_or_too_many_are_refused(world: World, count: int) -> None:
    answer = await foresee(world, {"batchId": BATCH, "records": [A_RECORD] * count})
    (error,) = answer.json()["data"]["errors"]
    assert (answer.status_code, error["path"]) == (400, "/records")


async def test_what_would_become_of_records_is_not_known_while_the_store_is_down(world: World) -> None:
    world.store.down = True
    assert (await foresee(world, {"batchId": BATCH, "records": [A_RECORD]})).status_code == 503
