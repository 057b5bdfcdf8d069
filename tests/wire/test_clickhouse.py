"""What is promised of ClickHouse, asked of the embedded engine and of its HTTP interface alike."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from schemas.dead_letters import DeadLetter
from schemas.identity import uuid_texts
from schemas.messages import MustStopError, TryAgainError
from schemas.outcomes import Code, FieldError
from schemas.records import PhoneLogChunk, SubmissionAccepted
from schemas.stores import RECORDS_REPORTED, ContactQuery, Store
from sinks.clickhouse import ClickHouse, connect
from sinks.errors import FATAL, REJECT, RETRY, RowsRefusedError
from sinks.migrate import known
from sinks.report_rows import dead_letters_insert, receipts_insert, submissions_insert
from sinks.rows import Insert, phone_log_insert, prepare, receipt_of
from tests.support.clickhouse_http import Front, clickhouse_http
from tests.unit.sinks.chunks import ACCEPTED_AT, a_chunk, numbers


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with clickhouse_http(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@pytest.fixture(params=["chdb", "http"])
def url(request: pytest.FixtureRequest, front: Front, tmp_path: Path) -> str:
    return f"chdb://{tmp_path}/chdb" if request.param == "chdb" else front.url(f"t{uuid.uuid4().hex}")


@pytest.fixture
async def empty(url: str) -> AsyncIterator[ClickHouse]:
    clickhouse = connect(url)
    yield clickhouse
    await clickhouse.close()


@pytest.fixture
async def clickhouse(empty: ClickHouse) -> ClickHouse:
    await empty.migrate()
    return empty


def insert_of(*chunks: PhoneLogChunk) -> Insert:
    insert = phone_log_insert([prepare(chunk) for chunk in chunks])
    assert insert is not None
    return insert


async def ask(clickhouse: ClickHouse, statement: str) -> list[Any]:
    rows: list[Any] = await clickhouse._writer.run(lambda client: list(client.query(statement).result_rows))
    return rows


async def tell(clickhouse: ClickHouse, statement: str) -> None:
    await clickhouse._writer.run(lambda client: client.command(statement))


def a_letter(record_index: int, attempt: int = 1, **changes: Any) -> DeadLetter:
    letter = DeadLetter(
        record=b'{"phoneNumber": "12"}',
        errors=(FieldError(Code.PHONE_INVALID, "/phoneNumber", "cannot be a number"),),
        stage="clean",
        submission_id="submission",
        batch_id="batch",
        record_index=record_index,
        source_topic="calls.raw",
        source_partition=1,
        source_offset=2,
        accepted_at=ACCEPTED_AT,
        attempt=attempt,
        first_failed_at=ACCEPTED_AT + 1,
        failed_at=ACCEPTED_AT + 2,
        replay_id="replay",
        app_version="1.2",
    )
    return structs.replace(letter, **changes)


async def test_it_is_a_store(clickhouse: ClickHouse) -> None:
    store: Store = clickhouse

    await store.writable()


@pytest.mark.parametrize(
    "text", ["", "plain", "it's", "back\\slash", "`", "tab\tand\nline", "\r\x00\x08\x0c", "ü\u2028", "{id:String}"]
)
async def test_a_parameter_arrives_as_it_is(clickhouse: ClickHouse, text: str) -> None:
    [[arrived]] = await clickhouse.consult(lambda session: session.query("SELECT {text:String}", text=text))
    assert arrived == text


async def test_it_is_not_writable_before_its_tables_are_there(empty: ClickHouse) -> None:
    with pytest.raises(TryAgainError, match="no table phone_log"):
        await empty.writable()


async def test_it_is_not_writable_while_its_last_write_was_refused(clickhouse: ClickHouse) -> None:
    with pytest.raises(MustStopError):
        await clickhouse.insert(replace(insert_of(a_chunk(numbers(1))), table="missing"))
    with pytest.raises(TryAgainError, match="code 60"):
        await clickhouse.writable()

    await clickhouse.insert(insert_of(a_chunk(numbers(1))))
    await clickhouse.writable()


async def test_migrations_are_applied_once_each_by_two_processes_at_once(url: str) -> None:
    stores = [connect(url), connect(url)]
    try:
        await asyncio.gather(*(store.migrate() for store in stores))
        await stores[0].migrate()

        assert await ask(stores[0], "SELECT count(), uniqExact(name) FROM migrations FINAL") == [
            (len(known()), len(known()))
        ]
    finally:
        await asyncio.gather(*(store.close() for store in stores))


@pytest.mark.parametrize(
    ("row", "refusal"), [("'9999_later.sql', 'x'", "newer"), ("'0001_phone_log.sql', 'x'", "was changed")]
)
async def test_a_database_of_another_version_is_refused(clickhouse: ClickHouse, row: str, refusal: str) -> None:
    await tell(clickhouse, f"INSERT INTO migrations (name, checksum) VALUES ({row})")

    with pytest.raises(MustStopError, match=refusal):
        await clickhouse.migrate()


async def test_a_stored_record_is_read_back_as_a_contact(clickhouse: ClickHouse) -> None:
    chunk = a_chunk(["+12125551001"], variables=['{"name":"Zoë","deep":{"a":[1,null]}}'.encode()], timezone=["UTC"])
    await clickhouse.insert(insert_of(chunk))

    page = await clickhouse.contacts(ContactQuery("batch"))

    (contact,) = page.contacts
    assert (page.total, contact.phone_number, contact.timezone) == (1, "+12125551001", "UTC")
    assert contact.variables == {"name": "Zoë", "deep": {"a": [1, None]}}
    assert (contact.timezone_source, contact.created_at) == ("number", ACCEPTED_AT)
    (entry,) = contact.entries
    assert [entry.call_id] == uuid_texts(prepare(chunk).call_ids)
    assert (entry.entry, entry.status, entry.created_at) == (0, "pending", ACCEPTED_AT)


async def test_every_column_is_stored(clickhouse: ClickHouse) -> None:
    await clickhouse.insert(insert_of(a_chunk(["+12125551001"], first_index=7, record_index=[7])))

    columns = "workspace_id, submission_id, record_index, phone_number_sent, agent_id, schema_version, variables"
    assert await ask(clickhouse, f"SELECT {columns} FROM phone_log") == [
        ("workspace", "submission", 7, "12125551001", "agent", 2, '{"n":0}')
    ]


async def test_the_documented_question_names_the_tz_database_of_a_call(clickhouse: ClickHouse) -> None:
    chunk = a_chunk(["+12125551001", "+12125551002"], tz_database="2026b")
    again = a_chunk(["+12125551001"], tz_database="2026c", submission_id="later", accepted_at=ACCEPTED_AT + 1)
    await clickhouse.insert(insert_of(chunk, again))
    document = Path(__file__).parents[2].joinpath("docs", "operating.md").read_text(encoding="utf-8")
    question, *_ = re.findall(r"```sql\n(SELECT accepted_at.*?)```", document, re.DOTALL)
    call_id = uuid_texts(prepare(chunk).call_ids)[0]

    rows = await ask(clickhouse, re.sub(r"[0-9a-f-]{36}", call_id, question))

    assert [row[1:] for row in rows] == [
        ("America/New_York", "number", "2026b", "submission", 0),
        ("America/New_York", "number", "2026c", "later", 0),
    ]


async def test_the_same_insert_again_adds_no_row(clickhouse: ClickHouse) -> None:
    chunks = [a_chunk(numbers(1000, 1000 * i), submission_id=f"s{i}") for i in range(3)]
    for _ in range(3):
        await clickhouse.insert(insert_of(*chunks))

    assert await ask(clickhouse, "SELECT count() FROM phone_log") == [(3000,)]


async def test_rows_gathered_in_another_way_are_still_one_row_each(clickhouse: ClickHouse) -> None:
    chunks = [a_chunk(numbers(10, 10 * i), submission_id=f"s{i}") for i in range(3)]
    for gathered in (chunks, chunks[:2], chunks[1:], chunks[::-1]):
        await clickhouse.insert(insert_of(*gathered))

    assert (await clickhouse.contacts(ContactQuery("batch"))).total == 30
    assert await ask(clickhouse, "SELECT count() FROM phone_log FINAL") == [(30,)]


@pytest.mark.parametrize("order", [1, -1])
async def test_the_later_accepted_wins_in_whatever_order_they_arrive(clickhouse: ClickHouse, order: int) -> None:
    early = a_chunk(numbers(1), variables=[b'{"v":"early"}'])
    late = a_chunk(numbers(1), variables=[b'{"v":"late"}'], accepted_at=ACCEPTED_AT + 1)
    for chunk in (early, late)[::order]:
        await clickhouse.insert(insert_of(chunk))

    (contact,) = (await clickhouse.contacts(ContactQuery("batch"))).contacts
    assert contact.variables == {"v": "late"}


async def test_of_a_number_sent_twice_the_later_values_win(clickhouse: ClickHouse) -> None:
    number = numbers(1)[0]
    await clickhouse.insert(insert_of(a_chunk([number, number])))

    (contact,) = (await clickhouse.contacts(ContactQuery("batch"))).contacts
    assert contact.variables == {"n": 1}


async def test_contacts_come_in_pages_by_number(clickhouse: ClickHouse) -> None:
    await clickhouse.insert(insert_of(a_chunk(numbers(25)[::-1]), a_chunk(numbers(3, 50), batch_id="other")))

    pages = [await clickhouse.contacts(ContactQuery("batch", page)) for page in (1, 2, 3, 4)]

    assert [contact.phone_number for page in pages for contact in page.contacts] == numbers(25)
    assert [len(page.contacts) for page in pages] == [10, 10, 5, 0]
    assert {page.total for page in pages} == {25}


@pytest.mark.parametrize("batch_id", ["a'b", 'a"b', "a\\b", "a\nb\tc", "{x:String}", "ü %s", "a\\'b"])
async def test_a_batch_id_may_be_any_text(clickhouse: ClickHouse, batch_id: str) -> None:
    await clickhouse.insert(insert_of(a_chunk(numbers(1), batch_id=batch_id)))

    assert (await clickhouse.contacts(ContactQuery(batch_id))).total == 1


async def test_a_record_may_be_large_and_hold_any_bytes(clickhouse: ClickHouse) -> None:
    record = b"\0\xff\\'\n" * 100_000
    await clickhouse.insert(dead_letters_insert([a_letter(0, record=record)]))

    assert await ask(clickhouse, "SELECT length(record), hex(left(record, 5)) FROM dead_letters") == [
        (500_000, record[:5].hex().upper())
    ]


async def test_receipts_are_read_back_as_they_were_made(clickhouse: ClickHouse) -> None:
    chunks = [a_chunk(numbers(3), first_index=i * 3, record_index=[i * 3, i * 3 + 2], **_two(i)) for i in (1, 0)]
    receipts = [receipt_of(prepare(chunk)) for chunk in chunks]
    for _ in range(2):
        await clickhouse.insert(receipts_insert(receipts))
        await clickhouse.insert(receipts_insert(receipts[:1]))

    stored = await clickhouse.submission("submission")

    assert stored is not None
    assert stored.receipts == receipts[::-1]
    assert (stored.accepted, stored.failures, stored.failed) == (None, [], {})


def _two(slice_number: int) -> dict[str, Any]:
    """Return the columns of a slice of three records of which two were accepted."""
    return {
        "size": 3,
        "total": 6,
        "phone_number": numbers(2, slice_number),
        "phone_number_sent": ["1", "2"],
        "timezone": ["UTC"] * 2,
        "timezone_source": ["default"] * 2,
        "variables": [b"{}"] * 2,
    }


async def test_a_receipt_without_a_batch_is_read_back_as_it_was_made(clickhouse: ClickHouse) -> None:
    receipt = receipt_of(prepare(a_chunk([], size=2, total=2, batch_id=None, workspace_id="")))
    await clickhouse.insert(receipts_insert([receipt]))

    stored = await clickhouse.submission("submission")

    assert stored is not None
    assert stored.receipts == [receipt]


async def test_an_accepted_submission_is_known_before_its_first_receipt(clickhouse: ClickHouse) -> None:
    accepted = SubmissionAccepted(
        submission_id="submission",
        workspace_id="w",
        batch_id="b",
        total=5,
        accepted_at=ACCEPTED_AT,
        body_hash="5e" * 32,
    )
    await clickhouse.insert(submissions_insert([accepted, accepted]))

    stored = await clickhouse.submission("submission")

    assert stored is not None
    assert (stored.accepted, stored.receipts) == (accepted, [])
    assert await clickhouse.submission("another") is None


async def test_failures_are_those_of_the_newest_attempt_with_all_errors(clickhouse: ClickHouse) -> None:
    errors = (FieldError(Code.REQUIRED, "/a", "a is missing"), FieldError(Code.TYPE, "/b", "b is no number"))
    newest = a_letter(3, attempt=3, errors=errors, record=b'{"phoneNumber": 12125551001}')
    await clickhouse.insert(dead_letters_insert([newest, a_letter(3, attempt=1), a_letter(3, attempt=2)]))
    await clickhouse.insert(dead_letters_insert([a_letter(3, attempt=2), a_letter(1, record=None)]))

    stored = await clickhouse.submission("submission")

    assert stored is not None
    assert [(f.record_index, f.phone_number) for f in stored.failures] == [(1, None), (3, "12125551001")]
    assert stored.failures[1].errors == errors
    assert stored.failed == {1: 2}


async def test_failures_are_at_most_a_hundred_of_each_chunk_and_counted_in_full(clickhouse: ClickHouse) -> None:
    failed = [*range(500, 650), *range(1000, 1003), *range(5000, 6000)]
    letters = [a_letter(index) for index in failed[::-1]]
    await clickhouse.insert(dead_letters_insert(letters))
    await clickhouse.insert(dead_letters_insert(letters[::2]))

    stored = await clickhouse.submission("submission")

    assert stored is not None
    assert stored.failed == {1: 150, 2: 3, 6: 1000}
    shown = [failure.record_index for failure in stored.failures]
    assert shown == [*range(500, 500 + RECORDS_REPORTED), *range(1000, 1003), *range(5000, 5000 + RECORDS_REPORTED)]


async def test_of_two_bodies_with_one_idempotency_key_only_the_stored_ones_failures_count(
    clickhouse: ClickHouse,
) -> None:
    letters = [a_letter(0, body_hash="mine"), a_letter(0, body_hash="other"), a_letter(2, body_hash="other")]
    await clickhouse.insert(dead_letters_insert(letters))
    receipt = receipt_of(prepare(a_chunk(numbers(1), size=2, total=2, record_index=[1], body_hash="mine")))
    await clickhouse.insert(receipts_insert([receipt]))

    stored = await clickhouse.submission("submission")

    assert stored is not None
    assert [failure.record_index for failure in stored.failures] == [0]
    assert (stored.failed, stored.receipts) == ({1: 1}, [receipt])


async def test_a_dead_letter_keeps_every_fact_of_its_headers(clickhouse: ClickHouse) -> None:
    await clickhouse.insert(dead_letters_insert([a_letter(1003, attempt=2)]))

    facts = (
        "submission_id, record_index, attempt, batch_id, code, class, stage, path, message, source_topic, "
        "source_partition, source_offset, toUnixTimestamp64Milli(accepted_at), toUnixTimestamp64Milli(first_failed_at),"
        "toUnixTimestamp64Milli(failed_at), replay_id, app_version, record"
    )
    assert await ask(clickhouse, f"SELECT {facts} FROM dead_letters") == [
        (
            *("submission", 1003, 2, "batch", "phone_invalid", "data", "clean", "/phoneNumber", "cannot be a number"),
            *("calls.raw", 1, 2, ACCEPTED_AT, ACCEPTED_AT + 1, ACCEPTED_AT + 2, "replay", "1.2"),
            '{"phoneNumber": "12"}',
        )
    ]


async def test_a_row_that_breaks_a_constraint_is_refused_without_repeating_it(clickhouse: ClickHouse) -> None:
    await tell(clickhouse, "ALTER TABLE phone_log ADD CONSTRAINT c CHECK phone_number != '+12122000001'")

    with pytest.raises(RowsRefusedError, match="469") as refused:
        await clickhouse.insert(insert_of(a_chunk(numbers(3))))

    assert "2122000" not in str(refused.value)
    assert (await clickhouse.contacts(ContactQuery("batch"))).total == 0


async def test_a_row_that_only_a_view_s_table_refuses_stops_and_is_whole_once_that_is_mended(
    clickhouse: ClickHouse,
) -> None:
    await tell(clickhouse, "ALTER TABLE contacts ADD CONSTRAINT c CHECK phone_number != '+12122000001'")
    insert = insert_of(a_chunk(numbers(3)))

    with pytest.raises(
        MustStopError, match=r"code 469 .*undo what was changed in tables contacts and calls"
    ) as refused:
        await clickhouse.insert(insert)
    await tell(clickhouse, "ALTER TABLE contacts DROP CONSTRAINT c")
    await clickhouse.insert(insert)

    assert "2122000" not in str(refused.value)
    assert await rows_in(clickhouse, "phone_log", "contacts", "calls") == [3, 3, 3]


TABLES_OF_ROWS = ("phone_log", "contacts", "calls")


async def rows_in(clickhouse: ClickHouse, *tables: str) -> list[int]:
    counts = [await clickhouse.sql(f"SELECT toUInt32(count()) FROM {table}") for table in tables]
    return [int(answer.rows[0][0]) for answer in counts]


async def test_rows_that_an_operator_deleted_come_back_only_once_clickhouse_forgets_the_insert(
    clickhouse: ClickHouse,
) -> None:
    """`docs/retention.md` says so, and has the commands."""
    insert = insert_of(a_chunk(numbers(3)))
    await clickhouse.insert(insert)
    for table in TABLES_OF_ROWS:
        await tell(clickhouse, f"ALTER TABLE {table} DELETE WHERE batch_id = 'batch' SETTINGS mutations_sync = 2")
    await clickhouse.insert(insert)
    assert await rows_in(clickhouse, *TABLES_OF_ROWS) == [0, 0, 0]

    for statement in forgetting():
        await tell(clickhouse, statement)

    for _ in range(2):
        await clickhouse.insert(insert)
        assert await rows_in(clickhouse, *TABLES_OF_ROWS) == [3, 3, 3]


def forgetting() -> list[str]:
    """Return the statements of the document's example."""
    page = (Path(__file__).parents[2] / "docs" / "retention.md").read_text("utf-8")
    statements = re.findall(r"^ALTER TABLE .*deduplication_window.*;$", page, re.MULTILINE)
    assert len(statements) == 2 * len(TABLES_OF_ROWS)
    return [statement.rstrip(";") for statement in statements]


async def test_a_missing_table_stops_the_writer_and_tells_the_reader_to_try_again(clickhouse: ClickHouse) -> None:
    for table in ("phone_log", "contacts"):
        await tell(clickhouse, f"DROP TABLE {table}")

    with pytest.raises(MustStopError, match="a restart makes it"):
        await clickhouse.insert(insert_of(a_chunk(numbers(1))))
    with pytest.raises(TryAgainError, match="code 60"):
        await clickhouse.contacts(ContactQuery("batch"))


async def test_reading_goes_on_beside_writing(clickhouse: ClickHouse) -> None:
    async def write() -> None:
        for i in range(20):
            await clickhouse.insert(insert_of(a_chunk(numbers(500, 500 * i), submission_id=f"s{i}")))

    async def read() -> list[int]:
        return [(await clickhouse.contacts(ContactQuery("batch"))).total for _ in range(20)]

    _, *seen = await asyncio.gather(write(), read(), read(), read())

    assert all(totals == sorted(totals) for totals in seen)
    assert (await clickhouse.contacts(ContactQuery("batch"))).total == 10_000


async def test_what_was_written_is_there_after_reopening(url: str) -> None:
    for _ in range(2):
        clickhouse = connect(url)
        await clickhouse.migrate()
        await clickhouse.insert(insert_of(a_chunk(numbers(5))))
        await clickhouse.close()
    clickhouse = connect(url)

    try:
        assert await ask(clickhouse, "SELECT count() FROM phone_log") == [(5,)]
    finally:
        await clickhouse.close()


async def test_the_tables_of_codes_have_clickhouse_s_own_names(empty: ClickHouse) -> None:
    table = RETRY | REJECT | {code: name for code, (name, _) in FATAL.items()}

    names = await ask(empty, f"SELECT arrayJoin({sorted(table)}) AS code, errorCodeToName(code)")

    assert dict(names) == table
