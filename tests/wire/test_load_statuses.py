"""Entries, statuses, repeats and starts as `load` makes them: crafted messages, the real engine."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
import pytest
from aiokafka.partitioner import murmur2
from aiokafka.structs import ConsumerRecord
from msgspec import structs

from schemas.codecs import decode, encode
from schemas.dead_letters import DeadLetter
from schemas.identity import SAMPLE_WORKSPACE, call_ids, record_id, submission_id_of, uuid_texts
from schemas.messages import Message, MustStopError, TryAgainError
from schemas.outcomes import Code, FieldError
from schemas.records import DialerCommand, Origins, PhoneLogChunk, Receipt
from schemas.replay_changes import Changes
from schemas.replay_jobs import ReplayJob
from schemas.replayed_status import status_message
from schemas.statuses import CallStatus
from schemas.stores import ContactQuery
from schemas.topics import BATCH_PARTITIONS, TopicName
from sinks.clickhouse import ClickHouse
from sinks.load import Load
from sinks.rows import Insert, row_version
from sinks.sessions import Session
from tests.unit.sinks.chunks import ACCEPTED_AT, a_chunk
from tests.unit.sinks.consuming import MemoryConsumer
from tests.unit.sinks.histories import NUMBERS, Readable, Sent, Told, expected
from tests.wire.test_load import NO_KAFKA, Published

pytestmark = pytest.mark.asyncio(loop_scope="module")

T = TypeVar("T")
NUMBER = NUMBERS[0]


class Sink:
    """A load whose messages a test makes; `restart` forgets everything that is not in ClickHouse."""

    def __init__(self, clickhouse: ClickHouse | Failing | Stumbling, published: Published | None = None) -> None:
        self.clickhouse = clickhouse
        self.published = published or Published([])
        self.offset = 0
        self.restart()

    def restart(self) -> None:
        self.load = Load(NO_KAFKA, self.clickhouse, self.published, app_version="1.2")
        self.consumer = MemoryConsumer([], [])
        self.load._member(self.consumer)

    async def take(self, *of: PhoneLogChunk | Told | ConsumerRecord) -> None:
        await self.load.write(self.load.read([self.message(each) for each in of]))

    def message(self, of: PhoneLogChunk | Told | ConsumerRecord) -> ConsumerRecord:
        if isinstance(of, PhoneLogChunk):
            return message(TopicName.PHONE_LOG, encode(of), 0, ACCEPTED_AT)
        return status_of(of) if isinstance(of, Told) else of

    def receipts(self) -> list[Receipt]:
        return self.published.receipts()


def message(topic: str, value: bytes | None, partition: int, timestamp: int, **fields: Any) -> ConsumerRecord:
    given = {"offset": 7, "key": None, "headers": ()} | fields
    return ConsumerRecord(
        topic=topic,
        partition=partition,
        timestamp=timestamp,
        timestamp_type=1,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        **given,
    )


def partition_of(batch: str, partitions: int = BATCH_PARTITIONS) -> int:
    partition: int = (murmur2(batch.encode()) & 0x7FFFFFFF) % partitions
    return partition


def status_of(told: Told, **fields: Any) -> ConsumerRecord:
    event: dict[str, Any] = {"callId": told.call_id, "status": told.status.value}
    if told.at is not None:
        event["at"] = f"2026-01-01T00:00:00.{told.at - ACCEPTED_AT:03}Z"
    given: dict[str, Any] = {"value": msgspec.json.encode(event), "partition": partition_of(told.contact[0])}
    return message(TopicName.STATUS, **(given | {"timestamp": told.received_at} | fields))


def sent(batch: str, at: int, note: str = "", number: str = NUMBER, **fields: Any) -> PhoneLogChunk:
    """Return a chunk of one record accepted `at` ms after the beginning."""
    values: dict[str, Any] = {
        "batch_id": batch,
        "submission_id": f"{batch}-{at}",
        "accepted_at": ACCEPTED_AT + at,
        "variables": [msgspec.json.encode({"note": note})],
    }
    return a_chunk([number], **(values | fields))


def slice_of(batch: str, at: int) -> PhoneLogChunk:
    """Return the slice of one record, of a submission of four, that begins there."""
    return sent(batch, 0, submission_id=batch, first_index=at, record_index=[at], total=4, number=f"+1212300000{at}")


def told(batch: str, at: int, status: CallStatus = CallStatus.COMPLETED, entry: int = 0, number: str = NUMBER) -> Told:
    """Return a status that the brokers took `at` ms after the beginning."""
    return Told((batch, number), entry, status, None, ACCEPTED_AT + at)


async def ask(clickhouse: ClickHouse, statement: str, **parameters: str) -> list[Any]:
    rows: list[Any] = await clickhouse._writer.run(
        lambda client: list(client.query(statement, parameters=parameters).result_rows)
    )
    return rows


async def contact(clickhouse: ClickHouse, batch: str) -> tuple[int, str, str]:
    """Return entry, status and note of the batch's one contact."""
    statement = """
    SELECT entry, status, JSONExtractString(variables, 'note') FROM contacts FINAL WHERE batch_id = {batch:String}
    """
    ((entry, status, note),) = await ask(clickhouse, statement, batch=batch)
    return entry, status, note


def call_id(batch: str, entry: int, number: str = NUMBER) -> bytes:
    return call_ids(batch, [(number, entry)])


async def test_a_pending_contact_is_updated_under_the_same_call_id(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)

    await sink.take(sent(batch, 0, "first"))
    await sink.take(told(batch, 1, CallStatus.PENDING), sent(batch, 2, "second"))

    assert [receipt.call_ids for receipt in sink.receipts()] == [call_id(batch, 0)] * 2
    assert await contact(clickhouse, batch) == (0, "pending", "second")


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_contact_that_was_called_gets_a_new_entry(clickhouse: ClickHouse, batch: str, restarted: bool) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0, "first"))
    await sink.take(told(batch, 1))
    assert await contact(clickhouse, batch) == (0, "completed", "first")
    if restarted:
        sink.restart()

    await sink.take(sent(batch, 2, "second"))

    assert sink.receipts()[-1].call_ids == call_id(batch, 1)
    assert await contact(clickhouse, batch) == (1, "pending", "second")


async def test_statuses_of_a_flush_are_applied_before_its_chunks(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0))

    await sink.take(sent(batch, 2), told(batch, 1))

    assert sink.receipts()[-1].call_ids == call_id(batch, 1)


async def test_a_late_status_moves_the_update_that_came_after_the_call_began(
    clickhouse: ClickHouse, batch: str
) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0, "known to the call"))
    await sink.take(sent(batch, 20, "wished since"))

    await sink.take(told(batch, 10, CallStatus.DIALING))

    assert await contact(clickhouse, batch) == (1, "pending", "wished since")
    await sink.take(sent(batch, 30, "still pending"))
    assert sink.receipts()[-1].call_ids == call_id(batch, 1)


async def test_what_a_late_status_moves_is_started_and_its_receipt_names_the_call_that_counts(
    clickhouse: ClickHouse, batch: str
) -> None:
    sink = Sink(clickhouse)
    unmoved = "+12123000009"
    await sink.take(sent(batch, 0))
    wish = a_chunk(
        [NUMBER, unmoved, NUMBER],
        batch_id=batch,
        submission_id=f"{batch}-wish",
        accepted_at=ACCEPTED_AT + 20,
        body_hash="h",
    )
    await sink.take(wish)
    sink.published.messages.clear()

    for status in ("dialing", "completed"):
        await sink.take(told(batch, 10, CallStatus(status)))

    assert [(start.batch_id, start.reason) for start in sink.published.starts()] == [(batch, "moved")] * 2
    assert len({start.request_id for start in sink.published.starts()}) == 1
    new = call_id(batch, 1) + call_id(batch, 0, unmoved) + call_id(batch, 1)
    assert await reported(clickhouse, f"{batch}-wish") == [new]
    assert await reported(clickhouse, f"{batch}-0") == [call_id(batch, 0)]
    await sink.take(structs.replace(wish, accepted_at=ACCEPTED_AT + 99))  # the client asks once more
    assert sink.receipts()[-1].call_ids == new


async def reported(clickhouse: ClickHouse, submission_id: str) -> list[bytes]:
    """Return the callIds of each receipt of a submission, as its report has them."""
    stored = await clickhouse.submission(submission_id)
    assert stored is not None
    return [receipt.call_ids for receipt in stored.receipts]


class Stumbling:
    """ClickHouse that fails once so many steps have been done."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self.clickhouse, self.steps_left = clickhouse, 1_000

    async def insert(self, insert: Insert) -> None:
        self._step()
        await self.clickhouse.insert(insert)

    async def consult(self, work: Callable[[Session], T]) -> T:
        self._step()
        return await self.clickhouse.consult(work)

    def _step(self) -> None:
        if not self.steps_left:
            raise TryAgainError("killed")
        self.steps_left -= 1


@pytest.mark.parametrize("failing_at", range(5))
async def test_a_move_that_was_interrupted_is_announced_all_the_same(
    clickhouse: ClickHouse, batch: str, failing_at: int
) -> None:
    stumbling = Stumbling(clickhouse)
    sink = Sink(stumbling)
    await sink.take(sent(batch, 0))
    await sink.take(sent(batch, 20, "wished since"))
    stumbling.steps_left = failing_at
    with pytest.raises(TryAgainError):
        await sink.take(told(batch, 10))
    stumbling.steps_left = 1_000
    sink.restart()
    sink.published.messages.clear()

    await sink.take(told(batch, 10))

    assert await contact(clickhouse, batch) == (1, "pending", "wished since")
    assert [start.reason for start in sink.published.starts()] == ["moved"]
    assert await reported(clickhouse, f"{batch}-20") == [call_id(batch, 1)]


@pytest.mark.parametrize("stated", [("completed", "busy"), ("busy", "completed"), ("voicemail", "canceled")])
async def test_of_two_final_statuses_with_one_time_pages_and_filters_show_the_same(
    clickhouse: ClickHouse, batch: str, stated: tuple[str, str]
) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0))
    for status in stated:
        await sink.take(Told((batch, NUMBER), 0, CallStatus(status), ACCEPTED_AT + 500, ACCEPTED_AT + 1))

    for merged in (False, True):
        if merged:
            await clickhouse.consult(lambda session: session.tell("OPTIMIZE TABLE contacts FINAL"))
            await clickhouse.consult(lambda session: session.tell("OPTIMIZE TABLE call_status FINAL"))
        (shown_now,) = (await clickhouse.contacts(ContactQuery(batch))).contacts
        assert [(entry.status, entry.at) for entry in shown_now.entries] == [(max(stated), ACCEPTED_AT + 500)]
        for status in stated:
            found = await clickhouse.contacts(ContactQuery(batch, filters=(("callStatus", status),)))
            assert found.total == (status == max(stated))


async def test_a_record_that_comes_again_after_its_call_began_stays_in_that_call(
    clickhouse: ClickHouse, batch: str
) -> None:
    sink = Sink(clickhouse)
    chunk = sent(batch, 0, "first")
    await sink.take(chunk)
    await sink.take(told(batch, 1))
    sink.restart()

    await sink.take(chunk)

    assert [receipt.call_ids for receipt in sink.receipts()] == [call_id(batch, 0)] * 2
    assert await contact(clickhouse, batch) == (0, "completed", "first")


async def test_a_record_accepted_in_time_but_stored_late_is_shown_with_its_call(
    clickhouse: ClickHouse, batch: str
) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0, "first"))
    await sink.take(told(batch, 10))

    await sink.take(sent(batch, 5, "in time"))

    assert await contact(clickhouse, batch) == (0, "completed", "in time")


async def test_a_status_never_goes_back(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0))

    for status, at in [("completed", 9), ("dialing", 5), ("in-progress", 12), ("completed", 9), ("pending", 20)]:
        await sink.take(told(batch, at, CallStatus(status)))

    assert (await contact(clickhouse, batch))[:2] == (0, "completed")
    statement = "SELECT status, left_at FROM call_status FINAL WHERE batch_id = {batch:String}"
    assert await ask(clickhouse, statement, batch=batch) == [("completed", ACCEPTED_AT + 5)]


async def test_what_a_status_tells_is_kept(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0))
    event = {
        "callId": uuid_texts(call_id(batch, 0))[0],
        "status": "completed",
        "at": "2026-01-01T01:00:00.500+01:00",
        "callDuration": 12.5,
        "recordingUrl": "https://r.example/1",
        "transcript": "Hé\n'quoted'",
    }

    value = msgspec.json.encode(event)
    await sink.take(message(TopicName.STATUS, value, partition_of(batch), ACCEPTED_AT + 9))

    statement = """
    SELECT status, toUnixTimestamp64Milli(at), left_at, call_duration, recording_url, transcript
    FROM call_status FINAL WHERE batch_id = {batch:String}
    """
    assert await ask(clickhouse, statement, batch=batch) == [
        ("completed", ACCEPTED_AT + 500, ACCEPTED_AT + 9, 12.5, "https://r.example/1", "Hé\n'quoted'")
    ]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"not JSON", Code.UNDECODABLE),
        (None, Code.EMPTY_VALUE),
        (b'{"callId": "8b0f7f5e-0b1c-8f3a-9a2b-0123456789ab", "status": "gone"}', Code.STATUS_UNKNOWN),
        (b'{"callId": "8b0f7f5e-0b1c-8f3a-9a2b-0123456789ab", "status": "failed"}', Code.CALL_UNKNOWN),
        (b'{"callId": "x", "status": "failed", "callDuration": -1}', Code.CALL_UNKNOWN),
    ],
)
async def test_a_bad_status_is_dead_lettered_with_its_bytes(
    clickhouse: ClickHouse, value: bytes | None, code: Code
) -> None:
    sink = Sink(clickhouse)

    await sink.take(message(TopicName.STATUS, value, 3, ACCEPTED_AT, key=b"some batch", offset=21))

    (letter,) = sink.published.letters()
    assert (letter.record, letter.errors[0].code, letter.stage, letter.batch_id) == (value, code, "load", "some batch")
    assert letter.submission_id == submission_id_of(TopicName.STATUS, 3, 21)
    assert (letter.source_topic, letter.source_partition, letter.source_offset) == (TopicName.STATUS, 3, 21)


async def test_a_bad_status_is_seen_by_the_workspace_whose_batch_is_its_key(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0))
    place = partition_of(batch)

    await sink.take(message(TopicName.STATUS, b"not JSON", place, ACCEPTED_AT, key=batch.encode(), offset=21))
    await sink.take(message(TopicName.STATUS, b"not JSON", place, ACCEPTED_AT, key=b"nobody's", offset=22))

    assert [letter.workspace_id for letter in sink.published.letters()] == ["workspace", ""]


async def test_good_statuses_beside_bad_ones_are_stored(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0))

    await sink.take(message(TopicName.STATUS, b"[]", 0, ACCEPTED_AT), told(batch, 1), told(batch, 1, entry=7))

    assert (await contact(clickhouse, batch))[:2] == (0, "completed")
    assert [letter.errors[0].code for letter in sink.published.letters()] == [Code.NOT_AN_OBJECT, Code.CALL_UNKNOWN]


async def test_a_status_on_another_batch_s_partition_is_sent_to_its_own_and_written_there(
    clickhouse: ClickHouse, batch: str
) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0))
    elsewhere = (partition_of(batch) + 1) % BATCH_PARTITIONS
    stray = status_of(told(batch, 1), partition=elsewhere, key=b"nonsense")

    await sink.take(stray)

    assert (await contact(clickhouse, batch))[1] == "pending"
    forwarded = sink.published.messages[-1]
    assert (forwarded.topic, forwarded.key, forwarded.value) == (TopicName.STATUS, batch.encode(), stray.value)

    # even where this broker's partitions are counted otherwise, it is not sent on for ever
    await sink.take(status_of(told(batch, 2), partition=elsewhere, headers=forwarded.headers))
    assert (await contact(clickhouse, batch))[1] == "completed"
    assert sink.published.messages[-1] is forwarded


async def test_where_partitions_were_added_a_status_on_its_batch_s_new_partition_is_written(
    clickhouse: ClickHouse, batch: str
) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0))
    sink.consumer.partitions = {TopicName.PHONE_LOG: 11, TopicName.STATUS: 11}

    await sink.take(status_of(told(batch, 1), partition=partition_of(batch, 11)))

    assert (await contact(clickhouse, batch))[1] == "completed"
    assert not [message for message in sink.published.messages if message.topic is TopicName.STATUS]


async def test_nothing_is_written_while_chunks_and_statuses_have_unequal_partitions(
    clickhouse: ClickHouse, batch: str
) -> None:
    sink = Sink(clickhouse)
    sink.consumer.partitions = {TopicName.STATUS: 16}
    with pytest.raises(MustStopError, match=r"calls.phone-log has 8 partitions and calls.status 16.*--partitions 16"):
        await sink.take(sent(batch, 0))
    assert not sink.published.messages


async def left_at(clickhouse: ClickHouse, batch: str) -> int:
    """Return when the batch's one call left pending, ms after the beginning."""
    ((at,),) = await ask(clickhouse, "SELECT left_at FROM call_status FINAL WHERE batch_id = {b:String}", b=batch)
    return int(at) - ACCEPTED_AT


@pytest.mark.parametrize("is_replayed", [False, True])
async def test_a_status_that_is_sent_on_counts_from_when_it_first_came(
    clickhouse: ClickHouse, batch: str, is_replayed: bool
) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0))
    stray = status_of(told(batch, 10, CallStatus.DIALING), partition=(partition_of(batch) + 1) % BATCH_PARTITIONS)
    await sink.take(replayed(stray, 25) if is_replayed else stray)
    forwarded = sink.published.messages[-1]
    await sink.take(sent(batch, 20, "wished since"))

    await sink.take(status_of(told(batch, 30), value=forwarded.value, headers=forwarded.headers))

    assert await contact(clickhouse, batch) == (1, "pending", "wished since")
    assert await left_at(clickhouse, batch) == 10
    assert [start.reason for start in sink.published.starts()] == ["submission", "submission", "moved"]


@pytest.mark.parametrize("said", [b"1", b"", b"nonsense", b"9999999999999999999", b"1900000000000"])
async def test_a_first_time_that_cannot_be_is_passed_over(clickhouse: ClickHouse, batch: str, said: bytes) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0))

    await sink.take(status_of(told(batch, 10), headers=(("forwarded", said),)))

    assert await left_at(clickhouse, batch) == 10


async def test_a_status_that_was_sent_on_and_fails_is_dead_lettered_as_of_when_it_first_came(
    clickhouse: ClickHouse,
) -> None:
    sink = Sink(clickhouse)
    first = (("forwarded", str(ACCEPTED_AT + 10).encode()),)

    await sink.take(status_of(told("no batch", 60), headers=first))

    (letter,) = sink.published.letters()
    assert letter.accepted_at == ACCEPTED_AT + 10


async def test_a_bad_status_is_dead_lettered_once_however_long_clickhouse_is_away(
    clickhouse: ClickHouse, batch: str
) -> None:
    failing = Failing(clickhouse, random.Random(1), share=1)
    sink = Sink(failing)
    flush = [sent(batch, 0), message(TopicName.STATUS, b"[]", 0, ACCEPTED_AT)]
    for _ in range(3):
        with pytest.raises(TryAgainError):
            await sink.take(*flush)
    failing.share = 0

    await sink.take(*flush)

    assert len(sink.published.letters()) == 1


async def test_a_sink_that_is_built_again_finds_call_and_status_in_one_flush(
    clickhouse: ClickHouse, batch: str
) -> None:
    sink = Sink(clickhouse)

    await sink.take(told(batch, 5), sent(batch, 0))

    assert (await contact(clickhouse, batch))[:2] == (0, "completed")
    assert sink.published.letters() == []


async def test_what_another_process_wrote_is_seen_once_partitions_have_moved(
    clickhouse: ClickHouse, batch: str
) -> None:
    ours, other = Sink(clickhouse), Sink(clickhouse)
    await ours.take(sent(batch, 0))
    await other.take(told(batch, 1))

    await ours.load._consuming.let_go()
    await ours.take(sent(batch, 2))

    assert ours.receipts()[-1].call_ids == call_id(batch, 1)


# Statuses that are replayed


def replayed(of: ConsumerRecord, received_at: int, as_new: bool = False, **fields: Any) -> ConsumerRecord:
    """Return the event as a replay sends it again, `received_at` ms after the beginning."""
    letter = DeadLetter(
        record=of.value,
        errors=(FieldError(Code.CALL_UNKNOWN, "/callId", "no call has this id"),),
        stage="load",
        submission_id=submission_id_of(of.topic, of.partition, of.offset),
        batch_id=None,
        record_index=0,
        source_topic=of.topic,
        source_partition=of.partition,
        source_offset=of.offset,
        accepted_at=of.timestamp,
        attempt=1,
        first_failed_at=of.timestamp,
        failed_at=of.timestamp,
    )
    tried = Changes().apply(structs.replace(letter, **fields))
    assert tried is not None
    job = ReplayJob(replay_id="r", workspace_id="", runner="command", requested_at=1, as_new=as_new)
    again = status_message(tried, job)
    timestamp = ACCEPTED_AT + received_at
    return message(again.topic, again.value, of.partition, timestamp, offset=99, headers=again.headers)


@pytest.mark.parametrize(("as_new", "left_at"), [(False, 5), (True, 50)])
async def test_a_replayed_status_counts_from_when_it_first_came(
    clickhouse: ClickHouse, batch: str, as_new: bool, left_at: int
) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0), sent(batch, 20, "wished since"))

    await sink.take(replayed(status_of(told(batch, 5, CallStatus.DIALING)), 50, as_new))

    statement = "SELECT left_at FROM call_status FINAL WHERE batch_id = {batch:String}"
    assert await ask(clickhouse, statement, batch=batch) == [(ACCEPTED_AT + left_at,)]
    assert (await contact(clickhouse, batch))[0] == (0 if as_new else 1)


async def test_a_replayed_status_does_not_go_over_a_later_one(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0))
    await sink.take(told(batch, 9, CallStatus.COMPLETED))

    await sink.take(replayed(status_of(told(batch, 5, CallStatus.FAILED)), 50))

    assert (await contact(clickhouse, batch))[1] == "completed"


async def test_a_replayed_status_that_is_stored_is_mended(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0))
    first = status_of(told(batch, 5), offset=41)

    await sink.take(replayed(first, 50))

    statement = """
    SELECT submission_id, record_index, attempt, replay_id, outcome, workspace_id, toString(call_id)
    FROM replayed WHERE batch_id = {batch:String}
    """
    place = submission_id_of(TopicName.STATUS, first.partition, 41)
    (call,) = uuid_texts(call_id(batch, 0))
    assert await ask(clickhouse, statement, batch=batch) == [(place, 0, 1, "r", "updated", "workspace", call)]


async def test_a_replayed_status_that_fails_again_is_the_next_attempt_at_the_same_event(clickhouse: ClickHouse) -> None:
    sink = Sink(clickhouse)
    unknown = told("no batch", 5)

    await sink.take(replayed(status_of(unknown, offset=41), 50, attempt=3))

    (letter,) = sink.published.letters()
    assert (letter.attempt, letter.parked, letter.replay_id) == (4, True, "r")
    assert (letter.source_offset, letter.accepted_at, letter.first_failed_at) == (41, *[ACCEPTED_AT + 5] * 2)


# Repeats of a client


async def test_a_retried_request_gets_its_first_receipt_and_makes_no_second_call(
    clickhouse: ClickHouse, batch: str
) -> None:
    sink = Sink(clickhouse)
    first = sent(batch, 0, "first", submission_id=batch, body_hash="h")
    await sink.take(first)
    await sink.take(told(batch, 1))

    for restarted in (False, True):
        if restarted:
            sink.restart()
        await sink.take(sent(batch, 5, "again", submission_id=batch, body_hash="h"))

    assert len(sink.receipts()) == 3
    assert sink.receipts() == [sink.receipts()[0]] * 3
    assert await contact(clickhouse, batch) == (0, "completed", "first")
    assert await ask(clickhouse, "SELECT count() FROM phone_log WHERE batch_id = {b:String}", b=batch) == [(1,)]


async def test_a_request_retried_within_one_flush_is_done_once(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)

    chunks = [sent(batch, at, str(at), submission_id=batch, body_hash="h") for at in (0, 1)]
    await sink.take(*chunks)

    assert sink.receipts() == [sink.receipts()[0]] * 2
    assert (await contact(clickhouse, batch))[2] == "0"


@pytest.mark.parametrize("restarted", [False, True])
async def test_another_body_under_the_same_key_is_not_stored_and_not_answered(
    clickhouse: ClickHouse, batch: str, restarted: bool
) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0, "first", submission_id=batch, body_hash="h"))
    if restarted:
        sink.restart()

    await sink.take(sent(batch, 1, "other", submission_id=batch, body_hash="another"))

    assert len(sink.receipts()) == 1
    assert (await contact(clickhouse, batch))[2] == "first"


# The start of the calling service


async def test_every_flush_starts_each_of_its_batches_once(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    other = f"{batch}-other"
    of = [slice_of(batch, at) for at in range(4)]

    await sink.take(of[0], of[1], slice_of(other, 0))
    await sink.take(of[2])
    sink.restart()
    await sink.take(of[3])

    told = sink.published.starts()
    assert [start.request_id for start in told] == [f"{batch}/0", f"{other}/0", f"{batch}/2", f"{batch}/3"]
    assert [start.batch_id for start in told] == [batch, other, batch, batch]
    said = {(start.command, start.reason, start.pending, start.workspace_id) for start in told}
    assert said == {("start", "submission", -1, "workspace")}


@pytest.mark.parametrize("body_hash", [None, "h"])
async def test_what_was_stored_before_a_kill_is_started_after_it(
    clickhouse: ClickHouse, batch: str, body_hash: str | None
) -> None:
    first, second = (structs.replace(slice_of(batch, at), body_hash=body_hash) for at in (0, 1))
    killed = Sink(clickhouse)
    await killed.take(first)
    killed.published.errors.append(TryAgainError("killed after the rows, before the start"))
    with pytest.raises(TryAgainError):
        await killed.take(second)
    assert await ask(clickhouse, "SELECT count() FROM phone_log WHERE batch_id = {b:String}", b=batch) == [(2,)]

    sink = Sink(clickhouse)
    await sink.take(first, second)

    (start,) = sink.published.starts()
    assert (start.batch_id, start.request_id) == (batch, f"{batch}/{1 if body_hash else 0}")


async def test_the_sample_starts_nothing(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)

    await sink.take(*(sent(batch, at, workspace_id=SAMPLE_WORKSPACE) for at in (0, 20)))
    await sink.take(told(batch, 10, CallStatus.DIALING))

    assert (await contact(clickhouse, batch))[0] == 1
    assert sink.published.starts() == []


async def test_nothing_is_started_where_nothing_was_stored(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    nothing = a_chunk([], batch_id=batch, submission_id=batch, size=2, total=3)

    await sink.take(nothing)
    assert sink.published.starts() == []

    await sink.take(sent(batch, 0, submission_id=batch, first_index=2, record_index=[2], total=3))
    assert len(sink.published.starts()) == 1


async def test_rows_are_stored_before_the_start_and_receipts_after_it(clickhouse: ClickHouse, batch: str) -> None:
    failing = Failing(clickhouse, random.Random(1), share=0)
    sink = Sink(failing)
    failing.published = sink.published

    await sink.take(sent(batch, 0))

    assert failing.order == [("phone_log", []), ("receipts", ["calls.dialer"])]


# Gathered bare records


async def test_gathered_records_are_submissions_of_their_own(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    offset = random.Random(batch).randrange(10**12)
    origins = Origins(
        partition=[2, 2, 2], offset=[offset, offset + 1, offset + 2], accepted_at=[ACCEPTED_AT + t for t in (0, 1, 20)]
    )
    await sink.take(sent(batch, 0, "before"))
    await sink.take(told(batch, 10))

    variables = [b'{"note":"in time"}', b'{"note":"since"}']
    await sink.take(
        a_chunk(
            [NUMBER] * 2,
            batch_id=batch,
            submission_id=record_id(2, offset),
            size=3,
            total=3,
            record_index=[1, 2],
            variables=variables,
            origins=origins,
        )
    )

    assert await contact(clickhouse, batch) == (1, "pending", "since")
    statement = (
        "SELECT submission_id, added, failed, call_ids = '' FROM receipts WHERE batch_id = {b:String} AND size = 1"
    )
    found = await ask(clickhouse, statement + " ORDER BY submission_id", b=batch)
    ids = [record_id(2, offset + i) for i in range(3)]
    assert [row for row in found if row[0] in ids] == [(ids[0], 0, 1, 1), (ids[1], 1, 0, 0), (ids[2], 1, 0, 0)]
    assert [start.request_id for start in sink.published.starts()] == [f"{batch}-0/0", f"{ids[1]}/0"]


# Whatever happened, in whatever order it came


class Failing:
    """ClickHouse that now and then fails, before or after it did what was asked."""

    def __init__(self, clickhouse: ClickHouse, chance: random.Random, share: float) -> None:
        self.clickhouse, self.chance, self.share = clickhouse, chance, share
        self.order: list[tuple[str, list[str]]] = []
        self.published = Published([])

    async def insert(self, insert: Insert) -> None:
        self.order.append((insert.table, [message.topic.value for message in self.published.messages]))
        self._perhaps()
        await self.clickhouse.insert(insert)
        self._perhaps()

    async def consult(self, work: Callable[[Session], T]) -> T:
        self._perhaps()
        answer = await self.clickhouse.consult(work)
        self._perhaps()
        return answer

    def _perhaps(self) -> None:
        if self.chance.random() < self.share:
            raise TryAgainError("away")


async def readable(clickhouse: ClickHouse, batches: Sequence[str]) -> Readable:
    """Return what the tables say, by the rule that readers follow."""
    statement = """
    SELECT p.batch_id, p.phone_number, p.entry, max(p.version), any(if(s.status = '', 'pending', s.status))
    FROM phone_log AS p LEFT JOIN (SELECT * FROM call_status FINAL) AS s
        ON s.batch_id = p.batch_id AND s.phone_number = p.phone_number AND s.entry = p.entry
    WHERE p.batch_id IN {batches:Array(String)}
        AND (s.left_at = 0 OR toUnixTimestamp64Milli(p.accepted_at) <= s.left_at)
    GROUP BY p.batch_id, p.phone_number, p.entry
    """
    rows = await clickhouse._writer.run(
        lambda client: client.query(statement, parameters={"batches": list(batches)}).result_rows
    )
    return {((batch, number), entry): (version, status) for batch, number, entry, version, status in rows}


async def shown(clickhouse: ClickHouse, batches: Sequence[str]) -> dict[Any, Any]:
    statement = """
    SELECT batch_id, phone_number, entry, status, variables FROM contacts FINAL WHERE batch_id IN {b:Array(String)}
    """
    rows = await clickhouse._writer.run(
        lambda client: client.query(statement, parameters={"b": list(batches)}).result_rows
    )
    return {(batch, number): tuple(of) for batch, number, *of in rows}


def chunk_of(fact: Sent) -> PhoneLogChunk:
    versions = [row_version(fact.accepted_at, index) for index in range(len(fact.numbers))]
    return a_chunk(
        list(fact.numbers),
        batch_id=fact.batch,
        submission_id=f"{fact.batch}-{fact.accepted_at}",
        accepted_at=fact.accepted_at,
        variables=[b'{"version":"%d"}' % version for version in versions],
    )


async def insistently(sink: Sink, *facts: Sent | Told) -> None:
    while True:
        try:
            await sink.take(*(chunk_of(fact) if isinstance(fact, Sent) else fact for fact in facts))
        except TryAgainError:
            if random.random() < 0.5:
                sink.restart()
        else:
            return


class Announcing(Published):
    """A publisher that reads, at each start, which pending calls the batch has: those are announced."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        super().__init__([])
        self.clickhouse = clickhouse
        self.announced: set[Any] = set()

    async def publish(self, messages: Sequence[Message]) -> None:
        await super().publish(messages)
        batches = {decode(each.value, DialerCommand).batch_id for each in messages if each.topic == TopicName.DIALER}
        if batches:
            self.announced |= pending_of(await shown(self.clickhouse, sorted(batches)))


def pending_of(contacts: dict[Any, Any]) -> set[Any]:
    return {(place, entry) for place, (entry, status, _) in contacts.items() if status == "pending"}


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_the_order_and_the_faults_the_facts_decide(clickhouse: ClickHouse, seed: int) -> None:
    chance = random.Random(seed)
    batches = [uuid.uuid4().hex for _ in range(2)]
    publisher = Announcing(clickhouse)
    sink = Sink(Failing(clickhouse, chance, share=0.1), publisher)
    clock = ACCEPTED_AT
    facts: list[Sent | Told] = []
    waiting: list[Sent | Told] = []
    for _ in range(30):
        clock += chance.randrange(1, 3)
        known = sorted(await readable(clickhouse, batches))
        waiting.append(Sent(chance.choice(batches), tuple(chance.choices(NUMBERS, k=2)), clock))
        for place, entry in chance.sample(known, min(2, len(known))):
            clock += 1
            at = chance.choice([None, ACCEPTED_AT + chance.randrange(100)])
            waiting.append(Told(place, entry, chance.choice(list(CallStatus)), at, clock))
        flush = [waiting.pop(chance.randrange(len(waiting))) for _ in range(chance.randrange(len(waiting) + 1))]
        if flush:
            await insistently(sink, *flush)
            facts += flush
            assert pending_of(await shown(clickhouse, batches)) <= publisher.announced
        if facts and chance.random() < 0.3:
            await insistently(sink, *chance.sample(facts, min(3, len(facts))))
    await insistently(sink, *waiting)
    facts += waiting

    wanted = {
        place: (row_version(version // 100, version % 100), status)
        for place, (version, status) in expected(facts).items()
    }
    assert await readable(clickhouse, batches) == wanted
    newest = {
        of: (entry, status, f'{{"version":"{version}"}}') for (of, entry), (version, status) in sorted(wanted.items())
    }
    assert await shown(clickhouse, batches) == newest
    assert pending_of(newest) <= publisher.announced
