"""Is the worker still working? Faust can be alive and idle for ever: its consumer dies without ending the process.

The rule asks for progress, not for causes: messages wait at the broker, nothing is in work, and nothing arrives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STALLED_AFTER_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Sighting:
    """What can be seen of a worker at one moment. `lag` is None while the brokers cannot be asked."""

    at: float
    crashed: bool
    busy: bool
    received: int
    lag: int | None


@dataclass(slots=True)
class Liveness:
    """Folds sightings into a verdict."""

    _received: int = -1
    _since: float = 0.0

    def stalled(self, seen: Sighting) -> str | None:
        """Return why the process has to be started anew, or None. `at` is seconds of a monotonic clock."""
        if seen.crashed:
            return "Faust has crashed"
        idle_is_right = seen.busy or not seen.lag
        if idle_is_right or seen.received != self._received:
            self._received, self._since = seen.received, seen.at
            return None
        if seen.at - self._since < STALLED_AFTER_SECONDS:
            return None
        return f"{seen.lag} messages wait, and none has arrived for {STALLED_AFTER_SECONDS:.0f} s"
