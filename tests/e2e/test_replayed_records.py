"""A dead letter that is mended and tried again: a slice put on the topic by hand, as a replay does."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from schemas.codecs import decode, encode
from schemas.dead_letters import DeadLetter, from_message
from schemas.messages import Message
from schemas.records import Chunk, Replay, Replayed, ReplayReceipt
from schemas.topics import TopicName
from tests.e2e.test_bad_inputs import new_batch
from tests.support.installation import Installation
from tests.support.samples import record

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def replay(running: Installation, letter: DeadLetter, tried: Any = None, max_attempts: int = 3) -> ReplayReceipt:
    """Try a letter again; return the receipt."""
    replay_id = str(uuid.uuid4())
    changed = None if tried is None else json.dumps(tried).encode()
    history = Replayed(
        submission_id=letter.submission_id,
        record_index=letter.record_index,
        accepted_at=letter.accepted_at,
        source_topic=letter.source_topic,
        source_partition=letter.source_partition,
        source_offset=letter.source_offset,
        attempt=letter.attempt,
        first_failed_at=letter.first_failed_at,
        sent=None if changed is None else letter.record,
        changes="" if changed is None else "set amount",
    )
    slice_of = Chunk(
        submission_id=replay_id,
        batch_id=letter.batch_id,
        first_index=0,
        total=1,
        accepted_at=letter.accepted_at,
        source_topic=letter.source_topic,
        source_partition=letter.source_partition,
        source_offset=letter.source_offset,
        replay=Replay(replay_id=replay_id, part=0, max_attempts=max_attempts, records=[history]),
        records=[changed or letter.record or b""],
    )
    await running.bus.publisher.publish([Message(TopicName.CHUNKS, encode(slice_of), key=f"{replay_id}/0".encode())])
    key = f"receipt/{replay_id}/0".encode()
    found = await running.bus.read(TopicName.REPLAYS, lambda messages: any(each.key == key for each in messages))
    return decode(next(each.value for each in found if each.key == key), ReplayReceipt)


def counts(receipt: ReplayReceipt) -> tuple[int, int, int, int, int]:
    return (receipt.added, receipt.updated, receipt.superseded, receipt.failed, receipt.parked)


async def test_what_was_mended_goes_through_once_and_the_first_answer_stays(running: Installation) -> None:
    batch = await new_batch(running)
    answer = (await running.post(record(1), record(2, amount="x"), batch=batch)).json()["data"]
    (letter,) = await running.bus.dead_letters(answer["submissionId"], 1)
    assert letter.workspace_id

    assert counts(await replay(running, letter, record(2, amount=7.0))) == (1, 0, 0, 0, 0)
    assert counts(await replay(running, letter, record(2, amount=8.0))) == (0, 0, 1, 0, 0)

    found = {contact["phoneNumber"]: contact["amount"] for contact in await running.contacts(batch)}
    assert found == {"+12125550001": 12.5, "+12125550002": 7.0}
    report = await running.report(answer["submissionId"])
    assert (report["added"], report["failed"], report["complete"]) == (1, 1, True)
    assert report["replayed"]["count"] == 2
    assert [(one["index"], one["outcome"]) for one in report["replayed"]["records"]] == [
        (1, "superseded"),
        (1, "added"),
    ]
    assert report["replayed"]["lastAt"] == report["replayed"]["records"][0]["at"]


async def test_what_fails_again_counts_the_attempt_and_is_parked_in_the_end(running: Installation) -> None:
    batch = await new_batch(running)
    answer = (await running.post(record(1), record(2, amount="x"), batch=batch)).json()["data"]
    submission_id = answer["submissionId"]
    (first,) = await running.bus.dead_letters(submission_id, 1)

    assert counts(await replay(running, first, max_attempts=2)) == (0, 0, 0, 1, 0)
    second = max(await running.bus.dead_letters(submission_id, 2), key=lambda letter: letter.attempt)
    assert (second.attempt, second.record, second.first_failed_at) == (2, first.record, first.first_failed_at)
    assert counts(await replay(running, second, record(2, amount="still"), max_attempts=2)) == (0, 0, 0, 0, 1)

    def parked(messages: list[Any]) -> list[DeadLetter | None]:
        ours = [each for each in messages if each.key == submission_id.encode()]
        return [from_message(each.value, each.headers, parked=True) for each in ours]

    (third,) = parked(await running.bus.read(TopicName.PARKING, lambda messages: bool(parked(messages))))
    assert third is not None
    assert (third.attempt, third.record, third.changes) == (3, first.record, "set amount")
    assert json.loads(third.tried or b"")["amount"] == "still"
