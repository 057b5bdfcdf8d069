"""Members that say where a record comes from and what was wrong with it; they are not part of it.

`dead-letters --export` adds those of a dead letter, `send` those of a rejected record and its place in its file.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

EXPORTED: Final = ("_errors", "_index", "_submission", "_attempt", "_batch")
_ALL: Final = frozenset((*EXPORTED, "_line", "_lines", "_row", "_position"))


def is_exported(names: Container[object]) -> bool:
    """Say whether a record with members of these names comes from an export."""
    return "_attempt" in names and "_batch" in names


def marks_among(names: Container[str]) -> frozenset[str]:
    """Return which names are marks beside these: an export has no place in a file, so there that is a field's name."""
    return frozenset(EXPORTED) if is_exported(names) else _ALL
