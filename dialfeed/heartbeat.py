"""How a part says every few seconds that it works, in `DATA/health`, and how `dialfeed health` reads it.

Each process keeps a file of its own, under a lock: a file whose lock is free was left behind by a process that is gone.
Standard library only and nothing heavy, since a health check starts a process every few seconds.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

BEAT_SECONDS: Final = 5.0
LATE_AFTER_SECONDS: Final = 30.0
STARTING: Final = "it is starting"
_FOLDER: Final = "health"


class Beat(NamedTuple):
    """What a living process said last. `reason` is empty where all is well; `at` is of the monotonic clock."""

    pid: int
    at: float
    reason: str

    def trouble(self, now: float) -> str:
        """Return why the process is not well, or an empty text."""
        silent = now - self.at
        return self.reason if silent <= LATE_AFTER_SECONDS else f"it has said nothing for {silent:.0f} s"


class Heartbeat:
    """The file of this process, while it is entered. Where there can be none, the part works on, unhealthy."""

    def __init__(self, data: Path, part: str) -> None:
        self._file = data / _FOLDER / f"{part}-{os.getpid()}.json"
        self._number: int | None = None

    def __enter__(self) -> Self:
        try:
            self._number = self._locked()
        except OSError as error:
            from structlog import get_logger  # noqa: PLC0415  a health check has no use for it

            get_logger(__name__).warning("heartbeat_not_written", folder=str(self._file.parent), error=error.strerror)
        return self

    def __exit__(self, *_: object) -> None:
        if self._number is not None:
            self._file.unlink(missing_ok=True)
            os.close(self._number)

    def beat(self, reason: str = "") -> None:
        """Say that all is well, or why not."""
        if self._number is not None:
            _write(self._number, reason)

    def _locked(self) -> int:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_behind(self._file.parent)
        while True:
            number = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(number, fcntl.LOCK_EX)
            _write(number, STARTING)
            if os.fstat(number).st_nlink:  # else another part that starts has removed it before it was locked
                return number
            os.close(number)


def beats(data: Path, part: str) -> list[Beat]:
    """Return what each living process of a part said last."""
    found = []
    for file in sorted((data / _FOLDER).glob(f"{part}-*.json")):
        with suppress(OSError, ValueError, TypeError), file.open("rb") as opened:
            if not _is_free(opened.fileno()):
                found.append(Beat(*json.loads(opened.readline())))
    return found


def _write(number: int, reason: str) -> None:
    said = json.dumps(Beat(os.getpid(), time.monotonic(), reason)).encode() + b"\n"
    with suppress(OSError):  # a full disk does not stop the part; the check says that nothing was said
        os.pwrite(number, said, 0)  # a shorter line leaves the rest of a longer one, which nobody reads
        os.ftruncate(number, len(said))


def _remove_left_behind(folder: Path) -> None:
    for file in folder.glob("*.json"):
        with suppress(OSError), file.open("rb") as opened:
            if _is_free(opened.fileno()):
                file.unlink()


def _is_free(number: int) -> bool:
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
