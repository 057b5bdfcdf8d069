from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.identity import CALL_ID_BYTES, call_ids, record_id
from schemas.records import Origins, PhoneLogChunk
from sinks.rows import is_whole, phone_log_insert, prepare, receipt_of, receipts_of, row_version
from tests.unit.sinks.chunks import ACCEPTED_AT, a_chunk, numbers


def test_a_receipt_has_the_call_ids_of_the_stored_records_in_the_order_sent() -> None:
    chunk = a_chunk(numbers(3), size=5, record_index=[0, 2, 4])

    receipt = receipt_of(prepare(chunk))

    assert receipt.call_ids == call_ids("batch", zip(numbers(3), [0, 0, 0], strict=True))
    assert (receipt.size, receipt.added, receipt.failed) == (5, 3, 2)


def test_a_number_sent_twice_counts_twice_and_has_its_call_id_twice() -> None:
    number = numbers(1)[0]

    receipt = receipt_of(prepare(a_chunk([number, number])))

    assert receipt.added == 2
    assert receipt.call_ids[:CALL_ID_BYTES] == receipt.call_ids[CALL_ID_BYTES:]


def test_a_refused_row_is_failed_and_leaves_no_call_id() -> None:
    prepared = prepare(a_chunk(numbers(3), first_index=10, record_index=[10, 11, 12]))

    receipt = receipt_of(prepared, {11})

    assert (receipt.added, receipt.failed) == (2, 1)
    assert receipt.call_ids == prepared.call_ids[:CALL_ID_BYTES] + prepared.call_ids[2 * CALL_ID_BYTES :]


def test_a_chunk_without_accepted_records_has_a_receipt_and_no_rows() -> None:
    prepared = prepare(a_chunk([], size=4, total=4, batch_id=None))

    assert (receipt_of(prepared).added, receipt_of(prepared).failed) == (0, 4)
    assert phone_log_insert([prepared]) is None


def test_the_same_rows_have_the_same_token_and_other_rows_another() -> None:
    chunk = a_chunk(numbers(3))
    later = a_chunk(numbers(3), accepted_at=ACCEPTED_AT + 1)
    tokens = [insert.token for each in (chunk, chunk, later) if (insert := phone_log_insert([prepare(each)]))]

    assert tokens[0] == tokens[1] != tokens[2]


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2**24 - 1)), min_size=2))
def test_the_later_accepted_wins_and_then_the_later_in_its_submission(facts: list[tuple[int, int]]) -> None:
    # 2020-01-01 plus 2^40 ms is in the year 2054
    facts = [(1_577_836_800_000 + min(since, 2**40 - 1), index) for since, index in facts]

    assert sorted(facts) == sorted(facts, key=lambda fact: row_version(*fact))


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**24 - 1))
def test_a_version_always_fits_its_column(accepted_at: int, index: int) -> None:
    assert 0 <= row_version(accepted_at, index) < 2**64


def gathered(**changes: object) -> PhoneLogChunk:
    """Return a slice of three bare records, of which the first was not accepted."""
    origins = Origins(partition=[3, 3, 4], offset=[7, 8, 1], accepted_at=[ACCEPTED_AT + i for i in range(3)])
    return a_chunk(numbers(2), **({"size": 3, "record_index": [1, 2], "origins": origins} | changes))


def test_gathered_records_have_a_receipt_each() -> None:
    receipts = receipts_of(prepare(gathered()), refused={2})

    assert [r.submission_id for r in receipts] == [record_id(3, 7), record_id(3, 8), record_id(4, 1)]
    assert [(r.first_index, r.total, r.added, r.failed) for r in receipts] == [(0, 1, 0, 1), (0, 1, 1, 0), (0, 1, 0, 1)]
    assert [r.accepted_at - ACCEPTED_AT for r in receipts] == [0, 1, 2]
    assert receipts[1].call_ids == prepare(gathered()).call_ids[:CALL_ID_BYTES]
    assert receipts[0].call_ids == receipts[2].call_ids == b""


def test_a_slice_of_one_submission_has_one_receipt_with_its_body_hash() -> None:
    (receipt,) = receipts_of(prepare(a_chunk(numbers(3), body_hash="h")))

    assert (receipt.added, receipt.body_hash) == (3, "h")


def test_a_gathered_slice_names_the_origin_of_every_record_to_be_whole() -> None:
    assert is_whole(gathered())
    assert not is_whole(gathered(origins=Origins(partition=[3, 3], offset=[7, 8, 1], accepted_at=[1, 2, 3])))


@pytest.mark.parametrize("changes", [{}, {"size": 9}, {"first_index": 2, "record_index": [2, 3], "total": 9}])
def test_a_chunk_whose_columns_fit_is_whole(changes: dict[str, object]) -> None:
    assert is_whole(a_chunk(numbers(2), **changes))


@pytest.mark.parametrize(
    "chunk",
    [
        a_chunk(numbers(2), timezone=["UTC"]),
        a_chunk(numbers(2), size=1),
        a_chunk(numbers(2), record_index=[0, 7]),
        a_chunk(numbers(2), record_index=[-1, 0]),
        a_chunk(numbers(2), first_index=-1, record_index=[0, 0]),
        a_chunk(numbers(2), first_index=2**24 - 1, record_index=[2**24 - 1, 2**24]),
        a_chunk(numbers(2), batch_id=None),
        a_chunk(numbers(2), schema_version=-1),
        a_chunk([], size=-1),
        a_chunk([], total=-1),
    ],
)
def test_a_chunk_that_does_not_fit_itself_is_not_ours(chunk: PhoneLogChunk) -> None:
    assert not is_whole(chunk)


def readings(chunk: PhoneLogChunk) -> list[bytes]:
    """Return the last three columns of a chunk's block: how numbers were read, confidence, candidates."""
    block = prepare(chunk).block
    places = [block.index(name) for name in (b"phone_number_read_as", b"timezone_confidence", b"timezone_candidates")]
    return [block[start:end].partition(b"String")[2] for start, end in pairwise([*places, None])]


def text(value: str) -> bytes:
    return bytes([len(value)]) + value.encode()


def test_what_is_certain_is_stored_as_certain() -> None:
    read_as, confidence, candidates = readings(a_chunk(numbers(2), timezone_source=["number", "record"]))
    assert read_as.startswith(text("international") * 2)
    assert confidence.startswith(text("certain") * 2)
    assert candidates == text("") * 2


def test_a_row_has_the_reading_of_its_own_index() -> None:
    chunk = a_chunk(
        numbers(3),
        size=9,
        record_index=[2, 5, 8],
        country="US",
        national=[5],
        uncertain=[5, 8],
        uncertain_area=[1, 0],
        areas=["country", "candidates A B"],
    )
    read_as, confidence, candidates = readings(chunk)
    assert is_whole(chunk)
    assert read_as.startswith(text("international") + text("national:US") + text("international"))
    assert confidence.startswith(text("certain") + text("candidates") + text("country"))
    assert candidates == text("") + text("A B") + text("")


def test_of_a_chunk_of_an_earlier_version_nothing_is_claimed_of_zones_that_the_batch_gave() -> None:
    _, confidence, _ = readings(a_chunk(numbers(2), timezone_source=["number", "batch"]))
    assert confidence.startswith(text("") * 2)


@pytest.mark.parametrize(("uncertain", "area"), [([0], []), ([0], [1]), ([], [0])])
def test_a_chunk_whose_areas_do_not_fit_is_not_whole(uncertain: list[int], area: list[int]) -> None:
    assert not is_whole(a_chunk(numbers(1), uncertain=uncertain, uncertain_area=area, areas=["country"]))
