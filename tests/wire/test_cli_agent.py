from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Type, typing

FIRST = {"type": "record", "name": "R", "fields": [{"name": "due", "type": "int"}]}
WIDER = {"type": "record", "name": "R", "fields": [{"name": "due", "type": "double"}]}
OTHER = {"type": "record", "name": "R", "fields": [{"name": "due", "type": "string"}]}


@pytest.fixture
def typed(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Type:
    """Type commands in a folder with three schemas, at a Kafka with nothing of ours in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIALFEED_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DIALFEED_KAFKA", kafka_bootstrap)
    monkeypatch.setenv("DIALFEED_TOPIC_PREFIX", f"cli-{secrets.token_hex(4)}.")
    for name, schema in {"first": FIRST, "wider": WIDER, "other": OTHER}.items():
        Path(f"{name}.avsc").write_text(json.dumps(schema))
    return typing(capsys)


@pytest.fixture
def agent(typed: Type) -> str:
    assert typed("topics", "--create").code == 0
    ended = typed("workspace", "create", "Acme")
    assert ended.code == 0, ended.err
    made: Any = typed("agent", "create", "--workspace", "Acme", "--schema", "first.avsc", "--json").json
    return str(made["agentId"])


def versions(typed: Type, agent: str) -> list[Any]:
    return [(one["version"], one["schema"]) for one in typed("agent", "show", agent, "--json").json["versions"]]


def test_a_schema_that_reads_all_earlier_ones_becomes_the_next_version(typed: Type, agent: str) -> None:
    made = typed("agent", "update", agent, "--schema", "wider.avsc", "--json")
    assert made.code == 0, made.err
    assert (made.code, made.json["agentId"], made.json["schemaVersion"]) == (0, agent, 2)
    assert versions(typed, agent) == [(1, FIRST), (2, WIDER)]


def test_a_schema_that_breaks_compatibility_is_refused_with_the_reason(typed: Type, agent: str) -> None:
    ended = typed("agent", "update", agent, "--schema", "other.avsc")
    assert ended.code == 2
    assert "field due was int and is now string" in ended.err
    assert "version 1" in ended.err
    assert versions(typed, agent) == [(1, FIRST)]


def test_the_same_schema_again_makes_no_version(typed: Type, agent: str) -> None:
    assert typed("agent", "update", agent, "--schema", "first.avsc", "--json").json["schemaVersion"] == 1
    assert len(versions(typed, agent)) == 1


def test_an_agent_that_there_is_not_cannot_be_updated(typed: Type, agent: str) -> None:
    assert agent
    ended = typed("agent", "update", "nothing", "--schema", "wider.avsc")
    assert (ended.code, "no agent" in ended.err) == (2, True)
