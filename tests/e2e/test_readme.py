"""The tour of the README: its commands word for word, in its order, in one shell, and what they are said to show."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.installation import Installation

pytestmark = pytest.mark.asyncio(loop_scope="session")

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
WITHIN_SECONDS = 240.0
BORDER = "----- the end of a block -----"


def blocks() -> list[str]:
    """The blocks of the tour; the request at the top of the page comes where the tour says that it works."""
    request = README.partition("```sh\n")[2].partition("```")[0]
    tour = README.partition("\n## Five minutes\n")[2].partition("\n## ")[0]
    first, campaign, *rest = re.findall(r"```sh\n(.*?)```", tour, re.DOTALL)
    return [first, campaign, request, *rest]


async def typed(running: Installation, folder: Path) -> list[str]:
    """Type the blocks into one shell; return what each wrote to stdout."""
    connection = running.bus.connection
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DIALFEED_")} | {
        "DIALFEED_DATA": str(folder / "data"),
        "DIALFEED_HTTP": running.url.removeprefix("http://"),
        "DIALFEED_KAFKA": connection.bootstrap,
        "DIALFEED_TOPIC_PREFIX": connection.prefix,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    script = f"\necho; echo '{BORDER}'\n".join(blocks())
    pipe = asyncio.subprocess.PIPE
    shell = await asyncio.create_subprocess_exec(
        "bash", "-c", script, cwd=folder, env=environment, stdout=pipe, stderr=pipe
    )
    async with asyncio.timeout(WITHIN_SECONDS):
        out, err = await shell.communicate()
    assert b"Traceback" not in err
    return out.decode().split(BORDER)


def tables(shown: str) -> list[dict[str, str]]:
    """Return the answers of a block that are names and values, one a line; a name that comes again begins another."""
    answers: list[dict[str, str]] = [{}]
    for name, value in re.findall(r"^(\w+) {2,}(.*)$", shown, re.MULTILINE):
        if name in answers[-1]:
            answers.append({})
        answers[-1][name] = value
    return answers


@pytest.mark.skipif(shutil.which("curl") is None, reason="the tour asks the API with curl")
async def test_the_tour_shows_what_it_says(running: Installation, tmp_path: Path) -> None:
    checks, campaign, request, file, mended, called, replayed = await typed(running, tmp_path)

    assert "API ready" in checks
    assert campaign.strip() == ""  # eval takes it all
    answer: dict[str, Any] = json.loads(request)
    assert (answer["code"], answer["data"]["added"]) == (207, 1)
    shown = json.loads(README.partition("```json\n")[2].partition("```")[0])
    assert without_ids(answer) == without_ids(shown)

    [sent], [again] = tables(file), tables(mended)
    assert (sent["added"], sent["failed"], sent["rejectedFile"]) == ("3", "1", "people.csv.rejected.ndjson")
    assert (again["added"], again["failed"]) == ("1", "0")

    simulated, batches, details = called.partition("{")[0], *json_lines(called)
    assert tables(simulated)[0]["calls"] == "5"
    [batch] = [one for one in batches["data"]["batches"] if one["_id"] == details["data"]["batchId"]]
    assert (batch["totalCalls"], batch["callsPicked"]) == (5, 5)
    assert details["data"]["total"] == 5

    dry_run, replay = replayed.partition("dryRun ")[2].split("replayId ")
    assert (tables(dry_run)[0]["failed"], tables(dry_run)[0]["added"]) == ("0", "1")
    assert [tables(replay)[0][name] for name in ("state", "added", "failed")] == ["done", "1", "0"]


def without_ids(answer: dict[str, Any]) -> dict[str, Any]:
    return answer | {"data": answer["data"] | {"callIds": len(answer["data"]["callIds"]), "submissionId": None}}


def json_lines(text: str) -> list[Any]:
    decoder = json.JSONDecoder()
    found, at = [], text.find("{")
    while at >= 0:
        value, end = decoder.raw_decode(text, at)
        found.append(value)
        at = text.find("{", end)
    return found
