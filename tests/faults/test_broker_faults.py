"""A broker that stops answering, or dies, while requests are on their way."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx

from dialfeed import local_kafka
from dialfeed.kafka_ports import free_port
from schemas.topics import TopicName
from tests.faults.test_installation_faults import message
from tests.support.bus import API_KEY, bus_of_its_own, eventually
from tests.support.installation import Installation

MESSAGES = 30
PADDING = "x" * 850
"""With it a thousand records are what one message carries."""


async def test_without_a_broker_a_request_is_refused_within_seconds(tmp_path: Path) -> None:
    async with (
        local_kafka.running(tmp_path / "kafka", report=lambda _: None) as kafka,
        bus_of_its_own(kafka.bootstrap) as bus,
    ):
        running = Installation(bus, tmp_path, f"http://127.0.0.1:{free_port()}")
        running.start_api()
        running.start_worker()
        await running.ready()
        assert (await running.post(*message(0)[:2])).status_code == 200
        os.kill(kafka.pid, signal.SIGSTOP)
        try:
            await eventually(lambda: _is_red(running))
            started = time.monotonic()
            answer = await running.post(*message(0)[:2])
            took = time.monotonic() - started
        finally:
            os.kill(kafka.pid, signal.SIGCONT)
        assert (answer.status_code, answer.headers["retry-after"].isdigit()) == (503, True)
        assert answer.json()["data"]["errors"][0]["code"] == "bus_unavailable"
        assert took < 8
        answer = await eventually(lambda: _accepted(running))
        assert API_KEY not in running.log()
        await running.close()


async def _is_red(running: Installation) -> bool:
    return not (await running.http.get("/readyz")).is_success


async def _accepted(running: Installation, number: int = 0) -> httpx.Response | None:
    answer = await running.post(*message(number)[:2])
    return answer if answer.status_code == 200 else None


async def test_a_broker_killed_in_the_middle_of_a_request_fails_nothing_that_may_still_arrive(tmp_path: Path) -> None:
    sent = [record | {"note": PADDING} for number in range(MESSAGES) for record in message(number)]
    async with AsyncExitStack() as stack:
        kafka = await _started(tmp_path)
        stack.push_async_callback(lambda: kafka.stop())  # noqa: PLW0108  the one that is there at the end
        bus = await stack.enter_async_context(bus_of_its_own(kafka.bootstrap))
        running = Installation(bus, tmp_path, f"http://127.0.0.1:{free_port()}")
        stack.push_async_callback(running.close)
        running.start_api()
        running.start_worker()
        await running.ready()

        posting = asyncio.create_task(running.post(*sent, Prefer="wait=5"))
        await eventually(lambda: _some_has_arrived(running))
        os.kill(kafka.pid, signal.SIGKILL)
        answer = await posting
        assert answer.status_code == 202

        await kafka.stop()
        kafka = await _started(tmp_path)
        await eventually(lambda: _accepted(running, MESSAGES), 120)
        report = await eventually(lambda: _settled(running, answer.json()["data"]["submissionId"]), 120)
        arrived = report["added"] + report["failed"]
        assert (report["total"], report["pending"]) == (len(sent), len(sent) - arrived)
        assert report["failed"] == arrived // 1000  # the one of each thousand that is wrong
        assert await running.total() == report["added"] + 2


async def _started(folder: Path) -> local_kafka.LocalKafka:
    return await local_kafka.start(folder / "kafka", report=lambda _: None)


async def _some_has_arrived(running: Installation) -> bool:
    return await running.bus.end(TopicName.RAW) > 0


async def _settled(running: Installation, submission_id: str) -> dict[str, Any] | None:
    """Return the report once it tells of all that is on the topic."""
    messages = await running.bus.everything(TopicName.RAW)
    ours = sum(("submission-id", submission_id.encode()) in message.headers for message in messages)
    answer = await running.http.get(f"/api/call/submissions/{submission_id}")
    data: dict[str, Any] = answer.json()["data"]
    return data if answer.is_success and data["added"] + data["failed"] == ours * 1000 else None
