from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.consumer_lag import OLDEST_MS, Search

NOW = 1_800_000_000_000


def found(times: list[int], offset: int) -> tuple[int, int]:
    """Search as Kafka would answer; return the time and the number of rounds."""
    search, rounds = Search(offset, NOW), 0
    while not search.done:
        place = bisect_left(times, search.ask_at)
        search.take((place, times[place]) if place < len(times) else None)
        rounds += 1
    return search.written_at, rounds


@given(st.lists(st.integers(1_000, OLDEST_MS), min_size=1, max_size=50), st.data())
def test_an_age_is_found_to_a_tenth_in_few_rounds(ages: list[int], data: st.DataObject) -> None:
    times = sorted(NOW - age for age in ages)
    offset = data.draw(st.integers(0, len(times) - 1))
    at, rounds = found(times, offset)
    assert 1 / 1.11 <= (NOW - at) / (NOW - times[offset]) <= 1.11
    assert rounds <= 10


@pytest.mark.parametrize("age", [0, 1, 999])
def test_what_was_written_just_now_is_about_a_second_old(age: int) -> None:
    assert NOW - found([NOW - age], 0)[0] < 1_200


def test_what_is_older_than_any_topic_is_kept_counts_as_that_old() -> None:
    assert (NOW - found([1], 0)[0]) / OLDEST_MS > 0.9
