from __future__ import annotations

import asyncio
import re
import secrets
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dialfeed.kafka_publisher import KafkaPublisher
from dialfeed.registry_topic import RegistryTopic
from dialfeed.settings import load_settings
from schemas.topics import TopicName
from tests.support.bus import Bus
from tests.support.command import Type, typing

SCHEMA = '{"type": "record", "name": "R", "fields": [{"name": "firstName", "type": "string"}]}'


@pytest.fixture
def typed(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Type:
    """Type commands that find a Kafka with nothing of ours in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIALFEED_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DIALFEED_KAFKA", kafka_bootstrap)
    monkeypatch.setenv("DIALFEED_TOPIC_PREFIX", f"cli-{secrets.token_hex(4)}.")
    return typing(capsys)


@pytest.fixture
def made(typed: Type) -> dict[str, Any]:
    """Make one of everything, and return all their ids."""
    assert typed("topics", "--create").code == 0
    Path("agent.avsc").write_text(SCHEMA)
    ids: dict[str, Any] = typed("workspace", "create", "Acme", "--json").json
    ids |= typed("key", "create", "--workspace", "Acme", "--json").json
    ids |= typed("agent", "create", "--workspace", "Acme", "--schema", "agent.avsc", "--json").json
    ids |= typed("number", "create", "--workspace", "Acme", "--agent", ids["agentId"], "12125551001", "--json").json
    ids |= typed("batch", "create", "--workspace", "Acme", "--number", ids["phoneId"], "spring", "--json").json
    return ids


def test_what_was_made_is_read_back_by_the_next_command(typed: Type, made: dict[str, Any]) -> None:
    assert [one["workspaceId"] for one in typed("workspace", "list", "--json").json] == [made["workspaceId"]]
    assert [one["keyId"] for one in typed("key", "list", "--json").json] == [made["keyId"]]
    assert [one["agentId"] for one in typed("agent", "list", "--json").json] == [made["agentId"]]
    assert [one["phoneId"] for one in typed("number", "list", "--json").json] == [made["phoneId"]]
    assert [one["batchId"] for one in typed("batch", "list", "--json").json] == [made["batchId"]]


def test_a_batch_shows_the_agent_that_speaks(typed: Type, made: dict[str, Any]) -> None:
    assert typed("batch", "show", made["batchId"], "--json").json["agentId"] == made["agentId"]


def test_an_agent_shows_its_schema(typed: Type, made: dict[str, Any]) -> None:
    (version,) = typed("agent", "show", made["agentId"], "--json").json["versions"]
    assert version["schema"]["fields"] == [{"name": "firstName", "type": "string"}]


def test_a_key_is_shown_once_and_its_revocation_is_seen(typed: Type, made: dict[str, Any]) -> None:
    assert made["apiKey"] not in typed("key", "list", "--json").out
    assert typed("key", "revoke", made["keyId"]).code == 0
    assert typed("key", "list", "--json").json[0]["revokedAt"] is not None


def test_a_workspace_and_a_batch_may_name_a_country(typed: Type, made: dict[str, Any]) -> None:
    assert typed("workspace", "update", "Acme", "--country", "us", "--json").json["country"] == "US"
    assert typed("workspace", "list", "--json").json[0]["country"] == "US"
    assert typed("batch", "update", made["batchId"], "--country", "DE", "--json").code == 0
    assert typed("batch", "show", made["batchId"], "--json").json["country"] == "DE"
    refused = typed("workspace", "update", "Acme", "--country", "UK")
    assert (refused.code, "GB" in refused.err) == (2, True)
    assert typed("workspace", "update", "Acme", "--country", "", "--json").json["country"] is None


def test_lists_can_be_of_one_workspace(typed: Type, made: dict[str, Any]) -> None:
    typed("workspace", "create", "Other")
    assert typed("batch", "list", "--workspace", "Other", "--json").json == []
    assert [one["batchId"] for one in typed("batch", "list", "--workspace", "Acme", "--json").json] == [made["batchId"]]


def test_people_get_tables(typed: Type, made: dict[str, Any]) -> None:
    for name, key in {"workspace": "workspaceId", "key": "keyId", "agent": "agentId", "number": "phoneId"}.items():
        assert made[key] in typed(name, "list").out


def test_what_does_not_exist_is_wrong_use(typed: Type, made: dict[str, Any]) -> None:
    assert made
    wrong = (
        ("key", "create", "--workspace", "Nobody"),
        ("key", "revoke", "nothing"),
        ("agent", "show", "nothing"),
        ("batch", "show", "nothing"),
        ("number", "create", "--workspace", "Acme", "--agent", "nothing", "12125551002"),
        ("batch", "create", "--workspace", "Acme", "--number", "nothing", "autumn"),
    )
    assert [typed(*arguments).code for arguments in wrong] == [2] * len(wrong)


def test_a_schema_that_is_refused_makes_no_agent(typed: Type, made: dict[str, Any]) -> None:
    Path("bad.avsc").write_text('"string"')
    ended = typed("agent", "create", "--workspace", "Acme", "--schema", "bad.avsc")
    assert (ended.code, "refused" in ended.err) == (2, True)
    assert [one["agentId"] for one in typed("agent", "list", "--json").json] == [made["agentId"]]


def test_topics_that_are_missing_are_named_and_end_with_1(typed: Type) -> None:
    ended = typed("topics", "--json")
    assert ended.code == 1
    assert all((topic["partitions"], topic["ok"]) == (0, False) and topic["differences"] for topic in ended.json)


def test_topics_are_made_as_they_should_be(typed: Type) -> None:
    typed("topics", "--create")
    ended = typed("topics", "--json")
    assert ended.code == 0
    assert {(topic["ok"], tuple(topic["differences"])) for topic in ended.json} == {(True, ())}


def test_what_an_operator_may_change_of_topics_is_told_and_fails_nothing(typed: Type) -> None:
    typed("topics", "--create")
    asyncio.run(change_topics())
    for arguments in (("topics", "--create"), ("topics",)):
        ended = typed(*arguments)
        assert (ended.code, "(warning)" in ended.out) == (0, True)
    told = {topic["name"].partition(".")[2]: topic for topic in typed("topics", "--json").json}
    assert told["calls.raw"]["warnings"] == ["12 partitions, made with 8"]
    assert told["calls.chunks"]["warnings"] == []  # longer than it was made
    found = {check["check"]: check for check in typed("doctor", "--json").json}
    assert found["topics"]["ok"]
    assert "12 partitions, made with 8 (works)" in found["topics"]["found"]


def test_partitions_that_do_not_go_together_are_wrong_and_fail_a_start(typed: Type) -> None:
    typed("topics", "--create")
    asyncio.run(change_topics(TopicName.RECEIPTS))
    for arguments in (("topics", "--create"), ("topics",)):
        ended = typed(*arguments)
        assert (ended.code, "kafka-topics.sh --alter" in ended.err) == (1, True)
    stops = {topic["name"].partition(".")[2] for topic in typed("topics", "--json").json if topic["stops"]}
    assert stops == {TopicName.RECEIPTS, TopicName.DEAD_LETTER}


async def change_topics(*more: TopicName) -> None:
    """Raise partitions and retention, as an operator does."""
    connection = load_settings().kafka_connection()
    async with KafkaPublisher(connection) as publisher:
        bus = Bus(connection, publisher, RegistryTopic(connection))
        await bus.add_partitions(dict.fromkeys((TopicName.RAW, *more), 12))
        await bus.configure(TopicName.CHUNKS, retention_ms="-1", max_message_bytes="41943040")


def test_a_registry_that_was_never_made_says_how_to_make_it(typed: Type) -> None:
    ended = typed("workspace", "list")
    assert ended.code != 0
    assert "dialfeed topics --create" in ended.err


def test_a_doctor_finds_kafka_topics_and_registry_well(typed: Type, made: dict[str, Any]) -> None:
    assert made
    found = {check["check"]: check for check in typed("doctor", "--json").json}
    assert [found[name]["ok"] for name in ("Kafka answers", "topics", "registry")] == [True] * 3
    assert found["registry"]["found"] == "1 workspaces, 1 keys, 1 agents, 1 numbers, 1 batches"


def test_a_doctor_names_missing_topics_with_the_remedy(typed: Type) -> None:
    ended = typed("doctor", "--json")
    found = {check["check"]: check for check in ended.json}
    assert ended.code == 1
    assert not found["topics"]["ok"]
    assert "dialfeed topics --create" in found["topics"]["remedy"]


def test_a_number_is_assigned_to_another_agent(typed: Type, made: dict[str, Any]) -> None:
    other = typed("agent", "create", "--workspace", "Acme", "--schema", "agent.avsc", "--json").json["agentId"]
    assert typed("number", "assign", made["phoneId"], "--agent", other, "--json").json["agentId"] == other
    assert typed("batch", "show", made["batchId"], "--json").json["agentId"] == other


def test_a_batch_is_changed_and_keeps_what_is_not_given(typed: Type, made: dict[str, Any]) -> None:
    given = ("--timezone", "Europe/Berlin", "--calling-hours", "09:00-18:00", "--day", "mon", "--retry", "2")
    assert typed("batch", "update", made["batchId"], *given).code == 0
    assert typed("batch", "update", made["batchId"], "--name", "autumn", "--calling-hours", "").code == 0
    shown = typed("batch", "show", made["batchId"], "--json").json
    kept = {"name": "autumn", "timezone": "Europe/Berlin", "callingHours": None, "allowedDays": [1], "retry": 2}
    assert {name: shown[name] for name in kept} == kept
    assert shown["phoneIds"] == [made["phoneId"]]


def test_what_others_need_is_kept_until_nothing_needs_it(typed: Type, made: dict[str, Any]) -> None:
    deletions = (
        ("workspace", "delete", "Acme"),
        ("agent", "delete", made["agentId"]),
        ("number", "delete", made["phoneId"]),
    )
    for each in deletions:
        ended = typed(*each)
        assert (ended.code, "still" in ended.err) == (2, True), each
    ended = typed("batch", "delete", made["batchId"])  # nobody can say whether calls are pending
    assert (ended.code, "DIALFEED_API_KEY" in ended.err) == (2, True)
    assert typed("batch", "delete", made["batchId"], "--drop-pending").code == 0
    assert typed("key", "revoke", made["keyId"]).code == 0
    assert [typed(*each).code for each in reversed(deletions)] == [0, 0, 0]
    assert typed("workspace", "list", "--json").json == []


def test_a_campaign_is_made_in_one_go_and_its_variables_are_for_a_shell(typed: Type, made: dict[str, Any]) -> None:
    given = ("campaign", "create", "--schema", "agent.avsc", "--workspace", "Acme", "it's spring")
    ids = typed(*given, "--json").json
    assert (ids["workspaceId"], ids["url"]) == (made["workspaceId"], None)  # no API runs here
    assert typed("batch", "show", ids["batchId"], "--json").json["agentId"] == ids["agentId"]
    line = typed(*given, "--export-env").out
    shell = f'{line}\nprintf "%s %s" "$DIALFEED_API_KEY" "$BATCH_ID"'
    key, batch = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout.split()
    assert key.startswith("df_")
    assert typed("batch", "show", batch, "--json").json["name"] == "it's spring"
    assert typed("topics").code == 0


def test_a_campaign_that_is_refused_makes_nothing(typed: Type, made: dict[str, Any]) -> None:
    ended = typed("campaign", "create", "--schema", "agent.avsc", "--workspace", "New", "--number", "call me", "x")
    assert (ended.code, ended.out) == (2, "")
    assert [one["workspaceId"] for one in typed("workspace", "list", "--json").json] == [made["workspaceId"]]


NEW_AGENT = "agent create --workspace Acme --schema agent.avsc"
NEW_NUMBER = "number create --workspace Acme --agent AGENT"
NEW_BATCH = "batch create --workspace Acme --number SECOND"
NEW_CAMPAIGN = "campaign create --workspace Acme --schema agent.avsc"
ADVICE = [
    # what is refused, the advice that comes with it, and commands that follow the advice: each of them succeeds
    ("batch show nothing", "See `dialfeed batch list`", ["batch list", "batch show BATCH"]),
    ("key create", "Give either --workspace or --admin", ["key create --admin", "key create --workspace Acme"]),
    ("key create --workspace Nobody", "See `dialfeed workspace list`", ["workspace list"]),
    ("workspace create Acme", "Use it: its id is WORKSPACE", ["agent list --workspace WORKSPACE"]),
    ("workspace create ' '", "Take another name", ["workspace create Other"]),
    ("agent create --workspace Acme --schema bad.avsc", "Change the schema", [NEW_AGENT]),
    ("agent update AGENT --schema stricter.avsc", "make another agent", [f"{NEW_AGENT} --name stricter"]),
    (f"{NEW_NUMBER} 12125551001", "Use it: its phone id is PHONE", ["batch update BATCH --number PHONE"]),
    (f"{NEW_NUMBER} +1212", "Correct the number", [f"{NEW_NUMBER} 12125551007"]),
    (f"{NEW_BATCH} --timezone Berlin x", "such as America/New_York", [f"{NEW_BATCH} --timezone America/New_York x"]),
    (f"{NEW_BATCH} --calling-hours 9-5 x", "as in 09:00-18:00", [f"{NEW_BATCH} --calling-hours 09:00-18:00 x"]),
    (f"{NEW_BATCH} --day today x", "A day must be sun, mon,", [f"{NEW_BATCH} --day sun --day 1 x"]),
    (f"{NEW_CAMPAIGN} --number 12125551001 x", "Leave --number out, give another", [f"{NEW_CAMPAIGN} x"]),
    (
        "number delete PHONE",
        "Give them other numbers, or delete them: BATCH",
        ["batch update BATCH --number SECOND", "number delete PHONE"],
    ),
    (
        "agent delete OTHER",
        "Assign them to another agent, or delete them: SECOND",
        ["number assign SECOND --agent AGENT", "agent delete OTHER"],
    ),
]


def test_advice_that_comes_with_a_refusal_can_be_followed(typed: Type, made: dict[str, Any]) -> None:
    Path("bad.avsc").write_text('"string"')
    Path("stricter.avsc").write_text(SCHEMA.replace("firstName", "lastName"))
    other = typed(*NEW_AGENT.split(), "--name", "other", "--json").json["agentId"]
    number = ("number", "create", "--workspace", "Acme", "--agent", other, "12125551008", "--json")
    ids = {"BATCH": made["batchId"], "PHONE": made["phoneId"], "AGENT": made["agentId"], "OTHER": other}
    ids |= {"WORKSPACE": made["workspaceId"], "SECOND": typed(*number).json["phoneId"]}

    def filled(text: str) -> str:
        return re.sub(r"\b[A-Z]{4,}\b", lambda name: ids[name[0]], text)

    for refused, advice, steps in ADVICE:
        ended = typed(*shlex.split(filled(refused)))
        assert (ended.code, filled(advice) in ended.err) == (2, True), (refused, ended.err)
        for step in steps:
            assert typed(*shlex.split(filled(step))).code == 0, (refused, step)
