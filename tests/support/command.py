"""A command of dialfeed, typed: run in this process, as `python -m dialfeed` runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from dialfeed.command_line import run_command_line

Type = Callable[..., "Typed"]


@dataclass(frozen=True, slots=True)
class Typed:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def typing(capsys: pytest.CaptureFixture[str]) -> Type:
    """Return what runs a command line and gives back how it ended."""

    def run(*arguments: str) -> Typed:
        capsys.readouterr()
        code = run_command_line(arguments)
        captured = capsys.readouterr()
        return Typed(code, captured.out, captured.err)

    return run
