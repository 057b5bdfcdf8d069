"""addCallsToBatch over a real socket, with a pipeline in memory behind it."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from backports import zstd

from schemas.identity import call_ids, uuid_texts
from schemas.messages import header
from schemas.records import Receipt
from tests.support.edge import World, served, until
from tests.support.known import BATCH, BATCH_WITHOUT_AGENT, KEY, OTHER_BATCH, WORKSPACE, batch_record, key_record

COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd.compress}
GOOD = {"phoneNumber": "12125551001", "firstName": "Ada"}
BAD = {"firstName": "Bob"}
BODY = json.dumps({"batchId": BATCH, "call_data": [GOOD]}).encode()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with served() as world:
        yield world


def assert_refused(answer: httpx.Response, status: int, code: str, path: str | None = None) -> dict[str, Any]:
    envelope: dict[str, Any] = answer.json()
    assert answer.status_code == status, envelope
    assert (envelope["status"], envelope["code"]) == (False, status)
    assert envelope["errorMessage"]
    error = envelope["data"]["errors"][0]
    assert (error["code"], error.get("path")) == (code, path)
    return envelope


async def test_valid_records_are_answered_with_their_call_ids_in_the_order_sent(world: World) -> None:
    answer = await world.send([{"phoneNumber": "12125551002"}, {"phoneNumber": "12125551001"}])
    expected = uuid_texts(call_ids(BATCH, [("12125551002", 0), ("12125551001", 0)]))
    assert answer.status_code == 200
    data = answer.json().pop("data")
    assert answer.json() == {
        "message": "Calls enqueued successfully",
        "status": True,
        "code": 200,
        "errorMessage": "",
        "data": {"added": 2, "callIds": expected, "submissionId": data["submissionId"]},
    }


async def test_a_number_sent_twice_counts_twice_and_gives_its_call_id_twice(world: World) -> None:
    data = (await world.send([GOOD, GOOD])).json()["data"]
    assert data["added"] == 2
    assert data["callIds"][0] == data["callIds"][1]


async def test_some_failed_records_make_it_a_207_that_names_them(world: World) -> None:
    answer = await world.send([GOOD, BAD, GOOD])
    envelope = answer.json()
    assert answer.status_code == 207
    assert envelope["status"] is False
    assert envelope["data"]["added"] == 2
    [chunk] = envelope["data"]["failedChunks"]
    assert (chunk["chunkNum"], chunk["firstIndex"], chunk["size"], chunk["added"], chunk["failed"]) == (1, 0, 3, 2, 1)
    error = {"path": "/phoneNumber", "code": "required", "message": "phoneNumber is missing"}
    assert chunk["records"] == [{"index": 1, "phoneNumber": None, "errors": [error]}]


async def test_no_valid_record_is_a_400_with_the_report_in_it(world: World) -> None:
    answer = await world.send([BAD, 3, "x", None, []])
    data = assert_refused(answer, 400, "no_valid_record")["data"]
    assert data["submissionId"]
    assert data["failedChunks"][0]["failed"] == 5


async def test_many_failed_records_show_the_first_hundred_of_each_chunk_and_count_the_rest(world: World) -> None:
    chunks = (await world.send([BAD] * 1500 + [GOOD])).json()["data"]["failedChunks"]
    assert [(c["chunkNum"], c["failed"], len(c["records"]), c["recordsOmitted"]) for c in chunks] == [
        (1, 1000, 100, 900),
        (2, 500, 100, 400),
    ]


async def test_what_is_published_carries_the_records_as_sent_and_says_where_answers_go(world: World) -> None:
    sent = b'{"batchId": "batch-1", "call_data": [ {"phoneNumber" : "1"} ,{"phoneNumber":"2", "n":1.50}]}'
    await world.post("addCallsToBatch", sent)
    [message] = world.pipeline.raw()
    [accepted] = world.pipeline.announced()
    assert message.value == b'{"batchId":"batch-1","call_data":[{"phoneNumber" : "1"},{"phoneNumber":"2", "n":1.50}]}'
    assert message.key == b"batch-1"
    assert dict(message.headers) == {
        "submission-id": accepted.submission_id.encode(),
        "first-index": b"0",
        "total": b"2",
        "workspace-id": WORKSPACE.encode(),
        "report-partition": b"3",
    }
    assert (accepted.batch_id, accepted.workspace_id, accepted.total) == (BATCH, WORKSPACE, 2)
    assert world.pipeline.published[0].partition == 3


async def test_the_other_spelling_call_data_is_read_as_well(world: World) -> None:
    answer = await world.post("addCallsToBatch", json.dumps({"batchId": BATCH, "callData": [GOOD]}))
    assert answer.json()["data"]["added"] == 1


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        pytest.param(b"", "invalid_json", "", id="empty"),
        pytest.param(b"{", "invalid_json", "", id="cut off"),
        pytest.param(b"phoneNumber=1", "invalid_json", "", id="a form"),
        pytest.param(BODY + b"x", "invalid_json", "", id="trailing junk"),
        pytest.param(BODY.decode().encode("utf-16"), "invalid_json", "", id="UTF-16"),
        pytest.param(b"[]", "field_invalid", "", id="an array"),
        pytest.param(b"[" * 100_000, "field_invalid", "", id="nested without end"),
        pytest.param(b'{"call_data":[{}]}', "field_invalid", "/batchId", id="no batch"),
        pytest.param(b'{"batchId":null,"call_data":[{}]}', "field_invalid", "/batchId", id="batch null"),
        pytest.param(b'{"batchId":" ","call_data":[{}]}', "field_invalid", "/batchId", id="batch blank"),
        pytest.param(b'{"batchId":7,"call_data":[{}]}', "field_invalid", "/batchId", id="batch a number"),
        pytest.param(b'{"batchId":"\\ud800","call_data":[{}]}', "field_invalid", "/batchId", id="batch a surrogate"),
        pytest.param(b'{"batchId":"batch-1"}', "field_invalid", "/call_data", id="no records"),
        pytest.param(b'{"batchId":"batch-1","call_data":[]}', "field_invalid", "/call_data", id="empty array"),
        pytest.param(b'{"batchId":"batch-1","call_data":{}}', "field_invalid", "/call_data", id="an object"),
        pytest.param(b'{"batchId":"batch-1","call_data":null}', "field_invalid", "/call_data", id="null"),
    ],
)
async def test_a_body_that_is_wrong_as_a_whole_is_a_400(world: World, body: bytes, code: str, path: str) -> None:
    assert_refused(await world.post("addCallsToBatch", body), 400, code, path)
    assert world.pipeline.published == []


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(b'{"phoneNumber":NaN}', id="NaN"),
        pytest.param(b'{"phoneNumber":-Infinity}', id="infinite"),
        pytest.param(b'{"phoneNumber":"\\ud800"}', id="lone surrogate"),
        pytest.param(b'{"x":' * 50_000 + b"1" + b"}" * 50_000, id="very deep"),
    ],
)
async def test_a_record_that_cannot_be_decoded_fails_alone(world: World, record: bytes) -> None:
    body = b'{"batchId":"batch-1","call_data":[%b,{"phoneNumber":"12125551001"}]}' % record
    answer = await world.post("addCallsToBatch", body)
    assert answer.status_code == 207
    assert answer.json()["data"]["failedChunks"][0]["records"][0]["index"] == 0


async def test_a_byte_order_mark_is_skipped_and_unknown_keys_are_kept(world: World) -> None:
    answer = await world.post("addCallsToBatch", b"\xef\xbb\xbf" + BODY)
    assert answer.status_code == 200
    assert b'"firstName"' in (world.pipeline.raw()[0].value or b"")


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=UTF-8", "text/json", ""])
async def test_json_content_types_are_read(world: World, content_type: str) -> None:
    assert (await world.post("addCallsToBatch", BODY, {"content-type": content_type})).status_code == 200


async def test_what_curl_says_of_data_is_read_as_json(world: World) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert (await world.post("addCallsToBatch", BODY, headers)).status_code == 200


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data", "application/json; charset=latin-1"])
async def test_other_content_types_are_a_415(world: World, content_type: str) -> None:
    answer = await world.post("addCallsToBatch", BODY, {"content-type": content_type})
    assert_refused(answer, 415, "unsupported_media_type", "Content-Type")


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_a_compressed_body_is_inflated(world: World, coding: str) -> None:
    answer = await world.post("addCallsToBatch", COMPRESS[coding](BODY), {"content-encoding": coding})
    assert answer.status_code == 200


@pytest.mark.parametrize("coding", ["br", "gzip, zstd"])
async def test_another_encoding_is_a_415_that_names_those_that_are_read(world: World, coding: str) -> None:
    answer = await world.post("addCallsToBatch", BODY, {"content-encoding": coding})
    assert_refused(answer, 415, "unsupported_media_type", "Content-Encoding")
    assert answer.headers["accept-encoding"] == "gzip, zstd"


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("damage", ["cut off", "junk after", "plain"])
async def test_a_damaged_compressed_body_is_a_400(world: World, coding: str, damage: str) -> None:
    whole = COMPRESS[coding](BODY)
    body = {"cut off": whole[:-1], "junk after": whole + b"junk", "plain": BODY}[damage]
    answer = await world.post("addCallsToBatch", body, {"content-encoding": coding})
    assert_refused(answer, 400, "bad_request", "Content-Encoding")
    assert world.pipeline.published == []


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_a_bomb_is_a_413_and_leaves_no_bytes_held(coding: str) -> None:
    async with served(body_limit_bytes=1_000_000) as world:
        bomb = COMPRESS[coding](b" " * 50_000_000)
        answer = await world.post("addCallsToBatch", bomb, {"content-encoding": coding})
        assert_refused(answer, 413, "body_too_large")
        assert "1000000" in answer.json()["errorMessage"]
        assert world.app.state.edge.admission.held_bytes == 0


async def test_a_body_that_announces_too_much_is_refused_before_it_is_read() -> None:
    async with served(body_limit_bytes=2000) as world:
        head = f"POST /api/call/addCallsToBatch HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\nconnection: close\r\n"
        answer = await world.bytes_exchanged(f"{head}content-length: 2001\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_body_without_a_length_is_cut_off_at_the_limit() -> None:
    async with served(body_limit_bytes=2000) as world:

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(30):
                yield b" " * 100

        assert_refused(await world.post("addCallsToBatch", pieces()), 413, "body_too_large")
        assert world.pipeline.published == []


async def test_a_body_that_stops_coming_is_a_400() -> None:
    async with served(body_idle_seconds=0.05) as world:
        head = f"POST /api/call/addCallsToBatch HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\nconnection: close\r\n"
        answer = await world.bytes_exchanged(f"{head}content-length: 2000\r\n\r\n{{".encode())
        assert answer.startswith(b"HTTP/1.1 400 ")


async def test_a_client_that_goes_away_in_the_middle_of_its_body_publishes_nothing(world: World) -> None:
    _, writer = await asyncio.open_connection(*world.address)
    head = f"POST /api/call/addCallsToBatch HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\n"
    writer.write(f"{head}content-length: {len(BODY) + 1}\r\n\r\n".encode() + BODY)
    await until(lambda: world.app.state.edge.admission.held_bytes == len(BODY))
    writer.close()
    await until(lambda: world.app.state.edge.admission.requests == 0)
    assert world.pipeline.published == []
    assert world.app.state.edge.admission.held_bytes == 0


async def test_a_body_larger_than_a_message_goes_out_in_several(world: World) -> None:
    answer = await world.send([{**GOOD, "note": "x" * 300}] * 6000)
    assert answer.json()["data"]["added"] == 6000
    firsts = [header(message.headers, "first-index") for message in world.pipeline.raw()]
    assert firsts == [b"0", b"1000", b"2000", b"3000", b"4000", b"5000"]


@pytest.mark.parametrize("key", ["", "df_wrong", "df_key-of-workspace-1x"])
async def test_a_wrong_key_is_a_403(world: World, key: str) -> None:
    assert_refused(await world.send([GOOD], headers={"x-api-key": key}), 403, "forbidden", "x-api-key")


async def test_a_missing_key_is_a_403(world: World) -> None:
    answer = await world.http.post("/api/call/addCallsToBatch", content=BODY)
    assert_refused(answer, 403, "forbidden", "x-api-key")


async def test_a_batch_of_another_workspace_is_a_403(world: World) -> None:
    assert_refused(await world.send([GOOD], OTHER_BATCH), 403, "forbidden", "/batchId")


@pytest.mark.parametrize("batch_id", ["no-such", "batch-1\n", "a\u0000b", "batch-1/../x", "🙂"])
async def test_an_unknown_batch_is_a_404(world: World, batch_id: str) -> None:
    answer = await world.send([GOOD], batch_id.replace("batch-1\n", "batch\n1"))
    assert_refused(answer, 404, "batch_not_found", "/batchId")


async def test_a_batch_without_an_agent_is_a_404_of_its_own(world: World) -> None:
    assert_refused(await world.send([GOOD], BATCH_WITHOUT_AGENT), 404, "agent_not_found", "/batchId")


async def test_a_key_and_a_batch_made_a_moment_ago_elsewhere_are_found(world: World) -> None:
    world.registry.topic += [key_record("df_new", WORKSPACE), batch_record("new", WORKSPACE, "phone-1")]
    assert (await world.send([GOOD], "new", headers={"x-api-key": "df_new"})).status_code == 200


async def test_no_is_not_said_while_the_registry_cannot_be_read(world: World) -> None:
    world.registry.down = True
    answer = await world.send([GOOD], "no-such")
    assert_refused(answer, 503, "bus_unavailable")
    assert int(answer.headers["retry-after"]) > 0


async def test_many_wrong_keys_at_once_cost_two_readings_of_the_registry(world: World) -> None:
    world.registry.held.clear()
    asked = [asyncio.create_task(world.send([GOOD], headers={"x-api-key": f"df_{n}"})) for n in range(20)]
    await until(lambda: world.registry.refreshes == 1)
    world.registry.held.set()
    assert [answer.status_code for answer in await asyncio.gather(*asked)] == [403] * 20
    assert world.registry.refreshes <= 3


@pytest.mark.parametrize("how", ["down", "dead"])
async def test_without_a_broker_nothing_is_published_and_503_comes_within_seconds(how: str) -> None:
    async with served(bus_seconds=0.3) as world:
        setattr(world.pipeline, how, True)
        began = time.monotonic()
        answer = await world.send([GOOD])
        assert time.monotonic() - began < 3
        assert_refused(answer, 503, "bus_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert world.pipeline.published == []


async def test_a_broker_that_answered_just_now_is_not_asked_again() -> None:
    async with served(bus_fresh_seconds=60) as world:
        for _ in range(3):
            await world.send([GOOD])
        assert world.pipeline.readings == 1


async def test_a_lost_answer_of_the_broker_is_a_202_never_a_failure(world: World) -> None:
    world.pipeline.answer_lost = True
    answer = await world.send([GOOD])
    assert answer.status_code == 202
    assert (await world.get(answer.headers["location"])).json()["data"]["added"] == 1


async def test_respond_async_is_answered_at_once_with_the_place_of_the_report(world: World) -> None:
    world.pipeline.silent = True
    answer = await world.send([GOOD], headers={"prefer": "respond-async"})
    envelope = answer.json()
    assert (answer.status_code, envelope["status"], envelope["code"]) == (202, False, 202)
    assert answer.headers["preference-applied"] == "respond-async"
    assert answer.headers["location"] == f"/api/call/submissions/{envelope['data']['submissionId']}"


async def test_a_short_wait_that_runs_out_is_a_202(world: World) -> None:
    world.pipeline.silent = True
    answer = await world.send([GOOD], headers={"prefer": "handling=strict, wait=0"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "wait=0")


async def test_a_report_that_is_known_in_time_is_not_a_202(world: World) -> None:
    answer = await world.send([GOOD], headers={"prefer": "wait=4"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=4")


async def test_a_process_that_reads_no_partition_learns_the_report_from_the_store(world: World) -> None:
    world.receipts.partitions = []
    answer = await world.send([GOOD, BAD])
    assert answer.status_code == 207
    assert header(world.pipeline.raw()[0].headers, "report-partition") is None


async def test_a_request_whose_partition_moves_away_learns_the_report_from_the_store(world: World) -> None:
    world.pipeline.silent = True
    sending = asyncio.create_task(world.send([GOOD]))
    await until(lambda: bool(world.pipeline.announced()))
    accepted = world.pipeline.announced()[0]
    world.receipts.partitions = [5]
    call_id = call_ids(BATCH, [("12125551001", 0)])
    receipt = Receipt(
        submission_id=accepted.submission_id,
        workspace_id=WORKSPACE,
        batch_id=BATCH,
        first_index=0,
        size=1,
        total=1,
        added=1,
        failed=0,
        accepted_at=0,
        call_ids=call_id,
    )
    world.store.take([receipt], [])
    assert (await sending).status_code == 200


async def test_the_store_being_down_while_waiting_for_it_is_a_202_in_the_end() -> None:
    async with served(wait_seconds=0.7) as world:
        world.receipts.partitions = []
        world.store.down = True
        assert (await world.send([GOOD])).status_code == 202


async def test_too_many_waiting_requests_are_a_429_and_publish_nothing() -> None:
    async with served(max_waiting=1) as world:
        world.pipeline.held.clear()
        first = asyncio.create_task(world.send([GOOD]))
        await until(lambda: world.app.state.edge.admission.requests == 1)
        answer = await world.send([GOOD])
        assert_refused(answer, 429, "overloaded")
        assert int(answer.headers["retry-after"]) > 0
        world.pipeline.held.set()
        assert (await first).status_code == 200
        assert len(world.pipeline.raw()) == 1


async def test_too_many_bytes_on_their_way_are_a_429_and_are_free_again_once_published() -> None:
    async with served(max_held_bytes=1024 * 1024) as world:
        large = [{**GOOD, "note": "x" * 600_000}]
        world.pipeline.held.clear()
        first = asyncio.create_task(world.send(large))
        await until(lambda: world.app.state.edge.admission.held_bytes > 600_000)
        assert_refused(await world.send(large), 429, "overloaded")
        world.pipeline.held.set()
        assert (await first).status_code == 200
        assert world.app.state.edge.admission.held_bytes == 0
        assert (await world.send(large)).status_code == 200


async def test_a_request_that_waits_for_its_report_holds_no_bytes(world: World) -> None:
    world.pipeline.silent = True
    sending = asyncio.create_task(world.send([GOOD]))
    await until(lambda: bool(world.pipeline.announced()))
    await until(lambda: world.app.state.edge.admission.held_bytes == 0)
    assert world.app.state.edge.admission.requests == 1
    world.stop.set()
    await sending


async def test_bytes_are_held_until_they_are_published_even_if_the_answer_comes_first() -> None:
    async with served(wait_seconds=0.05) as world:
        world.pipeline.held.clear()
        assert (await world.send([GOOD])).status_code == 202
        assert world.app.state.edge.admission.held_bytes > 0
        world.pipeline.held.set()
        await until(lambda: world.app.state.edge.admission.held_bytes == 0)
        assert len(world.pipeline.raw()) == 1


async def test_a_client_that_goes_away_after_publishing_began_stops_nothing(world: World) -> None:
    world.pipeline.held.clear()
    _, writer = await asyncio.open_connection(*world.address)
    head = f"POST /api/call/addCallsToBatch HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\n"
    writer.write(f"{head}content-length: {len(BODY)}\r\n\r\n".encode() + BODY)
    await until(lambda: len(world.app.state.edge.bus._publishing) == 1)
    writer.close()
    await writer.wait_closed()
    world.pipeline.held.set()
    await until(lambda: bool(world.store.submissions))
    [submission_id] = world.store.submissions
    assert (await world.get(f"/api/call/submissions/{submission_id}")).json()["data"]["complete"] is True


async def test_stopping_answers_those_who_wait_with_202(world: World) -> None:
    world.pipeline.silent = True
    sending = asyncio.create_task(world.send([GOOD]))
    await until(lambda: bool(world.pipeline.announced()))
    world.stop.set()
    assert (await asyncio.wait_for(sending, 3)).status_code == 202


async def test_an_unexpected_failure_is_a_500_without_content_in_log_or_answer(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken() -> None:
        raise RuntimeError("+12125551001 is a secret")

    world.pipeline.ready = broken  # type: ignore[method-assign]
    answer = await world.send([GOOD])
    assert_refused(answer, 500, "internal")
    assert "secret" not in answer.text
    captured = capsys.readouterr()
    assert "request_failed" in captured.out + captured.err
    assert "secret" not in captured.out + captured.err
