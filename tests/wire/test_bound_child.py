"""bound_child against real processes and the real kernel."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from dialfeed.bound_child import bound, spawn
from dialfeed.ownership import Running

if TYPE_CHECKING:
    from pathlib import Path

# Starts argv[1:] bound to itself, tells its pid, and waits to be killed.
PARENT = """
import asyncio, sys
from dialfeed.bound_child import spawn
async def main():
    child = await spawn(sys.argv[2:], death_signal=int(sys.argv[1]))
    print(child.pid, flush=True)
    await child.wait()
asyncio.run(main())
"""
READY_THEN_NOTE_SIGTERM = """
import pathlib, signal, sys, threading
note = pathlib.Path(sys.argv[1])
done = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: (note.write_text("terminated"), done.set()))
note.write_text("ready")
while not done.wait(0.05): pass
"""


def parent_of(*argv: str, death_signal: signal.Signals) -> tuple[subprocess.Popen[str], Running]:
    command = [sys.executable, "-c", PARENT, str(int(death_signal)), *argv]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = Running.of(int(parent.stdout.readline()))
    assert child is not None
    return parent, child


def kill(parent: subprocess.Popen[str]) -> None:
    with parent:
        parent.kill()


def gone(child: Running, *, within_seconds: float = 10) -> bool:
    deadline = time.monotonic() + within_seconds
    while child.lives() and time.monotonic() < deadline:
        time.sleep(0.01)
    return not child.lives()


def content(file: Path, expected: str, *, within_seconds: float = 10) -> str:
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline and not (file.exists() and file.read_text() == expected):
        time.sleep(0.01)
    return file.read_text()


def test_a_child_dies_when_its_parent_is_killed() -> None:
    parent, child = parent_of("sleep", "600", death_signal=signal.SIGKILL)
    kill(parent)
    assert gone(child)


def test_a_child_gets_the_signal_that_was_chosen_for_it(tmp_path: Path) -> None:
    note = tmp_path / "note"
    command = (sys.executable, "-c", READY_THEN_NOTE_SIGTERM, str(note))
    parent, child = parent_of(*command, death_signal=signal.SIGTERM)
    assert content(note, "ready") == "ready"
    kill(parent)
    assert content(note, "terminated") == "terminated"
    assert gone(child)


def test_a_child_whose_parent_is_gone_already_does_not_start(tmp_path: Path) -> None:
    command = bound(["touch", str(tmp_path / "started")])
    command[command.index("--parent") + 1] = "1"  # as if ours had died and init had taken over
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert "is gone" in answer.stderr
    assert not (tmp_path / "started").exists()


async def test_a_child_is_in_a_session_of_its_own() -> None:
    child = await spawn(["sleep", "600"])
    try:
        assert os.getsid(child.pid) == child.pid != os.getsid(0)
    finally:
        child.kill()
        await child.wait()


async def test_the_exit_code_is_the_commands() -> None:
    child = await spawn(["sh", "-c", "exit 7"])
    assert await child.wait() == 7


async def test_signals_reach_the_command_itself() -> None:
    child = await spawn(["sleep", "600"])
    child.terminate()
    assert await child.wait() == -signal.SIGTERM


@pytest.mark.parametrize("name", ["SIGPIPE", "SIGXFSZ"])
def test_signals_that_python_ignores_are_not_ignored_by_the_command(name: str) -> None:
    answer = subprocess.run(bound(["cat", "/proc/self/status"]), capture_output=True, text=True, check=True)
    ignored = next(line for line in answer.stdout.splitlines() if line.startswith("SigIgn:"))
    assert not int(ignored.split()[1], 16) >> (signal.Signals[name] - 1) & 1


def test_it_runs_as_a_module_in_a_session_if_asked() -> None:
    command = [sys.executable, "-m", "dialfeed.bound_child", "--session", "--", sys.executable, "-c"]
    script = "import os; print(os.getsid(0) == os.getpid())"
    answer = subprocess.run([*command, script], capture_output=True, text=True, check=True)
    assert answer.stdout == "True\n"


async def test_a_command_that_is_not_there_is_named() -> None:
    child = await spawn(["no-such-command"], output=asyncio.subprocess.PIPE)
    said, _ = await child.communicate()
    assert child.returncode == 127
    assert said == b"bound_child: cannot run no-such-command: No such file or directory\n"
