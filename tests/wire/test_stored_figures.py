from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schemas.dead_letters import DeadLetter
from schemas.outcomes import Code
from schemas.records import Receipt
from schemas.stores import Figures, Mended
from sinks.clickhouse import ClickHouse
from sinks.report_rows import dead_letters_insert, receipts_insert
from tests.support.letter_pages import a_letter
from tests.support.stored import engine_in


@pytest.fixture
async def clickhouse(tmp_path: Path) -> AsyncIterator[ClickHouse]:
    async with engine_in(tmp_path) as clickhouse:
        yield clickhouse


RECENTLY = time.time_ns() // 1_000_000 - 60_000
DAY_MS = 24 * 60 * 60 * 1000


def letter(index: int, code: Code, *, attempt: int = 1, failed_at: int = 5000, parked: bool = False) -> DeadLetter:
    failed_at += RECENTLY
    return a_letter(index, code, attempt=attempt, first_failed_at=failed_at, failed_at=failed_at, parked=parked)


def receipt(submission_id: str, first_index: int) -> Receipt:
    return Receipt(
        submission_id=submission_id,
        workspace_id="w",
        batch_id="b",
        first_index=first_index,
        size=3,
        total=6,
        added=2,
        failed=1,
        accepted_at=1,
        call_ids=b"",
    )


async def tell(clickhouse: ClickHouse, *statements: str) -> None:
    for statement in statements:
        await clickhouse.consult(lambda session, said=statement: session.tell(said))  # type: ignore[misc]


async def test_nothing_stored_is_all_zeros(clickhouse: ClickHouse) -> None:
    assert await clickhouse.figures() == Figures(dead_letters=[])


async def test_a_record_counts_once_by_its_newest_failure(clickhouse: ClickHouse) -> None:
    await clickhouse.insert(dead_letters_insert([letter(0, Code.TYPE, failed_at=3000), letter(1, Code.TYPE)]))
    await clickhouse.insert(dead_letters_insert([letter(0, Code.SCHEMA_UNUSABLE, attempt=2, failed_at=3000)]))
    await clickhouse.insert(receipts_insert([receipt("s", 0), receipt("s", 3), receipt("t", 0)]))
    await clickhouse.insert(receipts_insert([receipt("s", 0)]))
    found = await clickhouse.figures()
    assert list(found.dead_letters) == [
        ("schema_unusable", "schema", Mended.NO, 1, RECENTLY + 3000),
        ("type", "data", Mended.NO, 1, RECENTLY + 5000),
    ]
    assert (found.submissions, found.added, found.failed) == (2, 6, 3)


async def remember(clickhouse: ClickHouse, index: int, outcome: str, replay_id: str = "r") -> None:
    columns = "submission_id, record_index, replay_id, outcome"
    await tell(clickhouse, f"INSERT INTO replayed ({columns}) VALUES ('s', {index}, '{replay_id}', '{outcome}')")


async def test_what_failed_in_a_replay_is_not_mended_and_what_is_stays_so(clickhouse: ClickHouse) -> None:
    await clickhouse.insert(
        dead_letters_insert([letter(n, Code.SINK_REJECTED, attempt=m, failed_at=n) for n in (1, 2) for m in (1, 2)])
    )
    await remember(clickhouse, 1, "failed")
    await remember(clickhouse, 2, "superseded")
    await remember(clickhouse, 2, "failed", "a later one")
    found = await clickhouse.figures()
    assert list(found.dead_letters) == [
        ("sink_rejected", "sink", Mended.NO, 1, RECENTLY + 1),
        ("sink_rejected", "sink", Mended.YES, 1, RECENTLY + 2),
    ]
    assert found.replayed == {"superseded": 1, "failed": 2}


async def test_parked_are_those_whose_newest_failure_was_and_that_nothing_has_mended(clickhouse: ClickHouse) -> None:
    first = [letter(n, Code.TYPE) for n in range(4)]
    parked = [letter(n, Code.TYPE, attempt=2, parked=True) for n in (1, 2, 3)]
    await clickhouse.insert(dead_letters_insert([*first, *parked]))
    assert (await clickhouse.figures()).parked == 3
    await remember(clickhouse, 1, "added")
    await clickhouse.insert(dead_letters_insert([letter(2, Code.TYPE, attempt=3)]))
    found = await clickhouse.figures()
    assert found.parked == 1
    assert found.replayed == {"added": 1, "failed": 1, "parked": 3}


async def test_what_a_replay_let_through_is_mended(clickhouse: ClickHouse) -> None:
    await clickhouse.insert(dead_letters_insert([letter(0, Code.TYPE, failed_at=3000), letter(1, Code.TYPE)]))
    await tell(
        clickhouse,
        "INSERT INTO replayed (submission_id, record_index, replay_id, outcome) VALUES ('s', 0, 'r', 'added')",
        "ALTER TABLE dead_letters UPDATE parked = true WHERE record_index = 1 SETTINGS mutations_sync = 2",
    )
    found = await clickhouse.figures()
    assert list(found.dead_letters) == [
        ("type", "data", Mended.NO, 1, RECENTLY + 5000),
        ("type", "data", Mended.YES, 1, RECENTLY + 3000),
    ]
    assert (found.parked, found.replayed) == (1, {"added": 1})


async def test_what_the_topics_keep_no_longer_has_expired_unless_it_was_mended(clickhouse: ClickHouse) -> None:
    ages = {0: 29, 1: 31, 2: 31}
    letters = [letter(n, Code.TYPE, failed_at=-days * DAY_MS, parked=True) for n, days in ages.items()]
    await clickhouse.insert(dead_letters_insert(letters))
    await remember(clickhouse, 2, "added")
    found = await clickhouse.figures()
    assert {(each.mended, each.records) for each in found.dead_letters} == {(state, 1) for state in Mended}
    assert found.parked == 1
