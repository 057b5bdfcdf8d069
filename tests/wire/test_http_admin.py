"""The administration over a real socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from schemas.codecs import decode
from schemas.identity import hash_api_key
from schemas.records import Agent, ApiKey, Batch, CallingNumber, Workspace
from schemas.registry import ADMINISTRATION
from schemas.stores import BatchCounts
from schemas.topics import TopicName
from tests.support.edge import World, served
from tests.support.known import BATCH, KEY, NOW_MS, OTHER_PHONE, PHONE, WORKSPACE, key_record

ADMIN_KEY = "df_key-of-the-administration"
ADMIN = {"x-api-key": ADMIN_KEY}
SCHEMA: dict[str, Any] = {"type": "record", "name": "R", "fields": [{"name": "firstName", "type": "string"}]}
NEW_BATCH = {"workspaceId": WORKSPACE, "batchName": "Spring", "callingNumbers": [PHONE]}
KINDS = ("workspaces", "keys", "agents", "numbers", "batches")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with served() as world:
        for record in (*registered(world), key_record(ADMIN_KEY, ADMINISTRATION)):
            world.registry.topic.append(record)
            world.registry.state.apply(record)
        yield world


def registered(world: World) -> list[Any]:
    state = world.registry.state
    kept = (state.workspaces, state.keys, state.agents, state.numbers, state.batches)
    return [record for of_kind in kept for record in of_kind.values()]


async def post(world: World, kind: str, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    return await world.http.post(f"/api/admin/{kind}", content=json.dumps(body), headers=headers or ADMIN)


async def get(world: World, path: str) -> Any:
    answer = await world.http.get(f"/api/admin/{path}", headers=ADMIN)
    assert (answer.status_code, answer.json()["status"]) == (200, True), answer.text
    return answer.json()["data"]


def made(answer: httpx.Response) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (201, 201), answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def errors(answer: httpx.Response, status: int) -> list[tuple[str, str | None]]:
    envelope = answer.json()
    assert (answer.status_code, envelope["code"], envelope["status"]) == (status, status, False), envelope
    return [(error["code"], error.get("path")) for error in envelope["data"]["errors"]]


def published(world: World, kind: type[Any]) -> Any:
    [message] = world.pipeline.published
    assert message.topic is TopicName.REGISTRY
    return decode(message.value, kind)


async def test_a_whole_campaign_is_made_over_http_and_takes_calls_at_once(world: World) -> None:
    workspace = made(await post(world, "workspaces", {"name": "Acme", "timezone": "America/New_York"}))
    owner = {"workspaceId": workspace["workspaceId"]}
    key = made(await post(world, "keys", {**owner, "name": "crm"}))
    agent = made(await post(world, "agents", {**owner, "name": "Reminder", "schema": SCHEMA}))
    number = made(await post(world, "numbers", {**owner, "agentId": agent["agentId"], "number": "12125551001"}))
    batch = made(await post(world, "batches", {**owner, "batchName": "Spring", "callingNumbers": [number["phoneId"]]}))
    assert number["number"] == "+12125551001"
    assert batch["agentId"] == agent["agentId"]
    sent = await world.send([{"phoneNumber": "1"}], batch["batchId"], headers={"x-api-key": key["apiKey"]})
    assert sent.status_code == 200


async def test_each_kind_is_put_into_the_registry_as_the_command_line_puts_it(world: World) -> None:
    for kind, body, record in (
        ("workspaces", {"name": " Acme "}, Workspace),
        ("agents", {"workspaceId": WORKSPACE, "schema": json.dumps(SCHEMA)}, Agent),
        ("numbers", {"workspaceId": WORKSPACE, "agentId": "agent-1", "number": "+12125551001"}, CallingNumber),
        ("batches", {"workspaceId": WORKSPACE, "batchName": "Spring", "callingNumbers": [PHONE], "retry": 2}, Batch),
    ):
        world.pipeline.published.clear()
        shown = made(await post(world, kind, body))
        assert published(world, record).created_at == NOW_MS
        assert shown in await get(world, kind)


async def test_a_key_is_shown_once_and_only_its_hash_is_kept(world: World) -> None:
    key = made(await post(world, "keys", {"workspaceId": WORKSPACE}))
    assert published(world, ApiKey).key_hash == hash_api_key(key["apiKey"])
    assert key["apiKey"] not in json.dumps(await get(world, "keys"))
    assert key["keyId"] in [one["keyId"] for one in await get(world, f"keys?workspaceId={WORKSPACE}")]


async def test_a_revoked_key_opens_nothing_any_more(world: World) -> None:
    key = made(await post(world, "keys", {"workspaceId": WORKSPACE}))
    answer = await world.http.delete(f"/api/admin/keys/{key['keyId']}", headers=ADMIN)
    assert (answer.status_code, answer.json()["data"]["revokedAt"] is None) == (200, False)
    denied = await world.get(f"/api/call/batch-details/{BATCH}", {"x-api-key": key["apiKey"]})
    assert errors(denied, 403)


async def test_an_admin_key_makes_others_and_can_be_revoked_itself(world: World) -> None:
    second = made(await post(world, "keys", {"admin": True, "name": "second"}))
    assert (second["admin"], second["workspaceId"]) == (True, None)
    with_second = {"x-api-key": second["apiKey"]}
    assert (await world.http.get("/api/admin/keys", headers=with_second)).status_code == 200
    await world.http.delete(f"/api/admin/keys/{second['keyId']}", headers=ADMIN)
    assert errors(await world.http.get("/api/admin/keys", headers=with_second), 403)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", [None, "df_no", KEY])
async def test_only_an_admin_key_opens_the_administration(world: World, kind: str, key: str | None) -> None:
    headers = {"x-api-key": key} if key else {"accept": "*/*"}
    assert errors(await world.http.get(f"/api/admin/{kind}", headers=headers), 403) == [("forbidden", "x-api-key")]
    assert errors(await post(world, kind, {}, headers), 403) == [("forbidden", "x-api-key")]
    assert world.pipeline.published == []


async def test_an_admin_key_opens_no_workspace(world: World) -> None:
    assert errors(await world.get(f"/api/call/batch-details/{BATCH}", ADMIN), 403)
    assert errors(await world.send([{"phoneNumber": "1"}], headers=ADMIN), 403)


async def test_an_admin_key_made_a_moment_ago_elsewhere_opens(world: World) -> None:
    world.registry.topic.append(key_record("df_new-admin-key", ADMINISTRATION))
    assert (await world.http.get("/api/admin/keys", headers={"x-api-key": "df_new-admin-key"})).status_code == 200


@pytest.mark.parametrize(
    ("kind", "body", "paths"),
    [
        ("workspaces", {}, {"/name"}),
        ("workspaces", {"name": " ", "timezone": "UTC"}, {"/name"}),
        ("workspaces", {"name": "New", "timezone": "Mars/Olympus"}, {"/timezone"}),
        ("keys", {}, {""}),
        ("keys", {"workspaceId": WORKSPACE, "admin": True}, {""}),
        ("keys", {"workspaceId": "no-such"}, {"/workspaceId"}),
        ("agents", {"schema": 3}, {"/workspaceId", "/schema"}),
        ("agents", {"workspaceId": WORKSPACE, "schema": "{"}, {"/schema"}),
        ("agents", {"workspaceId": WORKSPACE, "schema": {"type": "string"}}, {"/schema"}),
        ("numbers", {"number": 12125551001}, {"/workspaceId", "/agentId", "/number"}),
        ("numbers", {"workspaceId": WORKSPACE, "agentId": "agent-1", "number": "call me"}, {"/number"}),
        ("numbers", {"workspaceId": "workspace-2", "agentId": "agent-1", "number": "1212"}, {"/agentId"}),
        ("batches", {"batchName": "", "callingNumbers": []}, {"/batchName", "/callingNumbers", "/workspaceId"}),
        (
            "batches",
            {"workspaceId": WORKSPACE, "batchName": "x", "callingNumbers": [OTHER_PHONE]},
            {"/callingNumbers/0"},
        ),
        (
            "batches",
            {"workspaceId": WORKSPACE, "batchName": "x", "callingNumbers": [PHONE], "timezone": "X"},
            {"/timezone"},
        ),
    ],
)
async def test_a_wrong_field_is_a_400_that_names_it(world: World, kind: str, body: Any, paths: set[str]) -> None:
    assert {path for _, path in errors(await post(world, kind, body), 400)} == paths
    assert world.pipeline.published == []


async def test_what_is_there_already_is_a_409(world: World) -> None:
    assert errors(await post(world, "workspaces", {"name": "one"}), 409) == [("conflict", "/name")]
    number = {"workspaceId": WORKSPACE, "agentId": "agent-1", "number": "+12125550000"}
    assert errors(await post(world, "numbers", number), 409) == [("conflict", "/number")]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "agents/no-such"),
        *(("DELETE", f"{kind}/no-such") for kind in KINDS),
        *(("PATCH", f"{kind}/no-such") for kind in ("workspaces", "numbers", "batches")),
    ],
)
async def test_what_does_not_exist_is_a_404(world: World, method: str, path: str) -> None:
    body = b"{}" if method == "PATCH" else b""
    answer = await world.http.request(method, f"/api/admin/{path}", content=body, headers=ADMIN)
    assert errors(answer, 404) == [("not_found", None)]


async def test_lists_can_be_of_one_workspace(world: World) -> None:
    assert {one["workspaceId"] for one in await get(world, "batches?workspaceId=workspace-2")} == {"workspace-2"}
    assert await get(world, "batches?workspaceId=no-such") == []
    assert len(await get(world, "batches")) > 1


async def test_lists_come_in_pages(world: World) -> None:
    async def listed(query: str) -> list[str]:
        answer = await world.http.get(f"/api/admin/batches{query}", headers=ADMIN)
        assert answer.status_code == 200
        return [one["batchId"] for one in answer.json()["data"]]

    every = await listed("")
    assert len(every) > 1
    assert [await listed(f"?limit=1&page={page}") for page in (1, 2)] == [every[:1], every[1:2]]
    assert await listed("?page=2") == []
    for query in ("limit=1001", "limit=0", "page=x"):
        assert errors(await world.http.get(f"/api/admin/keys?{query}", headers=ADMIN), 400)


async def test_an_agent_is_shown_with_its_schemas(world: World) -> None:
    agent = made(await post(world, "agents", {"workspaceId": WORKSPACE, "schema": SCHEMA}))
    [version] = (await get(world, f"agents/{agent['agentId']}"))["versions"]
    assert (version["version"], version["schema"]) == (1, SCHEMA)


async def update(world: World, agent_id: str, schema: Any) -> httpx.Response:
    return await world.http.put(f"/api/admin/agents/{agent_id}", json={"schema": schema}, headers=ADMIN)


async def test_an_agent_gets_a_new_version_that_reads_what_was_sent_before(world: World) -> None:
    agent = made(await post(world, "agents", {"workspaceId": WORKSPACE, "schema": SCHEMA}))
    more = SCHEMA | {"fields": [*SCHEMA["fields"], {"name": "visits", "type": "int", "default": 0}]}
    answer = await update(world, agent["agentId"], more)
    assert (answer.status_code, answer.json()["data"]["schemaVersion"]) == (200, 2)
    assert [one["version"] for one in (await get(world, f"agents/{agent['agentId']}"))["versions"]] == [1, 2]


async def test_a_version_that_breaks_an_older_one_is_a_409_with_the_reason(world: World) -> None:
    agent = made(await post(world, "agents", {"workspaceId": WORKSPACE, "schema": SCHEMA}))
    broken = SCHEMA | {"fields": [{"name": "visits", "type": "int"}]}
    answer = await update(world, agent["agentId"], broken)
    assert errors(answer, 409) == [("conflict", "/schema")]
    assert "visits" in answer.json()["errorMessage"]
    assert errors(await update(world, agent["agentId"], "{"), 400) == [("field_invalid", "/schema")]
    assert errors(await update(world, "no-such", SCHEMA), 404) == [("not_found", None)]


async def change(world: World, path: str, body: Any) -> httpx.Response:
    return await world.http.patch(f"/api/admin/{path}", json=body, headers=ADMIN)


async def delete(world: World, path: str) -> httpx.Response:
    return await world.http.delete(f"/api/admin/{path}", headers=ADMIN)


async def test_a_workspace_and_a_batch_take_a_country_and_give_it_up(world: World) -> None:
    workspace = made(await post(world, "workspaces", {"name": "Land", "country": "de"}))
    assert workspace["country"] == "DE"
    path = f"workspaces/{workspace['workspaceId']}"
    answer = await change(world, path, {"timezone": "America/New_York"})
    assert (answer.status_code, answer.json()["data"]["country"]) == (200, "DE")
    taken = (await change(world, path, {"country": None})).json()["data"]
    assert (taken["country"], taken["timezone"]) == (None, "America/New_York")
    assert errors(await change(world, path, {"country": "UK"}), 400) == [("field_invalid", "/country")]
    assert errors(await change(world, path, {"timezone": "Mars"}), 400) == [("field_invalid", "/timezone")]
    batch = await change(world, f"batches/{BATCH}", {"country": "US"})
    assert batch.json()["data"]["country"] == "US"


async def test_a_number_is_assigned_to_another_agent_of_its_workspace(world: World) -> None:
    agent = made(await post(world, "agents", {"workspaceId": WORKSPACE, "schema": SCHEMA}))
    answer = await change(world, f"numbers/{PHONE}", {"agentId": agent["agentId"]})
    assert (answer.status_code, answer.json()["data"]["agentId"]) == (200, agent["agentId"])
    [batch] = [one for one in await get(world, "batches") if one["batchId"] == BATCH]
    assert batch["agentId"] == agent["agentId"]
    assert errors(await change(world, f"numbers/{OTHER_PHONE}", {"agentId": agent["agentId"]}), 400) == [
        ("field_invalid", "/agentId")
    ]
    assert errors(await change(world, f"numbers/{PHONE}", {}), 400) == [("field_invalid", "/agentId")]


async def test_a_batch_is_changed_where_it_is_named_and_else_stays(world: World) -> None:
    before = made(await post(world, "batches", NEW_BATCH | {"retry": 2, "timezone": "America/New_York"}))
    path = f"batches/{before['batchId']}"
    hours = {"start": "09:00", "end": "17:00"}
    answer = await change(world, path, {"retry": 3, "timezone": None, "callingHour": hours})
    assert answer.json()["data"] == before | {"retry": 3, "timezone": None, "callingHour": hours}
    assert [one for one in await get(world, "batches") if one["batchId"] == before["batchId"]] == [
        answer.json()["data"]
    ]
    for wrong, field in (({"retry": 99}, "/retry"), ({"callingNumbers": [OTHER_PHONE]}, "/callingNumbers/0")):
        assert errors(await change(world, path, wrong), 400) == [("field_invalid", field)]


async def test_what_others_need_is_kept_and_the_counts_are_told(world: World) -> None:
    made(await post(world, "batches", NEW_BATCH))
    for path, count in ((f"numbers/{PHONE}", "batches"), ("agents/agent-1", "calling number")):
        answer = await delete(world, path)
        assert errors(answer, 409)[0][0] == "conflict"
        assert count in answer.json()["errorMessage"]
    refused = await delete(world, f"workspaces/{WORKSPACE}")
    assert all(kind in refused.json()["errorMessage"] for kind in ("key", "agent", "calling number", "batch"))


async def test_a_deleted_batch_is_not_found_and_its_numbers_are_free(world: World) -> None:
    batch = made(await post(world, "batches", NEW_BATCH))
    assert (await delete(world, f"batches/{batch['batchId']}")).status_code == 200
    assert errors(await world.send([{"phoneNumber": "1"}], batch["batchId"]), 404)
    assert errors(await world.get(f"/api/call/batch-details/{batch['batchId']}"), 404)
    assert errors(await delete(world, f"batches/{batch['batchId']}"), 404) == [("not_found", None)]
    assert batch["batchId"] not in [one["batchId"] for one in await get(world, "batches")]


async def test_a_batch_with_pending_calls_is_deleted_only_where_they_are_dropped(world: World) -> None:
    batch = made(await post(world, "batches", NEW_BATCH))
    world.store.counts[batch["batchId"]] = BatchCounts(total_calls=5, picked=2, completed=1, updated_at=NOW_MS)
    path = f"batches/{batch['batchId']}"
    answer = await delete(world, path)
    assert errors(answer, 409) == [("conflict", "/batchId")]
    assert "3 pending calls" in answer.json()["errorMessage"]
    assert errors(await delete(world, f"{path}?dropPending=perhaps"), 400) == [("field_invalid", "/dropPending")]
    world.store.down = True
    assert errors(await delete(world, path), 503) == [("store_unavailable", None)]
    assert (await delete(world, f"{path}?dropPending=true")).status_code == 200


async def test_everything_can_be_deleted_from_the_batch_upwards(world: World) -> None:
    owner = {"workspaceId": made(await post(world, "workspaces", {"name": "Acme"}))["workspaceId"]}
    agent = made(await post(world, "agents", {**owner, "schema": SCHEMA}))
    number = made(await post(world, "numbers", {**owner, "agentId": agent["agentId"], "number": "12125551001"}))
    batch = made(await post(world, "batches", {**owner, "batchName": "x", "callingNumbers": [number["phoneId"]]}))
    ids = (batch["batchId"], number["phoneId"], agent["agentId"], owner["workspaceId"])
    for kind, which in zip(("batches", "numbers", "agents", "workspaces"), ids, strict=True):
        assert (await delete(world, f"{kind}/{which}")).status_code == 200, kind
        assert which not in json.dumps(await get(world, kind))


async def test_nothing_is_made_while_kafka_is_away(world: World) -> None:
    world.registry.down = True
    assert errors(await post(world, "workspaces", {"name": "Acme"}), 503) == [("bus_unavailable", None)]
    world.registry.down = False
    world.pipeline.down = True
    assert errors(await post(world, "workspaces", {"name": "Acme"}), 503) == [("bus_unavailable", None)]
    world.pipeline.down = False
    world.pipeline.answer_lost = True
    assert errors(await post(world, "workspaces", {"name": "Acme"}), 500) == [("internal", None)]


async def test_every_method_of_a_path_is_named(world: World) -> None:
    answer = await world.http.request("PATCH", "/api/admin/keys", headers=ADMIN)
    assert errors(answer, 405) == [("method_not_allowed", None)]
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST", "OPTIONS"}
    assert (await world.http.options("/api/admin/keys")).headers["allow"] == "GET, POST, HEAD, OPTIONS"


async def test_a_bearer_token_is_a_key_wherever_a_key_is_asked_for(world: World) -> None:
    for path, key in (("/api/call/batches", KEY), ("/api/call/replays", KEY), ("/api/admin/keys", ADMIN_KEY)):
        assert (await world.http.get(path, headers={"Authorization": f"Bearer {key}"})).status_code == 200
        assert (await world.http.get(path, headers={"Authorization": "Bearer df_none"})).status_code == 403
    both = {"Authorization": f"Bearer {KEY}", "x-api-key": "df_none"}
    assert (await world.http.get("/api/call/batches", headers=both)).status_code == 403
