from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.outcomes import Code
from sinks.entries import LeftTimes
from sinks.refused import SAMPLE_ROWS, RefusedRow, dead_letter_of, halves, sample
from sinks.rows import PreparedChunk, prepare
from tests.unit.sinks.chunks import ACCEPTED_AT, a_chunk, numbers


def rows_of(prepared: list[PreparedChunk]) -> list[tuple[str, int, str]]:
    return [
        (each.chunk.submission_id, index, number)
        for each in prepared
        for index, number in zip(each.chunk.record_index, each.chunk.phone_number, strict=True)
    ]


@given(st.lists(st.integers(0, 4), min_size=1).filter(lambda sizes: sum(sizes) > 1))
def test_halves_have_every_row_once_and_neither_is_empty(sizes: list[int]) -> None:
    prepared = [prepare(a_chunk(numbers(size), submission_id=f"s{i}")) for i, size in enumerate(sizes)]

    left, right = halves(prepared)

    assert rows_of(left) + rows_of(right) == rows_of(prepared)
    assert rows_of(left)
    assert rows_of(right)


def test_half_of_a_chunk_is_what_would_have_been_prepared_of_those_rows() -> None:
    chunk = a_chunk(numbers(4))

    (left,), (right,) = halves([prepare(chunk)])

    assert left.call_ids + right.call_ids == prepare(chunk).call_ids
    assert right.chunk.variables == chunk.variables[2:]


def test_rows_keep_their_entries_whatever_they_are_cut_from() -> None:
    left = LeftTimes(np.array([[12122000001, ACCEPTED_AT - 1], [12122000002, ACCEPTED_AT + 1]], "<i8").tobytes())
    whole = prepare(a_chunk(numbers(4)), left)

    (first,), (second,) = halves([whole])

    assert (first.entries.entry, second.entries.entry) == ([0, 1], [0, 0])
    assert first.left + second.left == whole.left
    assert first.call_ids + second.call_ids == whole.call_ids


def test_a_sample_is_of_different_rows_from_all_over() -> None:
    prepared = [prepare(a_chunk(numbers(100), submission_id=f"s{i}")) for i in range(4)]

    rows = rows_of(sample(prepared))

    assert len(set(rows)) == SAMPLE_ROWS
    assert {submission for submission, _, _ in rows} == {"s0", "s1", "s2", "s3"}


def test_there_is_no_sample_of_few_rows() -> None:
    assert sample([prepare(a_chunk(numbers(SAMPLE_ROWS)))]) == []


def refused(**changes: object) -> RefusedRow:
    return RefusedRow(a_chunk(numbers(1), **changes), "ClickHouse refuses the row with code 469")


def test_the_dead_letter_of_a_refused_row_says_where_it_came_from() -> None:
    letter = dead_letter_of(refused(first_index=40, record_index=[41], size=2), ACCEPTED_AT + 9, "1.2")

    assert [error.code for error in letter.errors] == [Code.SINK_REJECTED]
    assert (letter.record_index, letter.stage, letter.failed_at, letter.app_version) == (
        41,
        "load",
        ACCEPTED_AT + 9,
        "1.2",
    )
    assert (letter.source_topic, letter.source_partition, letter.source_offset) == ("calls.raw", 3, 17)
    assert letter.report_partition == 5


@pytest.mark.parametrize("variables", [b"{}", b'{"a":1}', b' { "a" : 1 } '])
@pytest.mark.parametrize("source", ["record", "number"])
def test_the_record_is_put_together_again(variables: bytes, source: str) -> None:
    chunk = {"variables": [variables], "timezone_source": [source], "phone_number_sent": ['0012 "x"']}
    letter = dead_letter_of(refused(**chunk), ACCEPTED_AT, "")

    expected = {"phoneNumber": '0012 "x"'} | ({"timezone": "America/New_York"} if source == "record" else {})
    assert msgspec.json.decode(letter.record or b"") == expected | msgspec.json.decode(variables)
