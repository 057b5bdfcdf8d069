"""What a request asks for and nobody has: refused by name or warned of, on every route, over a real socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from ingest_api.openapi import document
from schemas.options import OPTIONS
from schemas.registry import ADMINISTRATION
from schemas.stores import CallPlace
from tests.support.edge import World, served
from tests.support.known import BATCH, KEY, PHONE, WORKSPACE, key_record
from tests.support.uploads import GOOD, campaign_records, form, table

ADMIN_KEY = "df_key-of-the-administration"
CALL = "b1946ac9-2492-8d23-a7c5-5c1d64cc1d5e"
RECORDS = [{"phoneNumber": "+12125551001"}]
BODIES: dict[str, dict[str, Any]] = {
    "/api/call/addCallsToBatch": {"batchId": BATCH, "call_data": RECORDS},
    "/api/call/createBatch": {"batchName": "Spring", "callingNumbers": [PHONE]},
    "/api/call/start-calling": {"batchId": BATCH},
    "/api/call/status": {"callId": CALL, "status": "completed"},
    "/api/call/replays": {"batch": BATCH},
    "/api/admin/workspaces": {"name": "three"},
    "/api/admin/keys": {"workspaceId": WORKSPACE},
    "/api/admin/numbers": {"workspaceId": WORKSPACE, "agentId": "agent-1", "number": "+12125559999"},
    "/api/admin/batches": {"workspaceId": WORKSPACE, "batchName": "Spring", "callingNumbers": [PHONE]},
}
READ = [
    f"/api/call/batch-details/{BATCH}",
    "/api/call/batches",
    "/api/call/batches/any-user",
    "/api/call/dead-letters",
    "/api/admin/agents",
    "/api/admin/agents/agent-1",
]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with served() as world:
        world.registry.state.apply(key_record(ADMIN_KEY, ADMINISTRATION))
        world.store.places = {CALL: CallPlace(WORKSPACE, BATCH, "+12125551001", 0)}
        yield world


async def send(world: World, path: str, body: Any, **headers: str) -> httpx.Response:
    key = ADMIN_KEY if path.startswith("/api/admin") else KEY
    return await world.http.post(path, content=json.dumps(body), headers={"x-api-key": key, **headers})


def refusals(answer: httpx.Response) -> list[tuple[str, str]]:
    assert answer.status_code == 400, answer.text
    return [(error["code"], error["path"]) for error in answer.json()["data"]["errors"]]


def warnings(answer: httpx.Response) -> list[tuple[str, str]]:
    envelope = answer.json()
    assert answer.is_success, envelope
    place = envelope["data"] if isinstance(envelope["data"], dict) else envelope
    return [(warning["code"], warning["path"]) for warning in place.get("warnings", [])]


@pytest.mark.parametrize("path", BODIES)
async def test_an_unsupported_option_in_a_body_is_refused_and_nothing_published(world: World, path: str) -> None:
    asked = {"onError": "all", "scheduledAt": "2027-01-01T00:00:00Z"}
    answer = await send(world, path, {**BODIES[path], **asked})
    assert refusals(answer) == [("unsupported_option", "/onError"), ("unsupported_option", "/scheduledAt")]
    assert world.pipeline.published == []


@pytest.mark.parametrize("path", BODIES)
async def test_an_option_that_changes_nothing_is_taken(world: World, path: str) -> None:
    harmless: dict[str, Any] = {"dryRun": False, "onError": "record", "autoStart": True, "enableDNC": False}
    if path == "/api/call/replays":  # which refuses every field that it does not know
        harmless = {"dryRun": False}
    answer = await send(world, path, {**BODIES[path], **harmless, "scheduledAt": None})
    assert warnings(answer) == []


@pytest.mark.parametrize("path", [path for path in BODIES if path != "/api/call/replays"])
async def test_an_unknown_field_of_a_body_is_warned_of(world: World, path: str) -> None:
    answer = await send(world, path, {**BODIES[path], "colour": "red", "dryRunn": True})
    assert warnings(answer) == [("unknown_field", "/colour"), ("unknown_field", "/dryRunn")]
    assert "did you mean dryRun?" in answer.text


async def ask(world: World, path: str, query: str, **headers: str) -> httpx.Response:
    """Ask what is asked of a path, with a query or a header more."""
    key = ADMIN_KEY if path.startswith("/api/admin") else KEY
    method = "POST" if path in BODIES else "GET"
    body = json.dumps(BODIES.get(path))
    return await world.http.request(method, f"{path}?{query}", content=body, headers={"x-api-key": key, **headers})


async def test_an_option_in_the_address_or_a_header_is_refused_by_every_call(world: World) -> None:
    for path in (*BODIES, *READ):
        answer = await ask(world, path, "notCalledWithin=P7D")
        assert refusals(answer) == [("unsupported_option", "notCalledWithin")]
        assert refusals(await ask(world, path, "", **{"X-Dry-Run": "true"})) == [("unsupported_option", "x-dry-run")]
    assert world.pipeline.published == []


async def test_an_unknown_parameter_is_warned_of_by_every_call(world: World) -> None:
    for path in (*BODIES, *READ):
        answer = await ask(world, path, "Colour=3&x=")
        assert warnings(answer) == [("unknown_parameter", "Colour"), ("unknown_parameter", "x")]


async def test_no_call_of_the_document_forgets_the_bearer_token_or_ignores_an_option(world: World) -> None:
    keyed = [
        (method, path)
        for path, operations in document()["paths"].items()
        for method, operation in operations.items()
        if "security" not in operation
    ]
    for method, path in keyed:
        key = ADMIN_KEY if path.startswith("/api/admin") else KEY
        at = path.replace("{id}", "some-id").replace("{userId}", "me")
        answer = await world.http.request(method, f"{at}?dryRun=true", headers={"Authorization": f"Bearer {key}"})
        assert refusals(answer) == [("unsupported_option", "dryRun")], (method, path)
        answer = await world.http.request(method, f"{at}?dryRun", headers={"Authorization": f"Bearer {key}"})
        assert refusals(answer) == [("unsupported_option", "dryRun")], (method, path)
        answer = await world.http.request(method, at, headers={"Authorization": "Bearer df_none"})
        assert answer.status_code == 403, (method, path)


async def test_the_key_is_looked_at_before_the_options(world: World) -> None:
    answer = await send(world, "/api/call/addCallsToBatch?dryRun=true", {"dryRun": True}, **{"x-api-key": "df_no"})
    assert answer.status_code == 403


@pytest.mark.parametrize("name", ["callData", "call_data", "phoneNumbers", "callIds", "limit", "expected"])
async def test_start_calling_refuses_to_start_a_part_of_a_batch(world: World, name: str) -> None:
    answer = await send(world, "/api/call/start-calling", {"batchId": BATCH, name: RECORDS})
    assert refusals(answer) == [("unsupported_option", f"/{name}")]
    assert world.pipeline.published == []


async def test_a_lease_s_token_is_refused_and_unknown_fields_of_statuses_are_told_once(world: World) -> None:
    event = {"callId": CALL, "status": "dialing"}
    answer = await send(world, "/api/call/status", [event, {**event, "token": "t"}])
    assert refusals(answer) == [("unsupported_option", "/1/token")]
    answer = await send(world, "/api/call/status", [event, {**event, "agent": "x"}, {**event, "agent": "y"}])
    assert warnings(answer) == [("unknown_field", "/1/agent")]


async def test_a_refused_request_does_not_use_up_its_idempotency_key(world: World) -> None:
    body = BODIES["/api/call/addCallsToBatch"]
    keyed = {"Idempotency-Key": "k"}
    assert refusals(await send(world, "/api/call/addCallsToBatch", {**body, "dryRun": True}, **keyed))
    assert (await send(world, "/api/call/addCallsToBatch", body, **keyed)).status_code == 200


@pytest.mark.parametrize("path", ["/api/call/start-calling", "/api/call/status", "/api/admin/keys"])
async def test_an_idempotency_key_that_means_nothing_is_warned_of(world: World, path: str) -> None:
    answer = await send(world, path, BODIES[path], **{"Idempotency-Key": "k"})
    assert warnings(answer) == [("header_ignored", "Idempotency-Key")]


async def test_a_misspelt_list_of_records_is_told_what_was_meant(world: World) -> None:
    answer = await send(world, "/api/call/addCallsToBatch", {"batchId": BATCH, "call_Data": RECORDS})
    [error] = answer.json()["data"]["errors"]
    assert (error["path"], "did you mean call_data" in error["message"]) == ("/call_data", True)


async def upload(world: World, **fields: str) -> httpx.Response:
    for record in campaign_records():
        world.registry.state.apply(record)
    files = {"file": ("contacts.csv", table(GOOD))}
    return await world.http.post("/api/call/upload", data=form(**fields), files=files, headers={"x-api-key": KEY})


@pytest.mark.parametrize("name", ["enableDNC", "dryRun", "scheduledAt"])
async def test_an_upload_is_refused_an_option_by_name(world: World, name: str) -> None:
    assert refusals(await upload(world, **{name: "true"})) == [("unsupported_option", f"/{name}")]
    assert world.pipeline.published == []


async def test_an_upload_warns_of_what_it_does_not_know(world: World) -> None:
    answer = await upload(world, colour="red", enableDNC="false")
    assert warnings(answer) == [("unknown_field", "/colour")]


async def test_every_option_of_the_table_is_refused_where_calls_are_added(world: World) -> None:
    body = BODIES["/api/call/addCallsToBatch"] | dict.fromkeys(OPTIONS, "some value")
    assert [path for _, path in refusals(await send(world, "/api/call/addCallsToBatch", body))] == [
        f"/{name}" for name in OPTIONS
    ]
