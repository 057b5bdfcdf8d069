from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from dialfeed.command_line import run_command_line
from dialfeed.health import look
from dialfeed.heartbeat import LATE_AFTER_SECONDS, Beat, Heartbeat, beats


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DIALFEED_DATA", "DIALFEED_HTTP"):
        monkeypatch.delenv(name, raising=False)


def found(part: str, data: Path) -> tuple[bool, str]:
    health = look(part, str(data), None)
    return health.ok, health.found


@contextmanager
def api(status: int) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_part_that_never_ran_is_not_well(tmp_path: Path) -> None:
    assert found("worker", tmp_path) == (False, f"none runs with the data folder {tmp_path}")


def test_a_part_is_well_once_it_says_so(tmp_path: Path) -> None:
    with Heartbeat(tmp_path, "worker") as heart:
        assert found("worker", tmp_path)[0] is False
        heart.beat("it has not been given its partitions")
        assert found("worker", tmp_path)[1].endswith(": it has not been given its partitions")
        heart.beat()
        assert found("worker", tmp_path) == (True, "1 at work")
    assert found("worker", tmp_path)[0] is False


def test_the_parts_are_told_apart(tmp_path: Path) -> None:
    with Heartbeat(tmp_path, "worker") as heart:
        heart.beat()
        assert found("load", tmp_path)[0] is False


def test_one_worker_that_is_not_well_is_enough(tmp_path: Path) -> None:
    with Heartbeat(tmp_path, "worker") as heart:
        heart.beat()
        other = "import sys; from pathlib import Path; from dialfeed.heartbeat import Heartbeat\n"
        other += "with Heartbeat(Path(sys.argv[1]), 'worker'): print(flush=True); sys.stdin.read()"
        with subprocess.Popen(
            [sys.executable, "-c", other, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            assert found("worker", tmp_path) == (False, f"process {process.pid}: it is starting")
            process.kill()
        assert found("worker", tmp_path) == (True, "1 at work")


def test_a_process_that_says_nothing_for_long_is_not_well(tmp_path: Path) -> None:
    with Heartbeat(tmp_path, "load") as heart:
        heart.beat()
        [beat] = beats(tmp_path, "load")
    assert beat.trouble(beat.at + LATE_AFTER_SECONDS) == ""
    assert beat.trouble(beat.at + LATE_AFTER_SECONDS + 1) == "it has said nothing for 31 s"


def test_what_a_killed_process_left_behind_counts_for_nothing_and_is_removed(tmp_path: Path) -> None:
    left_behind = tmp_path / "health" / "worker-4242.json"
    left_behind.parent.mkdir()
    left_behind.write_text(json.dumps(Beat(4242, time.monotonic(), "")))
    assert found("worker", tmp_path)[0] is False
    with Heartbeat(tmp_path, "worker"):
        assert not left_behind.exists()


def test_a_part_works_on_where_it_cannot_say_so(tmp_path: Path) -> None:
    (tmp_path / "health").write_text("no folder")
    with Heartbeat(tmp_path, "worker") as heart:
        heart.beat()
        assert found("worker", tmp_path)[0] is False


@pytest.mark.parametrize(("status", "ok"), [(200, True), (503, False)])
def test_the_api_is_well_if_it_answers(status: int, ok: bool, tmp_path: Path) -> None:
    with api(status) as address:
        assert look("api", str(tmp_path), address) == ("api", ok, f"{address} answers {status}")
    assert look("api", str(tmp_path), address) == ("api", False, f"{address} does not answer (ConnectionRefusedError)")


def test_the_api_is_found_as_other_commands_find_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with api(200) as address:
        (tmp_path / "run.json").write_text(json.dumps({"http": f"http://{address}"}))
        assert look("api", str(tmp_path), None).ok
        Path(".env").write_text(f"DIALFEED_HTTP={address}\n")
        assert look("api", None, None).ok
        monkeypatch.setenv("DIALFEED_HTTP", f"0.0.0.0:{address.partition(':')[2]}")
        assert look("api", None, None) == ("api", True, f"0.0.0.0:{address.partition(':')[2]} answers 200")


def test_the_exit_code_says_whether_all_are_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Heartbeat(tmp_path, "worker") as heart, Heartbeat(tmp_path, "load"):
        heart.beat()
        assert run_command_line(["health", "worker", "--data", str(tmp_path)]) == 0
        assert run_command_line(["health", "worker", "load", "--json", "--data", str(tmp_path)]) == 1
    answer = capsys.readouterr().out.partition("\n")[2]
    assert [(each["part"], each["ok"]) for each in json.loads(answer)] == [("worker", True), ("load", False)]


def test_a_check_imports_nothing_heavy() -> None:
    code = (
        "import sys; from dialfeed.command_line import run_command_line; run_command_line(['health']); "
        "heavy = {'pydantic', 'aiokafka', 'faust', 'httpx', 'rich', 'structlog', 'starlette', 'msgspec', 'asyncio'}; "
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr) == (0, "")
