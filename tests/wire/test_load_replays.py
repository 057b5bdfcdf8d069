"""Slices of replays as `load` stores them: crafted messages, the real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec import structs
from msgspec.structs import replace

from schemas.codecs import decode
from schemas.dead_letters import from_message, to_message
from schemas.messages import Message, TryAgainError
from schemas.outcomes import Code
from schemas.records import PhoneLogChunk, ReplayReceipt
from schemas.topics import TopicName
from sinks.archive import Archive
from sinks.clickhouse import ClickHouse
from sinks.load_statuses import first_came
from sinks.rows import Insert, row_version
from tests.unit.sinks.chunks import ACCEPTED_AT, numbers
from tests.unit.sinks.replays import a_slice, failed_before
from tests.wire.test_clickhouse import a_letter
from tests.wire.test_load import NO_KAFKA, T
from tests.wire.test_load_statuses import NUMBER, Sink, ask, contact, message, sent, told

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Interrupted:
    """ClickHouse, once away when rows of this table are to be written."""

    def __init__(self, clickhouse: ClickHouse, table: str) -> None:
        self.clickhouse, self.table = clickhouse, table

    async def insert(self, insert: Insert) -> None:
        if insert.table == self.table:
            self.table = ""
            raise TryAgainError("away")
        await self.clickhouse.insert(insert)

    async def consult(self, work: Callable[..., T]) -> T:
        return await self.clickhouse.consult(work)


def of_batch(batch: str, times: Sequence[int] = (0,), number: str = NUMBER, **fields: Any) -> PhoneLogChunk:
    """Return a slice of records of one number, accepted so many ms after the beginning, each a submission's first."""
    history = [failed_before(0, ACCEPTED_AT + at, submission_id=f"{batch}-bad-{at}") for at in times]
    notes = [b'{"note":"replayed %d"}' % at for at in times]
    return a_slice(
        [number] * len(times), history, **{"batch_id": batch, "variables": notes, "replay_id": batch} | fields
    )


def receipts(sink: Sink) -> list[tuple[int, int, int, int, int]]:
    told = [decode(each.value, ReplayReceipt) for each in sink.published.messages if each.topic == TopicName.REPLAYS]
    return [(one.added, one.updated, one.superseded, one.failed, one.parked) for one in told]


async def test_a_replayed_record_is_stored_as_of_the_time_it_was_accepted(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)

    await sink.take(of_batch(batch, [5]))

    assert receipts(sink) == [(1, 0, 0, 0, 0)]
    statement = """
    SELECT submission_id, record_index, toUnixTimestamp64Milli(accepted_at), version FROM phone_log
    WHERE batch_id = {batch:String}
    """
    assert await ask(clickhouse, statement, batch=batch) == [
        (f"{batch}-bad-5", 0, ACCEPTED_AT + 5, row_version(ACCEPTED_AT + 5, 0))
    ]
    assert sink.receipts() == []
    assert [(start.reason, start.batch_id) for start in sink.published.starts()] == [("replay", batch)]


async def test_what_was_stored_since_stands(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 10, "later"))
    starts = len(sink.published.starts())

    await sink.take(of_batch(batch, [5]))

    assert receipts(sink) == [(0, 0, 1, 0, 0)]
    assert await contact(clickhouse, batch) == (0, "pending", "later")
    assert len(sink.published.starts()) == starts


async def test_a_pending_contact_is_updated_and_a_called_one_is_not(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0, "first"))

    await sink.take(of_batch(batch, [5], replay_id=f"{batch}-1"))
    assert await contact(clickhouse, batch) == (0, "pending", "replayed 5")
    await sink.take(told(batch, 20))
    await sink.take(of_batch(batch, [7], replay_id=f"{batch}-2"))

    assert receipts(sink) == [(0, 1, 0, 0, 0), (0, 0, 1, 0, 0)]
    assert await contact(clickhouse, batch) == (0, "completed", "replayed 5")


async def test_records_that_are_to_count_as_new_make_a_new_entry(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0), told(batch, 20))

    await sink.take(of_batch(batch, [5], counts_from=ACCEPTED_AT + 30))

    assert receipts(sink) == [(1, 0, 0, 0, 0)]
    assert await contact(clickhouse, batch) == (1, "pending", "replayed 5")


async def test_a_second_replay_changes_nothing_not_even_in_the_same_flush(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)

    await sink.take(of_batch(batch, replay_id=f"{batch}-1"), of_batch(batch, replay_id=f"{batch}-2"))

    assert receipts(sink) == [(1, 0, 0, 0, 0), (0, 0, 1, 0, 0)]


async def test_the_same_slice_again_gets_the_same_answer(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await sink.take(of_batch(batch, [5, 6, 4]))
    sink.restart()

    await sink.take(of_batch(batch, [5, 6, 4]))

    assert receipts(sink) == [(1, 1, 1, 0, 0)] * 2
    statement = "SELECT count() FROM phone_log FINAL WHERE batch_id = {batch:String}"
    assert await ask(clickhouse, statement, batch=batch) == [(2,)]


@pytest.mark.parametrize("table", ["replayed", "phone_log"])
async def test_what_is_interrupted_is_done_again_with_the_same_answer(
    clickhouse: ClickHouse, batch: str, table: str
) -> None:
    sink = Sink(Interrupted(clickhouse, table))  # type: ignore[arg-type]
    with pytest.raises(TryAgainError):
        await sink.take(of_batch(batch))
    sink.restart()

    await sink.take(of_batch(batch))

    assert receipts(sink) == [(1, 0, 0, 0, 0)]
    assert await contact(clickhouse, batch) == (0, "pending", "replayed 0")


async def test_an_answer_that_was_lost_is_given_again(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    sink.published.errors.append(TryAgainError("away"))
    with pytest.raises(TryAgainError):
        await sink.take(of_batch(batch))

    await sink.take(of_batch(batch))

    assert receipts(sink) == [(1, 0, 0, 0, 0)]
    assert len(sink.published.starts()) == 1


async def test_a_slice_of_which_nothing_passed_is_counted(clickhouse: ClickHouse) -> None:
    sink = Sink(clickhouse)
    history = [failed_before(0, attempt=1), failed_before(1, attempt=3)]

    await sink.take(a_slice([NUMBER] * 2, history, passed=[], batch_id=None))

    assert receipts(sink) == [(0, 0, 0, 1, 1)]
    assert sink.published.starts() == []


@asynccontextmanager
async def refusing(clickhouse: ClickHouse, condition: str) -> AsyncIterator[None]:
    await _tell(clickhouse, f"ALTER TABLE phone_log ADD CONSTRAINT c CHECK NOT ({condition})")
    yield
    await _tell(clickhouse, "ALTER TABLE phone_log DROP CONSTRAINT c")


async def _tell(clickhouse: ClickHouse, statement: str) -> None:
    await clickhouse._writer.run(lambda client: client.command(statement))


async def test_a_row_that_clickhouse_refuses_is_a_dead_letter_again(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    history = [failed_before(index, sent=b'{"sent":1}', submission_id=batch) for index in range(3)]
    slice_of = a_slice(numbers(3), history, batch_id=batch)

    async with refusing(clickhouse, f"batch_id = '{batch}' AND phone_number = '{numbers(2)[1]}'"):
        await sink.take(slice_of)
        await sink.take(slice_of)
    await archive(clickhouse, *filter(_is_letter, sink.published.messages))
    known = await clickhouse.submission(batch)

    assert receipts(sink) == [(2, 0, 0, 1, 0)] * 2
    letter, again = sink.published.letters()
    assert (letter.errors[0].code, letter.attempt, letter.record, letter.tried) == (
        Code.SINK_REJECTED,
        2,
        b'{"sent":1}',
        None,
    )
    assert (letter.submission_id, letter.record_index, letter.workspace_id) == (batch, 1, "workspace")
    assert replace(again, failed_at=letter.failed_at) == letter
    assert known is not None
    assert sorted(one.record_index for one in known.replayed.newest) == [0, 2]


async def test_a_refused_row_supersedes_nothing(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    newer_then_older = of_batch(batch, [5, 0])

    async with refusing(clickhouse, f"batch_id = '{batch}' AND submission_id = '{batch}-bad-5'"):
        await sink.take(newer_then_older)
        await sink.take(newer_then_older)
    rows = await ask(
        clickhouse, "SELECT submission_id FROM phone_log FINAL WHERE batch_id = {batch:String}", batch=batch
    )
    remembered = await ask(
        clickhouse,
        "SELECT submission_id, outcome FROM replayed FINAL WHERE batch_id = {batch:String} ORDER BY submission_id",
        batch=batch,
    )

    assert receipts(sink) == [(1, 0, 0, 1, 0)] * 2
    assert rows == [(f"{batch}-bad-0",)]
    assert remembered == [(f"{batch}-bad-0", "added"), (f"{batch}-bad-5", "failed")]
    assert [letter.submission_id for letter in sink.published.letters()] == [f"{batch}-bad-5"] * 2


async def test_the_report_shows_what_replays_have_done(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    for part in ("1", "2"):
        await sink.take(of_batch(batch, [5], replay_id=f"{batch}-{part}"))

    letter = replace(a_letter(0), submission_id=f"{batch}-bad-5")
    await archive(clickhouse, to_message(letter))
    known = await clickhouse.submission(f"{batch}-bad-5")

    assert known is not None
    assert known.replayed.count == 2
    outcomes = [(one.record_index, one.outcome, one.replay_id) for one in known.replayed.newest]
    assert sorted(outcomes) == [(0, "added", f"{batch}-1"), (0, "superseded", f"{batch}-2")]
    rows = await ask(
        clickhouse,
        "SELECT outcome, workspace_id, attempt FROM replayed FINAL WHERE batch_id = {batch:String} ORDER BY replay_id",
        batch=batch,
    )
    assert rows == [("added", "workspace", 1), ("superseded", "workspace", 1)]


async def test_what_a_replay_would_do_is_foreseen_and_nothing_written(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 10), told(batch, 20), sent(batch, 10, number=numbers(2)[1]))
    other, new = numbers(3)[1:]
    asked = [(NUMBER, 5), (NUMBER, 30), (other, 5), (other, 15), (new, 1), (new, 1)]

    found = await clickhouse.replay_outcomes(batch, [(number, ACCEPTED_AT + at, 0) for number, at in asked])

    outcomes = ["superseded", "added", "superseded", "updated", "added", "superseded"]
    assert found == list(zip(outcomes, [0, 1, 0, 0, 0, 0], strict=True))
    assert await ask(clickhouse, "SELECT count() FROM replayed WHERE batch_id = {batch:String}", batch=batch) == [(0,)]


async def test_a_replayed_status_that_fails_again_keeps_its_history(clickhouse: ClickHouse) -> None:
    sink = Sink(clickhouse)
    headers = [
        ("dlq.attempt", b"2"),
        ("dlq.first-failed-at", b"77"),
        ("submission-id", b"first"),
        ("dlq.replay-id", b"r"),
    ]
    for most in (b"3", b"2"):
        given = (*headers, ("dlq.max-attempts", most))
        await sink.take(message(TopicName.STATUS, b"[]", 0, ACCEPTED_AT, headers=given))

    letter, parked = sink.published.messages
    assert (letter.topic, parked.topic) == (TopicName.DEAD_LETTER, TopicName.PARKING)
    found = from_message(letter.value, letter.headers)
    assert found is not None
    assert (found.submission_id, found.attempt, found.first_failed_at, found.replay_id) == ("first", 3, 77, "r")


async def test_headers_of_an_attempt_without_a_replay_do_not_count(clickhouse: ClickHouse) -> None:
    sink = Sink(clickhouse)

    await sink.take(message(TopicName.STATUS, b"[]", 0, ACCEPTED_AT, headers=(("dlq.attempt", b"9"),)))

    assert [letter.attempt for letter in sink.published.letters()] == [1]


async def test_a_status_sent_on_to_its_partition_keeps_its_history(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0))
    status = sink.message(told(batch, 1))
    elsewhere = message(
        TopicName.STATUS,
        status.value,
        (status.partition + 1) % 8,
        ACCEPTED_AT,
        headers=(("dlq.replay-id", b"r"), ("foreign", b"x")),
    )

    await sink.take(elsewhere)

    (forwarded,) = [each for each in sink.published.messages if each.topic == TopicName.STATUS]
    assert dict(forwarded.headers).get("dlq.replay-id") == b"r"
    assert "foreign" not in dict(forwarded.headers)
    later = message(TopicName.STATUS, forwarded.value, status.partition, ACCEPTED_AT + 50, headers=forwarded.headers)
    assert first_came(later) == ACCEPTED_AT


async def test_parked_letters_are_kept_beside_the_others(clickhouse: ClickHouse, batch: str) -> None:
    first = replace(a_letter(0), submission_id=batch, workspace_id="w", tried=b"{tried", changes="set a")
    parked = replace(first, attempt=2, parked=True)

    await archive(clickhouse, to_message(first), to_message(parked))

    statement = """
    SELECT attempt, workspace_id, tried, changes, parked FROM dead_letters FINAL
    WHERE submission_id = {batch:String} ORDER BY attempt
    """
    assert await ask(clickhouse, statement, batch=batch) == [
        (1, "w", "{tried", "set a", False),
        (2, "w", "{tried", "set a", True),
    ]


def _is_letter(of: Message) -> bool:
    return of.topic == TopicName.DEAD_LETTER


async def archive(clickhouse: ClickHouse, *of: Message) -> None:
    """Have the letters kept, as if they had been read from Kafka."""
    consumer = Archive(NO_KAFKA, clickhouse)
    messages = [message(each.topic, each.value, 0, ACCEPTED_AT, key=each.key, headers=each.headers) for each in of]
    await consumer.write(consumer.read(messages))


async def test_what_a_replay_has_stored_is_passed_over_also_as_new(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await sink.take(of_batch(batch, [5], replay_id=f"{batch}-1", counts_from=ACCEPTED_AT + 10))
    await sink.take(told(batch, 20))

    await sink.take(of_batch(batch, [5], replay_id=f"{batch}-2", counts_from=ACCEPTED_AT + 30))
    await sink.take(of_batch(batch, [5], replay_id=f"{batch}-3"))

    assert receipts(sink) == [(1, 0, 0, 0, 0), (0, 0, 1, 0, 0), (0, 0, 1, 0, 0)]
    assert await contact(clickhouse, batch) == (0, "completed", "replayed 5")


async def test_two_replays_as_new_at_once_store_a_record_once(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    first, second = (of_batch(batch, [5], replay_id=f"{batch}-{at}", counts_from=ACCEPTED_AT + at) for at in (10, 30))

    await sink.take(first, told(batch, 20), second)
    sink.restart()
    await sink.take(first, told(batch, 20), second)

    assert receipts(sink) == [(1, 0, 0, 0, 0), (0, 0, 1, 0, 0)] * 2
    statement = "SELECT count() FROM phone_log FINAL WHERE batch_id = {batch:String}"
    assert await ask(clickhouse, statement, batch=batch) == [(1,)]


async def test_a_record_that_a_replay_passed_over_may_count_as_new(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0), told(batch, 20))

    await sink.take(of_batch(batch, [5], replay_id=f"{batch}-1"))
    await sink.take(of_batch(batch, [5], replay_id=f"{batch}-2", counts_from=ACCEPTED_AT + 30))

    assert receipts(sink) == [(0, 0, 1, 0, 0), (1, 0, 0, 0, 0)]


async def test_of_several_records_that_count_as_new_the_newest_is_what_is_called(
    clickhouse: ClickHouse, batch: str
) -> None:
    sink = Sink(clickhouse)
    slices = [of_batch(batch, [at], replay_id=batch, part=at, counts_from=ACCEPTED_AT + 30) for at in (5, 7)]
    numbered = [
        structs.replace(
            one,
            replay=structs.replace(one.replay, records=[structs.replace(one.replay.records[0], record_index=place)]),
        )
        for place, one in enumerate(slices)
        if one.replay is not None
    ]

    for one in numbered:
        await sink.take(one)

    assert receipts(sink) == [(1, 0, 0, 0, 0), (0, 1, 0, 0, 0)]


async def test_what_was_stored_since_stands_also_against_what_counts_as_new(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 10, "posted again"), told(batch, 20))

    await sink.take(of_batch(batch, [5], counts_from=ACCEPTED_AT + 30))

    assert receipts(sink) == [(0, 0, 1, 0, 0)]
    assert await contact(clickhouse, batch) == (0, "completed", "posted again")


@pytest.mark.parametrize("counts_from", [None, ACCEPTED_AT + 30])
async def test_a_replay_stores_nothing_of_a_body_whose_key_belongs_to_another(
    clickhouse: ClickHouse, batch: str, counts_from: int | None
) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0, submission_id=batch, body_hash="a" * 64))
    history = [failed_before(1, submission_id=batch, body_hash=of) for of in ("b" * 64, "a" * 64)]
    replayed = a_slice(numbers(4)[2:], history, batch_id=batch, replay_id=f"{batch}-1", counts_from=counts_from)

    await sink.take(replayed, replayed)

    assert receipts(sink) == [(1, 0, 1, 0, 0)] * 2
    statement = "SELECT phone_number FROM phone_log FINAL WHERE batch_id = {batch:String} AND record_index = 1"
    assert await ask(clickhouse, statement, batch=batch) == [(numbers(4)[3],)]
    known = await clickhouse.submission(batch)
    assert known is not None
    assert [(one.record_index, one.outcome) for one in known.replayed.newest] == [(1, "added")]
