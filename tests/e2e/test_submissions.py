"""The main job: what is sent is stored, what failed is reported, and the report is true."""

from __future__ import annotations

import gzip
import json
import uuid

import pytest

from schemas.identity import submission_id_of
from schemas.topics import TopicName
from tests.e2e.test_bad_inputs import new_batch
from tests.support.bus import OTHER_API_KEY
from tests.support.installation import Installation, failed_records
from tests.support.samples import body, record, records

pytestmark = pytest.mark.asyncio(loop_scope="session")


def many(count: int) -> list[dict[str, object]]:
    return [record() | {"phoneNumber": f"1{2120000000 + number}", "row": number} for number in range(count)]


async def test_twenty_thousand_records_in_one_request(running: Installation) -> None:
    batch = await new_batch(running)
    answer = await running.post(*many(20_000), batch=batch)
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert (data["added"], len(data["callIds"])) == (20_000, 20_000)
    stored = {contact["row"]: contact["callId"] for contact in await running.contacts(batch)}
    assert data["callIds"] == [stored[row] for row in range(20_000)]


async def test_mistakes_in_two_of_three_chunks_name_exactly_those(running: Installation) -> None:
    batch = await new_batch(running)
    sent = many(2500)
    wrong = {3: "amount", 999: "name", 2000: "amount", 2499: "name"}
    for index, field in wrong.items():
        sent[index][field] = None
    answer = await running.post(*sent, batch=batch)
    assert answer.status_code == 207
    data = answer.json()["data"]
    chunks = [(c["chunkNum"], c["firstIndex"], c["size"], c["added"], c["failed"]) for c in data["failedChunks"]]
    assert chunks == [(1, 0, 1000, 998, 2), (3, 2000, 500, 498, 2)]
    assert failed_records(data) == {index: {("required", f"/{field}")} for index, field in wrong.items()}
    rows = {contact["row"] for contact in await running.contacts(batch)}
    assert rows == set(range(2500)) - wrong.keys()


async def test_a_direct_producers_report_is_read_by_the_id_it_gave(running: Installation) -> None:
    submission_id = f"run-{uuid.uuid4()}"
    await running.bus.produce(body(*records(1500)), submission_id=submission_id)
    data = await running.report(submission_id)
    assert (data["total"], data["added"], data["failedChunks"]) == (1500, 1500, [])
    assert len(data["callIds"]) == 1500


async def test_without_an_id_the_messages_place_gives_one(running: Installation) -> None:
    await running.bus.produce(body(record(1)), key=b"place")
    messages = await running.bus.read(TopicName.RAW, lambda found: any(m.key == b"place" for m in found))
    sent = next(message for message in messages if message.key == b"place")
    data = await running.report(submission_id_of(sent.topic, sent.partition, sent.offset))
    assert data["added"] == 1


async def test_both_ways_in_give_the_same_row(running: Installation) -> None:
    over_http, over_kafka = await new_batch(running), await new_batch(running)
    await running.post(record(1, timezone="Europe/Paris"), batch=over_http)
    submission_id = str(uuid.uuid4())
    message = body(record(1, timezone="Europe/Paris"), batch=over_kafka)
    await running.bus.produce(message, submission_id=submission_id)
    await running.report(submission_id)
    rows = [(await running.contacts(batch))[0] for batch in (over_http, over_kafka)]
    own = {"_id", "callId", "createdAt", "phoneLogs"}
    shown = [{name: value for name, value in row.items() if name not in own} for row in rows]
    assert shown[0] == shown[1]


async def test_a_number_sent_twice_counts_twice_and_the_later_values_win(running: Installation) -> None:
    batch = await new_batch(running)
    answer = await running.post(record(1, name="first"), record(2), record(1, name="second"), batch=batch)
    data = answer.json()["data"]
    assert (answer.status_code, data["added"]) == (200, 3)
    assert data["callIds"][0] == data["callIds"][2] != data["callIds"][1]
    names = {contact["phoneNumber"]: contact["name"] for contact in await running.contacts(batch)}
    assert names == {"+12125550001": "second", "+12125550002": "Ann Example"}


async def test_a_pending_contact_is_updated_under_the_same_call_id(running: Installation) -> None:
    batch = await new_batch(running)
    first = await running.post(record(1, name="before", old=1), batch=batch)
    second = await running.post(record(1, name="after"), batch=batch)
    assert first.json()["data"]["callIds"] == second.json()["data"]["callIds"]
    (contact,) = await running.contacts(batch)
    assert contact["name"] == "after"
    assert "old" not in contact
    assert len(contact["phoneLogs"]) == 1


async def test_only_bad_records_are_a_400_with_a_report(running: Installation) -> None:
    answer = await running.post(*[{}] * 1200)
    assert answer.status_code == 400
    data = answer.json()["data"]
    assert [chunk["failed"] for chunk in data["failedChunks"]] == [1000, 200]
    assert [(len(c["records"]), c["recordsOmitted"]) for c in data["failedChunks"]] == [(100, 900), (100, 100)]
    later = await running.report(data["submissionId"])
    assert (later["total"], later["failed"], later["added"]) == (1200, 1200, 0)


async def test_the_report_can_be_read_again_and_is_the_same(running: Installation) -> None:
    answer = await running.post(record(1), record(2, amount="x"))
    data = answer.json()["data"]
    later = await running.report(data["submissionId"])
    assert (later["callIds"], later["failedChunks"]) == (data["callIds"], data["failedChunks"])


async def test_the_order_of_the_messages_does_not_matter_the_accepted_time_does(running: Installation) -> None:
    batch = await new_batch(running)
    for number in range(5):
        await running.post(record(1, round=number), batch=batch)
    (contact,) = await running.contacts(batch)
    assert contact["round"] == 4


async def test_a_gzip_body_is_read(running: Installation) -> None:
    answer = await running.post_bytes(gzip.compress(body(record(1))), content_encoding="gzip")
    assert answer.status_code == 200


async def test_what_curl_d_sends_is_read(running: Installation) -> None:
    answer = await running.post_bytes(body(record(1)), content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200


async def test_another_workspace_sees_nothing(running: Installation) -> None:
    answer = await running.post(record(1))
    submission = answer.json()["data"]["submissionId"]
    other = {"x-api-key": OTHER_API_KEY}
    foreign = await running.http.post("/api/call/addCallsToBatch", content=body(record(1)), headers=other)
    assert foreign.status_code == 403
    for path in (f"/api/call/submissions/{submission}", "/api/call/batch-details/b"):
        assert (await running.http.get(path, headers=other)).status_code == 404


@pytest.mark.parametrize(("batch", "code"), [("gone", 404), ("unassigned", 404), ("x\ny", 404)])
async def test_a_batch_that_cannot_be_called_is_not_found(running: Installation, batch: str, code: int) -> None:
    assert (await running.post(record(1), batch=batch)).status_code == code


async def test_a_wrong_key_is_forbidden(running: Installation) -> None:
    assert (await running.post(record(1), x_api_key="df_wrong")).status_code == 403


async def test_a_record_larger_than_a_message_fails_alone_with_its_bytes(running: Installation) -> None:
    large = json.dumps(record(1, note="x" * 2_000_000))
    answer = await running.post_bytes(f'{{"batchId":"b","call_data":[{large},{json.dumps(record(2))}]}}'.encode())
    data = answer.json()["data"]
    assert (answer.status_code, failed_records(data)) == (207, {0: {("too_large", "")}})
    (letter,) = await running.bus.dead_letters(data["submissionId"], 1)
    assert letter.record == large.encode()


async def test_no_phone_number_key_or_value_is_logged(running: Installation) -> None:
    await running.post(record(4321, name="Wilhelmina Secret"), record(4322, amount="Xanadu"))
    said = running.log()
    assert "submission_answered" in said
    assert not any(text in said for text in ("12125554321", "12125554322", "Wilhelmina", "Xanadu", "df_test-key"))
