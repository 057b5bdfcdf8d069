"""Long work beside the event loop, so that other requests are not held up by it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

THREAD_RECORDS: Final = 20_000
"""An answer about more records than this is put together in a thread."""

R = TypeVar("R")


async def off_loop(long: bool, work: Callable[[], R]) -> R:
    """Return what `work` returns: worked out in a thread if it takes long, else at once."""
    return await asyncio.to_thread(work) if long else work()
