"""What messages tell people to do exists: commands with their options, settings, documents. And none is silent."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest

from dialfeed.command_line import cli
from dialfeed.settings_table import known_variables
from tests.unit.documents.markdown import ROOT
from tests.unit.documents.test_documents import every_command, find, require_known

PACKAGES: Final = ("schemas", "ingest_api", "streams", "sinks", "dialfeed")
MODULES: Final = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
each_module: Final = pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
ERRORS: Final = {"WrongUseError", "UnreachableError", "CommandError"}
SECRET_FILE: Final = "_FILE"


@each_module
def test_every_command_that_a_message_names_is_there(module: Path) -> None:
    for text in messages(module):
        for line in re.findall(r"`dialfeed ([a-z][^`]*)`", text):
            require_known(line)


@each_module
def test_every_setting_that_a_message_names_is_there(module: Path) -> None:
    named = {name for text in messages(module) for name in re.findall(r"\bDIALFEED_[A-Z_]*[A-Z]\b", text)}
    assert {name for name in named if not {name, name.removesuffix(SECRET_FILE)} & known_variables()} == set()


@each_module
def test_every_document_that_a_message_names_is_there(module: Path) -> None:
    named = {path for text in messages(module) for path in re.findall(r"\bdocs/[\w-]+\.md\b", text)}
    assert [path for path in named if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("path", list(every_command()), ids=" ".join)
def test_every_example_can_be_typed(path: tuple[str, ...]) -> None:
    """The examples of `--help` show whole command lines, each beginning with its command."""
    command, _, _ = find(list(path))
    lines = re.findall(r"\bdialfeed ([a-z][^|>\n]*)", (command.epilog or "").replace("\\\n", " "))
    assert lines
    for line in lines:
        require_known(re.split(r" {3,}", line)[0].rstrip('")'))


def test_every_error_of_a_command_says_what_to_do() -> None:
    silent = [
        f"{module.relative_to(ROOT)}:{call.lineno}"
        for module in MODULES
        for call in ast.walk(ast.parse(module.read_text()))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ERRORS and is_silent(call)
    ]
    assert silent == []


def is_silent(call: ast.Call) -> bool:
    """Whether the error has no second argument, or an empty one."""
    if len(call.args) < 2:
        return not any(isinstance(each, ast.Starred) for each in call.args)
    return isinstance(call.args[1], ast.Constant) and not call.args[1].value


@pytest.mark.parametrize("path", [(), *every_command()], ids=" ".join)
def test_every_option_says_what_it_is_for(path: tuple[str, ...]) -> None:
    command, _, _ = find(list(path))
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [each.name for each in options if not each.help] == []
    assert (command.help or "").strip().endswith((".", "!")) or command is cli


def messages(module: Path) -> Iterator[str]:
    """Yield the texts of a module that are no docstrings; an f-string's values are left out."""
    tree = ast.parse(module.read_text())
    bodies = [getattr(node, "body", []) for node in ast.walk(tree)]
    docstrings = {
        id(body[0].value) for body in bodies if isinstance(body, list) and body and isinstance(body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(each.value) if isinstance(each, ast.Constant) else "X" for each in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value
