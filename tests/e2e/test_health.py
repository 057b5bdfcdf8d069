"""`dialfeed health` of real parts."""

from __future__ import annotations

import asyncio
import json
import sys

from tests.support.bus import eventually
from tests.support.installation import Installation, installation


async def health(made: Installation) -> dict[str, str]:
    """Return what was found of each part; with a mark where it is not well."""
    command = [sys.executable, "-m", "dialfeed", "health", "--json", "--data", str(made.folder), "--http", made.url]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    answer, _ = await process.communicate()
    found = {each["part"]: each["found"] if each["ok"] else f"BAD {each['found']}" for each in json.loads(answer)}
    assert process.returncode == (1 if "BAD" in str(found) else 0)
    return found


async def test_each_part_is_well_while_it_works_and_not_once_it_is_gone(kafka_bootstrap: str) -> None:
    async with installation(kafka_bootstrap) as made:

        async def is_found(part: str, expected: str) -> bool:
            return (await health(made))[part].startswith(expected)

        await eventually(lambda: is_found("worker", "1 at work"))
        await eventually(lambda: is_found("load", "1 at work"))
        assert await is_found("api", f"{made.url.removeprefix('http://')} answers 200")
        made.kill("worker")
        assert await is_found("worker", "BAD none runs")
        assert await is_found("load", "1 at work")
        made.kill("api")
        assert await is_found("load", "BAD none runs")
        assert await is_found("api", "BAD ")
