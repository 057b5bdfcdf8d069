from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from dialfeed.command_line import SUBCOMMANDS, cli, run_command_line
from dialfeed.exits import CommandError, ExitCode, UnreachableError, WrongUseError
from schemas.messages import MustStopError, TryAgainError
from tests.support.command import Type, typing

Child = Callable[..., subprocess.CompletedProcess[str]]


def everything() -> Iterator[tuple[str, ...]]:
    """Yield the path of every command, groups included."""
    context = click.Context(cli)
    for name in SUBCOMMANDS:
        yield (name,)
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((name, inner) for inner in command.commands)


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIALFEED_DATA", str(tmp_path / "data"))


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Type:
    return typing(capsys)


@pytest.mark.parametrize("path", [(), *everything()], ids=" ".join)
def test_every_level_has_help(path: tuple[str, ...], typed: Type) -> None:
    ended = typed(*path, "--help")
    assert ended.code == 0
    assert ended.out.startswith(f"Usage: {' '.join(('dialfeed', *path))} ")


@pytest.mark.parametrize("path", list(everything()), ids=" ".join)
def test_every_command_shows_examples_that_begin_with_it(path: tuple[str, ...], typed: Type) -> None:
    command = cli.get_command(click.Context(cli), path[0])
    if not (isinstance(command, click.Group) and len(path) == 1):
        examples = typed(*path, "--help").out.partition("Examples:")[2]
        assert f"dialfeed {' '.join(path)}" in examples


@pytest.mark.parametrize("path", list(everything()), ids=" ".join)
def test_a_commands_own_options_come_before_the_shared_ones(path: tuple[str, ...], typed: Type) -> None:
    before, _, shared = typed(*path, "--help").out.partition("Shared options:\n")
    own = before.partition("\nOptions:\n")[2]
    for option in ("--data", "--topic-prefix", "--log", "--url", "--key-file"):
        assert not re.search(rf"^  {option}\b", own, re.MULTILINE), option
    assert "--help" in shared or "Commands:" in own


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("wrokspace", "list"), "Did you mean 'workspace'?"),
        (("workspace", "creat"), "Did you mean 'create'?"),
        (("workspace", "frobnicate"), "Commands: create, "),
        (("workspace", "list", "--jsno"), "No such option: --jsno. Did you mean --json?"),
        (("send", "--bacth", "B", "x"), "Did you mean --batch?"),
        (("--verison",), "Did you mean --version?"),
    ],
)
def test_a_misspelling_names_what_was_meant(arguments: tuple[str, ...], hint: str, typed: Type) -> None:
    ended = typed(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert hint in ended.err


def test_an_option_like_no_other_gets_no_guess(typed: Type) -> None:
    assert "mean" not in typed("workspace", "list", "--frobnicate").err


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from dialfeed.command_line import run_command_line; run_command_line(['--help']); "
        "heavy = {'pydantic', 'aiokafka', 'faust', 'httpx', 'rich', 'structlog', 'chdb', 'starlette', 'msgspec'}; "
        "print(sorted(heavy & sys.modules.keys()), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr.strip() == "[]"


def test_the_version_is_shown(typed: Type) -> None:
    assert typed("--version").out.startswith("dialfeed ")


@pytest.mark.parametrize("arguments", [("nothing",), ("batch", "nothing"), ("send",), ("run", "--workers", "x")])
def test_wrong_use_ends_with_2_and_a_sentence(arguments: tuple[str, ...], typed: Type) -> None:
    ended = typed(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (WrongUseError("no", "do"), 2),
        (UnreachableError("no", "do"), 3),
        (TryAgainError("no"), 3),
        (MustStopError("no"), 70),
        (CommandError("no"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_what_a_person_can_meet_ends_without_a_traceback(
    error: BaseException, code: int, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "get_command", lambda *_: click.Command("fail", callback=lambda: _raise(error)))
    ended = typed("fail")
    assert (ended.code, ended.out) == (code, "")
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(("no_color", "colored"), [(None, True), ("1", False)])
def test_on_a_terminal_an_error_is_red_unless_no_color_is_set(
    no_color: str | None, colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        cli, "get_command", lambda *_: click.Command("fail", callback=lambda: _raise(CommandError("no")))
    )
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    run_command_line(["fail"])
    assert terminal.getvalue() == ("\x1b[31mdialfeed: no\x1b[0m\n" if colored else "dialfeed: no\n")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_fault_of_ours_is_told_apart_from_records_that_failed(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        cli, "get_command", lambda *_: click.Command("fail", callback=lambda: _raise(ZeroDivisionError()))
    )
    ended = typed("fail")
    assert ended.code == ExitCode.STOPPED
    assert "ZeroDivisionError" in ended.err


def test_an_unknown_setting_is_warned_of(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALFEED_KAFKAA", "a:1")
    assert "DIALFEED_KAFKAA" in typed("workspace", "list").err


def test_a_wrong_setting_stops_the_start(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALFEED_KAFKA", "nowhere")
    ended = typed("workspace", "list")
    assert ended.code == 2
    assert "DIALFEED_KAFKA is 'nowhere'" in ended.err


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Child:
    """Run a command as people do, with stdout as Python buffers it."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    monkeypatch.setenv("DIALFEED_KAFKA", "127.0.0.1:9")

    def run(shell: str, *arguments: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
        command = ["sh", "-c", f'exec "$@" {shell}', "sh", sys.executable, "-m", "dialfeed", *arguments]
        return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, timeout=60)

    return run


@pytest.mark.parametrize("arguments", [("--help",), ("doctor", "--json")])
def test_a_reader_who_has_had_enough_is_no_error(arguments: tuple[str, ...], child: Child) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = child("", *arguments, stdout=writer)
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, "")


@pytest.mark.parametrize("arguments", [("--help",), ("doctor", "--json")])
def test_a_full_disk_is_told(arguments: tuple[str, ...], child: Child) -> None:
    ended = child(">/dev/full", *arguments)
    assert (ended.returncode, ended.stderr.splitlines()) == (
        70,
        ["dialfeed: disk full: No space left on device", "Make room."],
    )


def test_streams_that_were_closed_before_the_start_are_no_error(child: Child) -> None:
    assert child("<&- >&- 2>&-", "topics").returncode == 3


def _raise(error: BaseException) -> None:
    raise error
