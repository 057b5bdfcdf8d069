"""The seams to ClickHouse: what the writing consumers need of `sinks.clickhouse.ClickHouse`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from sinks.rows import Tables

T = TypeVar("T")


class Session(Protocol):
    """ClickHouse as a writer has it: it sees what it wrote before. Parameters are bound on ClickHouse's side."""

    def query(self, statement: str, **parameters: str | int) -> Sequence[tuple[Any, ...]]:
        """Return the rows of a question."""
        ...

    def packed(self, statement: str, **parameters: str | int) -> bytes:
        """Return the rows in RowBinary: of integers, their little-endian bytes."""
        ...

    def tell(self, statement: str, **parameters: str | int) -> None:
        """Have ClickHouse do something that may be repeated."""
        ...


class Store(Tables, Protocol):
    """Where rows go, and where what is stored is asked for."""

    async def consult(self, work: Callable[[Session], T]) -> T:
        """Run questions and statements in the order of the inserts; raise as `insert` does."""
        ...
