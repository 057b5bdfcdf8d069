from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.command import Type, typing

NOT_UTF8 = "\udcff"
"""How Python hands on the byte FF of an argument."""


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIALFEED_DATA", str(tmp_path / "data"))


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Type:
    return typing(capsys)


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        ("replay", "--set", f"name=x{NOT_UTF8}"),
        ("replay", "--set", f"na{NOT_UTF8}me=1"),
        ("replay", "--map", f"old=n{NOT_UTF8}w"),
        *(
            (command, option, f"x{NOT_UTF8}")
            for command in ("replay", "dead-letters")
            for option in ("--agent", "--batch", "--submission", "--path")
        ),
    ],
)
def test_what_is_not_utf_8_is_refused_and_not_repeated(typed: Type, command: str, option: str, value: str) -> None:
    ended = typed(command, option, value)
    assert (ended.code, ended.out) == (2, "")
    assert option in ended.err
    assert "not UTF-8" in ended.err
    assert value not in ended.err


@pytest.mark.parametrize("command", ["replay", "dead-letters"])
@pytest.mark.parametrize(
    ("option", "exists"), [("--stage", "cut, clean, load"), ("--code", "phone_invalid"), ("--class", "policy")]
)
@pytest.mark.parametrize("value", ["claen", f"x{NOT_UTF8}"])
def test_a_value_that_does_not_exist_is_refused_and_those_that_do_are_named(
    typed: Type, command: str, option: str, exists: str, value: str
) -> None:
    ended = typed(command, option, value)
    assert (ended.code, ended.out) == (2, "")
    assert option in ended.err
    assert exists in ended.err.replace("'", "")


@pytest.mark.parametrize("command", ["replay", "dead-letters"])
@pytest.mark.parametrize("option", ["--agent", "--batch", "--submission"])
def test_a_variable_that_was_not_set_is_no_id(typed: Type, command: str, option: str) -> None:
    ended = typed(command, option, "")
    assert (ended.code, ended.out) == (2, "")
    assert "leave the option out" in re.sub(r"[\s│]+", " ", ended.err)


@pytest.mark.parametrize("option", ["--attempt", "--agent-version"])
@pytest.mark.parametrize("value", ["0", "2147483648", "99999999999"])
def test_a_number_that_no_letter_can_have_is_refused(typed: Type, option: str, value: str) -> None:
    ended = typed("replay", option, value)
    assert ended.code == 2
    assert f"{value} is not in the range 1<=x<=2147483647" in ended.err


def help_of(typed: Type, command: str) -> str:
    return re.sub(r"\s+", " ", typed(command, "--help").out)


def test_the_help_says_which_fields_are_renamed_and_set(typed: Type) -> None:
    assert "Rename a field of the record itself, none of a nested object." in help_of(typed, "replay")
    assert "Set a field of the record itself, none of a nested object: JSON, else text." in help_of(typed, "replay")


@pytest.mark.parametrize("command", ["replay", "dead-letters"])
def test_the_help_says_that_a_path_is_that_of_the_first_error(typed: Type, command: str) -> None:
    assert "whose first error is at this JSON pointer" in help_of(typed, command)
