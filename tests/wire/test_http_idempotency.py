"""Idempotency-Key over a real socket: the first answer again, 409, 422, and keys that a refusal does not use up."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from ingest_api.idempotency import identity_of
from schemas.messages import header
from schemas.records import Receipt, SubmissionAccepted
from schemas.stores import StoredSubmission
from tests.support.edge import World, served, until
from tests.support.known import (
    BATCH,
    BATCH_WITHOUT_AGENT,
    KEY,
    NOW_MS,
    OTHER_BATCH,
    OTHER_KEY,
    WORKSPACE,
    number_record,
)

GOOD = {"phoneNumber": "12125551001"}
BAD = {"firstName": "Bob"}
KEYED = {"idempotency-key": "order-17"}
ASYNC = {**KEYED, "prefer": "respond-async"}
LATER_MS = NOW_MS + 121_000


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with served() as world:
        yield world


def assert_refused(answer: httpx.Response, status: int, code: str, path: str | None = "Idempotency-Key") -> None:
    envelope = answer.json()
    assert (answer.status_code, envelope["status"], envelope["code"]) == (status, False, status), envelope
    error = envelope["data"]["errors"][0]
    assert (error["code"], error.get("path")) == (code, path)


def body_of(*records: Any) -> bytes:
    return json.dumps({"batchId": BATCH, "call_data": records}).encode()


async def test_the_same_request_again_gets_the_first_answer_and_publishes_nothing(world: World) -> None:
    first = await world.send([GOOD, BAD, GOOD], headers=KEYED)
    published = len(world.pipeline.published)
    again = await world.send([GOOD, BAD, GOOD], headers=KEYED)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert first.status_code == again.status_code == 207
    assert again.json() == first.json()
    assert len(world.pipeline.published) == published


async def test_a_first_answer_that_was_a_400_comes_again(world: World) -> None:
    first = await world.send([BAD], headers=KEYED)
    again = await world.send([BAD], headers=KEYED)
    assert (again.status_code, again.json()) == (400, first.json())


async def test_the_body_is_compared_as_it_is_after_inflating(world: World) -> None:
    body = body_of(GOOD)
    first = await world.post("addCallsToBatch", body, KEYED)
    zipped = await world.post("addCallsToBatch", gzip.compress(body), {**KEYED, "content-encoding": "gzip"})
    assert zipped.json() == first.json()


async def test_another_body_is_a_422_even_if_it_means_the_same(world: World) -> None:
    await world.post("addCallsToBatch", body_of(GOOD), KEYED)
    answer = await world.post("addCallsToBatch", body_of(GOOD) + b" ", KEYED)
    assert_refused(answer, 422, "idempotency_body_differs")
    assert len(world.pipeline.raw()) == 1


async def test_a_first_request_that_is_waited_for_makes_the_second_a_409(world: World) -> None:
    world.pipeline.silent = True
    first = asyncio.create_task(world.send([GOOD], headers=KEYED))
    await until(lambda: bool(world.pipeline.announced()))
    again = await world.send([GOOD], headers=KEYED)
    assert_refused(again, 409, "idempotency_in_progress")
    assert int(again.headers["retry-after"]) > 0
    [accepted] = world.pipeline.announced()
    assert again.headers["location"] == f"/api/call/submissions/{accepted.submission_id}"
    assert_refused(await world.send([GOOD, GOOD], headers=KEYED), 422, "idempotency_body_differs")
    world.stop.set()
    await first


async def test_a_second_request_before_the_first_is_published_is_a_409(world: World) -> None:
    world.registry.held.clear()
    first = asyncio.create_task(world.send([GOOD], "no-such", headers=KEYED))
    await until(lambda: world.registry.refreshes > 0)
    assert_refused(await world.send([GOOD], "no-such", headers=KEYED), 409, "idempotency_in_progress")
    world.registry.held.set()
    assert (await first).status_code == 404


async def test_after_a_202_it_is_a_409_until_the_report_is_complete_and_then_the_answer(world: World) -> None:
    world.pipeline.silent = True
    first = await world.send([GOOD], headers=ASYNC)
    assert first.status_code == 202
    assert_refused(await world.send([GOOD], headers=KEYED), 409, "idempotency_in_progress")
    assert_refused(await world.send([BAD], headers=KEYED), 422, "idempotency_body_differs")
    [accepted] = world.pipeline.announced()
    world.store.take([stored_receipt(accepted)], [])
    again = await world.send([GOOD], headers=KEYED)
    assert (again.status_code, again.json()["data"]["submissionId"]) == (200, accepted.submission_id)
    assert len(world.pipeline.raw()) == 1


def stored_receipt(accepted: SubmissionAccepted) -> Receipt:
    return Receipt(
        submission_id=accepted.submission_id,
        workspace_id=accepted.workspace_id,
        batch_id=accepted.batch_id,
        first_index=0,
        size=accepted.total,
        total=accepted.total,
        added=accepted.total,
        failed=0,
        accepted_at=NOW_MS,
        call_ids=bytes(16) * accepted.total,
        body_hash=accepted.body_hash,
    )


async def test_what_travels_says_which_body_came_with_the_key(world: World) -> None:
    await world.send([GOOD], headers=KEYED)
    identity = identity_of(WORKSPACE, "order-17", body_of(GOOD))
    [message], [accepted] = world.pipeline.raw(), world.pipeline.announced()
    assert header(message.headers, "body-hash") == (identity.body_hash or "").encode()
    assert header(message.headers, "submission-id") == identity.submission_id.encode()
    assert (accepted.submission_id, accepted.body_hash) == (identity.submission_id, identity.body_hash)


async def test_without_a_key_nothing_is_compared(world: World) -> None:
    first, second = await world.send([GOOD]), await world.send([GOOD])
    assert first.json()["data"]["submissionId"] != second.json()["data"]["submissionId"]
    assert header(world.pipeline.raw()[0].headers, "body-hash") is None


async def test_a_key_belongs_to_its_workspace(world: World) -> None:
    world.registry.state.apply(number_record("phone-of-workspace-2", "workspace-2", "agent-1"))
    await world.send([GOOD], headers=KEYED)
    others = await world.send([BAD], OTHER_BATCH, headers={**KEYED, "x-api-key": OTHER_KEY})
    assert_refused(others, 404, "agent_not_found", "/batchId")


@pytest.mark.parametrize(
    "key", ["", "a b", "a\tb", "x" * 256, "naïve"], ids=["empty", "space", "tab", "256", "not ASCII"]
)
async def test_a_key_that_is_none_is_a_400_that_names_it(world: World, key: str) -> None:
    headers = {b"x-api-key": KEY.encode(), b"idempotency-key": key.encode()}
    answer = await world.http.post("/api/call/addCallsToBatch", content=body_of(GOOD), headers=headers)
    assert_refused(answer, 400, "field_invalid")
    assert world.pipeline.published == []


async def test_two_keys_are_a_400(world: World) -> None:
    headers = [("x-api-key", KEY), ("idempotency-key", "a"), ("idempotency-key", "a")]
    answer = await world.http.post("/api/call/addCallsToBatch", content=body_of(GOOD), headers=headers)
    assert_refused(answer, 400, "field_invalid")


@pytest.mark.parametrize("key", ["!", "x" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "a:b/c;d=~"])
async def test_every_visible_ascii_text_is_a_key(world: World, key: str) -> None:
    assert (await world.send([GOOD], headers={"idempotency-key": key})).status_code == 200
    assert (await world.send([GOOD], headers={"idempotency-key": key})).status_code == 200
    assert len(world.pipeline.raw()) == 1


async def test_a_503_does_not_use_up_the_key(world: World) -> None:
    world.pipeline.down = True
    assert (await world.send([GOOD], headers=KEYED)).status_code == 503
    world.pipeline.down = False
    assert (await world.send([GOOD, GOOD], headers=KEYED)).json()["data"]["added"] == 2


async def test_a_400_and_a_404_do_not_use_up_the_key(world: World) -> None:
    assert (await world.send([], headers=KEYED)).status_code == 400
    assert (await world.send([GOOD], BATCH_WITHOUT_AGENT, headers=KEYED)).status_code == 404
    assert (await world.send([GOOD], headers=KEYED)).status_code == 200


async def test_a_429_does_not_use_up_the_key() -> None:
    async with served(max_waiting=1) as world:
        world.pipeline.held.clear()
        first = asyncio.create_task(world.send([GOOD]))
        await until(lambda: world.app.state.edge.admission.requests == 1)
        assert (await world.send([GOOD], headers=KEYED)).status_code == 429
        world.pipeline.held.set()
        await first
        assert (await world.send([BAD, GOOD], headers=KEYED)).status_code == 207


async def test_while_the_store_cannot_be_asked_a_new_key_is_published_and_a_used_one_is_a_503(world: World) -> None:
    world.store.down = True
    assert (await world.send([GOOD], headers=KEYED)).status_code == 200
    again = await world.send([GOOD], headers=KEYED)
    assert_refused(again, 503, "store_unavailable", None)
    assert int(again.headers["retry-after"]) > 0
    assert_refused(await world.send([BAD], headers=KEYED), 422, "idempotency_body_differs")
    world.store.down = False
    assert (await world.send([GOOD], headers=KEYED)).status_code == 200
    assert len(world.pipeline.raw()) == 1


async def test_a_publish_that_failed_in_the_middle_is_done_again_at_once(world: World) -> None:
    world.pipeline.silent = world.pipeline.answer_lost = True
    assert (await world.send([GOOD], headers=KEYED)).status_code == 202
    world.pipeline.silent = world.pipeline.answer_lost = False
    assert_refused(await world.send([BAD], headers=KEYED), 422, "idempotency_body_differs")
    assert (await world.send([GOOD], headers=KEYED)).json()["data"]["added"] == 1


async def test_what_another_process_left_incomplete_is_a_409_and_after_a_while_published_again(world: World) -> None:
    identity = identity_of(WORKSPACE, "order-17", body_of(GOOD))
    left = SubmissionAccepted(
        submission_id=identity.submission_id,
        workspace_id=WORKSPACE,
        batch_id=BATCH,
        total=1,
        accepted_at=NOW_MS - 1000,
        body_hash=identity.body_hash,
    )
    world.store.submissions[identity.submission_id] = StoredSubmission(left, [], [], {})
    assert_refused(await world.send([GOOD], headers=KEYED), 409, "idempotency_in_progress")
    assert_refused(await world.send([BAD], headers=KEYED), 422, "idempotency_body_differs")
    world.now_ms = LATER_MS
    assert (await world.send([GOOD], headers=KEYED)).status_code == 200
    assert len(world.pipeline.raw()) == 1


async def test_a_repeat_waits_for_dead_letters_that_are_on_their_way_to_the_store(world: World) -> None:
    first = await world.send([GOOD, BAD], headers=KEYED)
    [submission_id] = world.store.submissions
    whole = world.store.submissions[submission_id]
    world.store.submissions[submission_id] = replace(whole, failures=[], failed={})
    world.store.questions = 0
    again = asyncio.create_task(world.send([GOOD, BAD], headers=KEYED))
    await until(lambda: world.store.questions > 1)
    world.store.submissions[submission_id] = whole
    assert (await again).json() == first.json()


async def test_who_loses_against_another_body_elsewhere_learns_it_from_its_receipt(world: World) -> None:
    world.pipeline.silent = True
    losing = asyncio.create_task(world.send([GOOD], headers=KEYED))
    await until(lambda: bool(world.pipeline.announced()))
    [accepted] = world.pipeline.announced()
    receipt = stored_receipt(SubmissionAccepted(**{**as_fields(accepted), "body_hash": "0" * 64, "total": 2}))
    world.store.take([receipt], [])
    assert_refused(await losing, 422, "idempotency_body_differs")
    report = await world.get(f"/api/call/submissions/{accepted.submission_id}")
    assert (report.json()["data"]["total"], report.json()["data"]["added"]) == (2, 2)
    assert_refused(await world.send([GOOD], headers=KEYED), 422, "idempotency_body_differs")


def as_fields(accepted: SubmissionAccepted) -> dict[str, Any]:
    return {name: getattr(accepted, name) for name in accepted.__struct_fields__}


async def test_two_requests_at_once_with_one_key_cause_one_submission(world: World) -> None:
    answers = await asyncio.gather(*(world.send([GOOD], headers=KEYED) for _ in range(8)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert sum(answer.status_code == 200 for answer in answers) >= 1
    assert len(world.pipeline.raw()) == 1
