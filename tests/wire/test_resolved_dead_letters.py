"""Dead letters that need no replay any more, as the real engine stores and tells them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from dialfeed.letter_numbers import number_of
from schemas.dead_letter_query import DeadLetterFilter, DeadLetterQuery, KeptLetter, ResolvedBy
from schemas.dead_letters import DeadLetter, to_message
from schemas.records import Returned
from schemas.stores import Mended
from sinks.archive import Archive
from sinks.clickhouse import ClickHouse
from tests.support.letter_pages import a_letter
from tests.unit.sinks.chunks import ACCEPTED_AT, numbers
from tests.unit.sinks.replays import a_slice, failed_before
from tests.wire.test_load import NO_KAFKA
from tests.wire.test_load_replays import receipts
from tests.wire.test_load_statuses import NUMBER, Sink, message, sent, told

pytestmark = pytest.mark.asyncio(loop_scope="module")


def letter(batch: str, index: int = 0, number: str = NUMBER, **fields: Any) -> DeadLetter:
    return a_letter(
        index,
        record=b'{"phoneNumber":"%b"}' % number.removeprefix("+").encode(),
        submission_id=batch,
        batch_id=batch,
        accepted_at=ACCEPTED_AT,
        **{"workspace_id": "workspace"} | fields,
    )


async def keep(clickhouse: ClickHouse, *letters: DeadLetter) -> None:
    archive = Archive(NO_KAFKA, clickhouse, number_of=number_of)
    made = [to_message(one) for one in letters]
    read = archive.read([message(one.topic, one.value, 0, ACCEPTED_AT, headers=one.headers) for one in made])
    await archive.write(read)


async def listed(clickhouse: ClickHouse, batch: str, *, resolved: bool = False) -> list[KeptLetter]:
    wanted = DeadLetterFilter(submission=batch)
    return list((await clickhouse.dead_letters(DeadLetterQuery(wanted, resolved=resolved, by_place=True))).letters)


async def told_of(clickhouse: ClickHouse, batch: str) -> list[tuple[int, str | None, int | None]]:
    found = [(one.letter.record_index, one.resolved_by) for one in await listed(clickhouse, batch, resolved=True)]
    return [(index, how.submission_id, how.record_index) for index, how in found if isinstance(how, ResolvedBy)]


async def test_a_reject_that_comes_back_resolves_its_dead_letter(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await keep(clickhouse, letter(batch, 0), letter(batch, 1))
    back = sent(batch, 5, number=numbers(9)[8])

    await sink.take(replace(back, returned=[Returned(record_index=0, submission_id=batch, index=1)]))

    assert [one.letter.record_index for one in await listed(clickhouse, batch)] == [0]
    assert await told_of(clickhouse, batch) == [(1, back.submission_id, 0)]


async def test_no_workspace_resolves_the_dead_letters_of_another(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await keep(clickhouse, letter(batch, 1, workspace_id="theirs"))
    back = sent(f"{batch}-ours", 5)

    await sink.take(replace(back, returned=[Returned(record_index=0, submission_id=batch, index=1)]))

    assert [one.letter.record_index for one in await listed(clickhouse, batch)] == [1]


async def test_a_later_record_of_the_same_number_and_batch_resolves(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    other, later = numbers(4)[2:]
    await keep(clickhouse, letter(batch, 0), letter(batch, 1, other), letter(batch, 2, later))

    await sink.take(sent(batch, 5), sent(f"{batch}-elsewhere", 5, number=other))
    await sink.take(sent(batch, 0, number=later))

    assert [one.letter.record_index for one in await listed(clickhouse, batch)] == [1, 2]
    assert await told_of(clickhouse, batch) == [(0, sent(batch, 5).submission_id, None)]


async def test_a_good_record_of_the_same_request_resolves_nothing(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await keep(clickhouse, letter(batch, 1))

    await sink.take(sent(batch, 5, submission_id=batch))

    assert [one.letter.record_index for one in await listed(clickhouse, batch)] == [1]


async def test_what_is_resolved_is_counted_as_mended(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await keep(clickhouse, letter(batch, 1, failed_at=ACCEPTED_AT + 10**10))
    before = (await clickhouse.figures()).dead_letters

    await sink.take(sent(batch, 5))

    def waiting(figures: object) -> int:
        return sum(one.records for one in figures if one.mended is not Mended.YES)  # type: ignore[attr-defined]

    assert waiting((await clickhouse.figures()).dead_letters) == waiting(before) - 1


@pytest.mark.parametrize("counts_from", [None, ACCEPTED_AT + 30])
async def test_a_replay_of_what_is_resolved_makes_no_second_call(
    clickhouse: ClickHouse, batch: str, counts_from: int | None
) -> None:
    sink = Sink(clickhouse)
    corrected = numbers(9)[8]
    back = sent(batch, 5, number=corrected)
    await sink.take(replace(back, returned=[Returned(record_index=0, submission_id=batch, index=1)]))
    await sink.take(told(batch, 20))

    await sink.take(a_slice([NUMBER], [failed_before(1, submission_id=batch)], batch_id=batch, counts_from=counts_from))

    assert receipts(sink) == [(0, 0, 1, 0, 0)]


async def test_what_is_dismissed_is_told_with_its_reason_and_not_replayed(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await keep(clickhouse, letter(batch, 0), letter(batch, 1, workspace_id=""))
    query = DeadLetterQuery(DeadLetterFilter(submission=batch))

    count = await clickhouse.dismiss_dead_letters(query, "it's \\ over", 1_000)
    again = await clickhouse.dismiss_dead_letters(query, "again", 2_000)
    history = [failed_before(index, submission_id=batch) for index in range(2)]
    await sink.take(a_slice(numbers(2), history, batch_id=batch))

    assert (count, again, await listed(clickhouse, batch)) == (2, 0, [])
    found = [one.resolved_by for one in await listed(clickhouse, batch, resolved=True)]
    assert [(how.reason, how.at) for how in found if how is not None] == [("it's \\ over", 1_000)] * 2
    assert receipts(sink) == [(0, 0, 2, 0, 0)]


async def test_dead_letters_of_a_refused_body_do_not_count(clickhouse: ClickHouse, batch: str) -> None:
    sink = Sink(clickhouse)
    await sink.take(sent(batch, 0, submission_id=batch, body_hash="a" * 64))
    of = [letter(batch, 7, numbers(3)[2], body_hash=body * 64) for body in "ab"]

    await keep(clickhouse, *of, replace(of[1], attempt=2), replace(of[1], record_index=8))

    assert [(one.letter.record_index, one.letter.body_hash) for one in await listed(clickhouse, batch)] == [
        (7, "a" * 64)
    ]
    asked = DeadLetterQuery(DeadLetterFilter(submission=batch, attempt=2))
    assert (await clickhouse.dead_letters(asked)).total == 0
