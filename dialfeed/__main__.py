"""`python -m dialfeed`, and the `dialfeed` that is installed."""

from __future__ import annotations

import os
import sys

from dialfeed.command_line import run_command_line
from dialfeed.private_files import UMASK


def main() -> None:
    _open_standard_streams()
    os.umask(UMASK)
    sys.exit(run_command_line(sys.argv[1:]))


def _open_standard_streams() -> None:
    """Open those that were closed by whoever started us, as some schedulers do, before sockets take their numbers."""
    for number, stream in enumerate((sys.stdin, sys.stdout, sys.stderr)):
        if stream is None:
            nothing = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(nothing, True)
            setattr(sys, ("stdin", "stdout", "stderr")[number], os.fdopen(nothing, "w" if number else "r"))


if __name__ == "__main__":
    main()
