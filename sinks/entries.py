"""Which entry of its contact each record is: how many entries of the contact left pending before it was accepted. Pure.

The only state is when a contact's entries left pending. Of a batch it is kept as two sorted columns, 16 bytes an entry
that left, and a small dict of what has changed since the columns were made.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

RECENT_AT_LEAST: Final = 1_000
RECENT_SHARE: Final = 8
"""Changes are folded into the columns when they are more than an eighth of them: a few us a change in all."""

_KEYS: Final = 2**63
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Entries:
    """The entry of each record, and the places of those whose entry has left pending, which is rare."""

    entry: list[int]
    left: list[int]


class LeftTimes:
    """When the entries of one batch's contacts left pending, ms since the epoch by the clock of the brokers."""

    def __init__(self, packed: bytes = b"") -> None:
        """Take pairs of little-endian Int64: a number's digits, and when an entry of it left; sorted."""
        pairs = np.frombuffer(packed, "<i8").reshape(-1, 2)
        self._numbers: Int64s = np.ascontiguousarray(pairs[:, 0], np.int64)
        self._times: Int64s = np.ascontiguousarray(pairs[:, 1], np.int64)
        self._recent: dict[int, list[int]] = {}

    def __len__(self) -> int:
        """Return about how many entries are known to have left: what the memory is counted by."""
        return len(self._numbers) + len(self._recent)

    def entries(self, numbers: Sequence[str], accepted_at: int | Sequence[int]) -> Entries:
        """Return the entries of records for these E.164 numbers; `accepted_at` is one time for all, or one each."""
        if not len(self):
            return Entries([0] * len(numbers), [])
        keys = np.array(list(map(_key, numbers)), np.int64)
        times = np.broadcast_to(np.asarray(accepted_at, np.int64), keys.shape)
        low, high = self._numbers.searchsorted(keys, "left"), self._numbers.searchsorted(keys, "right")
        before = self._before(low, high, times)
        left = before < high - low
        if self._recent:
            self._correct(keys, times, before, left)
        return Entries(before.tolist(), np.flatnonzero(left).tolist())

    def _before(self, low: Int64s, high: Int64s, times: Int64s) -> Int64s:
        """Count, of each run `low:high` of the columns, the times before the record's."""
        before = np.zeros(len(times), np.int64)
        for step in range(int((high - low).max(initial=0))):
            inside = np.flatnonzero(low + step < high)
            before[inside] += self._times[low[inside] + step] < times[inside]
        return before

    def _correct(self, keys: Int64s, times: Int64s, before: Int64s, left: npt.NDArray[np.bool_]) -> None:
        for place, key in enumerate(keys.tolist()):
            known = self._recent.get(key)
            if known is not None:
                before[place] = sum(time < times[place] for time in known)
                left[place] = before[place] < len(known)

    def leave(self, number: str, at: int) -> None:
        """Note when an entry of a contact left, once: no two entries of a contact leave at the same time."""
        key = _key(number)
        times = self._recent.get(key)
        if times is None:
            low, high = self._numbers.searchsorted(key, "left"), self._numbers.searchsorted(key, "right")
            times = self._recent[key] = self._times[low:high].tolist()
        if at not in times:
            insort(times, at)
        if len(self._recent) > max(RECENT_AT_LEAST, len(self._numbers) // RECENT_SHARE):
            self._fold()

    def _fold(self) -> None:
        pairs = [(key, time) for key, times in self._recent.items() for time in times]
        recent = np.array(pairs, np.int64).reshape(-1, 2)
        kept = ~np.isin(self._numbers, np.fromiter(self._recent, np.int64, len(self._recent)))
        numbers = np.concatenate([self._numbers[kept], recent[:, 0]])
        times = np.concatenate([self._times[kept], recent[:, 1]])
        order = np.lexsort((times, numbers))
        self._numbers, self._times, self._recent = numbers[order], times[order], {}


def _key(number: str) -> int:
    """Return an E.164 number's digits; 0, as ClickHouse does, for what is none."""
    try:
        key = int(number)
    except ValueError:
        return 0
    return key if 0 <= key < _KEYS else 0
