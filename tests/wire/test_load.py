"""The sink's two consumers: against the embedded engine alone, then with a real Kafka too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from structlog.testing import capture_logs

from schemas.codecs import decode, encode
from schemas.dead_letters import DeadLetter, from_message, to_message
from schemas.kafka_connection import KafkaConnection
from schemas.messages import Message, MustStopError, TryAgainError
from schemas.outcomes import Code, FieldError
from schemas.records import DialerCommand, PhoneLogChunk, Receipt, SubmissionAccepted
from schemas.topics import TopicName
from sinks.archive import Archive
from sinks.clickhouse import ClickHouse
from sinks.load import Load
from sinks.rows import Insert, prepare, receipt_of
from sinks.sessions import Session
from tests.support.bus import Bus, bus_of_its_own
from tests.support.stored import engine_in
from tests.unit.sinks.chunks import ACCEPTED_AT, a_chunk, numbers
from tests.unit.sinks.consuming import MemoryConsumer, record

T = TypeVar("T")
WITHIN_SECONDS = 60.0
NO_KAFKA = KafkaConnection("nowhere")


class Tables:
    """Writes inserts down on their way to ClickHouse; first raises the errors given."""

    def __init__(self, clickhouse: ClickHouse, actions: list[Any], *errors: Exception) -> None:
        self.clickhouse, self.actions, self.errors = clickhouse, actions, list(errors)

    async def insert(self, insert: Insert) -> None:
        if self.errors:
            raise self.errors.pop(0)
        await self.clickhouse.insert(insert)
        self.actions.append((insert.table, insert.rows))

    async def consult(self, work: Callable[[Session], T]) -> T:
        return await self.clickhouse.consult(work)


class Published:
    """A publisher that keeps what it is given; first raises the errors given."""

    def __init__(self, actions: list[Any], *errors: Exception) -> None:
        self.actions, self.errors = actions, list(errors)
        self.messages: list[Message] = []

    async def publish(self, messages: Sequence[Message]) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.messages += messages
        self.actions.append((messages[0].topic.value, len(messages)))

    async def ready(self) -> None:
        pass

    def receipts(self) -> list[Receipt]:
        return [decode(each.value, Receipt) for each in self.messages if each.topic == TopicName.RECEIPTS]

    def starts(self) -> list[DialerCommand]:
        return [decode(each.value, DialerCommand) for each in self.messages if each.topic == TopicName.DIALER]

    def letters(self) -> list[DeadLetter]:
        topics = {TopicName.DEAD_LETTER: False, TopicName.PARKING: True}
        kept = [(message, topics[message.topic]) for message in self.messages if message.topic in topics]
        letters = [from_message(message.value, message.headers, parked=parked) for message, parked in kept]
        return [letter for letter in letters if letter is not None]


@pytest.fixture
async def clickhouse(tmp_path: Path) -> AsyncIterator[ClickHouse]:
    async with engine_in(tmp_path) as clickhouse:
        yield clickhouse


@pytest.fixture
def actions() -> list[Any]:
    return []


async def stored(clickhouse: ClickHouse, statement: str = "SELECT count() FROM phone_log") -> Any:
    rows = await clickhouse._writer.run(lambda client: client.query(statement).result_rows)
    return rows[0][0]


async def load(tables: Tables, publisher: Published, waiting: Sequence[Any]) -> None:
    """Run a load over these messages until there are no more."""
    consumer = MemoryConsumer(waiting, tables.actions)
    loading = Load(NO_KAFKA, tables, publisher, app_version="1.2", make_consumer=lambda *_: consumer)
    async with asyncio.timeout(WITHIN_SECONDS):
        running = asyncio.create_task(loading.run())
        idle = asyncio.create_task(consumer.idle.wait())
        await asyncio.wait([running, idle], return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        await loading.stop()
        await running


def chunks(count: int, rows: int = 10) -> list[PhoneLogChunk]:
    return [a_chunk(numbers(rows, rows * i), submission_id=f"s{i}", batch_id=f"b{i % 2}") for i in range(count)]


def messages(of: Sequence[PhoneLogChunk]) -> list[Any]:
    return [record(offset, encode(chunk)) for offset, chunk in enumerate(of)]


async def test_rows_then_receipts_then_their_messages_then_offsets(clickhouse: ClickHouse, actions: list[Any]) -> None:
    publisher = Published(actions)

    await load(Tables(clickhouse, actions), publisher, messages(chunks(3)))

    assert actions == [
        "start",
        ("phone_log", 30),
        ("calls.dialer", 2),  # of two batches
        ("receipts", 3),
        ("calls.receipts", 3),
        ("commit", 3),
        "stop",
    ]
    assert [(one.batch_id, one.request_id) for one in publisher.starts()] == [("b0", "s0/0"), ("b1", "s1/0")]
    assert publisher.receipts() == [receipt_of(prepare(chunk)) for chunk in chunks(3)]
    assert await stored(clickhouse) == 30


async def test_a_receipt_goes_where_its_answer_is_awaited(clickhouse: ClickHouse, actions: list[Any]) -> None:
    publisher = Published(actions)

    await load(Tables(clickhouse, actions), publisher, messages(chunks(1)))

    message = publisher.messages[-1]
    assert (message.key, message.partition) == (b"s0", 5)


async def test_a_chunk_of_nothing_but_failures_has_its_receipt(clickhouse: ClickHouse, actions: list[Any]) -> None:
    publisher = Published(actions)

    await load(Tables(clickhouse, actions), publisher, messages([a_chunk([], size=4, total=4, batch_id=None)]))

    assert actions[1:-1] == [("receipts", 1), ("calls.receipts", 1), ("commit", 1)]
    assert [(r.added, r.failed) for r in publisher.receipts()] == [(0, 4)]


@pytest.mark.parametrize("foreign", [None, b"", b"not ours", encode(receipt_of(prepare(chunks(1)[0])))])
async def test_a_foreign_message_is_passed_over_and_counted(
    clickhouse: ClickHouse, actions: list[Any], foreign: bytes | None
) -> None:
    ours = encode(chunks(1)[0])

    with capture_logs() as logs:
        await load(Tables(clickhouse, actions), Published(actions), [record(0, foreign), record(1, ours)])

    assert actions[1:-1] == [
        ("phone_log", 10),
        ("calls.dialer", 1),
        ("receipts", 1),
        ("calls.receipts", 1),
        ("commit", 2),
    ]
    assert [line["count"] for line in logs if line["event"] == "foreign_messages_skipped"] == [1]


async def test_offsets_of_nothing_but_foreign_messages_are_committed(
    clickhouse: ClickHouse, actions: list[Any]
) -> None:
    await load(Tables(clickhouse, actions), Published(actions), [record(0, b"not ours")])

    assert actions == ["start", ("commit", 1), "stop"]


async def test_no_log_line_holds_a_number_or_a_record(clickhouse: ClickHouse, actions: list[Any]) -> None:
    with capture_logs() as logs:
        await load(Tables(clickhouse, actions), Published(actions), messages(chunks(2)))

    assert logs
    assert "1212200" not in repr(logs)


@pytest.mark.parametrize("failing", ["rows", "receipts", "messages"])
async def test_what_cannot_be_done_now_is_done_later_once(
    clickhouse: ClickHouse, actions: list[Any], failing: str
) -> None:
    away = TryAgainError("away")
    tables, publisher = Tables(clickhouse, actions), Published(actions)
    if failing == "messages":
        publisher.errors = [away]
    elif failing == "rows":
        tables.errors = [away]
    else:
        tables = FailingReceipts(clickhouse, actions, away)

    await load(tables, publisher, messages(chunks(2)))

    assert actions[-4:] == [("receipts", 2), ("calls.receipts", 2), ("commit", 2), "stop"]
    assert await stored(clickhouse) == 20
    assert len(publisher.receipts()) == 2


class FailingReceipts(Tables):
    async def insert(self, insert: Insert) -> None:
        if insert.table == "receipts" and self.errors:
            raise self.errors.pop(0)
        errors, self.errors = self.errors, []
        await super().insert(insert)
        self.errors = errors


async def test_a_missing_table_ends_the_run_with_nothing_said_or_committed(
    clickhouse: ClickHouse, actions: list[Any]
) -> None:
    await clickhouse._writer.run(lambda client: client.command("DROP TABLE phone_log"))

    with pytest.raises(MustStopError, match="code 60"):
        await load(Tables(clickhouse, actions), Published(actions), messages(chunks(1)))

    assert actions == ["start", "stop"]


async def forbid(clickhouse: ClickHouse, condition: str) -> None:
    statement = f"ALTER TABLE phone_log ADD CONSTRAINT c CHECK NOT ({condition})"
    await clickhouse._writer.run(lambda client: client.command(statement))


async def test_rows_that_clickhouse_refuses_are_found_and_dead_lettered(
    clickhouse: ClickHouse, actions: list[Any]
) -> None:
    await forbid(clickhouse, "submission_id = 's1' AND record_index IN (3, 7)")
    publisher = Published(actions)

    await load(Tables(clickhouse, actions), publisher, messages(chunks(3)))

    assert await stored(clickhouse, "SELECT count() FROM phone_log FINAL") == 28
    letters = publisher.letters()
    assert [(x.submission_id, x.record_index, x.stage) for x in letters] == [("s1", 3, "load"), ("s1", 7, "load")]
    assert {x.errors[0].code for x in letters} == {Code.SINK_REJECTED}
    number = chunks(3)[1].phone_number_sent[3]
    assert msgspec.json.decode(letters[0].record or b"") == {"phoneNumber": number, "n": 3}
    receipts = {receipt.submission_id: receipt for receipt in publisher.receipts()}
    assert [(receipts[s].added, receipts[s].failed) for s in ("s0", "s1", "s2")] == [(10, 0), (8, 2), (10, 0)]
    assert len(receipts["s1"].call_ids) == 8 * 16


async def test_dead_letters_of_refused_rows_are_there_before_their_receipts(
    clickhouse: ClickHouse, actions: list[Any]
) -> None:
    await forbid(clickhouse, "record_index = 0")

    await load(Tables(clickhouse, actions), Published(actions), messages(chunks(1)))

    told = [("calls.dead-letter", 1), ("receipts", 1), ("calls.receipts", 1), ("commit", 1), "stop"]
    assert actions[-5:] == told


async def test_a_table_that_refuses_every_row_stops_the_process_before_any_dead_letter(
    clickhouse: ClickHouse, actions: list[Any]
) -> None:
    await forbid(clickhouse, "1")
    publisher = Published(actions)

    with pytest.raises(MustStopError, match="every other row too"):
        await load(Tables(clickhouse, actions), publisher, messages(chunks(3)))

    assert (actions, publisher.messages) == (["start", "stop"], [])


async def test_receipts_do_not_depend_on_what_was_written_together(clickhouse: ClickHouse, actions: list[Any]) -> None:
    together, apart = Published([]), Published([])

    await load(Tables(clickhouse, actions), together, messages(chunks(3)))
    for message in messages(chunks(3)):
        await load(Tables(clickhouse, actions), apart, [message])

    assert together.receipts() == apart.receipts()
    assert await stored(clickhouse, "SELECT count() FROM phone_log FINAL") == 30


def a_letter() -> DeadLetter:
    return DeadLetter(
        record=b"not JSON",
        errors=(FieldError(Code.UNDECODABLE, "", "the bytes are not JSON"),),
        stage="cut",
        submission_id="submission",
        batch_id=None,
        record_index=0,
        source_topic="calls.raw",
        source_partition=0,
        source_offset=0,
        accepted_at=ACCEPTED_AT,
        attempt=1,
        first_failed_at=ACCEPTED_AT,
        failed_at=ACCEPTED_AT,
    )


ACCEPTED = SubmissionAccepted(
    submission_id="submission", workspace_id="w", batch_id="b", total=1, accepted_at=ACCEPTED_AT
)


async def test_the_archive_keeps_dead_letters_and_accepted_submissions_only(
    clickhouse: ClickHouse, actions: list[Any]
) -> None:
    letter = to_message(a_letter())
    waiting = [
        record(0, b"x", topic="calls.dead-letter"),
        record(1, letter.value, topic="calls.dead-letter", headers=letter.headers),
    ]
    told = [encode(ACCEPTED), encode(receipt_of(prepare(chunks(1)[0]))), b"not ours", None]
    archive = Archive(NO_KAFKA, Tables(clickhouse, actions))

    await archive.write(archive.read(waiting))
    await archive.write(archive.read([record(i, value, topic="calls.receipts") for i, value in enumerate(told)]))

    assert actions == [("dead_letters", 1), ("submissions", 1)]
    known = await clickhouse.submission("submission")
    assert known is not None
    assert (known.accepted, known.failed) == (ACCEPTED, {1: 1})
    assert known.failures[0].errors == a_letter().errors


@pytest.fixture
async def bus(kafka_bootstrap: str) -> AsyncIterator[Bus]:
    async with bus_of_its_own(kafka_bootstrap) as its_own:
        yield its_own


@asynccontextmanager
async def running(*parts: Load | Archive) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(part.run()) for part in parts]
    try:
        yield
    finally:
        assert all(await asyncio.gather(*(part.stop() for part in parts)))
        await asyncio.gather(*tasks)


def on_the_bus(of: Sequence[PhoneLogChunk]) -> list[Message]:
    return [Message(TopicName.PHONE_LOG, encode(chunk), key=str(chunk.batch_id).encode()) for chunk in of]


async def receipts_on(bus: Bus, count: int) -> list[Receipt]:
    found = await bus.read(TopicName.RECEIPTS, lambda messages: len(messages) >= count)
    return [decode(message.value, Receipt) for message in found]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WITHIN_SECONDS):
        while not await condition():  # noqa: ASYNC110 - Kafka and ClickHouse set no event of ours
            await asyncio.sleep(0.05)


async def until_committed(bus: Bus, group: str, topic: TopicName, count: int) -> None:
    async def all_are() -> bool:
        return await bus.committed(group, topic) >= count

    await until(all_are)


async def test_chunks_on_kafka_are_stored_told_and_committed(bus: Bus, clickhouse: ClickHouse) -> None:
    await bus.publisher.publish(on_the_bus(chunks(20)))

    async with running(Load(bus.connection, clickhouse, bus.publisher, app_version="1.2")):
        receipts = await receipts_on(bus, 20)
        await until_committed(bus, "load", TopicName.PHONE_LOG, 20)

    assert {receipt.submission_id for receipt in receipts} == {f"s{i}" for i in range(20)}
    assert await stored(clickhouse) == 200


class WithoutReceipts(Published):
    async def publish(self, messages: Sequence[Message]) -> None:
        if messages[0].topic == TopicName.RECEIPTS:
            raise TryAgainError("away")
        await super().publish(messages)


async def test_what_was_stored_but_not_committed_is_done_again_without_a_second_row(
    bus: Bus, clickhouse: ClickHouse
) -> None:
    await bus.publisher.publish(on_the_bus(chunks(4)))
    silent = WithoutReceipts([])

    async def all_are_stored() -> bool:
        return bool(await stored(clickhouse, "SELECT count() FROM receipts") == 4)

    async with running(Load(bus.connection, clickhouse, silent, app_version="1.2")):
        await until(all_are_stored)
    assert await bus.committed("load", TopicName.PHONE_LOG) == 0

    async with running(Load(bus.connection, clickhouse, bus.publisher, app_version="1.2")):
        await until_committed(bus, "load", TopicName.PHONE_LOG, 4)

    assert await stored(clickhouse, "SELECT count() FROM phone_log FINAL") == 40
    assert await stored(clickhouse, "SELECT count() FROM receipts FINAL") == 4


async def test_nothing_is_lost_or_doubled_when_partitions_move_under_load(bus: Bus, clickhouse: ClickHouse) -> None:
    count = 60
    of = [msgspec.structs.replace(chunk, batch_id=f"b{i}") for i, chunk in enumerate(chunks(count))]
    first, second = (Load(bus.connection, clickhouse, bus.publisher, app_version="1.2") for _ in range(2))

    async with running(first):
        for chunk in of[: count // 2]:
            await bus.publisher.publish(on_the_bus([chunk]))
        async with running(second):
            for chunk in of[count // 2 :]:
                await bus.publisher.publish(on_the_bus([chunk]))
            await until_committed(bus, "load", TopicName.PHONE_LOG, count)

    receipts = {receipt.submission_id: receipt for receipt in await receipts_on(bus, count)}
    assert len(receipts) == count
    assert await stored(clickhouse, "SELECT count() FROM phone_log FINAL") == count * 10


async def test_dead_letters_on_kafka_are_kept_in_clickhouse(bus: Bus, clickhouse: ClickHouse) -> None:
    accepted = Message(TopicName.RECEIPTS, encode(ACCEPTED), key=b"submission")
    await bus.publisher.publish([to_message(a_letter()), accepted])

    async with running(Archive(bus.connection, clickhouse)):
        await until_committed(bus, "archive", TopicName.DEAD_LETTER, 1)
        await until_committed(bus, "archive", TopicName.RECEIPTS, 1)

    known = await clickhouse.submission("submission")
    assert known is not None
    assert (known.accepted, known.failed) == (ACCEPTED, {1: 1})
