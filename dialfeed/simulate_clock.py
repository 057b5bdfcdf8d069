"""A clock that runs faster than the real one, and may leap over times in which nothing happens. Pure."""

from __future__ import annotations

from collections.abc import Callable


class FastClock:
    """Begins at `start`, seconds since the epoch, and runs `speed` times as fast as `monotonic`."""

    def __init__(self, start: float, speed: float, monotonic: Callable[[], float]) -> None:
        self._speed = speed
        self._monotonic = monotonic
        self._began_at = monotonic()
        self._start = start
        self._leapt = 0.0

    def now(self) -> float:
        """Return the simulated time, seconds since the epoch."""
        return self._start + self._leapt + (self._monotonic() - self._began_at) * self._speed

    def elapsed(self) -> float:
        """Return the simulated seconds since the beginning."""
        return self.now() - self._start

    def until(self, at: float) -> float:
        """Return the real seconds until a simulated time; 0 if it is past."""
        return max(0.0, (at - self.now()) / self._speed)

    def leap_to(self, at: float) -> None:
        """Go to a later time at once; an earlier one changes nothing."""
        self._leapt += max(0.0, at - self.now())
