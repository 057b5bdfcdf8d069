"""The calls that read back, over a real socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from schemas.records import Batch
from schemas.statuses import CallStatus
from schemas.stores import BatchCounts, Contact, PhoneLogEntry
from tests.support.edge import World, served
from tests.support.known import BATCH, KEY, NOW_MS, OTHER_BATCH, OTHER_KEY, WORKSPACE

DETAILS = f"/api/call/batch-details/{BATCH}"
BATCHES = "/api/call/batches"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with served() as world:
        yield world


def contact(number: str, status: str = "pending", **variables: Any) -> Contact:
    entry = PhoneLogEntry(call_id="c" + number, entry=0, status=status, created_at=NOW_MS)
    return Contact(number, "UTC", "default", variables, [entry], NOW_MS)


async def ask(world: World, path: str, key: str = KEY, **parameters: Any) -> httpx.Response:
    return await world.http.get(path, params=parameters, headers={"x-api-key": key})


async def numbers(world: World, **parameters: Any) -> list[str]:
    data = (await ask(world, DETAILS, **parameters)).json()["data"]
    assert (data["total"], data["totalPages"]) == (len(data["data"]), 1 if data["data"] else 0)
    return [row["phoneNumber"] for row in data["data"]]


def named(answer: httpx.Response) -> str:
    envelope = answer.json()
    assert (answer.status_code, envelope["status"], envelope["code"]) == (400, False, 400), envelope
    [error] = envelope["data"]["errors"]
    assert error["code"] == "field_invalid"
    name: str = error["path"]
    return name


async def test_filters_orders_and_searches_reach_the_store(world: World) -> None:
    world.store.batches[BATCH] = [
        contact("+1001", name="Ada", age=7, vip=True),
        contact("+1002", "completed", name="Bob", age=30, vip=None),
        contact("+1003", name="100%", age=4.5),
    ]
    assert await numbers(world, filter='{"callStatus": "pending"}') == ["+1001", "+1003"]
    assert await numbers(world, filter='{"name": "Ada", "age": 7.0, "vip": true}') == ["+1001"]
    assert await numbers(world, filter='{"vip": null}') == ["+1002", "+1003"]
    assert await numbers(world, filter='{"phoneNumber": "1002"}') == ["+1002"]
    assert await numbers(world, sortBy="age") == ["+1003", "+1001", "+1002"]
    assert await numbers(world, sortBy="age", sortOrder="DESC") == ["+1002", "+1001", "+1003"]
    assert await numbers(world, search="%") == ["+1003"]
    assert await numbers(world, search="1002") == ["+1002"]
    assert await numbers(world, search="", filter="", sortBy="", sortOrder="", after="") == ["+1001", "+1002", "+1003"]


@pytest.mark.parametrize("after", ["%2B1001", "+1001", "1001"])
async def test_after_is_a_number_however_its_plus_arrives(world: World, after: str) -> None:
    world.store.batches[BATCH] = [contact("+1001"), contact("+1002")]
    data = (await world.get(f"{DETAILS}?after={after}")).json()["data"]
    assert [row["phoneNumber"] for row in data["data"]] == ["+1002"]


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"filter": "{"}, "filter"),
        ({"filter": "[]"}, "filter"),
        ({"filter": '"pending"'}, "filter"),
        ({"filter": '{"a": {"$gt": 1}}'}, "filter"),
        ({"filter": '{"a": [1]}'}, "filter"),
        ({"filter": '{"a": NaN}'}, "filter"),
        ({"filter": '{"a": 1e999}'}, "filter"),
        ({"filter": '{"a": 99999999999999999999999}'}, "filter"),
        ({"filter": '{"a": "\\ud800"}'}, "filter"),
        ({"filter": "[" * 5000}, "filter"),
        ({"filter": json.dumps({"a": "x" * 9000})}, "filter"),
        ({"filter": json.dumps({"n" * 300: 1})}, "filter"),
        ({"filter": json.dumps({f"n{n}": 1 for n in range(21)})}, "filter"),
        ({"filter": '{"callStatus": "complete"}'}, "filter"),
        ({"filter": '{"callStatus": "Completed"}'}, "filter"),
        ({"filter": '{"callStatus": ""}'}, "filter"),
        ({"filter": '{"callStatus": null}'}, "filter"),
        ({"filter": '{"callStatus": 3}'}, "filter"),
        ({"filter": '{"timezoneSource": "phone"}'}, "filter"),
        ({"filter": '{"timezone": "Eastern"}'}, "filter"),
        ({"filter": '{"phoneNumber": "Ada"}'}, "filter"),
        ({"filter": '{"phoneNumber": true}'}, "filter"),
        ({"filter": '{"callId": "17"}'}, "filter"),
        ({"search": "x" * 257}, "search"),
        ({"sortBy": "x" * 257}, "sortBy"),
        ({"sortOrder": "up"}, "sortOrder"),
        ({"after": "+1 212"}, "after"),
        ({"after": "x"}, "after"),
        ({"after": "1" * 16}, "after"),
        ({"after": "+1001", "sortBy": "name"}, "after"),
        ({"after": "+1001", "sortOrder": "desc"}, "after"),
        ({"page": "0"}, "page"),
        ({"limit": "1001"}, "limit"),
    ],
)
async def test_a_wrong_parameter_is_a_400_that_names_it(world: World, parameters: dict[str, str], name: str) -> None:
    assert named(await ask(world, DETAILS, **parameters)) == name
    assert world.store.questions == 0


@pytest.mark.parametrize(
    ("statuses", "shown"),
    [
        ([], "created"),
        (["pending", "pending"], "pending"),
        (["pending", "completed"], "in-progress"),
        (["dialing"], "in-progress"),
        (["busy", "completed"], "completed"),
        (["canceled", "completed"], "completed"),
        (["canceled", "dialing"], "in-progress"),
        (["canceled", "pending"], "pending"),
        (["canceled", "canceled"], "canceled"),
    ],
)
async def test_the_status_of_a_batch_follows_from_its_calls(world: World, statuses: list[str], shown: str) -> None:
    world.store.batches[BATCH] = [contact(f"+{n}", status) for n, status in enumerate(statuses)]
    ended = "completed" if shown in ("completed", "canceled") else "active"
    assert (await ask(world, DETAILS)).json()["data"]["batchStatus"] == ended
    rows = (await ask(world, BATCHES)).json()["data"]["batches"]
    assert [row["queue_status"] for row in rows if row["_id"] == BATCH] == [shown]


async def test_a_phone_log_shows_what_was_reported_of_the_call(world: World) -> None:
    called = contact("+1", "completed")
    entry = replace(
        called.entries[0], call_duration=61.5, recording_url="https://r.example/1", transcript="Hi", at=NOW_MS + 250
    )
    world.store.batches[BATCH] = [replace(called, entries=[entry])]
    [row] = (await ask(world, DETAILS)).json()["data"]["data"]
    assert row["phoneLogs"] == [
        {
            "callId": "c+1",
            "entry": 0,
            "callStatus": "completed",
            "callDuration": 61.5,
            "recordingUrl": "https://r.example/1",
            "transcript": "Hi",
            "at": "2027-01-15T08:00:00.250Z",
            "createdAt": "2027-01-15T08:00:00.000Z",
        }
    ]


def a_batch(number: int, name: str, workspace_id: str = WORKSPACE) -> Batch:
    return Batch(
        batch_id=f"new-{number}", workspace_id=workspace_id, name=name, phone_ids=[], created_at=NOW_MS + number
    )


async def test_batches_come_newest_first_with_their_counts(world: World) -> None:
    for number in range(3):
        world.registry.state.apply(a_batch(number, f"Spring {number}"))
    world.store.counts["new-1"] = BatchCounts(5, 3, 2, NOW_MS + 60_000, 3, 1)

    data = (await ask(world, BATCHES, limit=3)).json()["data"]

    assert [row["_id"] for row in data["batches"]] == ["new-2", "new-1", "new-0"]
    assert data["batches"][1] == {
        "_id": "new-1",
        "batchName": "Spring 1",
        "totalCalls": 5,
        "callsPicked": 3,
        "callsCompleted": 2,
        "callsCanceled": 1,
        "queue_status": "in-progress",
        "createdAt": "2027-01-15T08:00:00.001Z",
        "updatedAt": "2027-01-15T08:01:00.000Z",
    }
    assert data["batches"][0] | {"totalCalls": 0, "queue_status": "created"} == data["batches"][0]
    assert data["batches"][0]["updatedAt"] == data["batches"][0]["createdAt"]
    assert data["pagination"] == {"page": 1, "limit": 3, "total": 5, "totalPages": 2}


async def test_batches_are_found_by_a_literal_part_of_their_name_page_by_page(world: World) -> None:
    for number in range(25):
        world.registry.state.apply(a_batch(number, f"50% of {number}"))
    pages = [(await ask(world, BATCHES, search="% of 1", limit=4, page=page)).json()["data"] for page in (1, 2, 3, 4)]
    shown = [row["batchName"] for page in pages for row in page["batches"]]
    assert shown == [f"50% of {number}" for number in [*range(19, 9, -1), 1]]
    assert pages[3]["pagination"] == {"page": 4, "limit": 4, "total": 11, "totalPages": 3}


async def test_only_batches_of_the_keys_own_workspace_are_listed(world: World) -> None:
    shown = (await ask(world, BATCHES, OTHER_KEY)).json()["data"]["batches"]
    assert [row["_id"] for row in shown] == [OTHER_BATCH]
    assert (await ask(world, BATCHES, "df_no")).status_code == 403


async def test_a_workspace_without_batches_has_an_empty_list_without_asking_the_store(world: World) -> None:
    world.store.down = True
    data = (await ask(world, BATCHES, search="nothing is called so")).json()["data"]
    assert data == {"batches": [], "pagination": {"page": 1, "limit": 10, "total": 0, "totalPages": 0}}


async def test_a_batch_made_a_moment_ago_elsewhere_is_listed(world: World) -> None:
    world.registry.topic.append(a_batch(1, "made elsewhere"))
    assert (await ask(world, BATCHES)).json()["data"]["batches"][0]["batchName"] == "made elsewhere"


async def test_without_kafka_the_known_batches_are_listed(world: World) -> None:
    world.registry.down = True
    assert len((await ask(world, BATCHES)).json()["data"]["batches"]) == 2


async def test_without_the_store_the_list_is_a_503_with_retry_after(world: World) -> None:
    world.store.down = True
    answer = await ask(world, BATCHES)
    assert (answer.status_code, answer.json()["data"]["errors"][0]["code"]) == (503, "store_unavailable")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("parameters", "name"), [({"page": "x"}, "page"), ({"limit": "0"}, "limit"), ({"search": "x" * 257}, "search")]
)
async def test_a_wrong_parameter_of_the_list_is_a_400_that_names_it(
    world: World, parameters: dict[str, str], name: str
) -> None:
    assert named(await ask(world, BATCHES, **parameters)) == name


@pytest.mark.parametrize("user", ["me", "66f2a9c1d4e5b60718293a00", "batch-1"])
async def test_the_batches_of_any_user_are_those_of_the_key(world: World, user: str) -> None:
    listed = (await world.get("/api/call/batches?limit=1")).json()
    assert (await world.get(f"/api/call/batches/{user}?limit=1")).json() == listed
    answer = await world.get(f"/api/call/batches/{user}", headers={"x-api-key": "df_none"})
    assert answer.status_code == 403


async def test_a_filter_names_the_statuses_that_exist(world: World) -> None:
    answer = await ask(world, DETAILS, filter='{"callStatus": "complete"}')
    [error] = answer.json()["data"]["errors"]
    assert [status for status in CallStatus if status not in error["message"]] == []


async def test_a_number_in_a_filter_may_be_an_integer(world: World) -> None:
    world.store.batches[BATCH] = [contact("+1001"), contact("+1002")]
    assert await numbers(world, filter='{"phoneNumber": 1002}') == ["+1002"]


@pytest.mark.parametrize(
    ("parameters", "meant"),
    [
        ({"filter": '{"callstatus": "pending"}'}, "did you mean callStatus?"),
        ({"filter": '{"status": "pending"}'}, "did you mean callStatus?"),
        ({"filter": '{"phone_number": "+1001"}'}, "did you mean phoneNumber?"),
        ({"filter": '{"createdAt": "2026-01-01"}'}, "cannot ask by the field createdAt"),
        ({"sortBy": "created_at"}, "did you mean createdAt?"),
    ],
)
async def test_a_variable_that_nobody_has_and_that_means_a_field_is_warned_of(
    world: World, parameters: dict[str, str], meant: str
) -> None:
    world.store.batches[BATCH] = [contact("+1001")]
    [warning] = (await ask(world, DETAILS, **parameters)).json()["data"]["warnings"]
    assert (warning["path"], meant in warning["message"]) == (next(iter(parameters)), True)


async def test_a_variable_that_contacts_have_is_no_misspelling(world: World) -> None:
    row = replace(contact("+1001"), variables={"status": "new"})
    world.store.batches[BATCH] = [row]
    data = (await ask(world, DETAILS, filter='{"status": "new"}', sortBy="status")).json()["data"]
    assert ("warnings" in data, data["total"]) == (False, 1)
