"""Files and folders that only their owner may read, and nobody else can have prepared: contacts and keys lie there.

`dialfeed` runs with umask 077, so that what libraries and child processes write is private from its first byte too.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from pathlib import Path
from typing import IO, Final

from dialfeed.exits import WrongUseError

UMASK: Final = 0o077
_ELSEWHERE: Final = "Set DIALFEED_DATA to another folder."


def own_folder(path: Path, known_by: Collection[str]) -> None:
    """Make the folder, or take one that is there. It is made private where it is empty or holds a file `known_by`.

    Raise WrongUseError where it cannot be made, is another user's, or can be written to by everybody.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_ours = not any(path.iterdir()) or any((path / name).exists() for name in known_by)
    except OSError as error:
        raise WrongUseError(f"the data folder {path} cannot be used: {error.strerror}", _ELSEWHERE) from None
    require_private(path)
    if is_ours and path.stat().st_mode & UMASK:
        path.chmod(0o700)


def require_private(path: Path) -> None:
    """Raise WrongUseError where a folder that is there is another user's, or can be written to by everybody."""
    found = path.stat()
    if found.st_uid != os.geteuid():
        raise WrongUseError(
            f"the data folder {path} belongs to another user, who could change what it holds", _ELSEWHERE
        )
    if found.st_mode & stat.S_IWOTH:
        remedy = f"Run chmod 700 {path}, or set DIALFEED_DATA to another folder."
        raise WrongUseError(f"the data folder {path} can be written to by every user", remedy)


def create_private(path: Path) -> IO[bytes]:
    """Open a new file for writing and reading in the place of what is there; a link there is replaced, not followed."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")


def open_private(path: Path) -> IO[str]:
    """Open a file for appending and reading; make it where there is none. Raise OSError for a link."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600), "a+")
