"""`python -m dialfeed`, and the `dialfeed` that is installed."""

from __future__ import annotations

import sys

from dialfeed.command_line import run_command_line


def main() -> None:
    sys.exit(run_command_line(sys.argv[1:]))


if __name__ == "__main__":
    main()
