"""The zip archive that an XLSX file is, opened so that a hostile one costs no memory."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection, Iterator
from typing import BinaryIO, Final

from ingest_api.tables.rows import TableError

MAX_DIRECTORY_BYTES: Final = 2 * 1024 * 1024
MAX_MEMBER_BYTES: Final = 1024 * 1024 * 1024
MAX_SMALL_BYTES: Final = 4 * 1024 * 1024
_PIECE_BYTES: Final = 64 * 1024
_END: Final = b"PK\5\6"
_END_BYTES: Final = 22
_ZIP64: Final = b"PK\6\7"
_ZIP64_BYTES: Final = 20
_ZIP64_RECORD: Final = b"PK\6\6"
_ZIP64_RECORD_BYTES: Final = 56
_IN_ZIP64: Final = 0xFFFFFFFF
"""The size that stands for one in the zip64 record."""

_MOST_COMMENT: Final = 65_535


class Archive:
    """The members of an XLSX file."""

    def __init__(self, file: BinaryIO) -> None:
        _check_directory(file)
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise damaged() from error
        self._names = {_plain(name): name for name in self._zip.namelist()}

    @property
    def names(self) -> Collection[str]:
        """The names of the members, in small letters."""
        return self._names.keys()

    def has(self, name: str) -> bool:
        """Whether there is such a member; case does not count (ECMA-376 part 2, 6.2.2)."""
        return _plain(name) in self._names

    def pieces(self, name: str, most_bytes: int = MAX_MEMBER_BYTES) -> Iterator[bytes]:
        """Yield a member's bytes, inflated; raise TableError."""
        try:
            info = self._zip.getinfo(self._names[_plain(name)])
            if info.file_size > most_bytes:
                raise TableError(f"the XLSX file is over {most_bytes} bytes once inflated: split the table")
            with self._zip.open(info) as member:
                while piece := member.read(_PIECE_BYTES):
                    yield piece
        except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
            raise damaged() from error

    def small(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of a member that describes others."""
        return self.pieces(name, MAX_SMALL_BYTES)


def _plain(name: str) -> str:
    """Return a name as spreadsheet programs compare it: some writers use backslashes, or begin with a slash."""
    return name.replace("\\", "/").removeprefix("./").lstrip("/").lower()


def damaged() -> TableError:
    """Return the error of an archive that cannot be read."""
    return TableError("the XLSX file is damaged or encrypted: open it and save it again, without a password")


def _check_directory(file: BinaryIO) -> None:
    """Refuse a directory that is too large before zipfile reads it whole; its size is where zipfile looks for it."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _MOST_COMMENT - _END_BYTES))
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + _END_BYTES:
        raise damaged()
    directory_bytes = int.from_bytes(tail[at + 12 : at + 16], "little")
    locator = tail[max(0, at - _ZIP64_BYTES) : at]
    if locator.startswith(_ZIP64):
        directory_bytes = max(directory_bytes % _IN_ZIP64, _zip64_directory_bytes(file, size - len(tail) + at))
    file.seek(0)
    if directory_bytes > MAX_DIRECTORY_BYTES:
        raise TableError("the XLSX file has too many parts: save the table alone in a new workbook")


def _zip64_directory_bytes(file: BinaryIO, end: int) -> int:
    """Return the size that the zip64 record says, which some writers add to small files too.

    zipfile looks for it right before its locator, wherever that points to.
    """
    file.seek(max(0, end - _ZIP64_BYTES - _ZIP64_RECORD_BYTES))
    record = file.read(_ZIP64_RECORD_BYTES)
    if not record.startswith(_ZIP64_RECORD):
        raise damaged()
    return int.from_bytes(record[40:48], "little")
