"""Files of contacts, tables among them: JSON, CSV or XLSX, told apart by their content, not by their names."""

from __future__ import annotations

import codecs
import io
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO, Final, cast

from dialfeed.exits import WrongUseError
from dialfeed.record_files import MAX_LINE_BYTES, FileRecord, RecordFile, read_records
from ingest_api.tables.reading import ZIP, TableRecord, read_table, records_of
from ingest_api.tables.rows import TableError
from schemas.variable_shapes import Record

_ONLY_TABLES: Final = (ZIP, b"\xd0\xcf\x11\xe0", codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MEMORY_BYTES: Final = 1024 * 1024

Variables = Callable[[], Record | None]
"""Asks for what the schema of the batch's agent declares, None if that is not known; only tables need it."""


@contextmanager
def read_contacts(stream: BinaryIO, variables: Variables, encoding: str | None = None) -> Iterator[RecordFile]:
    """Yield the file's records, read as they are taken; raise WrongUseError where it holds none.

    `encoding` is that of a CSV file; None: it is found out.
    A table that cannot be sought in, such as a pipe, is first copied into a temporary file.
    """
    head = _head(stream)
    if head.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"", b"{", b"["):
        yield read_records(_again(head, stream))
    else:
        with _seekable(head, stream) as whole:
            table = partial(_table, whole, variables, encoding)
            yield table() if head.startswith(_ONLY_TABLES) else _table_or_lines(whole, table)


def _table_or_lines(whole: BinaryIO, table: Callable[[], RecordFile]) -> RecordFile:
    try:
        return table()
    except WrongUseError as no_table:
        whole.seek(0)
        try:
            return read_records(whole)
        except WrongUseError:
            raise no_table from None


def _head(stream: BinaryIO) -> bytes:
    """Read up to the first line that is not blank."""
    head = b""
    while line := stream.readline(MAX_LINE_BYTES):
        head += line
        if line.removeprefix(codecs.BOM_UTF8).strip():
            break
    return head


def _table(file: BinaryIO, variables: Variables, encoding: str | None) -> RecordFile:
    try:
        table = read_table(file, encoding)
        if table.again is not None:  # nothing is sent of a text that cannot be read to its end
            deque(table.again(), maxlen=0)
        records_of(table, None)  # a wrong header is told before anybody is asked for a schema
        records = records_of(table, variables())
    except TableError as error:
        raise _unreadable(error, "Nothing was sent.") from error
    return RecordFile(_told(records), places="row", notes=table.notes)


def _told(records: Iterator[TableRecord]) -> Iterator[FileRecord]:
    record = None
    try:
        for record in records:
            yield FileRecord(record.raw, record.row, record.errors, lines=record.lines)
    except TableError as error:
        raise _unreadable(error, "Correct the file, and send it again: what was sent is not sent twice.") from error
    if record is None:
        raise WrongUseError("the table has a header and no rows", "Give at least one row.")


def _unreadable(error: TableError, remedy: str) -> WrongUseError:
    return WrongUseError(f"the file cannot be read: {error}", remedy)


@contextmanager
def _seekable(head: bytes, stream: BinaryIO) -> Iterator[BinaryIO]:
    if stream.seekable():
        stream.seek(0)
        yield stream
        return
    with tempfile.SpooledTemporaryFile(_MEMORY_BYTES) as copy:
        copy.write(head)
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        yield cast("BinaryIO", copy)


def _again(head: bytes, stream: BinaryIO) -> BinaryIO:
    """Return the stream as if `head` had not been read; what is read line by line stays so."""
    return cast("BinaryIO", _Joined(head, stream))


class _Joined:
    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head = io.BytesIO(head)
        self._stream = stream

    def readline(self, limit: int = -1) -> bytes:
        return self._head.readline(limit) or self._stream.readline(limit)

    def read(self, size: int = -1) -> bytes:
        assert size < 0, "read to the end only"
        return self._head.read() + self._stream.read()
