from __future__ import annotations

import json
from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from schemas.codecs import decode, encode
from schemas.records import CHUNK_RECORDS, Chunk, Origins
from streams.chunking import KEPT_BYTES, SLICE_BYTES
from streams.gathering import MOST_BYTES, Window, parted
from streams.pipeline import Limits, chunk_messages, clean
from tests.support.samples import campaign, record

NOW = 1_700_000_000_500
GOOD = json.dumps(record(1)).encode()


def message(
    offset: int, value: bytes | None = GOOD, *, batch: str | None = "b", key: bytes | None = None, partition: int = 3
) -> Any:
    """Return a bare record as aiokafka gives it; of three in a row, two have the same time."""
    headers = [("batch-id", batch.encode())] if batch is not None else []
    return ConsumerRecord(
        "calls.records", partition, offset, 1_000 + offset // 2, 1, key, value, None, 0, 0, tuple(headers)
    )


def gathered(*messages: Any) -> list[Chunk]:
    window = Window()
    return [*window.add(messages), *window.rest()]


def only(*messages: Any) -> Chunk:
    (chunk,) = gathered(*messages)
    return chunk


def origins(chunk: Chunk) -> Origins:
    assert chunk.origins is not None
    return chunk.origins


def test_records_of_a_batch_leave_together_each_with_its_place_and_time() -> None:
    chunk = only(message(4, b"1"), message(5, b"2"), message(9, b"3"))
    assert (chunk.batch_id, chunk.records, chunk.total) == ("b", [b"1", b"2", b"3"], 3)
    assert chunk.origins == Origins(partition=[3, 3, 3], offset=[4, 5, 9], accepted_at=[1002, 1002, 1004])
    assert (chunk.submission_id, chunk.source_offset) == ("calls.records:3:4", 4)


def test_a_chunk_is_of_one_batch_but_of_any_partition() -> None:
    window = Window()
    window.add([message(1, batch="a"), message(2, batch="b")])
    window.add([message(7, batch="a", partition=5)])
    first, second = window.rest()
    assert (first.batch_id, origins(first).partition) == ("a", [3, 5])
    assert (second.batch_id, origins(second).offset) == ("b", [2])
    assert window.next_offsets == {("calls.records", 3): 3, ("calls.records", 5): 8}


def test_a_full_chunk_leaves_at_once() -> None:
    window = Window()
    full = window.add([message(n) for n in range(2 * CHUNK_RECORDS + 1)])
    assert [len(chunk.records) for chunk in full] == [CHUNK_RECORDS, CHUNK_RECORDS]
    assert [len(chunk.records) for chunk in window.rest()] == [1]
    assert (window.rest(), window.size) == ([], 0)


def test_a_chunk_is_bounded_in_bytes_and_a_larger_record_goes_alone() -> None:
    large = b"x" * (SLICE_BYTES // 2 + 1)
    chunks = gathered(message(1, large), message(2, large), message(3, b"x" * SLICE_BYTES * 2), message(4))
    assert [origins(chunk).offset for chunk in chunks] == [[1], [2], [3], [4]]


def test_very_many_batches_make_a_window_overfull() -> None:
    window = Window()
    window.add([message(n, b"x" * 100, batch=f"b{n}") for n in range(10_000)])
    assert not window.is_overfull
    window.add([message(n, b"x" * 100, batch=f"b{n}") for n in range(10_000, 60_000)])
    assert window.is_overfull
    assert window.size < 2 * MOST_BYTES


@pytest.mark.parametrize(
    ("batch", "key", "found"),
    [("h", b"k", "h"), (None, b"k", "k"), ("", b"k", "k"), ("x" * 257, b"k", "k"), ("  ", b"k", "k")],
)
def test_the_header_names_the_batch_else_the_key(batch: str | None, key: bytes, found: str) -> None:
    assert only(message(1, batch=batch, key=key)).batch_id == found


@pytest.mark.parametrize("key", [None, b"", b" ", b"\xff", b"x" * 257])
def test_a_record_without_batch_goes_on_with_the_reason(key: bytes | None) -> None:
    chunk = only(message(1, batch=None, key=key))
    assert (chunk.batch_id, chunk.rejected_code) == (None, "batch_missing")


@pytest.mark.parametrize("value", [None, b"", b" \n"])
def test_an_empty_record_goes_on_with_the_reason_and_apart_from_good_ones(value: bytes | None) -> None:
    good, empty = gathered(message(1), message(2, value))
    assert (good.rejected_code, good.records) == (None, [GOOD])
    assert (empty.rejected_code, empty.batch_id, origins(empty).offset) == ("empty_value", "b", [2])


def test_a_record_that_no_message_of_ours_could_hold_is_cut() -> None:
    (message_out,) = chunk_messages(gathered(message(1, b"[" * (KEPT_BYTES + 10))))
    assert message_out.value is not None
    assert len(message_out.value) < KEPT_BYTES + 1000


def test_a_gathered_chunk_travels_as_it_is() -> None:
    chunk = only(message(4), message(5))
    (sent,) = chunk_messages([chunk])
    assert (sent.key, decode(sent.value, Chunk)) == (b"calls.records:3:4/0", chunk)


def test_each_dead_letter_is_that_of_a_submission_of_its_own() -> None:
    chunk = only(message(4, b"{"), message(5), message(9, b"[]"))
    letters = clean(chunk, campaign(), Limits(), NOW).dead_letters
    assert [(x.submission_id, x.record_index, x.source_offset, x.accepted_at) for x in letters] == [
        ("calls.records:3:4", 0, 4, 1002),
        ("calls.records:3:9", 0, 9, 1004),
    ]
    assert [(x.record, x.source_partition, x.batch_id, x.report_partition) for x in letters] == [
        (b"{", 3, "b", None),
        (b"[]", 3, "b", None),
    ]


def test_rows_point_to_where_they_come_from() -> None:
    chunk = only(message(4, b"{"), message(5))
    log = clean(chunk, campaign(), Limits(), NOW).phone_log
    assert (log.record_index, log.size, log.origins) == ([1], 2, chunk.origins)
    assert decode(encode(log), type(log)) == log


def test_a_rejected_chunk_makes_a_dead_letter_a_record_and_no_row() -> None:
    result = clean(only(message(1, None), message(2, b"")), campaign(), Limits(), NOW)
    assert [(x.submission_id, x.errors[0].code) for x in result.dead_letters] == [
        ("calls.records:3:1", "empty_value"),
        ("calls.records:3:2", "empty_value"),
    ]
    assert (result.phone_log.size, result.phone_log.record_index) == (2, [])


def test_a_chunk_is_parted_by_kind_and_keeps_each_records_place() -> None:
    chunk = only(*(message(n, b"%d" % n) for n in range(4)))
    first, second = parted(chunk, origins(chunk), [1, 2, 1, 2])
    assert (first.records, origins(first).offset) == ([b"0", b"2"], [0, 2])
    assert (second.submission_id, second.total, second.accepted_at) == ("calls.records:3:1", 2, 1000)
    assert parted(chunk, origins(chunk), [1] * 4) == [chunk]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from([None, b"1", b"x" * 400_000])), max_size=40),
    st.lists(st.integers(0, 40)),
)
def test_however_records_are_gathered_each_leaves_once_with_its_own_identity(
    sent: list[tuple[int, bytes | None]], cuts: list[int]
) -> None:
    messages = [message(offset, value, batch=f"b{batch}") for offset, (batch, value) in enumerate(sent)]
    found = []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(messages)], strict=True):
        found += gathered(*messages[start:end])
    left = [
        (chunk.batch_id, offset, time, value)
        for chunk in found
        for offset, time, value in zip(origins(chunk).offset, origins(chunk).accepted_at, chunk.records, strict=True)
    ]
    wanted = [(f"b{batch}", n, 1_000 + n // 2, value or b"") for n, (batch, value) in enumerate(sent)]
    assert sorted(left, key=lambda one: one[1]) == wanted


def test_a_record_whose_header_asks_for_an_unsupported_option_is_not_taken() -> None:
    asked = ConsumerRecord(
        "calls.records", 3, 4, 1_000, 1, b"b", GOOD, None, 0, 0, (("dryRun", b"true"), ("batch-id", b"b"))
    )
    harmless = ConsumerRecord("calls.records", 3, 5, 1_000, 1, b"b", GOOD, None, 0, 0, (("dryRun", b"false"),))
    refused, taken = gathered(asked, harmless)
    assert (refused.rejected_code, refused.rejected_path, refused.batch_id) == ("unsupported_option", "dryRun", "b")
    assert (taken.rejected_code, origins(taken).offset) == (None, [5])
