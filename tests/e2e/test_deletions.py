"""A batch is deleted while records are on their way to it: none of them meets silence."""

from __future__ import annotations

import json
import time
import uuid

import pytest

from schemas import deletions
from schemas.registry import registry_message
from tests.e2e.test_bad_inputs import new_batch
from tests.support.bus import eventually
from tests.support.installation import Installation
from tests.support.samples import record

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def delete(running: Installation, batch: str) -> None:
    """Delete a batch, and return once the API knows it."""
    registry = running.bus.registry
    await registry.refresh()
    deleted = deletions.deleted_batch(registry.state.batches[batch], pending=0, now_ms=int(time.time() * 1000))
    await running.bus.publisher.publish([registry_message(deleted)])

    async def is_gone() -> bool:
        return (await running.http.get(f"/api/call/batch-details/{batch}")).status_code == 404

    await eventually(is_gone)


async def test_records_on_their_way_to_a_deleted_batch_end_with_a_name(running: Installation) -> None:
    batch, submission_id = await new_batch(running), str(uuid.uuid4())
    stored = await running.post(record(0), batch=batch)
    assert stored.status_code == 200
    await delete(running, batch)

    assert (await running.post(record(1), batch=batch)).status_code == 404
    body = json.dumps({"batchId": batch, "call_data": [record(1)]}).encode()
    await running.bus.produce(body, key=batch.encode(), submission_id=submission_id)
    [letter] = await running.bus.dead_letters(submission_id, 1)
    assert (str(letter.errors[0].code), "deleted" in letter.errors[0].message) == ("batch_unknown", True)
    assert (await running.report(submission_id))["failed"] == 1


async def test_what_was_stored_before_is_still_reported_and_its_statuses_are_taken(running: Installation) -> None:
    batch = await new_batch(running)
    answer = (await running.post(record(0), batch=batch)).json()["data"]
    await delete(running, batch)

    report = await running.report(answer["submissionId"])
    assert (report["added"], report["callIds"]) == (1, answer["callIds"])
    status = {"callId": answer["callIds"][0], "status": "completed"}
    assert (await running.http.post("/api/call/status", json=status)).status_code == 200
