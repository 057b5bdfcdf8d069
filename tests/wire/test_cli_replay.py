from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiokafka import AIOKafkaConsumer

from dialfeed.kafka_publisher import KafkaPublisher
from dialfeed.registry_topic import write
from dialfeed.topics_admin import create_missing
from schemas.codecs import decode, encode
from schemas.dead_letters import DeadLetter, to_message
from schemas.kafka_connection import KafkaConnection
from schemas.messages import Message
from schemas.records import Agent, AgentVersion, Batch, CallingNumber, Chunk, ReplayReceipt
from schemas.registry import registry_message
from schemas.replay_jobs import ReplayProgress
from schemas.topics import TopicName
from tests.support.bus import API_KEY, CAMPAIGN
from tests.support.command import Type, typing
from tests.support.samples import SCHEMA
from tests.unit.schemas.test_replays import letter

T = TypeVar("T")


def now(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@pytest.fixture
def kafka(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> KafkaConnection:
    """Make topics with a prefix of their own, and a registry with a campaign."""
    connection = KafkaConnection(kafka_bootstrap, prefix=f"replay-{secrets.token_hex(4)}.")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIALFEED_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DIALFEED_KAFKA", kafka_bootstrap)
    monkeypatch.setenv("DIALFEED_TOPIC_PREFIX", connection.prefix)
    monkeypatch.setenv("DIALFEED_API_KEY", API_KEY)

    async def fill() -> None:
        await create_missing(connection)
        async with KafkaPublisher(connection) as publisher:
            for record in CAMPAIGN:
                await write(publisher, record)

    now(fill())
    return connection


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Type:
    return typing(capsys)


def put(kafka: KafkaConnection, *letters: DeadLetter, topic: TopicName = TopicName.DEAD_LETTER) -> None:
    """Dead-letter records, as `clean` and `load` do."""
    messages = [to_message(one) for one in letters]
    publish(kafka, [Message(topic, one.value, one.key, one.headers) for one in messages])


def publish(kafka: KafkaConnection, messages: Sequence[Message]) -> None:
    async def send() -> None:
        async with KafkaPublisher(kafka) as publisher:
            await publisher.publish(messages)

    now(send())


def read(kafka: KafkaConnection, topic: TopicName) -> list[Any]:
    """Return all of a topic."""

    async def everything() -> list[Any]:
        consumer = AIOKafkaConsumer(
            kafka.topic(topic), **kafka.client_options(), auto_offset_reset="earliest", fetch_max_wait_ms=100
        )
        found: list[Any] = []
        async with consumer, asyncio.timeout(30):
            ends = await consumer.end_offsets(consumer.assignment())
            while any([await consumer.position(place) < end for place, end in ends.items()]):
                for messages in (await consumer.getmany(timeout_ms=200)).values():
                    found.extend(messages)
        return found

    return now(everything())


def slices(kafka: KafkaConnection) -> list[Chunk]:
    return [decode(message.value, Chunk) for message in read(kafka, TopicName.CHUNKS)]


def outcome_of(record: bytes) -> str:
    for name in ("updated", "superseded", "failed", "parked"):
        if name.encode() in record:
            return name
    return "added"


@contextmanager
def pipeline(kafka: KafkaConnection, judge: Callable[[bytes], str] = outcome_of) -> Iterator[list[Chunk]]:
    """Answer slices with receipts, as workers and sink do; what a record says becomes of it. Yield the slices."""
    stop, seen = threading.Event(), list[Chunk]()

    async def run() -> None:
        consumer = AIOKafkaConsumer(
            kafka.topic(TopicName.CHUNKS),
            **kafka.client_options(),
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
        )
        async with consumer, KafkaPublisher(kafka) as publisher:
            while not stop.is_set():
                for messages in (await consumer.getmany(timeout_ms=100)).values():
                    chunks = [decode(message.value, Chunk) for message in messages]
                    seen.extend(chunks)
                    await publisher.publish([receipt(chunk, judge) for chunk in chunks])

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join(30)


def receipt(chunk: Chunk, judge: Callable[[bytes], str]) -> Message:
    assert chunk.replay is not None
    outcomes = [judge(record) for record in chunk.records]
    counts: dict[str, Any] = {
        name: outcomes.count(name) for name in ("added", "updated", "superseded", "failed", "parked")
    }
    replay_id, part = chunk.replay.replay_id, chunk.replay.part
    done = ReplayReceipt(
        replay_id=replay_id, part=part, batch_id=chunk.batch_id, size=len(outcomes), done_at=1, **counts
    )
    return Message(TopicName.REPLAYS, encode(done), f"receipt/{replay_id}/{part}".encode(), partition=0)


def numbered(index: int, text: str = "", **fields: Any) -> DeadLetter:
    record = json.dumps({"phoneNumber": f"1212555{index:04}", "is": text}).encode()
    return letter(index, **{"record": record, "submission_id": f"s{index % 7}", **fields})


ANOTHER_AGENT = (
    Agent(
        agent_id="another",
        workspace_id="w",
        name="Another",
        versions=[AgentVersion(version=1, schema=SCHEMA, created_at=1)],
        created_at=1,
    ),
    CallingNumber(phone_id="n2", workspace_id="w", number="+12125550197", agent_id="another", created_at=1),
    Batch(batch_id="of-another-agent", workspace_id="w", name="Another's", phone_ids=["n2"], created_at=1),
)


def places(chunks: Sequence[Chunk]) -> list[tuple[str, int]]:
    """Return the records that slices hold, in order."""
    found = [(one.submission_id, one.record_index) for c in chunks if c.replay is not None for one in c.replay.records]
    return sorted(found)


def test_every_record_goes_out_once_and_is_accounted_for(kafka: KafkaConnection, typed: Type) -> None:
    texts = ["", "updated", "superseded", "failed", "parked"]
    put(kafka, *(numbered(n, texts[n % 5]) for n in range(2500)))
    with pipeline(kafka) as seen:
        ended = typed("replay", "--json")
    assert ended.code == 1
    facts = ended.json
    assert [facts[name] for name in ("selected", "added", "updated", "superseded", "failed", "parked")] == [2500] + [
        500
    ] * 5
    assert (facts["replayed"], facts["pending"], facts["skipped"], facts["state"]) == (1000, 0, 0, "done")
    assert places(seen) == sorted((f"s{n % 7}", n) for n in range(2500))


def test_a_replay_that_goes_through_ends_with_0(kafka: KafkaConnection, typed: Type) -> None:
    put(kafka, numbered(0), numbered(1, "superseded"))
    with pipeline(kafka):
        ended = typed("replay", "--json")
    assert (ended.code, ended.json["replayed"], ended.json["superseded"]) == (0, 1, 1)


@pytest.mark.usefixtures("kafka")
def test_with_nothing_to_do_it_ends_at_once(typed: Type) -> None:
    ended = typed("replay", "--json")
    assert (ended.code, ended.json["selected"], ended.json["state"]) == (0, 0, "done")


def test_filters_choose_and_others_messages_are_counted(kafka: KafkaConnection, typed: Type) -> None:
    put(kafka, numbered(0), numbered(1, batch_id="b2"), numbered(2, record=None, batch_id="b2"))
    publish(kafka, [Message(TopicName.DEAD_LETTER, b"mine", b"k"), Message(TopicName.DEAD_LETTER, None, b"k")])
    with pipeline(kafka) as seen:
        ended = typed("replay", "--batch", "b2", "--json")
    assert places(seen) == [("s1", 1)]
    assert (ended.json["skipped"], ended.json["skippedBecause"]) == (3, {"foreign": 2, "empty": 1})


def test_an_agents_version_is_tried_with_its_own_letters_only(kafka: KafkaConnection, typed: Type) -> None:
    put(kafka, numbered(0), numbered(1, batch_id="of-another-agent"))
    with pipeline(kafka) as seen:
        ended = typed("replay", "--agent", "a", "--agent-version", "1", "--json")
    assert (ended.code, ended.json["selected"], places(seen)) == (0, 1, [("s0", 0)])


def test_a_version_alone_is_that_of_the_agent_whose_all_the_letters_are(kafka: KafkaConnection, typed: Type) -> None:
    put(kafka, numbered(0), numbered(1, batch_id="unassigned"), numbered(2, batch_id="of-another-agent", attempt=2))
    with pipeline(kafka) as seen:
        ended = typed("replay", "--attempt", "1", "--agent-version", "1", "--json")
    assert (ended.code, ended.json["selected"], places(seen)) == (0, 1, [("s0", 0)])


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_version_of_nobody_knows_whose_schema_is_refused_and_nothing_is_sent(
    kafka: KafkaConnection, typed: Type, dry: tuple[str, ...]
) -> None:
    publish(kafka, [registry_message(record) for record in ANOTHER_AGENT])
    put(kafka, numbered(0, batch_id="unassigned"))
    none = typed("replay", "--agent-version", "1", *dry)
    put(kafka, numbered(0), numbered(1, batch_id="of-another-agent"))
    several = typed("replay", "--agent-version", "1", *dry)
    assert (none.code, none.out, several.code, several.out) == (2, "", 2, "")
    assert "of no agent that is known" in none.err
    assert "of 2 agents: a, another" in several.err
    assert all(option in several.err for option in ("--agent", "--batch", "--submission"))


def test_a_record_that_is_parked_is_tried_again_only_when_asked_for(kafka: KafkaConnection, typed: Type) -> None:
    typed("replay")  # before the first replay nothing has failed twice
    put(kafka, numbered(0), numbered(1), numbered(1, attempt=2))
    put(kafka, numbered(1, attempt=3), topic=TopicName.PARKING)
    with pipeline(kafka) as seen:
        assert typed("replay", "--json").json["skippedBecause"] == {"older": 2}
        assert places(seen) == [("s0", 0)]
        assert typed("replay", "--parked", "--json").json["selected"] == 1
    assert places(seen) == [("s0", 0), ("s1", 1)]


def test_records_are_changed_on_the_way(kafka: KafkaConnection, typed: Type) -> None:
    put(kafka, numbered(0))
    with pipeline(kafka) as seen:
        typed(
            "replay",
            "--map",
            "is=name",
            "--set",
            "amount=2.50",
            "--set",
            "note=hello",
            "--batch",
            "b",
            "--agent-version",
            "3",
        )
    (chunk,) = seen
    assert chunk.records == [b'{"phoneNumber":"12125550000","name":"","amount":2.50,"note":"hello"}']
    assert chunk.replay is not None
    assert chunk.replay.records[0].sent == numbered(0).record
    assert chunk.replay.agent_version == 3
    assert "hello" not in chunk.replay.records[0].changes


def test_a_field_of_a_map_that_no_record_has_is_told(kafka: KafkaConnection, typed: Type) -> None:
    put(kafka, numbered(0))
    with pipeline(kafka):
        misspelt = typed("replay", "--map", "phoneNumbr=phone", "--json")
        told = typed("replay", "--map", "phoneNumbr=phone", "--as-new")
        right = typed("replay", "--map", "phoneNumber=phone", "--json")
    assert misspelt.json["mapNotFound"] == ["phoneNumbr"]
    assert "phoneNumbr: no record has it" in told.out + told.err
    assert "mapNotFound" not in right.json


def test_corrected_records_come_from_a_file(kafka: KafkaConnection, typed: Type) -> None:
    put(kafka, numbered(0), numbered(1), numbered(2))
    marks = {"_errors": [], "_submission": "s1", "_index": 1, "_attempt": 1, "_batch": "b"}
    lines = [{"phoneNumber": "12125559999", **marks}, {"phoneNumber": "1", "_submission": "nobody", "_index": 0}]
    Path("corrected.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pipeline(kafka) as seen:
        ended = typed("replay", "--from", "corrected.ndjson", "--json")
    assert [chunk.records for chunk in seen] == [[b'{"phoneNumber":"12125559999"}']]
    assert (ended.code, ended.json["notFound"]) == (1, 1)


def test_a_table_that_was_exported_and_corrected_is_read_by_the_agents_schema(
    kafka: KafkaConnection, typed: Type
) -> None:
    put(kafka, *(letter(n, record=b'{"phoneNumber":"0012125550000","name":7,"pin":"007"}') for n in range(2)))
    assert typed("dead-letters", "--from-topic", "--export", "failed.csv").code == 0
    table = Path("failed.csv").read_text(encoding="utf-8-sig")
    Path("failed.csv").write_text(table.replace(",7,007,", ",8,007,", 1), encoding="utf-8-sig")
    with pipeline(kafka) as seen:
        ended = typed("replay", "--from", "failed.csv", "--json")
    assert (ended.code, ended.json["selected"]) == (0, 2)
    assert [record for chunk in seen for record in chunk.records] == [
        b'{"phoneNumber":"0012125550000","name":"8","pin":"007"}',
        b'{"phoneNumber":"0012125550000","name":7,"pin":"007"}',
    ]


def test_what_a_spreadsheet_program_rewrote_is_not_sent_and_is_said(kafka: KafkaConnection, typed: Type) -> None:
    put(kafka, *(letter(n, record=b'{"phoneNumber":"442079460123","name":7,"pin":"007"}') for n in range(4)))
    assert typed("dead-letters", "--from-topic", "--export", "failed.csv").code == 0
    table = Path("failed.csv").read_text(encoding="utf-8-sig")
    table = table.replace("442079460123,7,007,", "4.42079E+11,7,7,").replace(",7,7,", ",8,7,", 1)
    first, *others, last = table.splitlines(keepends=True)
    table = "".join([first, *others, last.replace(",7,7,", ",7,5.5E+12,")])
    Path("failed.csv").write_text(table, encoding="utf-8-sig")
    asked = typed("replay", "--from", "failed.csv", "--dry-run", "--json").json
    with pipeline(kafka) as seen:
        ended = typed("replay", "--from", "failed.csv", "--json")
    assert [record for chunk in seen for record in chunk.records] == [
        b'{"phoneNumber":"442079460123","name":"8","pin":"007"}',
        *[b'{"phoneNumber":"442079460123","name":7,"pin":"007"}'] * 2,
    ]
    said = {
        "rewrittenCells": {"phoneNumber": {"cells": 4, "rows": [2, 3, 4, 5]}, "pin": {"cells": 3, "rows": [2, 3, 4]}},
        "leftOut": {"pin": {"cells": 1, "rows": [5]}},
    }
    assert all({name: answered.get(name) for name in said} == said for answered in (asked, ended.json))
    assert (ended.code, ended.json["selected"], "notFound" in ended.json) == (1, 3, False)
    told = typed("replay", "--from", "failed.csv", "--dry-run").out
    assert "7 cells that a spreadsheet program rewrote kept their exported value: phoneNumber (4: rows 2, 3" in told
    assert "4.42079E+11" not in told + ended.out + ended.err


def test_a_file_that_does_not_say_where_its_records_are_from_sends_nothing(kafka: KafkaConnection, typed: Type) -> None:
    Path("corrected.ndjson").write_text('{"phoneNumber": "12125559999"}\n')
    ended = typed("replay", "--from", "corrected.ndjson")
    assert (ended.code, "12125559999" in ended.err, slices(kafka)) == (2, False, [])


def test_a_status_event_is_published_again(kafka: KafkaConnection, typed: Type) -> None:
    put(kafka, numbered(0, source_topic=kafka.topic(TopicName.STATUS), record=b'{"callId":"x"}'))
    ended = typed("replay", "--json")
    assert (ended.code, ended.json["statuses"], ended.json["pending"]) == (0, 1, 0)
    (message,) = read(kafka, TopicName.STATUS)
    assert (message.value, message.key, dict(message.headers)["dlq.attempt"]) == (b'{"callId":"x"}', b"b", b"1")


def test_as_new_counts_from_the_time_of_the_job(kafka: KafkaConnection, typed: Type) -> None:
    put(kafka, numbered(0))
    began = time.time() * 1000
    with pipeline(kafka) as seen:
        typed("replay", "--as-new", "--max-attempts", "2")
    assert seen[0].replay is not None
    counts_from = seen[0].replay.counts_from
    assert counts_from is not None
    assert began - 1000 <= counts_from <= time.time() * 1000 + 1000
    assert seen[0].replay.max_attempts == 2


def test_it_ends_where_the_topic_ended_at_its_start(kafka: KafkaConnection, typed: Type) -> None:
    """What fails again while it runs is left to the next replay."""
    put(kafka, numbered(0, "failed"))

    def fails_again(record: bytes) -> str:
        put(kafka, numbered(0, "failed", attempt=2))
        return outcome_of(record)

    with pipeline(kafka, lambda record: run_apart(fails_again, record)) as seen:
        ended = typed("replay", "--json")
    assert (ended.json["selected"], len(seen)) == (1, 1)


def run_apart(judge: Callable[[bytes], str], record: bytes) -> str:
    """Judge in a thread of its own, which may run a loop."""
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(judge(record)))
    thread.start()
    thread.join(30)
    return found[0]


def test_without_receipts_it_gives_up_and_the_same_replay_is_resumed(kafka: KafkaConnection, typed: Type) -> None:
    put(kafka, *(numbered(n) for n in range(10)))
    ended = typed("replay", "--give-up-after", "1", "--json")
    assert (ended.code, ended.json["pending"]) == (1, 10)
    replay_id = ended.json["replayId"]
    assert f"--resume {replay_id}" in ended.err
    with pipeline(kafka) as seen:
        again = typed("replay", "--resume", replay_id, "--json")
    assert (again.code, again.json["replayId"], again.json["replayed"]) == (0, replay_id, 10)
    assert {c.replay.part for c in seen if c.replay is not None} == {c.replay.part for c in slices(kafka) if c.replay}


def test_what_has_ended_is_not_done_again(kafka: KafkaConnection, typed: Type) -> None:
    put(kafka, numbered(0))
    with pipeline(kafka) as seen:
        first = typed("replay", "--json").json
        again = typed("replay", "--resume", first["replayId"], "--json")
    assert (again.code, again.json, len(seen)) == (0, first, 1)


def test_a_replay_killed_in_the_middle_goes_on_with_the_same_slices(kafka: KafkaConnection, typed: Type) -> None:
    put(kafka, *(numbered(n, submission_id=f"s{n}") for n in range(60)))
    with killed_after(kafka, 12, "--rate", "8") as replay_id:
        pass
    before = {c.replay.part: places([c]) for c in slices(kafka) if c.replay is not None}
    assert 2 <= len(before) < 15
    with pipeline(kafka) as seen:
        ended = typed("replay", "--resume", replay_id, "--json")
    assert (ended.code, ended.json["selected"], ended.json["replayed"]) == (0, 60, 60)
    assert sorted(set(places(seen))) == sorted((f"s{n}", n) for n in range(60))
    for chunk in seen:
        assert chunk.replay is not None
        assert before.get(chunk.replay.part, places([chunk])) == places([chunk])


def test_slices_end_at_checkpoints_wherever_those_are_and_however_letters_are_fetched(
    kafka: KafkaConnection, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialfeed.replay_checkpoints.CHECKPOINT_OFFSETS", 10)
    publish(kafka, [Message(TopicName.DEAD_LETTER, b"foreign", to_message(numbered(0)).key)] * 13)
    put(kafka, *(numbered(n, submission_id="s0") for n in range(30)))
    replay_id = typed("replay", "--give-up-after", "1", "--json").json["replayId"]
    positions = [sum(one.positions) - sum(one.starts) for one in progress_of(kafka, replay_id)]
    assert positions == [0, 10, 20, 30, 40, 43]
    first = {c.replay.part: places([c]) for c in slices(kafka) if c.replay is not None}
    assert [len(records) for _, records in sorted(first.items())] == [7, 10, 10, 3]
    monkeypatch.setattr("dialfeed.replay_reading.MOST_AT_ONCE", 3)
    typed("replay", "--give-up-after", "1", "--submission", "s0")
    second = [c for c in slices(kafka) if c.replay is not None and c.replay.replay_id != replay_id]
    assert {c.replay.part: places([c]) for c in second if c.replay is not None} == first


def progress_of(kafka: KafkaConnection, replay_id: str) -> list[ReplayProgress]:
    values = [message.value for message in read(kafka, TopicName.REPLAYS) if message.key.startswith(b"progress/")]
    return [one for one in (decode(value, ReplayProgress) for value in values) if one.replay_id == replay_id]


def test_ctrl_c_says_how_to_go_on(kafka: KafkaConnection) -> None:
    put(kafka, *(numbered(n) for n in range(60)))
    with started("--rate", "4", "--json") as process:
        until_slices(kafka, 1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"dialfeed replay --resume {json.loads(out)['replayId']}" in err.decode()


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "dialfeed", "replay", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def killed_after(kafka: KafkaConnection, records: int, *arguments: str) -> Iterator[str]:
    """Kill a replay once it has published so many records; yield its id."""
    with started(*arguments) as process:
        until_slices(kafka, records)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    (job,) = (message.key.decode() for message in read(kafka, TopicName.REPLAYS) if message.key.startswith(b"job/"))
    yield job.removeprefix("job/")


def until_slices(kafka: KafkaConnection, records: int) -> None:
    deadline = time.monotonic() + 60
    while len(places(slices(kafka))) < records:
        assert time.monotonic() < deadline


def test_a_dry_run_says_what_would_happen_and_sends_nothing(kafka: KafkaConnection, typed: Type) -> None:
    good = b'{"phoneNumber": "12125550000", "name": "Ann Example", "amount": 1.5}'
    bad = b'{"phoneNumber": "12125550001", "name": "Ann Example", "amount": "much"}'
    put(
        kafka,
        numbered(0, record=good),
        numbered(1, record=bad),
        numbered(2, record=bad, attempt=5),
        numbered(3, batch_id="nobody's"),
        numbered(4, source_topic=kafka.topic(TopicName.STATUS)),
    )
    ended = typed("replay", "--dry-run", "--json")
    facts = ended.json
    assert (ended.code, facts["selected"], facts["replayed"], facts["failed"], facts["parked"]) == (1, 5, 1, 2, 1)
    assert (facts["failedByCode"], facts["statuses"]) == ({"type": 2, "batch_unknown": 1}, 1)
    assert facts["examples"]["type"][0]["path"] == "/amount"
    assert not any(text in ended.out for text in ("1212555", "Ann", "much"))
    assert (slices(kafka), read(kafka, TopicName.REPLAYS), read(kafka, TopicName.STATUS)) == ([], [], [])
    mended = typed("replay", "--dry-run", "--set", "amount=2", "--set", "name=Bo", "--batch", "b", "--json")
    assert (mended.code, mended.json["replayed"], mended.json["failed"]) == (0, 3, 0)
    assert "batch_unknown" in typed("replay", "--dry-run").out
    Path("corrected.ndjson").write_text('{"_submission":"s0","_index":0}\n{"_submission":"nobody","_index":0}\n')
    missing = typed("replay", "--dry-run", "--from", "corrected.ndjson", "--set", "amount=2", "--json")
    assert (missing.code, missing.json["selected"], missing.json["notFound"]) == (1, 1, 1)
    assert missing.json["skippedBecause"] == {}
    unusable = typed("replay", "--dry-run", "--batch", "b", "--agent-version", "7", "--json")
    assert unusable.json["failedByCode"]["schema_unusable"] == 3


def test_what_is_resumed_takes_no_other_filter(typed: Type) -> None:
    assert typed("replay", "--resume", "id", "--batch", "b").code == 2
    assert typed("replay", "--resume", "id", "--dry-run").code == 2


def test_resume_of_what_nobody_knows_is_wrong_use(kafka: KafkaConnection, typed: Type) -> None:
    assert kafka
    assert typed("replay", "--resume", "nothing").code == 2


@pytest.mark.parametrize(
    "wrong", [("--map", "a"), ("--set", "=1"), ("--since", "yesterday"), ("--code", "nothing"), ("--rate", "0")]
)
def test_wrong_options_are_wrong_use(typed: Type, wrong: tuple[str, str]) -> None:
    assert typed("replay", *wrong).code == 2
