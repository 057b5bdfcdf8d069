"""The operator's story of docs/dead-letters.md: its commands, in its order, and what they are said to show."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from schemas.identity import new_id
from tests.support.bus import API_KEY, eventually
from tests.support.installation import Installation, installation

pytestmark = pytest.mark.asyncio(loop_scope="session")

STORY = Path(__file__).parents[2] / "docs" / "dead-letters.md"
RECORDS = 40_000
WITHIN_SECONDS = 240.0


def schema(*amount_due: str) -> str:
    """Return the agent's schema, with the field of the story if it has a type."""
    amounts = [{"name": "amount_due", "type": ["null", *amount_due], "default": None}] if amount_due else []
    return json.dumps({"type": "record", "name": "Inv", "fields": [{"name": "name", "type": "string"}, *amounts]})


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", STORY.read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


class Operator:
    """Types the commands of the story one after the other."""

    def __init__(self, running: Installation, folder: Path, **variables: str) -> None:
        connection = running.bus.connection
        self.folder = folder
        self.variables = variables
        self._left = commands()
        self._environment = os.environ | {
            "DIALFEED_API_KEY": API_KEY,
            "DIALFEED_DATA": str(folder / "data"),
            "DIALFEED_HTTP": running.url.removeprefix("http://"),
            "DIALFEED_KAFKA": connection.bootstrap,
            "DIALFEED_TOPIC_PREFIX": connection.prefix,
        }

    async def types(self, beginning: str, code: int = 0) -> Any:
        """Type the next command, which begins so; return its answer as JSON."""
        command = self._left.pop(0)
        assert command.startswith(f"dialfeed {beginning}"), command
        for name, value in self.variables.items():
            command = command.replace(f"${name}", value)
        return await self.runs([*command.split()[1:], *([] if "--json" in command else ["--json"])], code)

    async def runs(self, arguments: Sequence[str], code: int) -> Any:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "dialfeed", *arguments,
            cwd=self.folder, env=self._environment, stdout=pipe, stderr=pipe,
        )  # fmt: skip
        async with asyncio.timeout(WITHIN_SECONDS):
            out, err = await process.communicate()
        assert process.returncode == code, (arguments, process.returncode, out[-500:], err.decode()[-2000:])
        return json.loads(out)

    def is_done(self) -> bool:
        return not self._left


async def a_batch(operator: Operator) -> None:
    """Make the agent as it was before noon, and a batch of its own."""
    made = operator.runs
    (operator.folder / "before.avsc").write_text(schema())
    (operator.folder / "noon.avsc").write_text(schema("long"))
    (operator.folder / "mended.avsc").write_text(schema("double"))
    workspace = "w"
    agent = await made(["agent", "create", "--workspace", workspace, "--schema", "before.avsc", "--json"], 0)
    number = await made(
        ["number", "create", "--workspace", workspace, "--agent", agent["agentId"], "+12125550187", "--json"], 0
    )
    batch = await made(
        ["batch", "create", "--workspace", workspace, "--number", number["phoneId"], f"story {new_id()}", "--json"], 0
    )
    operator.variables |= {"AGENT": agent["agentId"], "BATCH": batch["batchId"]}


async def are_listed(running: Installation) -> bool:
    """Return whether ClickHouse has them all, which is a moment after the sender has its answer."""
    answer = await running.http.get("/api/call/dead-letters", params={"limit": 1})
    return bool(answer.json()["data"]["total"] == RECORDS)


async def test_the_story(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with installation(kafka_bootstrap) as running:
        await story(running, tmp_path)


async def story(running: Installation, tmp_path: Path) -> None:
    operator = Operator(running, tmp_path)
    await a_batch(operator)
    lines = [
        {"phoneNumber": f"+1212{2_000_000 + n}", "name": f"Ann {n}", "amount_due": n % 500 + 0.5}
        for n in range(RECORDS)
    ]
    (tmp_path / "contacts.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))

    assert (await operator.types("agent update"))["schemaVersion"] == 2
    sent = await operator.types("send", code=1)
    assert (sent["added"], sent["failed"]) == (0, RECORDS)

    await eventually(lambda: are_listed(running))
    [code] = await operator.types("dead-letters --group-by code")
    assert (code["code"], code["count"]) == ("type", RECORDS)
    [agent] = await operator.types("dead-letters --group-by agent")
    assert (agent["agent"], agent["count"]) == (operator.variables["AGENT"], RECORDS)
    [path] = await operator.types("dead-letters --group-by path")
    assert (path["path"], path["count"]) == ("/amount_due", RECORDS)
    shown = await operator.types("dead-letters --code type --show 1")
    assert json.loads(shown["record"])["amount_due"] % 1 == 0.5
    assert shown["errors"][0]["path"] == "/amount_due"

    assert (await operator.types("agent update"))["schemaVersion"] == 3
    assert (await operator.types("replay", code=1))["failed"] == RECORDS
    tried = await operator.types("replay")
    assert (tried["replayed"], tried["added"], tried["notAsked"]) == (RECORDS, RECORDS, 0)
    assert (await operator.types("replay"))["replayed"] == RECORDS
    assert await running.total(operator.variables["BATCH"]) == RECORDS

    assert await operator.types("dead-letters --group-by code") == []
    operator.variables["SUBMISSION"] = sent["submissionIds"][0]
    report = (await operator.types("report", code=1))["data"]
    assert (report["added"], report["replayed"]["count"]) == (0, report["failed"])
    again = await operator.types("replay")
    assert (again["replayed"], again["superseded"]) == (0, RECORDS)
    assert await running.total(operator.variables["BATCH"]) == RECORDS
    assert operator.is_done()

    corrected = [{**lines[n], "_submission": operator.variables["SUBMISSION"], "_index": n} for n in (0, 7)]
    (tmp_path / "corrected.ndjson").write_text("".join(json.dumps(line) + "\n" for line in corrected))
    tried = await operator.runs(
        ["replay", "--from", "corrected.ndjson", "--agent-version", "3", "--dry-run", "--json"], 0
    )
    assert (tried["selected"], tried["superseded"], tried["notAsked"]) == (2, 2, 0)
