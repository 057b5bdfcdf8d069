"""start-calling and status over a real socket: what is published for the calling service, and what it may report."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from ingest_api.statuses import MOST_ERRORS, MOST_EVENT_BYTES, MOST_EVENTS
from schemas.codecs import decode
from schemas.records import DialerCommand
from schemas.statuses import MAX_TRANSCRIPT_CHARACTERS
from schemas.stores import BatchCounts, CallPlace
from schemas.topics import TopicName
from tests.support.edge import World, served
from tests.support.known import BATCH, BATCH_WITHOUT_AGENT, NOW_MS, OTHER_BATCH, OTHER_KEY, WORKSPACE, batch_record

CALL = "b1946ac9-2492-8d23-a7c5-5c1d64cc1d5e"
SECOND = "b1946ac9-2492-8d23-a7c5-5c1d64cc1d5f"
FOREIGN = "b1946ac9-2492-8d23-a7c5-5c1d64cc1d60"
EVENT = {"callId": CALL, "status": "completed"}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with served() as world:
        world.store.places = {
            CALL: CallPlace(WORKSPACE, BATCH, "+12125551001", 0),
            SECOND: CallPlace(WORKSPACE, "batch-2", "+12125551001", 1),
            FOREIGN: CallPlace("workspace-2", OTHER_BATCH, "+12125551001", 0),
        }
        yield world


def errors(answer: httpx.Response, status: int) -> list[tuple[str, str | None]]:
    envelope = answer.json()
    assert answer.status_code == status, envelope
    assert (envelope["status"], envelope["code"]) == (False, status)
    return [(error["code"], error.get("path")) for error in envelope["data"]["errors"]]


async def start(world: World, batch_id: Any, **options: Any) -> httpx.Response:
    return await world.post("start-calling", json.dumps({"batchId": batch_id}), **options)


async def report(world: World, events: Any, **options: Any) -> httpx.Response:
    return await world.post("status", json.dumps(events), **options)


async def test_start_calling_tells_the_calling_service_how_many_calls_wait(world: World) -> None:
    world.store.counts[BATCH] = BatchCounts(total_calls=7, picked=3, completed=1, updated_at=0)
    answer = await start(world, BATCH)
    assert (answer.status_code, answer.json()["data"]) == (200, {"batchId": BATCH, "status": "started"})
    [message] = world.pipeline.published
    assert (message.topic, message.key) == (TopicName.DIALER, BATCH.encode())
    command = decode(message.value, DialerCommand)
    assert command == DialerCommand(
        command="start",
        request_id=command.request_id,
        workspace_id=WORKSPACE,
        batch_id=BATCH,
        requested_at=NOW_MS,
        reason="requested",
        pending=4,
    )


async def test_start_calling_does_not_need_the_store(world: World) -> None:
    world.store.down = True
    assert (await start(world, BATCH)).status_code == 200
    assert decode(world.pipeline.published[0].value, DialerCommand).pending == -1


async def test_each_start_is_a_request_of_its_own(world: World) -> None:
    await start(world, BATCH)
    await start(world, BATCH)
    first, second = (decode(message.value, DialerCommand) for message in world.pipeline.published)
    assert first.request_id != second.request_id


@pytest.mark.parametrize(
    ("batch_id", "code"),
    [("no-such", "batch_not_found"), (OTHER_BATCH, "batch_not_found"), (BATCH_WITHOUT_AGENT, "agent_not_found")],
)
async def test_what_cannot_be_called_is_a_404(world: World, batch_id: str, code: str) -> None:
    assert errors(await start(world, batch_id), 404) == [(code, "/batchId")]
    assert world.pipeline.published == []


async def test_a_batch_made_a_moment_ago_elsewhere_can_be_started(world: World) -> None:
    world.registry.topic.append(batch_record("new", WORKSPACE, "phone-1"))
    assert (await start(world, "new")).status_code == 200


@pytest.mark.parametrize("batch_id", [None, "", " ", 7, ["batch-1"], {}])
async def test_a_start_without_a_batch_is_a_400_that_names_it(world: World, batch_id: Any) -> None:
    assert errors(await start(world, batch_id), 400) == [("field_invalid", "/batchId")]


@pytest.mark.parametrize("call", ["start-calling", "status"])
@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b"\xff", b"[" * 100_000, b'"\\ud800"', b"{}x"])
async def test_a_body_that_is_not_json_is_a_400(world: World, call: str, body: bytes) -> None:
    [(code, _)] = errors(await world.post(call, body), 400)
    assert code in ("invalid_json", "field_invalid")


@pytest.mark.parametrize("call", ["start-calling", "status"])
async def test_a_wrong_key_is_a_403_and_no_broker_a_503(world: World, call: str) -> None:
    body = json.dumps({"batchId": BATCH} | EVENT)
    assert errors(await world.post(call, body, {"x-api-key": "df_no"}), 403) == [("forbidden", "x-api-key")]
    world.pipeline.down = True
    answer = await world.post(call, body)
    assert errors(answer, 503) == [("bus_unavailable", None)]
    assert int(answer.headers["retry-after"]) > 0
    assert world.pipeline.published == []


@pytest.mark.parametrize("call", ["start-calling", "status"])
async def test_what_kafka_may_or_may_not_have_is_a_500(world: World, call: str) -> None:
    world.pipeline.answer_lost = True
    assert errors(await world.post(call, json.dumps({"batchId": BATCH} | EVENT)), 500) == [("internal", None)]


async def test_an_event_is_published_for_its_batch_as_sent_without_its_blanks(world: World) -> None:
    sent = b'\xef\xbb\xbf{ "callId": "%b", "status": "completed",\n "callDuration": 1.50, "x": {"y": 1e2} }'
    answer = await world.post("status", sent % CALL.upper().encode())
    assert (answer.status_code, answer.json()["data"]["accepted"]) == (200, 1)
    [message] = world.pipeline.published
    assert (message.topic, message.key) == (TopicName.STATUS, BATCH.encode())
    expected = b'{"callId":"%b","status":"completed","callDuration":1.50,"x":{"y":1e2}}'
    assert message.value == expected % CALL.upper().encode()


async def test_an_array_of_events_is_published_in_order_each_for_its_batch(world: World) -> None:
    events = [{"callId": CALL, "status": "dialing"}, {"callId": SECOND, "status": "busy"}, EVENT]
    assert (await report(world, events)).json()["data"] == {"accepted": 3}
    published = [(json.loads(message.value or b""), message.key) for message in world.pipeline.published]
    assert published == [(events[0], b"batch-1"), (events[1], b"batch-2"), (events[2], b"batch-1")]


async def test_everything_wrong_with_an_event_is_named(world: World) -> None:
    answer = await report(world, {"callId": 7, "status": "rung", "at": "yesterday", "callDuration": -1})
    assert set(errors(answer, 400)) == {
        ("field_invalid", path) for path in ("/callId", "/status", "/at", "/callDuration")
    }


async def test_one_wrong_event_of_an_array_is_named_by_its_place_and_nothing_is_published(world: World) -> None:
    answer = await report(world, [EVENT, {"callId": CALL}, 3, EVENT | {"at": 1}])
    assert errors(answer, 400) == [("field_invalid", path) for path in ("/1/status", "/2", "/3/at")]
    assert world.pipeline.published == []


@pytest.mark.parametrize("call_id", [FOREIGN, "00000000-0000-8000-8000-000000000000"])
async def test_a_call_of_others_is_unknown_as_one_that_does_not_exist(world: World, call_id: str) -> None:
    answer = await report(world, [EVENT, {**EVENT, "callId": call_id}])
    assert errors(answer, 400) == [("field_invalid", "/1/callId")]
    assert answer.json()["errorMessage"] == "callId names no call of this workspace"
    assert world.pipeline.published == []


async def test_the_other_workspace_may_report_its_own_call_only(world: World) -> None:
    others = {"x-api-key": OTHER_KEY}
    assert (await report(world, {**EVENT, "callId": FOREIGN}, headers=others)).status_code == 200
    assert errors(await report(world, EVENT, headers=others), 400) == [("field_invalid", "/callId")]


async def test_ten_thousand_events_go_and_one_more_does_not(world: World) -> None:
    assert (await report(world, [EVENT] * MOST_EVENTS)).json()["data"] == {"accepted": MOST_EVENTS}
    assert errors(await report(world, [EVENT] * (MOST_EVENTS + 1)), 400) == [("field_invalid", "")]
    assert errors(await report(world, []), 400) == [("field_invalid", "")]


async def test_no_more_than_a_hundred_errors_are_named(world: World) -> None:
    assert len(errors(await report(world, [{}] * 1000), 400)) == MOST_ERRORS
    assert len(errors(await report(world, [{**EVENT, "callId": FOREIGN}] * 1000), 400)) == MOST_ERRORS


async def test_an_event_too_large_for_a_message_is_a_400(world: World) -> None:
    escaped = b"\\u0001" * MAX_TRANSCRIPT_CHARACTERS
    body = b'[{"callId":"%b","status":"completed","transcript":"%b"}]' % (CALL.encode(), escaped)
    assert len(body) > MOST_EVENT_BYTES
    assert errors(await world.post("status", body), 400) == [("field_invalid", "/0")]


async def test_while_the_store_cannot_be_asked_no_status_is_taken(world: World) -> None:
    world.store.down = True
    assert errors(await report(world, EVENT), 503) == [("store_unavailable", None)]
    assert world.pipeline.published == []
