"""What waits at Kafka for each consumer group, and for how long: pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Protocol

OLDEST_MS: Final = 90 * 24 * 60 * 60 * 1000
"""No topic is kept longer, unless its operator has said so; what is older counts as this old."""
YOUNGEST_MS: Final = 1_000
CLOSE_ENOUGH: Final = 1.1
"""An age is known to a tenth of itself."""


@dataclass(frozen=True, slots=True)
class ConsumerLag:
    """What one group has not read of one topic. `oldest_at`: when the oldest of it was written, in ms."""

    group: str
    topic: str
    messages: int
    oldest_at: int | None


class LagReader(Protocol):
    """Asks Kafka."""

    async def lags(self) -> list[ConsumerLag]:
        """Return the lag of every group on every topic it reads. Raise TryAgainError."""
        ...


@dataclass(slots=True)
class Search:
    """Finds when the message at an offset was written, by asking for the first offset written at or after a time.

    The answers narrow its age between two bounds, in ratios, until they are close enough, or the message is found.
    """

    offset: int
    now_ms: int
    _younger: float = YOUNGEST_MS
    _older: float = OLDEST_MS
    _found: int | None = None

    @property
    def done(self) -> bool:
        """Whether the time is known well enough."""
        return self._found is not None or self._older / self._younger < CLOSE_ENOUGH

    @property
    def ask_at(self) -> int:
        """The time to ask for next, ms since the epoch."""
        return self.now_ms - round(math.sqrt(self._younger * self._older))

    def take(self, first: tuple[int, int] | None) -> None:
        """Take the answer for `ask_at`: first offset at or after it and its time, or None where there is none."""
        if first is not None and first[0] == self.offset:
            self._found = first[1]
        elif first is None or first[0] > self.offset:
            self._younger = self.now_ms - self.ask_at
        else:
            self._older = self.now_ms - self.ask_at

    @property
    def written_at(self) -> int:
        """When the message was written, ms since the epoch."""
        return self._found if self._found is not None else self.ask_at
