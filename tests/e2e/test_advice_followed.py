"""What a dead letter advises is done with the commands that an operator types, and the record is stored."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from dialfeed.registry_topic import write
from schemas.dead_letters import DeadLetter
from schemas.records import Batch, CallingNumber
from tests.e2e.test_bad_inputs import new_batch
from tests.e2e.test_deletions import delete
from tests.e2e.test_story_of_dead_letters import Operator
from tests.support.installation import Installation
from tests.support.samples import record

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def failed(running: Installation, batch: str) -> DeadLetter:
    """Produce two records for the batch; return the first's dead letter."""
    submission_id = str(uuid.uuid4())
    body = json.dumps({"batchId": batch, "call_data": [record(1), record(2)]}).encode()
    await running.bus.produce(body, key=batch.encode(), submission_id=submission_id)
    return min(await running.bus.dead_letters(submission_id, 2), key=lambda letter: letter.record_index)


async def outcomes(running: Installation, submission_id: str) -> list[Any]:
    """Return what replays made of the records, as their report tells."""
    replayed = (await running.report(submission_id))["replayed"]["records"]
    return sorted((one["index"], one["outcome"]) for one in replayed)


async def test_an_agent_is_assigned_to_the_number_then_its_records_are_replayed(
    running: Installation, tmp_path: Path
) -> None:
    phone, batch = str(uuid.uuid4()), str(uuid.uuid4())
    silent = CallingNumber(phone_id=phone, workspace_id="w", number="+12125550177", created_at=1)
    await write(running.bus.publisher, silent)
    await write(
        running.bus.publisher, Batch(batch_id=batch, workspace_id="w", name="n", phone_ids=[phone], created_at=1)
    )
    letter = await failed(running, batch)
    assert letter.errors[0].code == "agent_unknown"
    assert letter.errors[0].message.endswith("assign one, then replay")
    operator = Operator(running, tmp_path)

    await operator.runs(["number", "assign", phone, "--agent", "a", "--json"], 0)
    done = await operator.runs(["replay", "--code", "agent_unknown", "--batch", batch, "--json"], 0)

    assert (done["added"], done["failed"]) == (2, 0)
    assert sorted(one["phoneNumber"] for one in await running.contacts(batch)) == ["+12125550001", "+12125550002"]
    assert await outcomes(running, letter.submission_id) == [(0, "added"), (1, "added")]


async def test_records_of_a_deleted_batch_are_replayed_to_one_that_exists(
    running: Installation, tmp_path: Path
) -> None:
    batch, other = await new_batch(running), await new_batch(running)
    await delete(running, batch)
    letter = await failed(running, batch)
    assert letter.errors[0].code == "batch_unknown"
    assert "replay to another one (toBatch)" in letter.errors[0].message
    operator = Operator(running, tmp_path)

    replay = ["replay", "--code", "batch_unknown", "--batch", batch, "--to-batch", other, "--json"]
    assert (await operator.runs([*replay, "--dry-run"], 0))["added"] == 2
    done = await operator.runs(replay, 0)
    again = await operator.runs(replay, 0)

    assert (done["added"], done["failed"]) == (2, 0)
    assert (again["added"], again["updated"]) == (0, 0)
    assert sorted(one["phoneNumber"] for one in await running.contacts(other)) == ["+12125550001", "+12125550002"]
    assert (0, "added") in await outcomes(running, letter.submission_id)
