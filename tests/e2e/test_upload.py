"""Tables through the upload and through `dialfeed send`, on everything real."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.test_bad_inputs import new_batch
from tests.support.bus import API_KEY
from tests.support.installation import Installation
from tests.support.uploads import BAD_AMOUNT, BAD_NUMBER, GOOD, errors_by_row, form, table, xlsx

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIELDS = form(phone="n")


async def upload(running: Installation, content: bytes, **fields: str) -> httpx.Response:
    files = {"file": ("contacts", content)}
    return await running.http.post("/api/call/upload", data=FIELDS | fields, files=files)


async def test_a_table_with_mistakes_is_stored_without_them_if_that_is_asked_for(running: Installation) -> None:
    rows = table(GOOD, BAD_AMOUNT, BAD_NUMBER, "+1 (212) 555-1001,Twice,1,1", "12125551005,Eve,7,")
    answer = await upload(running, rows, type="true", timezone="Europe/Paris")
    data = answer.json()["data"]
    assert (answer.status_code, data["totalCalls"], data["added"]) == (201, 5, 2)
    assert errors_by_row(data) == {
        3: {("type", "/amount")},
        4: {("phone_invalid", "/phoneNumber")},
        5: {("duplicate", "/phoneNumber")},
    }
    stored = {contact["phoneNumber"]: contact for contact in await running.contacts(data["batchId"])}
    assert {number: contact["name"] for number, contact in stored.items()} == {
        "+12125551001": "Ann",
        "+12125551005": "Eve",
    }
    assert (stored["+12125551001"]["amount"], stored["+12125551001"]["visits"]) == (12.5, 3)
    report = await running.report(data["submissionId"])
    assert (report["total"], report["added"], report["failed"]) == (2, 2, 0)


async def test_the_numbers_of_a_table_are_read_as_of_its_country(running: Installation) -> None:
    rows = table("(650) 555-0125,Ann,1,1", "+44 20 7946 0123,Bob,1,1", "6505550125,Twice,1,1")
    answer = await upload(running, rows, type="true", country="us")
    data = answer.json()["data"]
    assert (answer.status_code, data["added"]) == (201, 2)
    assert errors_by_row(data) == {4: {("duplicate", "/phoneNumber")}}
    read_as = {one["phoneNumber"]: one["phoneNumberReadAs"] for one in await running.contacts(data["batchId"])}
    assert read_as == {"+16505550125": "national:US", "+442079460123": "international"}
    refused = await upload(running, rows, country="UK")
    assert (refused.status_code, refused.json()["data"]["errors"][0]["path"]) == (400, "/country")


async def test_a_table_with_a_mistake_is_refused_whole_otherwise(running: Installation) -> None:
    answer = await upload(running, table(GOOD, BAD_AMOUNT), type="false", batchName="never made")
    data = answer.json()["data"]
    assert (answer.status_code, data["errors"][0]["code"]) == (422, "invalid_rows")
    assert errors_by_row(data) == {3: {("type", "/amount")}}
    batches = (await running.http.get("/api/call/batches", params={"search": "never made"})).json()["data"]
    assert batches.get("batches", []) == []


async def test_a_workbook_of_several_chunks(running: Installation) -> None:
    rows = [[12122000000 + number, f"Ann {number}", number / 2] for number in range(2500)]
    answer = await upload(running, xlsx(["Phone Number", "name", "amount"], *rows))
    data = answer.json()["data"]
    assert (answer.status_code, data["totalCalls"], data["added"], data["failedRows"]) == (201, 2500, 2500, [])
    stored = {contact["phoneNumber"]: contact["amount"] for contact in await running.contacts(data["batchId"])}
    assert stored == {f"+{number}": amount for number, _, amount in rows}


async def test_the_same_upload_with_its_key_is_one(running: Installation) -> None:
    files = {"file": ("contacts", table(GOOD, BAD_AMOUNT))}
    headers = {"idempotency-key": "upload-once"}
    fields = FIELDS | {"type": "true"}
    first, again = [
        await running.http.post("/api/call/upload", data=fields, files=files, headers=headers) for _ in range(2)
    ]
    assert (first.status_code, again.json()) == (201, first.json())


async def send(running: Installation, file: Path, batch: str, *arguments: str) -> tuple[int | None, Any]:
    """Run `dialfeed send`; return its exit code and answer."""
    env = os.environ | {
        "DIALFEED_DATA": str(running.folder),
        "DIALFEED_KAFKA": running.bus.connection.bootstrap,
        "DIALFEED_TOPIC_PREFIX": running.bus.connection.prefix,
        "DIALFEED_API_KEY": API_KEY,
    }
    command = ["-m", "dialfeed", "send", "--batch", batch, "--url", running.url, "--json", *arguments, str(file)]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE, env=env)
    out, _ = await process.communicate()
    return process.returncode, json.loads(out)


@pytest.mark.parametrize("way", [[], ["--kafka"]], ids=["http", "kafka"])
async def test_a_table_is_sent_once_by_the_schema_of_its_agent(
    running: Installation, tmp_path: Path, way: list[str]
) -> None:
    batch = await new_batch(running)
    file = tmp_path / "contacts.csv"
    file.write_bytes(table(GOOD, BAD_AMOUNT, "12125551005,Eve,7,"))
    code, first = await send(running, file, batch, *way)
    assert (code, first["added"], first["failed"]) == (1, 2, 1)
    (rejected,) = (tmp_path / "contacts.csv.rejected.ndjson").read_text().splitlines()
    assert (json.loads(rejected)["_row"], json.loads(rejected)["_errors"][0]["path"]) == (3, "/amount")
    _, again = await send(running, file, batch, *way)
    assert again["submissionIds"] == first["submissionIds"]
    assert (again["added"], again["failed"]) == (2, 1)
    assert (first["alreadySent"], again["alreadySent"]) == (0, 3)
    contacts = await running.contacts(batch)
    assert {contact["name"]: len(contact["phoneLogs"]) for contact in contacts} == {"Ann": 1, "Eve": 1}
