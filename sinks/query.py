"""How questions are put to ClickHouse: `Query` runs one statement and returns its rows.

Who calls it, and what happens when it fails, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Query(Protocol):
    """Runs one statement with parameters bound on ClickHouse's side."""

    def __call__(self, statement: str, **parameters: str | int) -> Sequence[tuple[Any, ...]]: ...
