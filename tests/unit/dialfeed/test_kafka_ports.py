from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dialfeed.kafka_ports import outside

PORT = st.integers(min_value=1024, max_value=65_535)


def test_ports_are_taken_below_the_range_of_outgoing_connections() -> None:
    assert outside(32_768, 60_999) == range(10_000, 32_768)


def test_ports_are_taken_above_it_where_there_are_more() -> None:
    assert outside(15_000, 50_000) == range(50_001, 65_536)


@given(low=PORT, high=PORT)
def test_there_is_always_a_port_to_try(low: int, high: int) -> None:
    assert all(0 < port < 65_536 for port in (outside(low, high)[0], outside(low, high)[-1]))
