"""Telephone numbers seen so far, and where: some 24 bytes a number, where a dict takes 150. Pure."""

from __future__ import annotations

from array import array
from typing import Final

FIRST_SLOTS: Final = 1024
_MIX: Final = 0x9E3779B97F4A7C15  # 2**64 / golden ratio: spreads numbers that follow each other
_WORD: Final = 2**64 - 1


class SeenNumbers:
    """A hash table with linear probing, at most half full. Numbers are E.164, so they fit into 64 bits; none is 0."""

    __slots__ = ("_count", "_numbers", "_rows", "_shift")

    def __init__(self) -> None:
        self._count = 0
        self._make(FIRST_SLOTS)

    def first(self, number: str, row: int) -> int | None:
        """Return the row that the number was first seen in; None, and remember this row, if it is new."""
        key = int(number[1:])
        slot = self._slot(key)
        if self._numbers[slot]:
            return self._rows[slot]
        self._numbers[slot], self._rows[slot] = key, row
        self._count += 1
        if 2 * self._count > len(self._numbers):
            self._grow()
        return None

    def _slot(self, key: int) -> int:
        numbers = self._numbers
        slot = (key * _MIX & _WORD) >> self._shift
        while numbers[slot] and numbers[slot] != key:
            slot = (slot + 1) % len(numbers)
        return slot

    def _make(self, slots: int) -> None:
        self._numbers = array("Q", bytes(8 * slots))
        self._rows = array("L", bytes(array("L").itemsize * slots))
        self._shift = 64 - (slots.bit_length() - 1)

    def _grow(self) -> None:
        numbers, rows = self._numbers, self._rows
        self._make(2 * len(numbers))
        for key, row in zip(numbers, rows, strict=True):
            if key:
                slot = self._slot(key)
                self._numbers[slot], self._rows[slot] = key, row
