"""An installation without the extra `embedded`: all but the embedded engine works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dialfeed.command_line import run_command_line

SERVER = "clickhouse://dialfeed@127.0.0.1:9/dialfeed"
PARTS = "import dialfeed.serve, dialfeed.worker, dialfeed.run, dialfeed.replay_dry_run"
CONNECT = (
    "import asyncio; from sinks.clickhouse import connect; from schemas.messages import TryAgainError\n"
    f"try: asyncio.run(connect({SERVER!r}).migrate())\n"
    "except TryAgainError: pass\n"
)


@pytest.mark.parametrize("command", [["run"], ["api", "--with-load"]])
def test_who_asks_for_the_embedded_engine_is_told_what_to_install(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DIALFEED_CLICKHOUSE", raising=False)
    monkeypatch.setitem(sys.modules, "chdb", None)
    assert run_command_line([*command, "--data", str(tmp_path / "data"), "--kafka", "127.0.0.1:9"]) == 2
    assert "pip install 'dialfeed[embedded]'" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_nothing_imports_chdb_or_data_frames_beside_a_server() -> None:
    code = f"import sys; {PARTS}; {CONNECT}sys.exit(' '.join({{'chdb', 'pandas', 'pyarrow'}} & set(sys.modules)) or 0)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr) == (0, "")
