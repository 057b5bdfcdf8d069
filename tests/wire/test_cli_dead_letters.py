"""`dialfeed dead-letters`, asking an API that holds letters, and reading the topics of a real Kafka."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from dialfeed.kafka_publisher import KafkaPublisher
from dialfeed.registry_topic import write
from ingest_api.dead_letter_queries import dead_letter_query, group_by_of
from ingest_api.dead_letters import groups_shown, letters_shown
from schemas.dead_letter_query import KeptLetter, with_batches
from schemas.dead_letters import DeadLetter, to_message
from schemas.identity import hash_api_key
from schemas.kafka_connection import KafkaConnection
from schemas.messages import Message
from schemas.outcomes import Code
from schemas.records import ApiKey, Batch
from schemas.registry import ADMINISTRATION, Registry
from schemas.topics import TopicName
from tests.support.bus import CAMPAIGN
from tests.support.command import Typed, typing
from tests.support.letter_pages import a_letter, groups_of, letters_page
from tests.support.scripted_api import Asked, Scripted, ScriptedApi, scripted_api

NOW_MS = 1_800_000_000_000
Ask = Callable[..., Typed]
SECRET = "+12125551001"

LETTERS = [
    *(KeptLetter(a_letter(index, batch_id="b")) for index in range(30)),
    KeptLetter(a_letter(30, Code.REQUIRED, batch_id="b2", stage="load")),
    KeptLetter(a_letter(31, Code.BATCH_UNKNOWN, batch_id=None, submission_id="t", record=b"nonsense \xff")),
    KeptLetter(a_letter(5, Code.ENUM, attempt=2, tried=b'{"n":"changed"}', changes="n was set")),
    KeptLetter(a_letter(6, Code.ENUM, attempt=2)),
    KeptLetter(a_letter(6, Code.FORMAT, attempt=3), parked=True),
]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIALFEED_DATA", str(tmp_path / "data"))


@contextmanager
def api_with(letters: Sequence[KeptLetter]) -> Iterator[ScriptedApi]:
    """Run an API that answers about these letters as the real one does."""
    registry = Registry()
    for record in (*CAMPAIGN, BATCH_2):
        registry.apply(record)

    def answering(asked: Asked) -> Scripted:
        parameters = dict(parse_qsl(urlsplit(asked.path).query))
        query, by = dead_letter_query(parameters, None, NOW_MS), group_by_of(parameters)
        query = replace(query, filter=with_batches(query.filter, registry.batches_of_agent))
        if by is not None:
            return Scripted(data=groups_shown(groups_of(letters, query, by), by, registry))
        return Scripted(data=letters_shown(letters_page(letters, query), query))

    with scripted_api(answering) as api:
        yield api


ADMIN_KEY = "df_admin"
ADMIN = ApiKey(key_id="admin", workspace_id=ADMINISTRATION, name="a", key_hash=hash_api_key(ADMIN_KEY), created_at=1)
BATCH_2 = Batch(batch_id="b2", workspace_id="w", name="Second", phone_ids=["n"], created_at=1)


@pytest.fixture(scope="module")
def topics(kafka_bootstrap: str) -> KafkaConnection:
    """Return topics that hold the letters, some of them twice, and what is none of ours."""
    connection = KafkaConnection(kafka_bootstrap, prefix=f"letters-{secrets.token_hex(4)}.")
    asyncio.run(_fill(connection))
    return connection


async def _fill(connection: KafkaConnection) -> None:
    from dialfeed.topics_admin import create_missing  # noqa: PLC0415  # in the loop that it is used in

    await create_missing(connection)
    async with KafkaPublisher(connection) as publisher:
        for record in (*CAMPAIGN, BATCH_2, ADMIN):
            await write(publisher, record)
        await publisher.publish([_message(one) for one in (*LETTERS, *LETTERS[3:8])])
        await publisher.publish([Message(TopicName.DEAD_LETTER, b"x"), Message(TopicName.PARKING, None, b"key")])


def _message(kept: KeptLetter) -> Message:
    message = to_message(kept.letter)
    return replace(message, topic=TopicName.PARKING) if kept.parked else message


@pytest.fixture(params=["api", "topic"])
def ask(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Ask]:
    """Type `dialfeed dead-letters` with more arguments; both sources give the same answers."""
    typed = typing(capsys)
    if request.param == "topic":
        connection: KafkaConnection = request.getfixturevalue("topics")
        monkeypatch.setenv("DIALFEED_KAFKA", connection.bootstrap)
        monkeypatch.setenv("DIALFEED_TOPIC_PREFIX", connection.prefix)
        monkeypatch.setenv("DIALFEED_API_KEY", ADMIN_KEY)
        yield lambda *arguments: typed("dead-letters", "--from-topic", *arguments)
    else:
        monkeypatch.setenv("DIALFEED_API_KEY", "df_test")
        with api_with(LETTERS) as api:
            yield lambda *arguments: typed("dead-letters", "--url", api.url, *arguments)


def lines(ended: Typed) -> list[dict[str, Any]]:
    assert ended.code == 0, ended.err
    return [json.loads(line) for line in ended.out.splitlines()]


def places(ended: Typed) -> list[tuple[str, int, int]]:
    return sorted((row["submissionId"], row["recordIndex"], row["attempt"]) for row in lines(ended))


def test_json_lines_have_every_record_once_with_its_newest_attempt(ask: Ask) -> None:
    attempts = {5: 2, 6: 3}
    assert places(ask("--json")) == [*(("s", i, attempts.get(i, 1)) for i in range(31)), ("t", 31, 1)]


def test_a_json_line_says_what_failed_where_when_and_why_without_the_record(ask: Ask) -> None:
    (row,) = lines(ask("--json", "--submission", "t"))
    assert {name: row[name] for name in list(row)[:13]} == {
        "code": "batch_unknown",
        "class": "policy",
        "stage": "clean",
        "path": "/n",
        "message": "n is wrong in attempt 1",
        "batchId": None,
        "submissionId": "t",
        "recordIndex": 31,
        "attempt": 1,
        "failedAt": "2027-01-15T08:00:01.031Z",
        "topic": "calls.raw",
        "partition": 3,
        "offset": 42,
    }
    assert "record" not in row


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--batch", "b2"), [("s", 30, 1)]),
        (("--code", "enum"), [("s", 5, 2)]),
        (("--class", "policy"), [("t", 31, 1)]),
        (("--stage", "load"), [("s", 30, 1)]),
        (("--attempt", "2"), [("s", 5, 2), ("s", 6, 2)]),
        (("--parked",), [("s", 6, 3)]),
        (("--index", "30"), [("s", 30, 1)]),
        (("--since", "2027-01-15T08:00:02Z"), [("s", 5, 2), ("s", 6, 3)]),
        (("--until", "2027-01-15T09:00:01.001+01:00"), [("s", 0, 1)]),
        (("--since", "1h", "--until", "2026-01-15T08:00:00Z"), []),
        (("--path", "/nothing"), []),
    ],
)
def test_filters_choose(ask: Ask, arguments: tuple[str, ...], expected: list[tuple[str, int, int]]) -> None:
    assert places(ask("--json", *arguments)) == expected


def test_people_see_the_newest_and_how_many_more(ask: Ask) -> None:
    ended = ask()
    assert ended.code == 0, ended.err
    assert "... and 12 more" in ended.out
    assert ended.out.splitlines()[2].split()[1] == "format"
    assert SECRET not in ended.out


def test_nothing_is_said_in_words(ask: Ask) -> None:
    assert ask("--batch", "unknown").out == "no dead letters\n"
    assert ask("--batch", "unknown", "--group-by", "code").out == "no dead letters\n"


def test_show_has_every_error_and_the_record(ask: Ask) -> None:
    ended = ask("--show", "2")
    assert ended.out.count("submissionId") == 2
    assert SECRET in ended.out
    assert "tried: " in ended.out
    assert "n was set" in ended.out
    rows = lines(ask("--show", "2", "--json"))
    assert [(row["recordIndex"], json.loads(row["record"])["n"]) for row in rows] == [(6, 6), (5, 5)]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("code", [("type", 28), ("batch_unknown", 1), ("enum", 1), ("format", 1), ("required", 1)]),
        ("class", [("data", 31), ("policy", 1)]),
        ("stage", [("clean", 31), ("load", 1)]),
        ("agent", [("a", 29), (None, 3)]),
        ("path", [("/n", 32)]),
    ],
)
def test_counts(ask: Ask, by: str, expected: list[tuple[str | None, int]]) -> None:
    rows = ask("--group-by", by, "--json").json
    assert [(row[by], row["count"]) for row in rows] == expected


def test_an_agents_letters_are_those_of_its_batches(ask: Ask) -> None:
    (row,) = ask("--agent", "a", "--group-by", "agent", "--json").json
    assert (row["agent"], row["count"]) == ("a", 29)
    assert len(places(ask("--agent", "a", "--json"))) == 29
    assert places(ask("--agent", "nobody", "--json")) == []


def test_counts_have_an_age_and_an_example(ask: Ask) -> None:
    (row,) = ask("--group-by", "code", "--code", "type", "--json").json
    assert row.pop("oldestSeconds") >= 0
    assert row == {
        "code": "type",
        "count": 28,
        "oldest": "2027-01-15T08:00:00.000Z",
        "newest": "2027-01-15T08:00:01.029Z",
        "message": "n is wrong in attempt 1",
    }
    assert "2027-01-15T08:00:00.000Z (" in ask("--group-by", "code").out


def test_an_export_to_stdout_is_the_lines_of_the_file_and_nothing_else(ask: Ask) -> None:
    ended = ask("--export", "-", "--code", "type", "--json")
    assert ask("--export", "lines.ndjson", "--code", "type").code == ended.code == 0
    assert ended.out == Path("lines.ndjson").read_text()


def test_an_export_has_records_reasons_and_places(ask: Ask) -> None:
    ended = ask("--export", "failed.ndjson", "--json")
    assert ended.json == {"exported": 32, "file": "failed.ndjson"}
    found = [json.loads(line) for line in Path("failed.ndjson").read_text().splitlines()]
    by_place = {(one["_submission"], one["_index"]): one for one in found}
    assert by_place["s", 3]["phoneNumber"] == SECRET
    assert (by_place["s", 5]["n"], by_place["s", 5]["_attempt"]) == ("changed", 2)
    assert by_place["t", 31]["_text"].startswith("nonsense")
    assert ask("--export", "failed.csv", "--code", "type").code == 0
    assert len(Path("failed.csv").read_text().splitlines()) == 29


def test_logs_repeat_no_record(ask: Ask) -> None:
    assert SECRET not in ask("--export", "failed.ndjson", "--log", "json").err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--since", "yesterday"), "--since must be a time"),
        (("--until", "2026-02-31T00:00:00Z"), "--until names a day"),
        (("--code", "wrong"), "wrong"),
        (("--attempt", "0"), "attempt"),
        (("--group-by", "phone"), "phone"),
        (("--group-by", "code", "--show", "3"), "one answer at a time"),
        (("--from-topic", "--url", "http://localhost:1"), "asks no API"),
    ],
)
def test_what_is_typed_wrong_is_said(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str) -> None:
    ended = typing(capsys)("dead-letters", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err


def test_without_an_api_or_a_kafka_the_exit_code_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALFEED_API_KEY", "df_test")
    assert typing(capsys)("dead-letters", "--url", "http://127.0.0.1:1").code == 3
    assert typing(capsys)("dead-letters", "--from-topic", "--kafka", "127.0.0.1:1").code == 3


def test_a_refusal_of_the_api_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALFEED_API_KEY", "df_test")
    with scripted_api(lambda _: Scripted(403, error="the API key is not valid")) as api:
        ended = typing(capsys)("dead-letters", "--url", api.url)
    assert (ended.code, ended.out) == (2, "")
    assert "the API key is not valid" in ended.err


def test_many_letters_are_walked_page_by_page(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALFEED_API_KEY", "df_test")
    monkeypatch.setattr("dialfeed.letters_api.PAGE", 7)
    with api_with([KeptLetter(_bare(index)) for index in range(40)]) as api:
        ended = typing(capsys)("dead-letters", "--url", api.url, "--json")
        assert "... and 20 more" in typing(capsys)("dead-letters", "--url", api.url).out
    assert [row["recordIndex"] for row in lines(ended)] == list(range(40))
    assert len(api.asked) == 6 + 3


def _bare(index: int) -> DeadLetter:
    return a_letter(index, record=None)


def dismissing(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[Typed, list[Asked]]:
    asked: list[Asked] = []

    def answering(one: Asked) -> Scripted:
        asked.append(one)
        if one.path == "/api/call/dead-letters/dismissals":
            return Scripted(data={"dismissed": 3})
        group = {"key": "type", "count": 3, "oldest": None, "newest": None, "message": ""}
        return Scripted(data={"groups": [group]})

    with scripted_api(answering) as api:
        ended = typing(capsys)("dead-letters", "--url", api.url, "--dismiss", "sent by mistake", *arguments)
    return ended, [one for one in asked if one.path == "/api/call/dead-letters/dismissals"]


def test_dismissing_says_how_many_and_needs_a_yes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALFEED_API_KEY", "df_test")
    ended, asked = dismissing(capsys, "--batch", "b", "--parked")
    assert (ended.code, asked) == (2, [])
    assert "Dead letters to be dismissed: 3" in ended.err
    ended, asked = dismissing(capsys, "--batch", "b", "--parked", "--yes", "--json")
    assert (ended.code, ended.json) == (0, {"dismissed": 3})
    assert [one.body for one in asked] == [{"reason": "sent by mistake", "batch": "b", "parked": True}]


@pytest.mark.parametrize("arguments", [(), ("--resolved", "--batch", "b"), ("--from-topic", "--batch", "b")])
def test_what_cannot_be_dismissed_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("DIALFEED_API_KEY", "df_test")
    ended, asked = dismissing(capsys, "--yes", *arguments)
    assert (ended.code, asked) == (2, [])
