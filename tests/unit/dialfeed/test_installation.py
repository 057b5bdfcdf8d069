from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dialfeed.exits import UnreachableError
from dialfeed.installation import (
    RunFile,
    api_url,
    find_api,
    find_kafka,
    remove_run_file,
    running_installation,
    write_run_file,
)
from dialfeed.settings import Settings, load_settings
from schemas.kafka_connection import KafkaConnection


def run_file(pid: int) -> RunFile:
    return RunFile(http="http://127.0.0.1:1234", kafka="127.0.0.1:9", clickhouse="chdb:///x", pid=pid)


def gone() -> int:
    """Return the pid of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"DIALFEED_{name.upper()}", raising=False)
    return load_settings(data=str(tmp_path / "data"))


SASL = KafkaConnection("127.0.0.1:9", "staging.", "SASL_PLAINTEXT", "SCRAM-SHA-512", "me", "hunter2")
TLS = KafkaConnection("127.0.0.1:9", protocol="SSL", ca_file="/etc/ca.pem")
PLAIN = KafkaConnection("127.0.0.1:9", "staging.")


def run_with(settings: Settings, kafka: KafkaConnection) -> None:
    write_run_file(settings.data, RunFile.of(kafka, http="http://127.0.0.1:1234", clickhouse="chdb:///x"))


def test_the_file_has_the_fixed_fields(settings: Settings) -> None:
    run_with(settings, SASL)
    assert json.loads((settings.data / "run.json").read_text()) == {
        "http": "http://127.0.0.1:1234",
        "kafka": "127.0.0.1:9",
        "kafkaSecurity": {
            "protocol": "SASL_PLAINTEXT",
            "mechanism": "SCRAM-SHA-512",
            "username": "me",
            "password": "hunter2",
            "caFile": None,
        },
        "topicPrefix": "staging.",
        "clickhouse": "chdb:///x",
        "pid": os.getpid(),
    }


def test_without_security_the_file_says_so(settings: Settings) -> None:
    run_with(settings, PLAIN)
    assert json.loads((settings.data / "run.json").read_text())["kafkaSecurity"] is None


@pytest.mark.parametrize("kafka", [SASL, TLS, PLAIN], ids=["sasl", "tls", "plain"])
def test_a_client_meets_the_installation_that_runs_and_no_other(settings: Settings, kafka: KafkaConnection) -> None:
    run_with(settings, kafka)
    assert find_kafka(settings) == kafka
    assert find_kafka(load_settings(data=str(settings.data), kafka=kafka.bootstrap)) == kafka


def test_what_is_set_besides_wins_over_what_runs(settings: Settings) -> None:
    run_with(settings, SASL)
    asked = load_settings(data=str(settings.data), topic_prefix="other.")
    assert find_kafka(asked) == replace(SASL, prefix="other.")
    asked = load_settings(data=str(settings.data), kafka_security_protocol="PLAINTEXT")
    assert find_kafka(asked) == PLAIN


def test_another_kafka_that_is_set_is_asked_as_set(settings: Settings) -> None:
    run_with(settings, SASL)
    assert find_kafka(load_settings(data=str(settings.data), kafka="other:1")) == KafkaConnection("other:1")


def test_the_file_of_an_earlier_version_is_read(settings: Settings) -> None:
    settings.data.mkdir()
    text = f'{{"http": "http://x:1", "kafka": "k:1", "clickhouse": "", "pid": {os.getpid()}}}'
    (settings.data / "run.json").write_text(text)
    assert find_kafka(settings) == KafkaConnection("k:1")


def test_only_its_owner_can_read_the_file_whatever_was_there_before(settings: Settings) -> None:
    settings.data.mkdir()
    (settings.data / "run.json").touch(mode=0o644)
    write_run_file(settings.data, run_file(7))
    assert stat.S_IMODE((settings.data / "run.json").stat().st_mode) == 0o600


def test_nothing_else_is_left_in_the_folder(settings: Settings) -> None:
    write_run_file(settings.data, run_file(os.getpid()))
    assert [path.name for path in settings.data.iterdir()] == ["run.json"]
    remove_run_file(settings.data)
    assert list(settings.data.iterdir()) == []


def test_the_file_of_another_process_is_not_removed(settings: Settings) -> None:
    write_run_file(settings.data, run_file(os.getppid()))
    remove_run_file(settings.data)
    assert running_installation(settings.data) == run_file(os.getppid())


def test_what_a_killed_process_left_behind_is_no_installation(settings: Settings) -> None:
    write_run_file(settings.data, run_file(gone()))
    assert running_installation(settings.data) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"http": 1}', b"\xff"])
def test_a_file_that_is_something_else_is_no_installation(settings: Settings, content: bytes) -> None:
    settings.data.mkdir()
    (settings.data / "run.json").write_bytes(content)
    assert running_installation(settings.data) is None


def test_a_running_installation_is_found(settings: Settings) -> None:
    write_run_file(settings.data, run_file(os.getpid()))
    assert (find_api(settings), find_kafka(settings).bootstrap) == ("http://127.0.0.1:1234", "127.0.0.1:9")


def test_what_is_set_wins_over_what_runs(settings: Settings) -> None:
    write_run_file(settings.data, run_file(os.getpid()))
    other = load_settings(data=str(settings.data), kafka="other:1", http="other:2")
    assert (find_api(other), find_kafka(other).bootstrap) == ("http://other:2", "other:1")


def test_a_free_port_that_was_asked_for_is_the_one_that_runs(settings: Settings) -> None:
    write_run_file(settings.data, run_file(os.getpid()))
    assert find_api(load_settings(data=str(settings.data), http="127.0.0.1:0")) == "http://127.0.0.1:1234"


def test_where_nothing_runs_and_nothing_is_set_it_says_what_to_do(settings: Settings) -> None:
    for find in (find_api, find_kafka):
        with pytest.raises(UnreachableError) as caught:
            find(settings)
        assert "dialfeed run" in caught.value.remedy


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:80"), ("::", "http://[::1]:80"), ("api.example", "http://api.example:80")],
)
def test_an_api_that_listens_everywhere_is_reached_here(host: str, url: str) -> None:
    assert api_url(host, 80) == url


def test_a_url_that_is_set_says_where_the_api_is_before_anything_else(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, http="127.0.0.1:9", url="https://dialfeed.example.com/")
    assert find_api(settings) == "https://dialfeed.example.com"
