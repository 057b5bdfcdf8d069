from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest_api.seen_numbers import FIRST_SLOTS, SeenNumbers


@given(st.lists(st.integers(1, 50) | st.integers(1, 10**15 - 1)))
def test_a_number_is_known_by_the_row_it_was_first_seen_in(numbers: list[int]) -> None:
    seen = SeenNumbers()
    rows: dict[int, int] = {}
    for row, number in enumerate(numbers, start=2):
        assert seen.first(f"+{number}", row) == rows.get(number)
        rows.setdefault(number, row)


def test_it_grows() -> None:
    seen = SeenNumbers()
    numbers = [f"+{12120000000 + number}" for number in range(5 * FIRST_SLOTS)]
    assert [seen.first(number, row) for row, number in enumerate(numbers)] == [None] * len(numbers)
    assert [seen.first(number, 0) for number in numbers] == list(range(len(numbers)))
