"""The rows of an uploaded table before anything of it is published: which can be stored, and what is wrong with others.

The workers judge each record again. So that both say the same, and "nothing was stored" can be said of a whole file,
the edge is handed their own functions, as `CheckRows`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any, BinaryIO, Final

from ingest_api.seen_numbers import SeenNumbers
from ingest_api.tables.reading import TableRecord, read_table, records_of
from ingest_api.tables.rows import Notes, TableError
from schemas.outcomes import Code, FieldError
from schemas.records import CHUNK_RECORDS, Batch
from schemas.submission_body import MAX_RECORDS
from schemas.variable_shapes import Record

ROWS_SHOWN: Final = 10_000
"""Failed rows an answer shows; the rest is counted."""

LINES_SHOWN: Final = 1_000
"""Lines of a text file that an answer names of one row."""

MAX_BYTES: Final = 512 * 1024 * 1024
"""Records of one upload, as JSON; they wait in a temporary file until their number is known."""


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """What became of records: a number (E.164) each, None where it has none, and the errors of each that fails."""

    numbers: Sequence[str | None]
    errors: Mapping[int, Sequence[FieldError]]


CheckRows = Callable[[Batch, Sequence[bytes], int], CheckedRows]
"""Checks records, as JSON texts, as the workers do those accepted at a time, ms since the epoch. Called in a thread."""


@dataclass(frozen=True, slots=True)
class FailedRow:
    """A row that is not stored, and why; `lines` are those of a text file that it stands in."""

    row: int
    lines: Sequence[int]
    errors: Sequence[FieldError]

    def as_json(self) -> dict[str, Any]:
        """Return an item of the contract's `failedRows`."""
        lines = {"lines": list(self.lines[:LINES_SHOWN])} if self.lines else {}
        errors = [{"path": e.path, "code": str(e.code), "message": e.message} for e in self.errors]
        return {"row": self.row, **lines, "errors": errors}


@dataclass(slots=True)
class FailedRows:
    """Rows that are not stored: the first 10,000 with their errors, by number, and how many there are."""

    count: int = 0
    shown: list[FailedRow] = field(default_factory=list)

    def add(self, row: FailedRow) -> None:
        self.count += 1
        if len(self.shown) < ROWS_SHOWN:
            self.shown.append(row)

    def as_json(self) -> list[dict[str, Any]]:
        """Return the contract's `failedRows`."""
        return [row.as_json() for row in self.shown]


@dataclass(slots=True)
class UploadedRows:
    """A table read to its end. `records` has a line for each row that can be stored, `rows` its number."""

    records: IO[bytes]
    notes: Notes = field(default_factory=Notes)
    rows: array[int] = field(default_factory=lambda: array("L"))
    failed: FailedRows = field(default_factory=FailedRows)
    invalid: int = 0
    """Failed rows without those that only repeat a number: the first of a number wins, and that refuses no file."""

    @property
    def total(self) -> int:
        """Rows of the table, without header and blank ones."""
        return len(self.rows) + self.failed.count


def read_rows(
    file: BinaryIO,
    variables: Record,
    check: Callable[[Sequence[bytes]], CheckedRows],
    to: IO[bytes],
    encoding: str | None = None,
) -> UploadedRows:
    """Read and check a whole table; what can be stored goes to the file `to`. Raise TableError.

    Takes seconds for a long table: for a thread. Memory grows by some 40 bytes a row, and by the failed ones shown.
    """
    table = read_table(file, encoding)
    found = UploadedRows(to, table.notes)
    seen = SeenNumbers()
    for group in _groups(records_of(table, variables)):
        checked = check([record.raw for record in group])
        for index, record in enumerate(group):
            errors = _errors(record, checked.errors.get(index, ()))
            found.invalid += bool(errors)
            _keep(found, record, errors or _repeated(seen, checked.numbers[index], record.row))
    if not found.total:
        raise TableError("the table has a header, but no rows")
    to.seek(0)
    return found


def chunks_of(records: IO[bytes]) -> Iterator[list[bytes]]:
    """Yield the records in runs of a chunk each."""
    lines = (line[:-1] for line in records)
    while chunk := list(islice(lines, CHUNK_RECORDS)):
        yield chunk


def _groups(records: Iterator[TableRecord]) -> Iterator[list[TableRecord]]:
    while group := list(islice(records, CHUNK_RECORDS)):
        yield group


def _keep(found: UploadedRows, record: TableRecord, errors: Sequence[FieldError]) -> None:
    if errors:
        found.failed.add(FailedRow(record.row, record.lines, errors))
        return
    found.rows.append(record.row)
    found.records.write(record.raw + b"\n")
    if len(found.rows) > MAX_RECORDS or found.records.tell() > MAX_BYTES:
        raise TableError(f"the table has more than {MAX_RECORDS} rows or {MAX_BYTES} bytes: split it")


def _errors(record: TableRecord, checked: Iterable[FieldError]) -> Sequence[FieldError]:
    """Return everything that is wrong with a row. Of a row that is no row, or a cell without a value, nothing more."""
    said = {error.path for error in record.errors}
    return record.errors if "" in said else (*record.errors, *(error for error in checked if error.path not in said))


def _repeated(seen: SeenNumbers, number: str | None, row: int) -> Sequence[FieldError]:
    first = seen.first(number, row) if number is not None else None
    if first is None:
        return ()
    return (FieldError(Code.DUPLICATE, "/phoneNumber", f"row {first} has the same number; the first row wins"),)
