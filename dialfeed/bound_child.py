"""Children that cannot outlive us: `python -m dialfeed.bound_child -- java ...`.

A launcher of a few lines: it asks Linux to send a signal when the parent dies in whatever way, SIGKILL included
(prctl(2), PR_SET_PDEATHSIG), then becomes the command. Standard library only, so that it also runs isolated.

The signal is tied to the parent's *thread*: start a child from a thread that lives as long as the child should.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
CANNOT_EXECUTE = 127  # what a shell answers for a command that is not there


def bound(argv: Sequence[str], *, death_signal: signal.Signals = signal.SIGKILL) -> list[str]:
    """Return the command line that runs `argv` bound to this process, under the pid of the launcher."""
    launcher = [sys.executable, "-I", "-S", __file__, "--signal", str(int(death_signal)), "--parent", str(os.getpid())]
    return [*launcher, "--", *argv]


async def spawn(
    argv: Sequence[str],
    *,
    death_signal: signal.Signals = signal.SIGKILL,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    output: IO[bytes] | int | None = None,
) -> asyncio.subprocess.Process:
    """Start `argv` bound to this thread, in a session of its own: a terminal's Ctrl-C reaches only the supervisor.

    `output` takes stdout and stderr, None leaves them where ours go. Stdin is empty.
    """
    import asyncio  # noqa: PLC0415  # a launcher of each child has no use for it, and starts in half the time

    return await asyncio.create_subprocess_exec(
        *bound(argv, death_signal=death_signal),
        cwd=cwd,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else asyncio.subprocess.STDOUT,
        start_new_session=True,
    )


def bind_to_parent(death_signal: int, parent: int) -> None:
    """From here on this process gets `death_signal` when its parent dies; it ends now if the parent is gone already.

    Raises OSError where the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) was refused")
    if os.getppid() != parent:  # it died before we asked, so no signal will ever come
        sys.exit(f"bound_child: the parent {parent} is gone, so its child does not start")


def main() -> None:
    parser = argparse.ArgumentParser(prog="dialfeed.bound_child", description="Run a command that dies with its parent")
    parser.add_argument("--signal", type=int, default=int(signal.SIGKILL), help="number of the signal it then gets")
    parser.add_argument("--parent", type=int, default=os.getppid(), help="pid of the process to be bound to")
    parser.add_argument("--session", action="store_true", help="in a session of its own, out of a terminal's reach")
    parser.add_argument("command", nargs="+")
    asked = parser.parse_args()
    bind_to_parent(asked.signal, asked.parent)
    if asked.session and os.getpgrp() != os.getpid():
        os.setsid()
    for name in ("SIGPIPE", "SIGXFSZ"):  # Python ignores these two, and what is ignored stays so across exec
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execvp(asked.command[0], asked.command)  # noqa: S606 - to become a command given by our own code is the job
    except OSError as error:
        sys.stderr.write(f"bound_child: cannot run {asked.command[0]}: {error.strerror}\n")
        sys.exit(CANNOT_EXECUTE)


if __name__ == "__main__":
    main()
