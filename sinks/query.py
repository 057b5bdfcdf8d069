"""How questions are put to ClickHouse: `Query` runs one statement and returns its rows.

Who calls it, and what happens when it fails, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol, TypeVar

T = TypeVar("T")

IDS_AT_A_TIME: Final = 200
"""Of submissions and batches, up to 512 bytes each: ClickHouse takes a parameter of at most 128 KiB over HTTP."""

CALLS_AT_A_TIME: Final = 3_000
"""Of calls: 37 bytes each. In a large batch a question about many costs hardly more than one about few."""


class Query(Protocol):
    """Runs one statement with parameters bound on ClickHouse's side."""

    def __call__(self, statement: str, **parameters: str | int) -> Sequence[tuple[Any, ...]]: ...


def in_shares(items: Sequence[T], most: int = IDS_AT_A_TIME) -> Iterator[Sequence[T]]:
    """Yield the items, at most so many at a time."""
    for start in range(0, len(items), most):
        yield items[start : start + most]
