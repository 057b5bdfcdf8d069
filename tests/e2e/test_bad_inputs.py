"""What a caller can send, and what it leads to: the same through HTTP, through the raw topic, and as a bare record.

Each row says what is wrong with one record; a good record stands before and one behind it where there is room.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.support.installation import Installation, failed_records
from tests.support.samples import record

pytestmark = pytest.mark.asyncio(loop_scope="session")

Wrong = set[tuple[str, str]]


def spoilt(**fields: Any) -> bytes:
    return json.dumps(record(5, **fields)).encode()


def without(*names: str) -> bytes:
    return json.dumps({name: value for name, value in record(5).items() if name not in names}).encode()


PHONE = "/phoneNumber"
ROWS: dict[str, tuple[bytes, Wrong]] = {
    "text": (b'"x"', {("not_an_object", "")}),
    "number": (b"3", {("not_an_object", "")}),
    "array": (b"[]", {("not_an_object", "")}),
    "null": (b"null", {("not_an_object", "")}),
    "phone-missing": (without("phoneNumber"), {("required", PHONE)}),
    "phone-null": (spoilt(phoneNumber=None), {("required", PHONE)}),
    "phone-empty": (spoilt(phoneNumber=""), {("required", PHONE)}),
    "phone-blank": (spoilt(phoneNumber=" \t\u00a0"), {("required", PHONE)}),
    "phone-long-integer": (spoilt(phoneNumber=1212555100112345), {("type", PHONE)}),
    "phone-float": (b'{"phoneNumber":12125551001.0,"name":"n","amount":1}', {("type", PHONE)}),
    "phone-exponent": (b'{"phoneNumber":1.2e10,"name":"n","amount":1}', {("type", PHONE)}),
    "phone-true": (spoilt(phoneNumber=True), {("type", PHONE)}),
    "phone-letters": (spoilt(phoneNumber="+1212555FLOW"), {("phone_invalid", PHONE)}),
    "phone-short": (spoilt(phoneNumber="+1212555"), {("phone_invalid", PHONE)}),
    "phone-long": (spoilt(phoneNumber="+121255510011234"), {("phone_invalid", PHONE)}),
    "phone-national": (spoilt(phoneNumber="(650) 555-0125"), {("phone_invalid", PHONE)}),
    "phone-national-integer": (spoilt(phoneNumber=6505550125), {("phone_invalid", PHONE)}),
    "phone-two": (spoilt(phoneNumber="+49 30 901820 / 901821"), {("phone_invalid", PHONE)}),
    "phone-impossible": (spoilt(phoneNumber="+999123456789"), {("phone_invalid", PHONE)}),
    "several": (
        b'{"name":7,"visits":"3","timezone":"Mars/Base"}',
        {
            ("required", PHONE),
            ("type", "/name"),
            ("required", "/amount"),
            ("type", "/visits"),
            ("timezone_unknown", "/timezone"),
        },
    ),
    "int-true": (spoilt(visits=True), {("type", "/visits")}),
    "int-float": (b'{"phoneNumber":"+12125550005","name":"n","amount":1,"visits":3.0}', {("type", "/visits")}),
    "int-text": (spoilt(visits="3"), {("type", "/visits")}),
    "int-range": (spoilt(visits=2**31), {("out_of_range", "/visits")}),
    "infinite": (b'{"phoneNumber":"+12125550005","name":"n","amount":1e999}', {("not_finite", "/amount")}),
    "nan": (b'{"phoneNumber":"+12125550005","name":"n","amount":NaN}', {("not_finite", "/amount")}),
    "infinity": (b'{"phoneNumber":"+12125550005","name":"n","amount":-Infinity}', {("not_finite", "/amount")}),
    "digits": (
        b'{"phoneNumber":"+12125550005","name":"n","amount":1,"x":' + b"9" * 5000 + b"}",
        {("not_finite", "/x")},
    ),
    "surrogate": (b'{"phoneNumber":"+12125550005","name":"\\ud800","amount":1}', {("invalid_text", "/name")}),
    "utf-8": (b'{"phoneNumber":"+12125550005","name":"\xff","amount":1}', {("invalid_text", "")}),
    "deep": (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", {("too_large", "")}),
    "deep-but-short": (b'{"x":' + b"[" * 5_000 + b"]" * 5_000 + b"}", {("too_deep", "")}),
    "zone-unknown": (spoilt(timezone="Eastern"), {("timezone_unknown", "/timezone")}),
    "zone-offset": (spoilt(timezone="+05:30"), {("timezone_unknown", "/timezone")}),
    "zone-number": (spoilt(timezone=5), {("type", "/timezone")}),
    "large": (spoilt(note="x" * 17_000), {("too_large", "")}),
    "required-missing": (without("name"), {("required", "/name")}),
}


def around(middle: bytes) -> bytes:
    good = [json.dumps(record(number)).encode() for number in (1, 2)]
    return b'{"batchId":"b","call_data":[' + b",".join([good[0], middle, good[1]]) + b"]}"


@pytest.mark.parametrize("row", ROWS)
async def test_over_http_it_fails_alone(running: Installation, row: str) -> None:
    sent, expected = ROWS[row]
    answer = await running.post_bytes(around(sent))
    assert answer.status_code == 207
    data = answer.json()["data"]
    assert (data["added"], len(data["callIds"])) == (2, 2)
    assert failed_records(data) == {1: expected}


@pytest.mark.parametrize("row", ROWS)
async def test_through_the_raw_topic_it_fails_alone(running: Installation, row: str) -> None:
    sent, expected = ROWS[row]
    submission_id = str(uuid.uuid4())
    await running.bus.produce(around(sent), submission_id=submission_id)
    data = await running.report(submission_id)
    assert (data["added"], data["failed"], data["total"]) == (2, 1, 3)
    assert failed_records(data) == {1: expected}


@pytest.mark.parametrize("row", ROWS)
async def test_as_a_bare_record_it_fails_with_the_same_errors(running: Installation, row: str) -> None:
    sent, expected = ROWS[row]
    data = await running.report(await running.bus.produce_record(sent))
    assert (data["added"], data["failed"], data["total"]) == (0, 1, 1)
    assert failed_records(data) == {0: expected}


async def test_fifty_chunks_of_rubbish_are_a_400_and_the_breaker_stays_closed(running: Installation) -> None:
    answer = await running.post(*[{"x": number} for number in range(50_000)])
    data = answer.json()["data"]
    assert (answer.status_code, data["errors"][0]["code"]) == (400, "no_valid_record")
    assert [chunk["failed"] for chunk in data["failedChunks"]] == [1000] * 50
    assert (await running.post(record(1))).status_code == 200
    assert "breaker_open" not in running.log()


async def test_a_batch_id_with_a_line_break_is_unknown_and_forges_no_log_line(running: Installation) -> None:
    forged = '\n{"event": "forged"}\n'
    body = json.dumps({"batchId": f"b{forged}b", "call_data": [record(1)]}).encode()
    assert (await running.post_bytes(body)).status_code == 404
    submission_id = str(uuid.uuid4())
    await running.bus.produce(body, submission_id=submission_id, batch_id=forged, workspace_id=forged)
    (letter,) = await running.bus.dead_letters(submission_id, 1)
    assert (letter.errors[0].code, letter.batch_id) == ("batch_unknown", f"b{forged}b")
    assert not any("forged" in line and not line.startswith('{"') for line in running.log().splitlines())
    assert '{"event": "forged"}' not in running.log().splitlines()


GOOD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "punctuation": ({"phoneNumber": "+1 (212) 555-1001"}, {"phoneNumber": "+12125551001"}),
    "two-zeros": ({"phoneNumber": "0012125551001"}, {"phoneNumber": "+12125551001"}),
    "full-width": ({"phoneNumber": "１２１２５５５１００１"}, {"phoneNumber": "+12125551001"}),
    "integer": ({"phoneNumber": 12125551001}, {"phoneNumber": "+12125551001"}),
    "extra-keys": ({"phoneNumber": "12125551001", "x": {"y": [1, None]}}, {"x": {"y": [1, None]}}),
    "zone-empty": ({"phoneNumber": "12125551001", "timezone": ""}, {"timezoneSource": "number"}),
    "zone-null": ({"phoneNumber": "12125551001", "timezone": None}, {"timezoneSource": "number"}),
    "phone-invisible": ({"phoneNumber": "\u061c1212\u200b5551001"}, {"phoneNumber": "+12125551001"}),
    "zone-invisible": ({"phoneNumber": "12125551001", "timezone": "\ufeffAsia/Tokyo"}, {"timezone": "Asia/Tokyo"}),
    "zone-of-two": (
        {"phoneNumber": "+558132345678"},
        {
            "timezone": "UTC",
            "timezoneSource": "default",
            "timezoneConfidence": "candidates",
            "timezoneCandidates": ["America/Recife", "America/Noronha"],
        },
    ),
    "zone-certain": (
        {"phoneNumber": "12125551001"},
        {"timezoneConfidence": "certain", "timezoneCandidates": [], "phoneNumberReadAs": "international"},
    ),
    "zone-given": (
        {"phoneNumber": "12125551001", "timezone": "Asia/Kolkata"},
        {"timezone": "Asia/Kolkata", "timezoneSource": "record"},
    ),
}


@pytest.mark.parametrize("row", GOOD)
async def test_what_is_odd_but_right_is_stored(running: Installation, row: str) -> None:
    sent, expected = GOOD[row]
    batch = await new_batch(running)
    answer = await running.post(record() | sent, batch=batch)
    assert answer.status_code == 200
    (contact,) = await running.contacts(batch)
    assert contact.items() >= expected.items()


async def test_a_national_number_of_the_batchs_country_is_read_and_the_row_says_so(running: Installation) -> None:
    batch = await new_batch(running, country="us")
    national = record() | {"phoneNumber": "(650) 555-0125"}
    answer = await running.post(national, record() | {"phoneNumber": 442079460123}, batch=batch)
    assert (answer.status_code, answer.json()["data"]["added"]) == (200, 2)
    submission_id = await running.bus.produce_record(json.dumps(record() | {"phoneNumber": 2125550126}).encode(), batch)
    assert (await running.report(submission_id))["added"] == 1
    read_as = {one["phoneNumber"]: one["phoneNumberReadAs"] for one in await running.contacts(batch)}
    assert read_as == {
        "+16505550125": "national:US",
        "+442079460123": "international",
        "+12125550126": "national:US",
    }
    page = await running.http.get(
        f"/api/call/batch-details/{batch}", params={"filter": '{"phoneNumberReadAs": "national:US"}'}
    )
    assert (page.json()["data"]["country"], page.json()["data"]["total"]) == ("US", 2)


async def test_a_country_that_does_not_exist_makes_no_batch(running: Installation) -> None:
    asked = {"batchName": "test", "callingNumbers": ["n"], "country": "UK"}
    answer = await running.http.post("/api/call/createBatch", json=asked)
    (error,) = answer.json()["data"]["errors"]
    assert (answer.status_code, error["path"]) == (400, "/country")
    assert "GB" in error["message"]


async def new_batch(running: Installation, **fields: Any) -> str:
    asked = {"batchName": "test", "callingNumbers": ["n"], **fields}
    answer = await running.http.post("/api/call/createBatch", json=asked)
    assert answer.status_code == 201
    batch: str = answer.json()["data"]
    return batch


MESSAGES: dict[str, tuple[bytes | None, Wrong]] = {
    "rubbish": (b"\x00\x01rubbish", {("undecodable", "")}),
    "tombstone": (None, {("empty_value", "")}),
    "empty": (b"", {("empty_value", "")}),
    "no-batch": (b'{"call_data":[{}]}', {("batch_missing", "/batchId")}),
    "unknown-batch": (b'{"batchId":"gone","call_data":[{}]}', {("batch_unknown", "/batchId")}),
    "no-agent": (b'{"batchId":"unassigned","call_data":[{}]}', {("agent_unknown", "/batchId")}),
    "no-records": (b'{"batchId":"b","call_data":[]}', {("empty_value", "/call_data")}),
    "not-an-array": (b'{"batchId":"b","call_data":{}}', {("type", "/call_data")}),
    "batch-a-number": (b'{"batchId":1,"call_data":[{}]}', {("type", "/batchId")}),
}


@pytest.mark.parametrize("row", MESSAGES)
async def test_a_message_that_http_would_refuse_is_dead_lettered(running: Installation, row: str) -> None:
    value, expected = MESSAGES[row]
    submission_id = str(uuid.uuid4())
    await running.bus.produce(value, key=b"", submission_id=submission_id)
    letters = await running.bus.dead_letters(submission_id, 1)
    assert [{(error.code.value, error.path) for error in letter.errors} for letter in letters] == [expected]
    assert letters[0].record in (value or b"", b"{}")


OWN: dict[str, tuple[bytes, str, Wrong]] = {
    "no-agent": (json.dumps(record(1)).encode(), "unassigned", {("agent_unknown", "/batchId")}),
    "empty": (b"", "b", {("empty_value", "")}),
}


@pytest.mark.parametrize("row", OWN)
async def test_the_report_of_what_is_rejected_whole_is_read_by_the_batchs_workspace(
    running: Installation, row: str
) -> None:
    value, batch, expected = OWN[row]
    data = await running.report(await running.bus.produce_record(value, batch))
    assert (data["batchId"], data["failed"], failed_records(data)) == (batch, 1, {0: expected})


async def test_the_report_of_a_message_that_cannot_be_cut_is_read_by_the_workspace_of_its_batch(
    running: Installation,
) -> None:
    submission_id = str(uuid.uuid4())
    await running.bus.produce(b'{"batchId":"b","call_data":{}}', submission_id=submission_id)
    data = await running.report(submission_id)
    assert (data["batchId"], failed_records(data)) == ("b", {0: {("type", "/call_data")}})
