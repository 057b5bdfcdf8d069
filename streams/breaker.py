"""The breaker: a cause that is nobody's data must not turn a campaign into dead letters.

Records that only their sender, a campaign's owner or the operator of ClickHouse can mend never trip it: those
dead letters are what the topic is for.

A chunk that trips it is held until the cause is gone, for nothing of it is anywhere else. Records of a replay are dead
letters already: they are left as they are, and hold up nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.dead_letters import DeadLetter, capped
from schemas.outcomes import RECORD_CODES, FailureClass

TRIPPING: Final = frozenset({FailureClass.SCHEMA, FailureClass.SYSTEM})


@dataclass(slots=True)
class Breaker:
    """Judges a chunk by it and the chunks before it, some `records` in all: at most `share` of them may be lost so.

    `reasons` are those that chunks are held for at present, so that each is told once.
    """

    share: float = 0.2
    records: int = 1000
    reasons: set[str] = field(default_factory=set)
    _counted: deque[tuple[int, int]] = field(default_factory=deque)

    def reason(self, size: int, letters: Sequence[DeadLetter]) -> str | None:
        """Return why these letters of a chunk of so many records must not be sent, on one line, or None."""
        causes = [letter.errors[0].message for letter in letters if _trips(letter)]
        if not causes:
            return None
        total, lost = _within(self.records, [(size, len(causes)), *self._counted])
        return capped(causes[0]).decode() if lost > self.share * total else None

    def afresh(self) -> Breaker:
        """Return one of the same measure that has counted nothing.

        A slice of a replay is judged by itself: alike whenever it comes, and whatever is sent meanwhile.
        """
        return Breaker(self.share, self.records)

    def count(self, size: int, letters: Sequence[DeadLetter]) -> None:
        """Remember a chunk whose letters are sent."""
        self._counted.appendleft((size, sum(map(_trips, letters))))
        while sum(counted for counted, _ in self._counted) - self._counted[-1][0] >= self.records:
            self._counted.pop()


def _trips(letter: DeadLetter) -> bool:
    return RECORD_CODES[letter.errors[0].code].failure_class in TRIPPING


def _within(records: int, newest_first: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """Add up chunks, newest first, until there are so many records."""
    total = lost = 0
    for size, of_these in newest_first:
        if total >= records:
            break
        total, lost = total + size, lost + of_these
    return total, lost
