"""The state of the batches that records and statuses came for last, in bounded memory. Pure.

What is not here is read again. All of it is dropped when partitions move: another process may have changed it since.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

from sinks.entries import LeftTimes

MOST_ENTRIES: Final = 4_000_000
"""At 16 bytes an entry that left: 64 MB. A single batch may have more: it is kept as long as it is the last used."""
_OF_A_BATCH: Final = 64
"""What a batch without any counts as."""


class BatchStates:
    """When entries left pending, by batch, least recently used first."""

    def __init__(self, most: int = MOST_ENTRIES) -> None:
        self._most = most
        self._states: OrderedDict[str, LeftTimes] = OrderedDict()
        self._counted: dict[str, int] = {}
        self._total = 0

    def unknown(self, batch_ids: Iterable[str]) -> list[str]:
        """Return the batches whose state has to be read first."""
        return [batch_id for batch_id in dict.fromkeys(batch_ids) if batch_id not in self._states]

    def learn(self, states: Mapping[str, LeftTimes]) -> None:
        """Take what was read."""
        self._states.update(states)

    def take(self, batch_ids: Iterable[str]) -> dict[str, LeftTimes]:
        """Return the states of batches that are known, and forget what has not been used for longest."""
        taken = {batch_id: self._states[batch_id] for batch_id in dict.fromkeys(batch_ids)}
        for batch_id, state in taken.items():
            self._states.move_to_end(batch_id)
            count = len(state) + _OF_A_BATCH
            self._total += count - self._counted.get(batch_id, 0)
            self._counted[batch_id] = count
        while self._total > self._most and len(self._states) > 1:
            self.forget(next(iter(self._states)))
        return taken

    def leave(self, batch_id: str, number: str, at: int) -> None:
        """Note when an entry of a contact left, if the batch's state is here."""
        state = self._states.get(batch_id)
        if state is not None:
            state.leave(number, at)

    def forget(self, batch_id: str) -> None:
        """Forget a batch: its state is read again."""
        self._states.pop(batch_id, None)
        self._total -= self._counted.pop(batch_id, 0)
