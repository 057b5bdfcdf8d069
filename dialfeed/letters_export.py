"""The file that dead letters are exported to: their own fields, what was wrong, and where they belong.

The name says the form: NDJSON or CSV; `-` is NDJSON on stdout. Corrected, it can be replayed or sent again.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from dialfeed.exits import WrongUseError
from dialfeed.letters_table import as_csv
from dialfeed.private_files import create_private
from dialfeed.rejected_file import marked, unreadable
from ingest_api.dead_letters import bytes_of
from schemas.edited_record import is_json

TABLE: Final = ".csv"
LINES: Final = (".ndjson", ".jsonl", ".json")
STDOUT: Final = Path("-")


def require_known_ending(path: Path) -> None:
    """Raise WrongUseError where the name does not say which form the file has."""
    if path != STDOUT and path.suffix.lower() not in (TABLE, *LINES):
        raise WrongUseError(
            f"the name {path.name!r} has no ending of a file that --export writes",
            f"Let it end in {TABLE} (a table, for a spreadsheet program), or in {', '.join(LINES[:-1])} or {LINES[-1]} "
            "(one JSON object a line), or give - for stdout.",
        )


async def export(rows: AsyncIterator[dict[str, Any]], path: Path) -> int:
    """Write every row to the file, at once or not at all; return how many. Raise WrongUseError."""
    if path == STDOUT:
        return await _write(rows, sys.stdout.buffer)
    with _replaced(path) as file:
        if path.suffix.lower() != TABLE:
            return await _write(rows, file)
        with tempfile.TemporaryFile(dir=path.parent) as lines:  # a table's columns are known at the end only
            count = await _write(rows, lines)
            as_csv(lines, file)
        return count


async def _write(rows: AsyncIterator[dict[str, Any]], file: IO[bytes]) -> int:
    count = 0
    async for row in rows:
        file.write(exported(row) + b"\n")
        count += 1
    return count


def exported(row: dict[str, Any]) -> bytes:
    """Return a dead letter as one line of JSON: what the newest attempt tried, with marks."""
    record = bytes_of(row, "tried") or bytes_of(row, "record") or b""
    marks = {
        "_errors": row["errors"],
        "_index": row["recordIndex"],
        "_submission": row["submissionId"],
        "_attempt": row["attempt"],
        "_batch": row["batchId"],
    }
    if not is_json(record):
        return unreadable(record, marks)
    return marked(record.replace(b"\r", b" ").replace(b"\n", b" ").strip(), marks)


@contextmanager
def _replaced(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file beside the place, which is put there if all goes well. Its owner alone may read it."""
    part = path.with_name(f"{path.name}.part")
    try:
        file = create_private(part)
    except OSError as error:
        raise WrongUseError(f"{part} cannot be written: {error.strerror}", "Name another place.") from None
    try:
        with file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
