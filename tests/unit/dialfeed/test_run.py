from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import Type, typing


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Type:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIALFEED_DATA", str(tmp_path / "data"))
    return typing(capsys)


@pytest.fixture
def taken() -> Iterator[str]:
    """An address that something else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_an_address_that_is_taken_is_told_before_anything_is_started(typed: Type, taken: str, tmp_path: Path) -> None:
    ended = typed("run", "--http", taken)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"dialfeed: the API cannot listen on {taken}: Address already in use\n")
    assert "DIALFEED_HTTP" in ended.err
    assert not (tmp_path / "data" / "kafka").exists()


def test_an_address_that_is_not_this_machines_is_told(typed: Type) -> None:
    ended = typed("run", "--http", "192.0.2.1:8080")
    assert (ended.code, ended.err.partition("\n")[0]) == (
        2,
        "dialfeed: the API cannot listen on 192.0.2.1:8080: Cannot assign requested address",
    )


def test_a_data_folder_that_cannot_be_made_is_told(typed: Type, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = typed("run", "--data", str(tmp_path / "file" / "data"))
    assert (ended.code, ended.out) == (2, "")
    assert "Traceback" not in ended.err
    assert "DIALFEED_DATA" in ended.err
