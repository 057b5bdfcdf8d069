from __future__ import annotations

import pytest

from schemas.messages import header, int_header, text_header

HEADERS = [("a", b"1"), ("a", b"2"), ("bad", b"\xff"), ("blank", b" "), ("none", None), ("big", b"9" * 40)]


def test_of_a_repeated_header_the_last_counts() -> None:
    assert header(HEADERS, "a") == b"2"


@pytest.mark.parametrize("name", ["bad", "blank", "none", "missing"])
def test_nonsense_counts_as_absent(name: str) -> None:
    assert text_header(HEADERS, name) is None
    assert int_header(HEADERS, name) is None


@pytest.mark.parametrize("value", [b"-1", b"1.0", b"+1", b" 1", "٣".encode(), b"9" * 40, b"2147483648"])
def test_only_a_plain_integer_in_range_counts(value: bytes) -> None:
    assert int_header([("n", value)], "n") is None


def test_the_largest_integer_counts() -> None:
    assert int_header([("n", b"7")], "n", most=7) == 7
    assert int_header([("n", b"8")], "n", most=7) is None
