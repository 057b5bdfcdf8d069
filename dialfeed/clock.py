"""The clock of the command line: the one place that asks for the time of day."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Return the time in ms since the epoch, as records and messages have it."""
    return time.time_ns() // 1_000_000
