from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_api.slicing import CHUNK_BYTES, MESSAGE_BYTES, Run, runs, slices
from schemas.records import CHUNK_RECORDS
from schemas.submission_body import SubmissionBody, parse_body


def spans(sizes: list[int]) -> list[tuple[int, int]]:
    return [(run.start, run.stop) for run in runs(sizes)]


def firsts(records: list[bytes]) -> list[int]:
    return [piece.first_index for piece in slices("b", records)]


def test_the_value_of_a_message_is_the_contracts_body_with_the_bytes_as_sent() -> None:
    [piece] = slices('b"1', [b'{"a": 1}', b"NaN"])
    assert piece.value == b'{"batchId":"b\\"1","call_data":[{"a": 1},NaN]}'


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([10], [(0, 1)]),
        ([10] * 1000, [(0, 1000)]),
        ([10] * 1001, [(0, 1000), (1000, 1001)]),
        ([2_000_000], [(0, 1)]),
        ([2_000_000, 10], [(0, 1), (1, 2)]),
        ([10, 2_000_000, 10], [(0, 1), (1, 2), (2, 3)]),
        ([600_000, 600_000, 300_000], [(0, 1), (1, 3)]),
    ],
)
def test_a_chunk_is_one_run_unless_it_is_too_large(sizes: list[int], expected: list[tuple[int, int]]) -> None:
    assert spans(sizes) == expected


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        pytest.param([b"x" * 100] * 5000, [0], id="whole chunks together up to half a megabyte"),
        pytest.param([b"x" * 300] * 2500, [0, 1000], id="no further chunk beyond that"),
        pytest.param([b"x" * 700] * 2000, [0, 1000], id="at least one chunk"),
        pytest.param([b"x"] * 1000 + [b"x"] + [b"x" * 2_000_000], [0, 1000, 1001], id="no part with another chunk"),
        pytest.param([b"x" * 1_500_000] + [b"x"] * 1999, [0, 1, 1000], id="nor with the chunk after it"),
    ],
)
def test_a_message_holds_whole_chunks_while_it_is_small(records: list[bytes], expected: list[int]) -> None:
    assert firsts(records) == expected


@given(
    st.lists(st.sampled_from([1, 300, 900, 40_000, 700_000, 1_100_000]), min_size=1, max_size=60), st.integers(0, 2200)
)
def test_no_record_is_lost_doubled_or_moved_and_chunks_never_meet_in_part(large: list[int], small: int) -> None:
    sizes = [1] * small + large
    found = list(runs(sizes))
    assert [index for run in found for index in range(run.start, run.stop)] == list(range(len(sizes)))
    assert all(run.start // CHUNK_RECORDS == (run.stop - 1) // CHUNK_RECORDS for run in found)
    assert all(run.size_bytes == sum(sizes[run.start : run.stop]) for run in found)
    assert all(run.size_bytes <= CHUNK_BYTES or run.stop - run.start == 1 for run in found)


@given(st.integers(1, 4200), st.sampled_from([2, 200, 500, 1200]))
def test_messages_read_back_are_the_records_sent(count: int, size: int) -> None:
    records = [b'"%s"' % (b"x" * size)] * count
    pieces = list(slices("b", records))
    bodies = [parse_body(piece.value) for piece in pieces]
    assert [record for body in bodies if isinstance(body, SubmissionBody) for record in body.records] == records
    limit = max(MESSAGE_BYTES, CHUNK_BYTES) + 100
    assert all(len(piece.value) <= limit for piece in pieces)


def test_a_run_knows_its_length() -> None:
    assert list(runs([3, 4])) == [Run(0, 2, 7)]
