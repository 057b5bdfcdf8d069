"""upload over a real socket, with a pipeline in memory behind it."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pytest
from msgspec.structs import replace

from schemas.messages import TryAgainError, header
from schemas.records import Agent, AgentVersion
from tests.support.edge import World, served, until
from tests.support.known import KEY, OTHER_KEY, OTHER_PHONE
from tests.support.samples import SCHEMA
from tests.support.uploads import (
    BAD_AMOUNT,
    BAD_NUMBER,
    GOOD,
    HEADER,
    campaign_records,
    errors_by_row,
    form,
    packed,
    table,
    xlsx,
)


@asynccontextmanager
async def uploads(**settings: Any) -> AsyncIterator[World]:
    async with served(**settings) as world:
        for record in campaign_records():
            world.registry.state.apply(record)
        yield world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with uploads() as made:
        yield made


async def send(world: World, content: bytes, key: str = KEY, **options: Any) -> httpx.Response:
    fields = options.pop("fields", form(type="true"))
    headers = {"x-api-key": key, **options.pop("headers", {})}
    files = {options.pop("field", "file"): ("contacts.csv", content)}
    return await world.http.post("/api/call/upload", data=fields, files=files, headers=headers)


def sent(world: World) -> list[Any]:
    """Return the records published, in their order."""
    messages = sorted(world.pipeline.raw(), key=lambda message: int(header(message.headers, "first-index") or b""))
    return [record for message in messages for record in json.loads(message.value or b"")["call_data"]]


async def test_a_table_becomes_a_batch_with_its_calls(world: World) -> None:
    answer = await send(world, table(GOOD, "12125551003,Cid,1,0"), fields=form(type="false", retry="2", delay="60"))
    assert answer.status_code == 201
    envelope = answer.json()
    data = envelope["data"]
    assert (envelope["status"], envelope["errorMessage"]) == (True, "")
    assert (data["totalCalls"], data["added"], data["failedRows"]) == (2, 2, [])
    batch = world.registry.state.batches[data["batchId"]]
    assert (batch.name, batch.retry, batch.delay) == ("Spring", 2, 60)
    assert data["submissionId"] == world.pipeline.announced()[0].submission_id


async def test_cells_are_sent_as_the_type_that_the_schema_declares(world: World) -> None:
    await send(world, table("12125551001,007,12.50,3,x", header=HEADER + ",other"))
    assert sent(world) == [{"phoneNumber": "12125551001", "name": "007", "amount": 12.5, "visits": 3, "other": "x"}]


async def test_a_workbook_is_read_as_well_whatever_its_name(world: World) -> None:
    content = xlsx(["Phone Number", "name", "amount"], [12125551001, "Ann", 12.5], ["+1 212 555 1002", 7, 1])
    assert (await send(world, content)).json()["data"]["added"] == 2
    assert sent(world) == [
        {"phoneNumber": "12125551001", "name": "Ann", "amount": 12.5},
        {"phoneNumber": "+1 212 555 1002", "name": "7", "amount": 1},
    ]


@pytest.mark.parametrize(("type_", "status"), [("true", 201), ("false", 422)])
async def test_every_line_that_a_broken_quote_hides_is_a_failed_row(world: World, type_: str, status: int) -> None:
    rows = table('12125551001,"Ann,1,1', "12125551002,Bob,1,1", '12125551003,"Cem",1,1', "12125551004,Dee,1,1")
    answer = await send(world, rows, fields=form(type=type_))
    data = answer.json()["data"]
    assert (answer.status_code, data["totalCalls"]) == (status, 4)
    assert [(one["row"], one["lines"]) for one in data["failedRows"]] == [(2, [2, 3, 4]), (3, [3]), (4, [4])]
    assert [record["name"] for record in sent(world)] == ["Dee"] * (status == 201)


async def test_an_answer_counts_hidden_rows_and_names_sheets_that_were_not_read(world: World) -> None:
    made = openpyxl.Workbook()
    made.active.title = "First"
    for row in (["phoneNumber", "name", "amount"], [12125551001, "Ann", 1], [12125551002, "Bob", 2]):
        made.active.append(row)
    made.active.row_dimensions[3].hidden = True
    made.create_sheet("Second").append(["phoneNumber"])
    file = io.BytesIO()
    made.save(file)
    data = (await send(world, file.getvalue())).json()["data"]
    assert (data["added"], data["hiddenRows"], "encoding" in data) == (2, 1, False)
    assert [(one["code"], "not: Second" in one["message"]) for one in data["warnings"]] == [("sheet_not_read", True)]


async def test_an_answer_says_in_which_encoding_the_file_was_read(world: World) -> None:
    rows = table(*[f"1212555{n:04},{name},1,1" for n, name in enumerate(["Łódź", "Świętosław", "Jędrzej", "Paweł"])])
    data = (await send(world, rows.decode().encode("cp1250"))).json()["data"]
    assert (data["encoding"], data["encodingGuessed"]) == ("windows-1250", True)
    assert [record["name"] for record in sent(world)] == ["Łódź", "Świętosław", "Jędrzej", "Paweł"]
    data = (await send(world, table(GOOD))).json()["data"]
    assert (data["encoding"], data["encodingGuessed"]) == ("utf-8", False)


async def test_an_encoding_that_is_not_clear_is_asked_for(world: World) -> None:
    rows = table("12125551001,Thérèse,1,1").decode().encode("cp1252")
    answer = await send(world, rows)
    (error,) = answer.json()["data"]["errors"]
    assert (answer.status_code, error["code"], error["path"]) == (400, "field_invalid", "/encoding")
    assert "windows-1252" in error["message"]
    answer = await send(world, rows, fields=form(encoding="windows-1252"))
    assert (answer.status_code, sent(world)[0]["name"]) == (201, "Thérèse")


async def test_invalid_rows_are_left_out_and_named_with_all_their_errors(world: World) -> None:
    answer = await send(world, table(GOOD, BAD_AMOUNT, "", "123,,x,y"))
    data = answer.json()["data"]
    assert (answer.status_code, data["totalCalls"], data["added"], data["failedRowsOmitted"]) == (201, 3, 1, 0)
    assert errors_by_row(data) == {
        3: {("type", "/amount")},
        5: {("phone_invalid", "/phoneNumber"), ("required", "/name"), ("type", "/amount"), ("type", "/visits")},
    }
    assert [record["name"] for record in sent(world)] == ["Ann"]


async def test_one_invalid_row_refuses_the_file_unless_type_is_true_and_nothing_is_stored(world: World) -> None:
    for fields in (form(type="false"), form()):
        answer = await send(world, table(GOOD, BAD_AMOUNT, BAD_NUMBER), fields=fields)
        data = answer.json()["data"]
        assert (answer.status_code, data["errors"][0]["code"], data["errors"][0]["path"]) == (
            422,
            "invalid_rows",
            "/type",
        )
        assert errors_by_row(data) == {3: {("type", "/amount")}, 4: {("phone_invalid", "/phoneNumber")}}
    assert world.pipeline.published == []


async def test_the_first_of_a_duplicated_number_wins_however_it_is_written(world: World) -> None:
    rows = table(GOOD, "+1 (212) 555-1001,Bob,1,1", "12125551003,Cid,1,1")
    answer = await send(world, rows, fields=form(type="false"))
    data = answer.json()["data"]
    assert (answer.status_code, data["totalCalls"], data["added"]) == (201, 3, 2)
    assert errors_by_row(data) == {3: {("duplicate", "/phoneNumber")}}
    assert "row 2" in data["failedRows"][0]["errors"][0]["message"]
    assert [record["name"] for record in sent(world)] == ["Ann", "Cid"]


async def test_a_number_of_an_invalid_row_is_free_for_the_next_one(world: World) -> None:
    answer = await send(world, table("12125551001,Ann,x,1", "12125551001,Bob,1,1"))
    assert errors_by_row(answer.json()["data"]) == {2: {("type", "/amount")}}
    assert [record["name"] for record in sent(world)] == ["Bob"]


async def test_no_valid_row_is_a_400_and_makes_no_batch(world: World) -> None:
    answer = await send(world, table(BAD_AMOUNT, BAD_NUMBER))
    data = answer.json()["data"]
    assert (answer.status_code, data["errors"][0]["code"], len(data["failedRows"])) == (400, "no_valid_record", 2)
    assert world.pipeline.published == []


async def test_a_row_that_only_the_workers_refuse_is_named_by_its_row(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.loopback.phone_number_sent", lambda record: None if b"Bob" in record else "+1")
    answer = await send(world, table(BAD_NUMBER, GOOD, "12125551003,Bob,1,1", "12125551004,Cid,1,1"))
    envelope = answer.json()
    assert (answer.status_code, envelope["status"], envelope["data"]["added"]) == (201, False, 2)
    assert errors_by_row(envelope["data"]) == {
        2: {("phone_invalid", "/phoneNumber")},
        4: {("required", "/phoneNumber")},
    }


async def test_many_chunks_carry_their_place_and_the_total(world: World) -> None:
    rows = [f"1212{n:07},Ann,1,1" for n in range(2_000_000, 2_012_500)]
    rows[5000] = BAD_NUMBER
    data = (await send(world, table(*rows))).json()["data"]
    assert (data["totalCalls"], data["added"], [one["row"] for one in data["failedRows"]]) == (12_500, 12_499, [5002])
    places = sorted(int(header(message.headers, "first-index") or b"") for message in world.pipeline.raw())
    assert places[0] == 0
    assert all(place % 1000 == 0 for place in places)
    assert {header(message.headers, "total") for message in world.pipeline.raw()} == {b"12499"}
    assert [record["phoneNumber"] for record in sent(world)] == [
        row.partition(",")[0] for row in rows if row != BAD_NUMBER
    ]


async def test_more_failed_rows_than_an_answer_shows_are_counted(world: World) -> None:
    data = (await send(world, table(GOOD, *[BAD_NUMBER] * 10_005))).json()["data"]
    assert (len(data["failedRows"]), data["failedRowsOmitted"], data["totalCalls"]) == (10_000, 5, 10_006)


WRONG: list[tuple[dict[str, str], str]] = [
    (form(batchName=" "), "/batchName"),
    (form(callingNumbers="phone-1"), "/callingNumbers"),
    (form(callingNumbers="[]"), "/callingNumbers"),
    (form(phone="gone"), "/callingNumbers/0"),
    (form(phone=OTHER_PHONE), "/callingNumbers/0"),
    (form(type="maybe"), "/type"),
    (form(retry="many"), "/retry"),
    (form(delay="-1"), "/delay"),
    (form(timezone="Mars/Base"), "/timezone"),
    (form(callingHour='{"start": "9"}'), "/callingHour/start"),
    (form(callingHour="9-17"), "/callingHour"),
    (form(allowedDays="[7]"), "/allowedDays/0"),
    (form(type="yes"), "/type"),
    (form(retry="3.5"), "/retry"),
    (form(retry="99"), "/retry"),
    (form(delay="soon"), "/delay"),
    (form(callingHour='{"start": "17:00", "end": "17:00"}'), "/callingHour"),
    (form(callingHour='["09:00"]'), "/callingHour"),
    (form(allowedDays="monday"), "/allowedDays"),
    (form(allowedDays="[1, 1]"), "/allowedDays"),
    (form(callingNumbers='{"a": 1}'), "/callingNumbers"),
    (form(batchType="sideways"), "/batchType"),
    (form(encoding="klingon"), "/encoding"),
]


@pytest.mark.parametrize("batch_type", ["outbound", "mixed", " Outbound ", ""])
async def test_the_hosted_services_batch_types_are_taken(world: World, batch_type: str) -> None:
    assert (await send(world, table(GOOD), fields=form(batchType=batch_type))).status_code == 201


async def test_a_wrong_batch_type_is_told_which_there_are(world: World) -> None:
    answer = await send(world, table(GOOD), fields=form(batchType="sideways"))
    assert answer.json()["data"]["errors"][0]["message"] == "batchType: must be outbound or mixed"


@pytest.mark.parametrize(("fields", "path"), WRONG, ids=[path for _, path in WRONG])
async def test_a_wrong_field_is_a_400_that_names_it(world: World, fields: dict[str, str], path: str) -> None:
    answer = await send(world, table(GOOD), fields=fields)
    errors = answer.json()["data"]["errors"]
    assert answer.status_code == 400
    assert errors[0] | {"message": ""} == {"code": "field_invalid", "message": "", "path": path}
    assert world.pipeline.published == []


async def test_all_wrong_fields_are_named_at_once(world: World) -> None:
    answer = await send(world, table(GOOD), fields={"retry": "11", "type": "x", "callingNumbers": "x"})
    assert {error["path"] for error in answer.json()["data"]["errors"]} == {
        "/batchName",
        "/callingNumbers",
        "/retry",
        "/type",
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (HEADER.encode(), "no rows"),
        (b"name,age\nAnn,3\n", "phoneNumber"),
        (b"PK\3\4 something", "XLSX file is damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "save the table as .xlsx, or as CSV"),
        (b'phoneNumber,name\n1,"Ann\n', "close the quote"),
    ],
)
async def test_a_file_that_is_no_table_is_a_400_that_says_what_to_do(world: World, content: bytes, said: str) -> None:
    answer = await send(world, content)
    (error,) = answer.json()["data"]["errors"]
    assert (answer.status_code, error["code"], error["path"]) == (400, "field_invalid", "/file")
    assert said in error["message"]
    assert world.pipeline.published == []


async def test_a_request_without_a_file_or_not_a_form_is_refused(world: World) -> None:
    for refused in (
        await world.http.post("/api/call/upload", data=form(), files={"other": b""}, headers={"x-api-key": KEY}),
        await send(world, table(GOOD), field="table"),
    ):
        assert (refused.status_code, refused.json()["data"]["errors"][0]["path"]) == (400, "/file")
    assert (await world.post("upload", b"{}", {"content-type": "application/json"})).status_code == 415
    broken = await world.post("upload", b"--x", {"content-type": "multipart/form-data; boundary=y"})
    assert broken.status_code == 400
    assert (await world.post("upload", b"", {"content-type": "multipart/form-data"})).status_code == 400


def parts(**fields: str) -> bytes:
    """Return a form with a good table and these fields, field by field, its boundary being B."""
    disposition = b"--B\r\nContent-Disposition: form-data; name="
    texts = [disposition + f'"{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()]
    file = disposition + b'"file"; filename="a.csv"\r\n\r\n' + table(GOOD) + b"\r\n"
    return b"".join([file, *texts, b"--B--\r\n"])


@pytest.mark.parametrize(
    "disposition",
    [
        'form-data; name="file"',
        'form-data; name="file"\r\nContent-Type: text/csv',
        "form-data; name=\"file\"; filename*=UTF-8''kontakte%20m%C3%A4rz.csv",
        'form-data; name=file; filename=""',
        'form-data; filename="a.csv"; name="file"',
    ],
)
async def test_the_file_needs_no_filename(world: World, disposition: str) -> None:
    rows = table(GOOD, *[f"1212{n:07},Ann,1,1" for n in range(2_000_000, 2_005_000)])
    head = f"--B\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
    fields = parts(**form()).partition(b"--B\r\n")[2].partition(b"--B\r\n")[2]
    body = head + rows + b"\r\n--B\r\n" + fields
    answer = await world.post("upload", body, {"content-type": "multipart/form-data; boundary=B"})
    assert (answer.status_code, answer.json()["data"]["added"]) == (201, 5001)


async def test_a_file_in_another_field_is_named(world: World) -> None:
    (error,) = (await send(world, table(GOOD), field="table")).json()["data"]["errors"]
    assert error["message"] == "send the table in the field file; the file of this form is in the field 'table'"


@pytest.mark.parametrize(("second", "status"), [("3", 400), ("2", 201)])
async def test_a_field_that_comes_twice_with_two_values_is_refused(world: World, second: str, status: int) -> None:
    disposition = b'--B\r\nContent-Disposition: form-data; name="retry"\r\n\r\n'
    body = disposition + second.encode() + b"\r\n" + parts(**form(retry="2"))
    answer = await world.post("upload", body, {"content-type": "multipart/form-data; boundary=B"})
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["data"]["errors"][0]["path"] == "/retry"


async def test_a_form_cut_off_anywhere_before_its_last_boundary_makes_no_batch(world: World) -> None:
    whole = parts(**form(), callingHour='{"start":"09:00","end":"17:00"}')
    headers = {"content-type": "multipart/form-data; boundary=B"}
    for cut_at in range(0, len(whole) - len("--\r\n"), 7):
        answer = await world.post("upload", whole[:cut_at], headers)
        assert (answer.status_code, answer.json()["data"]["errors"][0]["code"]) == (400, "bad_request")
    assert not world.pipeline.published
    assert (await world.post("upload", whole[: -len("\r\n")], headers)).status_code == 201


@pytest.mark.parametrize(
    ("charset", "status"),
    [
        ("charset=utf-8; ", 201),
        ("charset=utf-16; ", 415),
        ("charset=punycode; ", 415),
        ("charset=utf-8; charset=undefined; ", 400),
    ],
)
async def test_the_text_of_a_form_is_utf_8(world: World, charset: str, status: int) -> None:
    body = parts(**form(batchName="Fr\u00fchling"))
    answer = await world.post("upload", body, {"content-type": f"multipart/form-data; {charset}boundary=B"})
    assert answer.status_code == status


async def test_a_key_that_opens_nothing_is_forbidden(world: World) -> None:
    assert (await send(world, table(GOOD), key="df_wrong")).status_code == 403
    assert (await send(world, table(GOOD), key=OTHER_KEY)).status_code == 400  # the number is not its own


async def test_numbers_without_an_agent_are_a_404(world: World) -> None:
    answer = await send(world, table(GOOD), fields=form(phone="phone-without-agent"))
    assert (answer.status_code, answer.json()["data"]["errors"][0]["code"]) == (404, "agent_not_found")


async def test_a_form_over_the_limit_is_a_413_and_leaves_nothing() -> None:
    async with uploads(upload_limit_bytes=2000) as world:
        answer = await send(world, table(*[GOOD] * 100))
        assert answer.status_code == 413
        assert world.app.state.edge.admission.held_bytes == 0


async def test_what_is_not_known_in_time_is_a_202_with_the_rows_that_failed(world: World) -> None:
    world.pipeline.silent = True
    answer = await send(world, table(GOOD, BAD_AMOUNT), headers={"prefer": "respond-async"})
    data = answer.json()["data"]
    assert (answer.status_code, answer.headers["location"]) == (202, f"/api/call/submissions/{data['submissionId']}")
    assert (data["totalCalls"], [one["row"] for one in data["failedRows"]]) == (2, [3])
    assert data["batchId"] in world.registry.state.batches


async def test_the_report_of_an_upload_is_read_as_any_other(world: World) -> None:
    data = (await send(world, table(GOOD, BAD_AMOUNT))).json()["data"]
    report = (await world.get(f"/api/call/submissions/{data['submissionId']}")).json()["data"]
    assert (report["batchId"], report["total"], report["added"]) == (data["batchId"], 1, 1)


async def test_without_kafka_it_is_a_503_and_nothing_is_published(world: World) -> None:
    world.pipeline.down = True
    answer = await send(world, table(GOOD))
    assert (answer.status_code, answer.json()["data"]["errors"][0]["code"]) == (503, "bus_unavailable")


async def test_a_publish_whose_answer_is_lost_is_done_again_and_stored_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest_api.publish.PAUSE_SECONDS", 0.01)
    publish = world.pipeline.publish
    lost: list[bool] = []

    async def loses_the_first_answer(messages: Any) -> None:
        await publish(messages)
        if messages[0].topic == "calls.raw" and not lost:
            lost.append(True)
            raise TryAgainError("the answer was lost")

    monkeypatch.setattr(world.pipeline, "publish", loses_the_first_answer)
    data = (await send(world, table(GOOD))).json()["data"]
    assert (data["added"], len(world.pipeline.raw())) == (1, 2)
    assert {header(message.headers, "body-hash") for message in world.pipeline.raw()} != {None}


async def test_the_same_idempotency_key_gets_the_first_answer_again(world: World) -> None:
    headers = {"idempotency-key": "once"}
    first = await send(world, table(GOOD, BAD_AMOUNT), headers=headers)
    published = len(world.pipeline.published)
    again = await send(world, table(GOOD, BAD_AMOUNT), headers=headers)
    assert (first.status_code, again.json()) == (201, first.json())
    assert len(world.pipeline.published) == published
    other = await send(world, table(GOOD), headers=headers)
    assert (other.status_code, other.json()["data"]["errors"][0]["code"]) == (422, "idempotency_body_differs")


async def test_a_repeat_is_answered_alike_whatever_has_become_of_the_schema_since(world: World) -> None:
    headers = {"idempotency-key": "once"}
    first = await send(world, table(GOOD, BAD_AMOUNT), headers=headers)
    (agent,) = (one for one in campaign_records() if isinstance(one, Agent))
    mended = SCHEMA.replace('"double"', '["double", "string"]')
    version = AgentVersion(version=2, schema=mended, created_at=world.now_ms + 1)
    world.registry.state.apply(replace(agent, versions=[*agent.versions, version]))
    world.now_ms += 2
    again = await send(world, table(GOOD, BAD_AMOUNT), headers=headers)
    assert (first.json()["data"]["added"], again.json()) == (1, first.json())
    assert (await send(world, table(GOOD, BAD_AMOUNT))).json()["data"]["added"] == 2


async def test_what_was_refused_leaves_its_idempotency_key_free(world: World) -> None:
    headers = {"idempotency-key": "again"}
    assert (await send(world, table(BAD_NUMBER), headers=headers)).status_code == 400
    assert (await send(world, table(GOOD), headers=headers)).status_code == 201


async def test_nothing_is_held_once_uploads_are_answered(world: World) -> None:
    await asyncio.gather(*(send(world, table(GOOD, BAD_AMOUNT)) for _ in range(5)))
    admission = world.app.state.edge.admission
    await until(lambda: (admission.requests, admission.held_bytes) == (0, 0))


MEASURE = """
import resource, sys, tempfile
from dialfeed.row_check import row_check
from ingest_api.upload_rows import read_rows
from schemas.agent_schemas import parse_schema
from schemas.records import Batch
from schemas.registry import Registry
from tests.support.known import known_records, WORKSPACE
from tests.support.samples import SCHEMA
from tests.support.uploads import UPLOAD_PHONE, campaign_records

registry = Registry()
for record in [*known_records(), *campaign_records()]:
    registry.apply(record)
batch = Batch(batch_id="b", workspace_id=WORKSPACE, name="b", phone_ids=[UPLOAD_PHONE], created_at=1)
check = row_check(registry, 16384)
with open(sys.argv[1], "rb") as file, tempfile.SpooledTemporaryFile(1 << 20) as kept:
    read = lambda: read_rows(file, parse_schema(SCHEMA).variables, lambda records: check(batch, records, 1), kept)
    check(batch, [b'{"phoneNumber":"12125551001","name":"n","amount":1}'], 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = read()
    print(found.total, len(found.rows), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def long_csv() -> bytes:
    return table(*(f"1212{n:07},Ann Example {n},{n}.5,3" for n in range(2_000_000, 2_200_000)))


def long_workbook() -> bytes:
    def sheet() -> Iterator[str]:
        yield "<worksheet><sheetData><row>"
        yield from (f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in HEADER.split(","))
        for n in range(200_000):
            yield f'</row><row><c><v>1212{2_000_000 + n:07}</v></c><c t="s"><v>{n}</v></c><c><v>{n}.5</v></c>'
        yield "</row></sheetData></worksheet>"

    return packed(sheet(), f"<sst>{''.join(f'<si><t>Ann Example {n}</t></si>' for n in range(200_000))}</sst>")


@pytest.mark.parametrize("content", [long_csv, long_workbook])
def test_two_hundred_thousand_rows_are_read_in_flat_memory(tmp_path: Path, content: Callable[[], bytes]) -> None:
    path = tmp_path / "long"
    path.write_bytes(content())
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    total, good, grown_mib = map(int, done.stdout.split())
    assert (total, good) == (200_000, 200_000)
    assert grown_mib < 60


@pytest.mark.parametrize("headers", [{}, {"Prefer": "respond-async"}], ids=["201", "202"])
async def test_an_answer_has_the_shape_of_the_hosted_service_too(world: World, headers: dict[str, str]) -> None:
    answer = (await send(world, table(GOOD, BAD_NUMBER), headers=headers)).json()
    data = answer["data"]
    assert answer["success"] is True
    assert answer["batch"] == {"_id": data["batchId"], "batchName": "Spring", "totalCalls": 2}


async def test_a_refused_table_is_no_success(world: World) -> None:
    answer = (await send(world, table(GOOD, BAD_NUMBER), fields=form(type="false"))).json()
    assert (answer["code"], answer["success"], "batch" in answer) == (422, False, False)
