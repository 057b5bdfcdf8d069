from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dialfeed.exits import WrongUseError
from dialfeed.kafka_errors import DataFolderInUseError
from dialfeed.ownership import PID_FILE, Running, forget, own

if TYPE_CHECKING:
    from pathlib import Path


def ourselves() -> Running:
    found = Running.of(os.getpid())
    assert found is not None
    return found


def test_a_process_that_runs_is_read_back(tmp_path: Path) -> None:
    ourselves().keep_in(tmp_path)
    assert Running.kept_in(tmp_path) == ourselves()


def test_another_process_with_the_same_pid_is_not_taken_for_the_one_kept(tmp_path: Path) -> None:
    replace(ourselves(), started=1).keep_in(tmp_path)
    assert Running.kept_in(tmp_path) is None


def test_a_process_that_was_forgotten_is_not_found(tmp_path: Path) -> None:
    ourselves().keep_in(tmp_path)
    forget(tmp_path)
    assert Running.kept_in(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"pid": 1}', '{"pid": "x", "started": 2}'])
def test_a_damaged_pid_file_names_no_process(tmp_path: Path, content: str) -> None:
    (tmp_path / PID_FILE).write_text(content)
    assert Running.kept_in(tmp_path) is None


def test_a_folder_has_one_owner_at_a_time_who_is_named(tmp_path: Path) -> None:
    with own(tmp_path), pytest.raises(DataFolderInUseError, match=f"Process {os.getpid()} already runs Kafka"):
        own(tmp_path)


def test_a_folder_is_free_again_when_its_owner_lets_go(tmp_path: Path) -> None:
    own(tmp_path).close()
    own(tmp_path).close()


def test_a_folder_is_made_where_there_is_none(tmp_path: Path) -> None:
    own(tmp_path / "new" / "data").close()
    assert (tmp_path / "new" / "data").is_dir()


def test_where_no_folder_can_be_made_the_setting_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WrongUseError, match="cannot be used: Not a directory") as refused:
        own(tmp_path / "file" / "data")
    assert "DIALFEED_DATA" in refused.value.remedy
