"""The file of rejected records: each as it was sent, on a line, with its errors; to be corrected and sent again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import msgspec

from dialfeed.api_client import Error
from dialfeed.exits import WrongUseError
from dialfeed.private_files import create_private
from dialfeed.record_files import FileRecord
from schemas.returned import cleared


def marked(raw: bytes, marks: dict[str, Any]) -> bytes:
    """Return a record with marks after its own members; what is not an object becomes the member `_record`."""
    added = msgspec.json.encode(marks)
    if raw[:1] != b"{" or raw[-1:] != b"}":
        return b'{"_record":%b,%b' % (raw, added[1:])
    inside = raw[1:-1].strip()
    return b"{%b,%b" % (inside, added[1:]) if inside else added


def unreadable(raw: bytes, marks: dict[str, Any]) -> bytes:
    """Return a text that is no JSON, as the member `_text`, with marks."""
    return msgspec.json.encode({"_text": raw.decode(errors="replace"), **marks})


class RejectedFile:
    """Written beside its place, and put there at the end unless it is empty: an older one stays until then.

    Opened at once, so that a place that cannot be written is told before anything is sent.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._part = path.with_name(f"{path.name}.part")
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._file = create_private(self._part)
        except OSError as error:
            raise WrongUseError(
                f"the file for rejected records cannot be written: {self._part}: {error.strerror}",
                "Name another place with --rejected.",
            ) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._file is not None
        self._file.close()
        if self.count:
            self._part.replace(self.path)
        else:
            self._part.unlink(missing_ok=True)

    def add(self, record: FileRecord, errors: Sequence[Error], marks: dict[str, Any]) -> None:
        """Write one record; `marks` says where it comes from."""
        assert self._file is not None
        added = {"_errors": errors, **marks}
        written = marked(cleared(record.raw), added) if record.is_json else unreadable(record.raw, added)
        self._file.write(written + b"\n")
        self.count += 1
