"""Pending contacts are updated, called ones get a new entry; statuses in whatever order; one start a submission."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.codecs import decode
from schemas.identity import submission_id_of
from schemas.messages import Message
from schemas.records import DialerCommand
from schemas.topics import TopicName
from tests.e2e.test_bad_inputs import new_batch
from tests.support.bus import eventually
from tests.support.installation import Installation, installation
from tests.support.samples import record, records

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def tell(running: Installation, batch: str, *events: dict[str, Any], key: str | None = None) -> None:
    """Put statuses on the topic, as a calling service does."""
    for event in events:
        value = json.dumps(event).encode()
        await running.bus.publisher.publish([Message(TopicName.STATUS, value, key=(key or batch).encode())])


async def post_one(running: Installation, batch: str, **fields: Any) -> str:
    """Send contact 1; return its callId."""
    answer = await running.post(record(1, **fields), batch=batch)
    (call_id,) = answer.json()["data"]["callIds"]
    return str(call_id)


async def assert_logs(running: Installation, batch: str, *logs: tuple[str, str]) -> None:
    """Wait until the batch's one contact shows these entries, newest first: callId and status."""

    async def shown() -> list[tuple[str, str]]:
        (contact,) = await running.contacts(batch)
        return [(log["callId"], log["callStatus"]) for log in contact["phoneLogs"]]

    async def as_expected() -> bool:
        return await shown() == list(logs)

    try:
        await eventually(as_expected, 30)
    except AssertionError:
        assert await shown() == list(logs)


async def starts(running: Installation, batch: str, at_least: int) -> list[DialerCommand]:
    def ours(found: list[Any]) -> list[DialerCommand]:
        return [decode(message.value, DialerCommand) for message in found if message.key == batch.encode()]

    return ours(await running.bus.read(TopicName.DIALER, lambda found: len(ours(found)) >= at_least))


async def test_a_called_contact_gets_a_new_entry_and_the_old_one_keeps_its_status(running: Installation) -> None:
    batch = await new_batch(running)
    first = await post_one(running, batch, name="first")
    assert await post_one(running, batch, name="still pending") == first

    await tell(running, batch, {"callId": first, "status": "completed", "callDuration": 31.5, "transcript": "Hello"})
    await assert_logs(running, batch, (first, "completed"))
    second = await post_one(running, batch, name="wished since")

    assert second != first
    await assert_logs(running, batch, (second, "pending"), (first, "completed"))
    (contact,) = await running.contacts(batch)
    assert (contact["name"], contact["callId"]) == ("wished since", second)
    old = contact["phoneLogs"][1]
    assert (old["callDuration"], old["transcript"]) == (31.5, "Hello")


async def test_statuses_out_of_order_and_repeated_end_at_the_same(running: Installation) -> None:
    batch = await new_batch(running)
    call = await post_one(running, batch)
    completed = {"callId": call, "status": "completed", "at": "2026-03-01T10:01:00Z", "callDuration": 5}
    dialing = {"callId": call, "status": "dialing", "at": "2026-03-01T10:00:00Z"}

    busy = {"callId": call, "status": "busy", "at": "2026-03-01T10:00:30Z"}
    await tell(running, batch, completed, dialing, busy, completed, {"callId": call, "status": "pending"}, dialing)
    other = (await running.post(record(2), batch=batch)).json()["data"]["callIds"][0]
    await tell(running, batch, {"callId": other, "status": "failed"})  # behind all of them on the partition

    async def logs() -> dict[str, list[str]]:
        return {c["callId"]: [log["callStatus"] for log in c["phoneLogs"]] for c in await running.contacts(batch)}

    async def all_are_there() -> bool:
        return await logs() == {call: ["completed"], other: ["failed"]}

    await eventually(all_are_there, 30)


async def test_a_status_with_a_nonsense_key_reaches_its_call(running: Installation) -> None:
    batch = await new_batch(running)
    call = await post_one(running, batch)

    for number in range(4):  # of four keys at least one belongs to another partition
        await tell(running, batch, {"callId": call, "status": "dialing"}, key=f"nonsense-{number}")
    await tell(running, batch, {"callId": call, "status": "completed"}, key="nonsense-4")

    await assert_logs(running, batch, (call, "completed"))


async def test_a_status_of_an_unknown_call_is_dead_lettered(running: Installation) -> None:
    batch = await new_batch(running)
    unknown = {"callId": "8b0f7f5e-0b1c-8f3a-9a2b-0123456789ab", "status": "completed"}

    await tell(running, batch, unknown)

    messages = await running.bus.read(TopicName.STATUS, lambda found: any(m.key == batch.encode() for m in found))
    sent = next(message for message in messages if message.key == batch.encode())
    place = submission_id_of(sent.topic, sent.partition, sent.offset)
    (letter,) = await running.bus.dead_letters(place, 1)
    assert (letter.errors[0].code, json.loads(letter.record or b"")) == ("call_unknown", unknown)


async def test_what_stored_something_starts_its_batch_and_nothing_else_does(running: Installation) -> None:
    batch = await new_batch(running)
    answers = [await running.post(*records(2500), batch=batch), await running.post({}, batch=batch)]
    answers.append(await running.post(record(1), {}, batch=batch))
    assert [answer.status_code for answer in answers] == [200, 400, 207]

    commands = await starts(running, batch, 2)
    ids = [answer.json()["data"]["submissionId"] for answer in answers]
    told = [command.request_id.partition("/") for command in commands]
    assert {submission_id for submission_id, _, _ in told} == {ids[0], ids[2]}
    assert {first_index for _, _, first_index in told} <= {"0", "1000", "2000"}
    assert {(command.command, command.reason) for command in commands} == {("start", "submission")}


async def test_entries_are_the_same_after_the_sink_was_killed_between(kafka_bootstrap: str) -> None:
    async with installation(kafka_bootstrap) as its_own:
        batch = await new_batch(its_own)
        first = await post_one(its_own, batch)
        its_own.kill("api")
        await tell(its_own, batch, {"callId": first, "status": "dialing"})
        its_own.start_api()
        await its_own.ready()
        await assert_logs(its_own, batch, (first, "dialing"))
        its_own.kill("api")
        await tell(its_own, batch, {"callId": first, "status": "no-answer"}, {"callId": first, "status": "dialing"})
        its_own.start_api()
        await its_own.ready()

        second = await post_one(its_own, batch, name="again")

        assert second != first
        await assert_logs(its_own, batch, (second, "pending"), (first, "no-answer"))
