"""Whatever is killed, what was accepted is stored once or dead-lettered, and every report completes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from dialfeed.kafka_ports import free_port
from dialfeed.sample_records import SCHEMA as SAMPLE_SCHEMA
from tests.support.bus import eventually
from tests.support.installation import Installation, installation
from tests.support.samples import body

RECORDS = 100_000
A_MESSAGE = 1000


def message(number: int) -> list[dict[str, Any]]:
    """Return a thousand records of their own numbers; the tenth of each is wrong."""
    first = 2_120_000_000 + number * A_MESSAGE
    made = [{"phoneNumber": f"1{first + i}", "name": "n", "amount": 1.5} for i in range(A_MESSAGE)]
    made[9]["amount"] = "wrong"
    return made


async def test_a_worker_killed_in_the_middle_of_100_000_records(kafka_bootstrap: str) -> None:
    async with installation(kafka_bootstrap) as running:
        ids = [str(uuid.uuid4()) for _ in range(RECORDS // A_MESSAGE)]
        for number, submission_id in enumerate(ids):
            await running.bus.produce(body(*message(number)), submission_id=submission_id)
        for share in (0.1, 0.4):
            await eventually(partial(_stored, running, share))
            running.kill("worker")
            running.start_worker()
        await _everything_is_told(running, ids)


async def test_the_sink_killed_in_the_middle_of_100_000_records(kafka_bootstrap: str) -> None:
    async with installation(kafka_bootstrap) as running:
        ids = [str(uuid.uuid4()) for _ in range(RECORDS // A_MESSAGE)]
        for number, submission_id in enumerate(ids):
            await running.bus.produce(body(*message(number)), submission_id=submission_id)
        for share in (0.1, 0.4):
            await eventually(partial(_stored, running, share))
            running.kill("api")
            running.start_api()
            await running.ready()
        await _everything_is_told(running, ids)


async def _stored(running: Installation, share: float) -> bool:
    return await running.total() >= RECORDS * share


async def _everything_is_told(running: Installation, ids: list[str]) -> None:
    reports = [await running.report(submission_id) for submission_id in ids]
    assert {(r["total"], r["added"], r["failed"], r["pending"]) for r in reports} == {(A_MESSAGE, A_MESSAGE - 1, 1, 0)}
    assert await running.total() == len(ids) * (A_MESSAGE - 1)


class _Run:
    """`dialfeed run` in a data folder of its own, with a Kafka of its own."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.http = f"127.0.0.1:{free_port()}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        env = os.environ | {"DIALFEED_DATA": str(self.data), "DIALFEED_HTTP": self.http, "DIALFEED_LOG": "json"}
        env.pop("DIALFEED_KAFKA", None)
        with (self.data.parent / "run.log").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "dialfeed", "run"], env=env, stdout=log, stderr=log)

    def end(self, how: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(30)

    async def ready(self) -> None:
        await eventually((self.data / "run.json").exists, 120)
        await eventually(self._answers, 120)

    async def _answers(self) -> bool:
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                return (await client.get(f"http://{self.http}/readyz")).is_success
            except httpx.TransportError:
                return False

    def command(self, *arguments: str) -> dict[str, Any]:
        env = os.environ | {"DIALFEED_DATA": str(self.data)}
        argv = [sys.executable, "-m", "dialfeed", *arguments, "--json"]
        answer: dict[str, Any] = json.loads(subprocess.run(argv, env=env, check=True, capture_output=True).stdout)
        return answer


@pytest.mark.timeout(600)
async def test_the_whole_run_killed_in_the_middle_of_100_000_records(tmp_path: Path) -> None:
    run = _Run(tmp_path / "data")
    run.start()
    try:
        await run.ready()
        batch, key = _campaign(run, tmp_path)
        accepted = await _posted_until_killed(run, batch, key)
        assert accepted
        await eventually(lambda: _nothing_left_of(run))
        run.start()
        await run.ready()
        async with httpx.AsyncClient(base_url=f"http://{run.http}", headers={"x-api-key": key}, trust_env=False) as api:
            for submission_id in accepted:
                report = await eventually(partial(_complete, api, submission_id))
                assert (report["added"], report["failed"], report["total"]) == (A_MESSAGE - 1, 1, A_MESSAGE)
            rows = (await api.get(f"/api/call/batch-details/{batch}?limit=1")).json()["data"]["total"]
        assert rows % (A_MESSAGE - 1) == 0
        assert rows >= len(accepted) * (A_MESSAGE - 1)
        started = time.monotonic()
        assert run.end(signal.SIGTERM) == 0
        assert time.monotonic() - started < 15
        assert not (run.data / "run.json").exists()
    finally:
        if run.process is not None and run.process.poll() is None:
            run.process.kill()


def _campaign(run: _Run, folder: Path) -> tuple[str, str]:
    schema = folder / "schema.avsc"
    schema.write_text(json.dumps(json.loads(SAMPLE_SCHEMA) | {"fields": [{"name": "amount", "type": "double"}]}))
    workspace = run.command("workspace", "create", "Acme")["workspaceId"]
    key = run.command("key", "create", "--workspace", workspace)["apiKey"]
    agent = run.command("agent", "create", "--workspace", workspace, "--schema", str(schema))["agentId"]
    number = run.command("number", "create", "--workspace", workspace, "--agent", agent, "+12125550199")["phoneId"]
    batch = run.command("batch", "create", "--workspace", workspace, "--number", number, "Batch")["batchId"]
    return batch, key


async def _posted_until_killed(run: _Run, batch: str, key: str) -> list[str]:
    """Post a thousand records at a time, kill everything on the way; return the submissions that were accepted."""
    accepted: list[str] = []
    headers = {"x-api-key": key, "prefer": "respond-async"}
    async with httpx.AsyncClient(base_url=f"http://{run.http}", headers=headers, trust_env=False) as api:
        for number in range(RECORDS // A_MESSAGE):
            if number == RECORDS // A_MESSAGE // 2:
                run.end(signal.SIGKILL)
            try:
                content = {"batchId": batch, "call_data": message(number)}
                answer = await api.post("/api/call/addCallsToBatch", json=content)
            except httpx.TransportError:
                break
            assert answer.status_code == 202
            accepted.append(answer.json()["data"]["submissionId"])
    return accepted


def _nothing_left_of(run: _Run) -> bool:
    """Whether no process of the installation lives: no worker, and above all no orphaned JVM."""
    mine = str(run.data).encode()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if mine in (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes():
                    return False
            except OSError:
                continue
    return True


async def _complete(api: httpx.AsyncClient, submission_id: str) -> dict[str, Any] | None:
    answer = await api.get(f"/api/call/submissions/{submission_id}")
    assert answer.status_code != 404, "an accepted submission is unknown"
    data: dict[str, Any] = answer.json()["data"]
    return data if answer.is_success and data["complete"] else None
