from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from dialfeed.installation import RunFile, write_run_file
from dialfeed.settings import Settings
from tests.support.command import Type, typing

NOBODY = "127.0.0.1:1"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Type:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"DIALFEED_{name.upper()}", raising=False)
    monkeypatch.setenv("DIALFEED_DATA", str(tmp_path / "data"))
    return typing(capsys)


def by_name(checks: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {check["check"]: check for check in checks}


def test_every_check_has_the_four_fields_and_what_is_red_has_a_remedy(typed: Type) -> None:
    checks = typed("doctor", "--json", "--kafka", NOBODY, "--http", NOBODY).json
    assert {tuple(check) for check in checks} == {("check", "ok", "found", "remedy")}
    assert all(check["remedy"] for check in checks if not check["ok"])


def test_what_does_not_apply_is_well_and_not_used(typed: Type) -> None:
    checks = by_name(typed("doctor", "--json").json)
    assert {checks[name]["found"] for name in ("Kafka answers", "topics", "registry", "API alive")} == {"not used"}
    assert checks["Kafka answers"]["ok"]


def test_where_nothing_runs_it_says_so_and_how_to_start_it(typed: Type, tmp_path: Path) -> None:
    data = tmp_path / "data"
    found = by_name(typed("doctor", "--json").json)["installation"]["found"]
    assert found == f"nothing runs in {data}; `dialfeed run` starts everything"
    found = by_name(typed("doctor", "--json", "--kafka", NOBODY).json)["installation"]["found"]
    assert found == f"nothing runs in {data}; what is set is looked at: Kafka at {NOBODY}"


def test_what_does_not_answer_is_red_and_ends_with_1(typed: Type) -> None:
    store = f"clickhouse://u:hunter2@{NOBODY}/d"
    ended = typed("doctor", "--json", "--kafka", NOBODY, "--http", NOBODY, "--clickhouse", store)
    red = {check["check"] for check in ended.json if not check["ok"]}
    assert ended.code == 1
    assert red == {"Kafka answers", "topics", "registry", "API alive", "API ready", "ClickHouse"}
    assert "hunter2" not in ended.out + ended.err


def test_a_wrong_setting_is_the_first_check_and_the_only_one(typed: Type) -> None:
    ended = typed("doctor", "--json", "--http", "nowhere")
    (check,) = ended.json
    assert (ended.code, check["check"], check["ok"]) == (1, "settings", False)
    assert "DIALFEED_HTTP" in check["found"]


def test_what_a_killed_installation_left_behind_is_red(typed: Type, tmp_path: Path) -> None:
    write_run_file(tmp_path / "data", RunFile(http="http://x:1", kafka=NOBODY, clickhouse="", pid=os.getpid()))
    (tmp_path / "data" / "run.json").write_text('{"http":"http://x:1","kafka":"k:1","clickhouse":"","pid":4194304}')
    check = by_name(typed("doctor", "--json").json)["installation"]
    assert not check["ok"]
    assert "dialfeed run" in check["remedy"]


def test_a_data_folder_that_run_refuses_is_red(typed: Type, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o777)
    check = by_name(typed("doctor", "--json").json)["data folder"]
    assert (check["ok"], "chmod 700" in check["remedy"]) == (False, True)


def test_a_data_folder_that_cannot_be_made_is_red(typed: Type) -> None:
    check = by_name(typed("doctor", "--json", "--data", "/proc/dialfeed").json)["data folder"]
    assert not check["ok"]


def test_people_get_numbered_lines(typed: Type) -> None:
    lines = typed("doctor").out.splitlines()
    assert lines[0].split() == ["1", "ok", "settings", "can", "be", "used"]
    assert [line.split()[0] for line in lines] == [str(number) for number in range(1, len(lines) + 1)]
