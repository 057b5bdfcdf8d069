"""A campaign to its end: sent, started, called by the simulator, reported, and read back."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import pytest

from schemas.codecs import decode
from schemas.records import DialerCommand
from schemas.topics import TopicName
from tests.e2e.test_bad_inputs import new_batch
from tests.support.bus import API_KEY, eventually
from tests.support.installation import Installation
from tests.support.samples import record, records

pytestmark = pytest.mark.asyncio(loop_scope="session")

FINAL = {"completed", "failed", "no-answer", "busy", "voicemail"}


async def simulate(running: Installation, batch: str, *options: str) -> dict[str, Any]:
    """Run `dialfeed simulate` on a batch to its end, and return its summary."""
    connection = running.bus.connection
    environment = os.environ | {
        "DIALFEED_API_KEY": API_KEY,
        "DIALFEED_DATA": str(running.folder / "simulator"),
        "DIALFEED_KAFKA": connection.bootstrap,
        "DIALFEED_TOPIC_PREFIX": connection.prefix,
    }
    arguments = ("--batch", batch, "--once", "--leap", "--json", "--url", running.url, *options)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "dialfeed",
        "simulate",
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    summary: dict[str, Any] = json.loads(out)
    return summary


async def counts(running: Installation, batch: str) -> dict[str, int]:
    answer = await running.http.get("/api/call/batches", params={"limit": 100})
    assert answer.is_success, answer.text
    rows: list[dict[str, Any]] = answer.json()["data"]["batches"]
    found = next(row for row in rows if row["_id"] == batch)
    return {name: found[name] for name in ("totalCalls", "callsPicked", "callsCompleted")}


async def starts(running: Installation, batch: str, count: int) -> list[DialerCommand]:
    """Return the start commands of a batch once there are so many."""

    def ours(messages: list[Any]) -> list[Any]:
        return [message for message in messages if message.key == batch.encode()]

    messages = await running.bus.read(TopicName.DIALER, lambda found: len(ours(found)) >= count)
    return [decode(message.value, DialerCommand) for message in ours(messages)]


@pytest.mark.parametrize("way", [(), ("--kafka-status",)])
async def test_a_campaign_is_sent_started_called_and_completed(running: Installation, way: tuple[str, ...]) -> None:
    batch = await new_batch(running)
    sent = (await running.post(*records(40), batch=batch)).json()["data"]
    [start] = await starts(running, batch, 1)
    assert (start.command, start.reason, start.request_id) == ("start", "submission", f"{sent['submissionId']}/0")

    summary = await simulate(running, batch, *way)
    assert (summary["calls"], summary["unfinished"]) == (40, 0)

    completed = summary["statuses"]["completed"]
    assert 0 < completed < 40
    assert await counts(running, batch) == {"totalCalls": 40, "callsPicked": 40, "callsCompleted": completed}
    contacts = await running.contacts(batch)
    assert {contact["callId"] for contact in contacts} == set(sent["callIds"])
    logs = [log for contact in contacts for log in contact["phoneLogs"]]
    assert len(logs) == 40
    assert {log["callStatus"] for log in logs} <= FINAL
    talked = [log for log in logs if log["callStatus"] == "completed"]
    assert len(talked) == completed
    assert all(log["callDuration"] > 0 and log["transcript"] for log in talked)


async def test_a_contact_that_was_called_gets_a_call_of_its_own_when_it_is_sent_again(running: Installation) -> None:
    batch = await new_batch(running)
    first = (await running.post(record(1), batch=batch)).json()["data"]["callIds"]
    await simulate(running, batch, "--answer-rate", "1")
    second = (await running.post(record(1, name="again"), batch=batch)).json()["data"]["callIds"]
    assert first != second
    await simulate(running, batch, "--answer-rate", "1")
    assert await counts(running, batch) == {"totalCalls": 2, "callsPicked": 2, "callsCompleted": 2}
    [contact] = await running.contacts(batch)
    assert [(log["entry"], log["callId"], log["callStatus"]) for log in contact["phoneLogs"]] == [
        (1, *second, "completed"),
        (0, *first, "completed"),
    ]


async def test_start_calling_starts_a_batch_once_more(running: Installation) -> None:
    batch = await new_batch(running)
    await running.post(record(1), batch=batch)
    await starts(running, batch, 1)
    answer = await running.http.post("/api/call/start-calling", json={"batchId": batch})
    assert answer.json()["data"] == {"batchId": batch, "status": "started"}
    commands = await starts(running, batch, 2)
    assert [command.reason for command in commands] == ["submission", "requested"]


async def test_a_simulator_that_follows_takes_what_is_sent_afterwards(running: Installation) -> None:
    batch = await new_batch(running)
    running.start(
        "simulator",
        "simulate",
        "--batch",
        batch,
        "--speed",
        "100000",
        "--answer-rate",
        "1",
        "--url",
        running.url,
        DIALFEED_API_KEY=API_KEY,
    )
    try:
        await running.post(record(1), batch=batch)
        await eventually(lambda: _completed(running, batch, 1))
        await running.post(record(2), batch=batch)
        await eventually(lambda: _completed(running, batch, 2))
    finally:
        running.kill("simulator")


async def _completed(running: Installation, batch: str, number: int) -> bool:
    assert running.parts["simulator"].poll() is None, running.log()[-2000:]
    return (await counts(running, batch))["callsCompleted"] == number
