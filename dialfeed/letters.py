"""Where `dialfeed dead-letters` takes them from: the API, or the topics themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from schemas.dead_letter_query import GroupBy


class Letters(Protocol):
    """The dead letters that a filter lets through, as `ingest_api.dead_letters` shows them.

    All methods raise WrongUseError or UnreachableError, from the topics also TryAgainError and MustStopError.
    """

    def rows(self, *, records: bool) -> AsyncIterator[dict[str, Any]]:
        """Yield all, in no particular order, with their records if these are asked for."""
        ...

    async def newest(self, count: int, *, records: bool) -> tuple[list[dict[str, Any]], int]:
        """Return so many, newest first, and how many there are."""
        ...

    async def groups(self, by: GroupBy) -> list[dict[str, Any]]:
        """Return counts, largest first."""
        ...
