"""What the store answers about dead letters, compared with plain Python on the real engine."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from schemas.dead_letter_query import (
    MOST_RECORD_BYTES,
    DeadLetterFilter,
    DeadLetterQuery,
    GroupBy,
    KeptLetter,
    Place,
)
from schemas.outcomes import RECORD_CODES, Code, FieldError
from sinks.clickhouse import _FOLDER_SETTINGS, ClickHouse
from sinks.sessions import Session
from tests.support.letter_pages import AT, a_letter, groups_of, letters_insert, letters_page
from tests.support.stored import engine_in

CODES = [Code.TYPE, Code.REQUIRED, Code.BATCH_UNKNOWN, Code.SINK_REJECTED]
PATHS = ["", "/n", "/a~1b", "/'quo\"te\\", "/名前"]
MANY = """
INSERT INTO dead_letters (submission_id, record_index, attempt, version, batch_id, code, errors, record, failed_at)
SELECT toString(intDiv(number, 1000) % 100), number % 1000, 1 + intDiv(number, 100000), 1, 'batch-1', 'type',
    '[{"code":"type","path":"","message":""}]', repeat('x', 2000), now64(3)
FROM numbers({start:UInt64}, 10000)
"""
SUBMISSIONS = ["s-1", "s-2", "calls.records:3:42", "it's {p0:String}"]


@pytest.fixture
async def clickhouse(tmp_path: Path) -> AsyncIterator[ClickHouse]:
    async with engine_in(tmp_path) as clickhouse:
        yield clickhouse


def some_letters(chance: random.Random, count: int) -> list[KeptLetter]:
    """Return failed records, some of them failed again, some of those parked; no two failed at the same moment."""
    times = iter(chance.sample(range(10**6), 4 * count))
    letters: list[KeptLetter] = []
    for index in range(count):
        common: dict[str, Any] = {
            "submission_id": chance.choice(SUBMISSIONS),
            "batch_id": chance.choice(["batch-1", "batch-2", None]),
            "workspace_id": chance.choice(["workspace-1", "workspace-2", ""]),
        }
        last = chance.choice([1, 1, 1, 2, 3])
        for attempt in range(1, last + 1):
            failed_at = AT + attempt * 10**6 + next(times)
            letter = a_letter(index, attempt=attempt, failed_at=failed_at, stage=chance.choice(["clean", "load"]))
            error = FieldError(chance.choice(CODES), chance.choice(PATHS), f"message {failed_at}")
            tried = b"tried" if attempt > 1 else None
            letter = structs.replace(letter, errors=(error, *letter.errors), tried=tried, **common)
            letters.append(KeptLetter(letter, parked=attempt == 3))
    return letters


MANY_BATCHES = ("batch-2", *(f"none-{number}" for number in range(450)))
"""More batches than travel in one parameter."""


def a_query(chance: random.Random, letters: list[KeptLetter]) -> DeadLetterQuery:
    known = chance.choice(letters).letter
    error = known.errors[0]
    values: dict[str, Any] = {
        "agent": "its batches are what counts",
        "batch": known.batch_id,
        "submission": known.submission_id,
        "code": error.code,
        "failure_class": RECORD_CODES[error.code].failure_class,
        "stage": known.stage,
        "since": known.failed_at,
        "until": known.failed_at,
        "attempt": known.attempt,
        "workspace_id": known.workspace_id,
        "path": error.path,
        "record_index": known.record_index,
    }
    names = chance.sample(sorted(values), chance.choice([0, 0, 1, 1, 2]))
    by_place = chance.random() < 0.5
    return DeadLetterQuery(
        filter=DeadLetterFilter(
            **{name: values[name] for name in names},
            batches=frozenset(
                chance.choice([(), ("batch-1",), ("batch-1", "batch-2", "it's, {p0:String}"), MANY_BATCHES])
            ),
        ),
        parked=chance.random() < 0.2,
        page=chance.choice([1, 1, 2, 3, 9]),
        limit=chance.choice([1, 3, 10, 1000]),
        by_place=by_place,
        after=chance.choice([None, Place(known.submission_id, known.record_index)]) if by_place else None,
        records=by_place and chance.random() < 0.5,
    )


async def test_every_page_and_count_is_what_plain_python_makes_of_the_same_letters(clickhouse: ClickHouse) -> None:
    chance = random.Random(7)
    letters = some_letters(chance, 60)
    for part in (letters[::2], letters[1::2], letters[::5]):  # the archive may write a letter again
        await clickhouse.insert(letters_insert(part))

    for _ in range(60):
        query = a_query(chance, letters)
        assert await clickhouse.dead_letters(query) == letters_page(letters, query), query
        for by in GroupBy:
            assert list(await clickhouse.dead_letter_groups(query, by)) == groups_of(letters, query, by), query


MENDED = """
INSERT INTO replayed (submission_id, record_index, replay_id, outcome, attempt)
VALUES ('s', 0, 'r1', 'added', 1),
    ('s', 1, 'r1', 'superseded', 2), ('s', 2, 'r1', 'failed', 1), ('s', 3, 'r1', 'added', 1)
"""


async def test_a_record_that_a_replay_mended_is_no_longer_listed(clickhouse: ClickHouse) -> None:
    attempts = [(0, 1), (1, 1), (1, 2), (2, 1), (3, 1), (3, 2)]  # the last was tried again without what had mended it
    letters = [KeptLetter(a_letter(index, attempt=attempt)) for index, attempt in attempts]
    await clickhouse.insert(letters_insert(letters))
    await clickhouse.consult(lambda session: session.tell(MENDED))

    page = await clickhouse.dead_letters(DeadLetterQuery(by_place=True))
    firsts = await clickhouse.dead_letters(DeadLetterQuery(filter=DeadLetterFilter(attempt=1), by_place=True))

    assert [(kept.letter.record_index, kept.letter.attempt) for kept in page.letters] == [(2, 1)]
    assert [kept.letter.record_index for kept in firsts.letters] == [0, 1, 2, 3]  # asked for, all are history


async def test_a_page_with_records_ends_early_but_never_empty(clickhouse: ClickHouse) -> None:
    half, whole = b"x" * (MOST_RECORD_BYTES // 2), b"y" * (MOST_RECORD_BYTES + 1)
    letters = [KeptLetter(a_letter(index, record=record)) for index, record in enumerate([half, half, whole, half])]
    for letter in letters:
        await clickhouse.insert(letters_insert([letter]))

    pages, after, more = [], None, True
    while more:
        page = await clickhouse.dead_letters(DeadLetterQuery(by_place=True, after=after, records=True))
        pages.append([len(one.letter.record or b"") for one in page.letters])
        after, more = page.letters[-1].place, page.more

    assert pages == [[len(half), len(half)], [len(whole)], [len(half)]]


async def test_walking_by_place_sees_every_letter_once_while_others_fail_again(clickhouse: ClickHouse) -> None:
    letters = [KeptLetter(a_letter(index)) for index in range(25)]
    await clickhouse.insert(letters_insert(letters))
    seen: list[int] = []
    query = DeadLetterQuery(by_place=True, limit=10)

    more = True
    while more:
        page = await clickhouse.dead_letters(query)
        seen += [one.letter.record_index for one in page.letters]
        await clickhouse.insert(letters_insert([KeptLetter(a_letter(index, attempt=2)) for index in seen]))
        query, more = replace(query, after=page.letters[-1].place), page.more

    assert seen == list(range(25))


async def test_a_hundred_thousand_letters_are_listed_and_counted_within_the_memory_of_a_small_machine(
    clickhouse: ClickHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(session: Session) -> None:
        for start in range(0, 110_000, 10_000):
            session.tell(MANY, start=start)

    await clickhouse.consult(fill)
    monkeypatch.setitem(_FOLDER_SETTINGS, "max_memory_usage", 128 << 20)  # for readers; the records are 220 MB

    page = await clickhouse.dead_letters(DeadLetterQuery(limit=1000, page=50))
    assert (page.total, len(page.letters), page.more) == (100_000, 1000, True)
    (group,) = await clickhouse.dead_letter_groups(DeadLetterQuery(), GroupBy.CODE)
    assert group.count == 100_000
    (second,) = await clickhouse.dead_letter_groups(DeadLetterQuery(DeadLetterFilter(attempt=2)), GroupBy.CODE)
    assert second.count == 10_000
    page = await clickhouse.dead_letters(DeadLetterQuery(limit=1000, by_place=True, after=Place("50", 7), records=True))
    assert (len(page.letters), len(page.letters[0].letter.record or b"")) == (1000, 2000)
