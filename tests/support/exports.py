"""Dead letters that are exported into a file, and what a replay makes of them with that file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from dialfeed.letters_export import export
from dialfeed.replay_file import read_corrected
from dialfeed.replay_table import Declared
from ingest_api.dead_letters import letter_shown
from schemas.dead_letter_query import KeptLetter
from schemas.dead_letters import DeadLetter
from schemas.replay_changes import Attempt, Changes
from schemas.variable_shapes import Record
from tests.support.letter_pages import a_letter


async def exported(path: Path, *records: bytes, **fields: Any) -> list[DeadLetter]:
    """Write a dead letter of each record into a file; return the letters."""
    letters = [a_letter(index, record=record, **fields) for index, record in enumerate(records)]

    async def rows() -> AsyncIterator[dict[str, Any]]:
        for one in letters:
            yield letter_shown(KeptLetter(one), records=True)

    await export(rows(), path)
    return letters


def unknown(_: DeadLetter) -> Record | None:
    """Say of no letter what its schema declares."""
    return None


def attempts(path: Path, letters: list[DeadLetter], of: Declared = unknown) -> list[Attempt | None]:
    """Return what is tried of each letter."""
    changes = Changes(replacements=read_corrected(path).replacements(of))
    return [changes.apply(one) for one in letters]


def replayed(path: Path, letters: list[DeadLetter], of: Declared = unknown) -> list[bytes | None]:
    """Return the bytes that are tried of each letter."""
    return [one.record if one is not None else None for one in attempts(path, letters, of)]
