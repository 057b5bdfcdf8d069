from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks import native


def test_a_block_is_counts_then_name_type_and_values_of_each_column() -> None:
    block = native.block(2, [native.texts("a", ["x", "yz"]), native.integers("b", "UInt32", [1, 258])])

    assert block == b"\x02\x02\x01a\x06String\x01x\x02yz\x01b\x06UInt32\x01\0\0\0\x02\x01\0\0"


def test_a_block_without_rows_is_nothing_at_all() -> None:
    assert native.block(0, [native.texts("a", [])]) == b""


@pytest.mark.parametrize(("length", "prefix"), [(127, b"\x7f"), (128, b"\x80\x01"), (16_384, b"\x80\x80\x01")])
def test_lengths_are_written_seven_bits_at_a_time(length: int, prefix: bytes) -> None:
    assert native.texts("a", [b"x" * length]).data == prefix + b"x" * length


def test_a_uuid_is_two_little_endian_halves() -> None:
    assert native.uuids("a", bytes(range(16))).data == bytes([7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8])


@given(st.lists(st.text(), min_size=1))
def test_the_shorter_ways_to_write_texts_write_the_same(values: list[str]) -> None:
    assert native.few_texts("a", values) == native.texts("a", values)
    assert native.same_text("a", values[0], 3) == native.texts("a", [values[0]] * 3)


def test_the_shorter_way_to_write_integers_writes_the_same() -> None:
    assert native.same_integer("a", native.MILLISECONDS, 7, 3) == native.integers("a", native.MILLISECONDS, [7, 7, 7])


def test_a_column_with_missing_values_says_first_which_they_are() -> None:
    assert native.optional_texts("a", ["x", None]).data == b"\0\1" + b"\1x\0"
    assert native.optional_numbers("a", [None, 1.0]).data == b"\1\0" + bytes(8) + b"\0\0\0\0\0\0\xf0\x3f"
