"""How a command ends: its exit codes, and the errors a person can meet.

CommandError
+-- WrongUseError       2: what was typed, or a setting, has to change
+-- UnreachableError    3: Kafka, ClickHouse or the API cannot be reached
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What scripts may rely on."""

    DONE = 0
    SOME_FAILED = 1  # done, but some records were rejected or some checks are red
    WRONG_USE = 2
    UNREACHABLE = 3
    STOPPED = 70  # by itself, to lose nothing (EX_SOFTWARE of sysexits.h)
    INTERRUPTED = 130  # 128 + SIGINT, as shells report it; long-running commands end with 0 instead


class CommandError(Exception):
    """One sentence about what is wrong, and what to do next."""

    exit_code = ExitCode.SOME_FAILED

    def __init__(self, sentence: str, remedy: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.remedy = remedy


class WrongUseError(CommandError):
    exit_code = ExitCode.WRONG_USE


class UnreachableError(CommandError):
    exit_code = ExitCode.UNREACHABLE
