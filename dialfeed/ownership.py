"""Who owns a data folder, and which process was left behind in it.

A flock says that the owner lives, and cannot be left behind; a pid file with the process's start time says which
child to end when the owner is gone, and is safe against a pid that was given to somebody else meanwhile.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dialfeed.exits import WrongUseError
from dialfeed.kafka_errors import DataFolderInUseError
from dialfeed.private_files import create_private, open_private, own_folder

LOCK_FILE = "kafka.lock"
PID_FILE = "kafka.pid"
LOOK_EVERY_SECONDS = 0.05


def own(data_dir: Path) -> IO[str]:
    """Own `data_dir` until the file that is returned is closed, or this process ends in whatever way.

    The folder is made where there is none. Raises WrongUseError where it cannot be used, DataFolderInUseError, naming
    the owner.
    """
    own_folder(data_dir, known_by=(LOCK_FILE, PID_FILE))
    try:
        lock = open_private(data_dir / LOCK_FILE)
    except OSError as error:
        raise WrongUseError(
            f"the data folder {data_dir} cannot be used: {error.strerror}", "Set DIALFEED_DATA to another folder."
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read().strip()
        lock.close()
        raise DataFolderInUseError(
            f"Process {owner or '?'} already runs Kafka in {data_dir}: stop it first, "
            "or set DIALFEED_DATA to another folder."
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


@dataclass(frozen=True, slots=True)
class Running:
    """A process, told apart from later ones that get its pid."""

    pid: int
    started: int  # clock ticks after boot: field 22 of proc_pid_stat(5)

    @classmethod
    def of(cls, pid: int) -> Running | None:
        """None where no such process runs; one that waits to be reaped counts as none."""
        try:
            state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if state in "ZX" else cls(pid, int(fields[18]))

    @classmethod
    def kept_in(cls, data_dir: Path) -> Running | None:
        """Read the process that `keep_in` wrote down; None unless it still runs."""
        try:
            kept = json.loads((data_dir / PID_FILE).read_text())
            written = cls(int(kept["pid"]), int(kept["started"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return written if written.lives() else None

    def lives(self) -> bool:
        return Running.of(self.pid) == self

    def keep_in(self, data_dir: Path) -> None:
        new = data_dir / f"{PID_FILE}.new"
        with create_private(new) as file:
            file.write(json.dumps({"pid": self.pid, "started": self.started}).encode())
        new.rename(data_dir / PID_FILE)

    async def end(self, *, within_seconds: float) -> None:
        """SIGTERM, and after `within_seconds` SIGKILL. For a process that is not our child."""
        for how in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.kill(self.pid, how)
            give_up_at = time.monotonic() + within_seconds
            while self.lives() and time.monotonic() < give_up_at:  # noqa: ASYNC110 - it sets no event of ours
                await asyncio.sleep(LOOK_EVERY_SECONDS)
            if not self.lives():
                return


def forget(data_dir: Path) -> None:
    (data_dir / PID_FILE).unlink(missing_ok=True)
