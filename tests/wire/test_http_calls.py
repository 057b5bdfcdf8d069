"""The calls around addCallsToBatch, and whatever else comes to the port, over a real socket."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from schemas.codecs import decode
from schemas.records import Batch, Receipt, SubmissionAccepted
from schemas.stores import Contact, PhoneLogEntry, StoredSubmission
from schemas.topics import TopicName
from tests.support.edge import World, served, until
from tests.support.known import BATCH, KEY, NOW_MS, OTHER_BATCH, OTHER_KEY, OTHER_PHONE, PHONE, WORKSPACE, number_record

NEW: dict[str, Any] = {
    "batchName": "Spring",
    "callingNumbers": [PHONE],
    "retry": 2,
    "delay": 600,
    "timezone": "America/New_York",
    "callingHour": {"start": "09:00", "end": "17:30"},
    "allowedDays": [5, 1],
    "unknown": {"is": "ignored"},
}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with served() as world:
        yield world


def errors(answer: httpx.Response, status: int) -> list[tuple[str, str | None]]:
    envelope = answer.json()
    assert answer.status_code == status, envelope
    assert set(envelope) == {"message", "status", "code", "errorMessage", "data"}
    assert (envelope["status"], envelope["code"]) == (False, status)
    return [(error["code"], error.get("path")) for error in envelope["data"]["errors"]]


async def create(world: World, batch: Any, **options: Any) -> httpx.Response:
    return await world.post("createBatch", json.dumps(batch), **options)


async def test_a_new_batch_is_answered_with_its_id_and_known_at_once(world: World) -> None:
    answer = await create(world, NEW)
    assert (answer.status_code, answer.json()["status"]) == (201, True)
    batch_id = answer.json()["data"]
    [message] = world.pipeline.published
    assert (message.topic, message.key) == (TopicName.REGISTRY, f"batch/{batch_id}".encode())
    assert decode(message.value, Batch) == Batch(
        batch_id=batch_id,
        workspace_id=WORKSPACE,
        name="Spring",
        phone_ids=[PHONE],
        retry=2,
        delay=600,
        timezone="America/New_York",
        calling_hour_start="09:00",
        calling_hour_end="17:30",
        allowed_days=[1, 5],
        created_at=NOW_MS,
    )
    assert (await world.send([{"phoneNumber": "1"}], batch_id)).status_code == 200


async def test_every_wrong_field_of_a_new_batch_is_named(world: World) -> None:
    answer = await create(
        world,
        {
            "callingNumbers": [PHONE, OTHER_PHONE, "no-such"],
            "retry": 11,
            "delay": True,
            "timezone": "Mars/Olympus",
            "callingHour": {"start": "9:00"},
            "allowedDays": [7, "1"],
        },
    )
    assert {path for _, path in errors(answer, 400)} == {
        "/batchName",
        "/callingNumbers/1",
        "/callingNumbers/2",
        "/retry",
        "/delay",
        "/timezone",
        "/callingHour/start",
        "/callingHour/end",
        "/allowedDays/0",
        "/allowedDays/1",
    }
    assert world.pipeline.published == []


async def test_a_field_that_is_wrong_twice_is_named_once(world: World) -> None:
    answer = await create(world, {"batchName": "Spring", "callingNumbers": ["", "no-such"]})
    assert [path for _, path in errors(answer, 400)] == ["/callingNumbers/0", "/callingNumbers/1"]


async def test_a_number_made_a_moment_ago_elsewhere_can_call(world: World) -> None:
    world.registry.topic.append(number_record("phone-new", WORKSPACE, None))
    assert (await create(world, {**NEW, "callingNumbers": ["phone-new"]})).status_code == 201


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"NaN", b'{"a":NaN}', b"\xff", b"[" * 100_000, b'"\\ud800"'])
async def test_a_body_of_create_batch_that_is_no_object_is_a_400(world: World, body: bytes) -> None:
    assert errors(await world.post("createBatch", body), 400)[0][0] in ("invalid_json", "field_invalid")


async def test_a_body_of_create_batch_has_a_limit_of_its_own(world: World) -> None:
    assert errors(await create(world, {"batchName": "x" * 300_000}), 413) == [("body_too_large", None)]


async def test_a_batch_is_not_created_without_a_broker_or_a_key(world: World) -> None:
    assert errors(await create(world, NEW, headers={"x-api-key": "df_no"}), 403)
    world.pipeline.down = True
    assert errors(await create(world, NEW), 503) == [("bus_unavailable", None)]


async def test_a_batch_whose_fate_is_unknown_is_a_500(world: World) -> None:
    world.pipeline.answer_lost = True
    assert errors(await create(world, NEW), 500) == [("internal", None)]


def contact(number: str, **variables: Any) -> Contact:
    entry = PhoneLogEntry(call_id="c" + number, entry=0, status="pending", created_at=1_700_000_000_123)
    return Contact(number, "America/New_York", "number", variables, [entry], 1_700_000_000_000)


async def test_a_page_of_contacts_shows_variables_flat_beside_the_fixed_fields(world: World) -> None:
    world.store.batches[BATCH] = [contact("+1", name="Ada", timezone="mine", variables=3)]
    answer = await world.get(f"/api/call/batch-details/{BATCH}")
    data = answer.json()["data"]
    [row] = data.pop("data")
    assert answer.status_code == 200
    assert data == {
        "batchId": BATCH,
        "batchName": "a batch",
        "batchStatus": "active",
        "retry": 0,
        "delay": 0,
        "timezone": None,
        "country": None,
        "callingHour": None,
        "allowedDays": [],
        "page": 1,
        "limit": 10,
        "total": 1,
        "totalPages": 1,
    }
    log = {"callId": "c+1", "entry": 0, "callStatus": "pending", "createdAt": "2023-11-14T22:13:20.123Z"}
    assert row.pop("_id")
    assert row == {
        "phoneNumber": "+1",
        "name": "Ada",
        "timezone": "America/New_York",
        "timezoneSource": "number",
        "timezoneConfidence": "",
        "timezoneCandidates": [],
        "phoneNumberReadAs": "",
        "callId": "c+1",
        "variables": {"timezone": "mine", "variables": 3},
        "phoneLogs": [{**log, "callDuration": None, "recordingUrl": None, "transcript": None, "at": None}],
        "createdAt": "2023-11-14T22:13:20.000Z",
    }


async def test_pages_are_counted_and_one_past_the_end_is_empty(world: World) -> None:
    world.store.batches[BATCH] = [contact(f"+{n}") for n in range(5)]
    second = (await world.get(f"/api/call/batch-details/{BATCH}?page=2&limit=3&unknown=1")).json()["data"]
    assert ([row["phoneNumber"] for row in second["data"]], second["totalPages"]) == (["+3", "+4"], 2)
    past = (await world.get(f"/api/call/batch-details/{BATCH}?page=9&limit=3")).json()["data"]
    assert (past["data"], past["total"]) == ([], 5)


async def test_a_batch_without_contacts_is_created_and_empty(world: World) -> None:
    data = (await world.get(f"/api/call/batch-details/{BATCH}")).json()["data"]
    assert (data["batchStatus"], data["total"], data["totalPages"], data["data"]) == ("active", 0, 0, [])


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=1.0", "limit=-1", "limit=%D9%A3"])
async def test_a_wrong_limit_is_a_400_that_names_it(world: World, query: str) -> None:
    assert errors(await world.get(f"/api/call/batch-details/{BATCH}?{query}"), 400) == [("field_invalid", "limit")]


@pytest.mark.parametrize("page", ["0", "99999999999999999999", "%00", "1%0A"])
async def test_a_wrong_page_is_a_400_that_names_it(world: World, page: str) -> None:
    assert errors(await world.get(f"/api/call/batch-details/{BATCH}?page={page}"), 400) == [("field_invalid", "page")]


@pytest.mark.parametrize("batch_id", [OTHER_BATCH, "no-such", "a%00b", "a%0Ab", "%FF", "%F0%9F%99%82"])
async def test_a_batch_of_others_is_a_404_as_one_that_does_not_exist(world: World, batch_id: str) -> None:
    [(code, _)] = errors(await world.get(f"/api/call/batch-details/{batch_id}"), 404)
    assert code == ("not_found" if "%0" in batch_id else "batch_not_found")


async def test_a_report_can_be_read_again(world: World) -> None:
    sent = (await world.send([{"phoneNumber": "1"}, {}])).json()["data"]
    answer = await world.get(f"/api/call/submissions/{sent['submissionId']}")
    assert (answer.status_code, answer.json()["status"]) == (200, True)
    assert answer.json()["data"] == {
        "submissionId": sent["submissionId"],
        "batchId": BATCH,
        "total": 2,
        "added": 1,
        "failed": 1,
        "superseded": 0,
        "pending": 0,
        "complete": True,
        "callIds": sent["callIds"],
        "failedChunks": sent["failedChunks"],
        "replayed": {"count": 0, "lastAt": None, "records": []},
    }


async def test_a_report_waits_for_the_reasons_that_are_on_their_way_to_the_store(world: World) -> None:
    sent = (await world.send([{"phoneNumber": "1"}, {}])).json()["data"]
    whole = world.store.submissions[sent["submissionId"]]
    world.store.submissions[sent["submissionId"]] = replace(whole, failures=[], failed={})
    world.store.questions = 0
    asked = asyncio.create_task(world.get(f"/api/call/submissions/{sent['submissionId']}"))
    await until(lambda: world.store.questions > 1)
    world.store.submissions[sent["submissionId"]] = whole
    data = (await asked).json()["data"]
    assert (data["failed"], data["complete"], data["failedChunks"]) == (1, True, sent["failedChunks"])


async def test_what_was_published_a_moment_ago_is_pending_not_unknown(world: World) -> None:
    world.pipeline.silent = True
    sent = await world.send([{"phoneNumber": "1"}], headers={"prefer": "respond-async"})
    data = (await world.get(sent.headers["location"])).json()["data"]
    assert (data["total"], data["pending"], data["complete"], data["callIds"]) == (1, 1, False, [])


async def test_a_report_that_is_only_announced_is_all_pending(world: World) -> None:
    accepted = SubmissionAccepted(submission_id="s", workspace_id=WORKSPACE, batch_id=BATCH, total=7, accepted_at=0)
    world.store.submissions["s"] = StoredSubmission(accepted, [], [], {})
    assert (await world.get("/api/call/submissions/s")).json()["data"]["pending"] == 7


async def test_a_report_of_others_is_a_404_as_one_that_does_not_exist(world: World) -> None:
    sent = (await world.send([{"phoneNumber": "1"}])).json()["data"]["submissionId"]
    others = await world.get(f"/api/call/submissions/{sent}", {"x-api-key": OTHER_KEY})
    none = await world.get("/api/call/submissions/no-such", {"x-api-key": OTHER_KEY})
    assert errors(others, 404) == errors(none, 404) == [("submission_not_found", None)]
    assert others.json() == none.json()


async def test_a_submission_of_an_unknown_batch_is_nobodys(world: World) -> None:
    receipt = Receipt(
        submission_id="s",
        workspace_id="",
        batch_id=None,
        first_index=0,
        size=1,
        total=1,
        added=0,
        failed=1,
        accepted_at=0,
        call_ids=b"",
    )
    world.store.submissions["s"] = StoredSubmission(None, [receipt], [], {})
    assert errors(await world.get("/api/call/submissions/s"), 404)


@pytest.mark.parametrize("submission_id", ["a%0Ab", "a%20b", "%00", "'%3B--", "x" * 129, "%F0%9F%99%82"])
async def test_what_cannot_be_a_submission_id_is_a_404_without_asking_the_store(
    world: World, submission_id: str
) -> None:
    world.store.down = True
    assert errors(await world.get(f"/api/call/submissions/{submission_id}"), 404)


@pytest.mark.parametrize("path", ["/api/call/submissions/x", f"/api/call/batch-details/{BATCH}"])
async def test_a_store_that_is_down_is_a_503_with_retry_after(world: World, path: str) -> None:
    world.store.down = True
    answer = await world.get(path)
    assert errors(answer, 503) == [("store_unavailable", None)]
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("path", ["/api/call/submissions/x", f"/api/call/batch-details/{BATCH}"])
async def test_a_wrong_key_is_a_403_on_every_call(world: World, path: str) -> None:
    assert errors(await world.get(path, {"x-api-key": "df_no"}), 403) == [("forbidden", "x-api-key")]


async def test_alive_is_all_that_healthz_says(world: World) -> None:
    world.store.down = True
    answer = await world.http.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"alive": True})


async def test_ready_when_every_check_is_well(world: World) -> None:
    answer = await world.http.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "reasons": []})


async def test_not_ready_names_every_check_that_is_not_well(world: World) -> None:
    world.store.down = True
    world.receipts.failing = True
    answer = await world.http.get("/readyz")
    assert answer.status_code == 503
    assert {reason["check"]: reason["reason"] for reason in answer.json()["reasons"]} == {
        "store": "the store is down",
        "receipts": "the consumer of receipts is not in its group yet",
    }


async def test_the_document_lists_every_route_and_the_page_shows_it(world: World) -> None:
    document = (await world.http.get("/openapi.json")).json()
    assert set(document["paths"]) == {route.path for route in world.app.routes}  # type: ignore[attr-defined]
    page = await world.http.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert all(path in page.text for path in document["paths"])
    assert 'href="http' not in page.text
    assert "src=" not in page.text


@pytest.mark.parametrize(
    "path", ["/api", "/api/call", "/api/call/nothing", "/healthz/", "/healthz%0A", "/api/call/submissions/", "/%00"]
)
async def test_an_unknown_route_is_a_404_in_the_envelope(world: World, path: str) -> None:
    assert errors(await world.get(path), 404) == [("not_found", None)]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/call/addCallsToBatch", {"POST", "OPTIONS"}),
        ("PUT", "/api/call/createBatch", {"POST", "OPTIONS"}),
        ("DELETE", "/api/call/submissions/x", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/healthz", {"GET", "HEAD", "OPTIONS"}),
    ],
)
async def test_a_wrong_method_is_a_405_that_names_the_right_ones(
    world: World, method: str, path: str, allowed: set[str]
) -> None:
    answer = await world.http.request(method, path)
    assert errors(answer, 405) == [("method_not_allowed", None)]
    assert set(answer.headers["allow"].split(", ")) == allowed


async def test_options_names_the_methods(world: World) -> None:
    answer = await world.http.options("/api/call/addCallsToBatch")
    assert (answer.status_code, answer.headers["allow"]) == (204, "POST, OPTIONS")


async def test_head_is_get_without_its_body(world: World) -> None:
    answer = await world.http.head("/healthz")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: " + b"a" * 100_000 + b"\r\n\r\n", id="long header"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: " + b"a" * 100_000, id="header without end"),
        pytest.param(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", id="long path"),
        pytest.param(b"nonsense\r\n\r\n", id="no HTTP"),
        pytest.param(b"POST /api/call/createBatch HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", id="length"),
        pytest.param(b"GET /heal\x00thz HTTP/1.1\r\nhost: x\r\n\r\n", id="NUL in the path"),
    ],
)
async def test_what_is_not_a_request_is_a_400_in_the_envelope(world: World, request_bytes: bytes) -> None:
    head, _, body = (await world.bytes_exchanged(request_bytes)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["data"]["errors"][0]["code"] == "bad_request"


async def test_the_server_leaves_signals_to_whoever_runs_it(world: World) -> None:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert KEY not in (await world.http.get("/docs")).text


async def test_what_is_cut_off_at_the_end_of_a_stop_is_a_500_in_the_envelope(world: World) -> None:
    head = f"POST /api/call/addCallsToBatch HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\ncontent-length: 9\r\n\r\n{{"
    asked = asyncio.create_task(world.bytes_exchanged(head.encode()))
    await until(lambda: world.app.state.edge.admission.held_bytes == 1)
    world.stop.set()
    head_of_answer, _, body = (await asked).partition(b"\r\n\r\n")
    assert head_of_answer.startswith(b"HTTP/1.1 500 ")
    assert json.loads(body)["data"]["errors"][0]["code"] == "internal"


async def test_the_root_names_where_to_go(world: World) -> None:
    answer = (await world.http.get("/")).json()
    for name in ("docs", "openapi", "health", "ready", "metrics"):
        assert (await world.http.get(answer[name])).status_code == 200
