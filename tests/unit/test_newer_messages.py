"""What a newer version wrote is passed over by nobody: every consumer of every topic of ours says so and stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dialfeed.letters_topic import _attempt_in
from dialfeed.registry_topic import RegistryTopic
from dialfeed.replays_topic import ReplaysTopic
from dialfeed.worker_waits import WorkerWaits
from ingest_api.receipts import ReceiptConsumer
from schemas import codecs
from schemas.codecs import UndecodableError, decode_any
from schemas.dead_letters import dead_letter, from_message, to_message
from schemas.kafka_connection import KafkaConnection
from schemas.messages import NewerError
from schemas.outcomes import Code, FieldError, Rejected
from schemas.records import DialerCommand, PhoneLogChunk, Receipt, Record, SubmissionAccepted, Workspace
from schemas.replay_jobs import ReplayJob
from schemas.statuses import StatusEvent, parse_status
from schemas.topics import TopicName
from sinks.archive import Archive
from sinks.calling_service import delivery_of
from sinks.load import Load
from streams.agents import _chunk_in
from streams.chunking import RawMessage, cut_message
from tests.support.samples import chunk
from tests.support.tomorrow import fingerprint_of_tomorrow, of_tomorrow
from tests.unit.sinks.chunks import a_chunk
from tests.unit.sinks.consuming import record

KAFKA = KafkaConnection("nowhere")
ACCEPTED = SubmissionAccepted(submission_id="s", workspace_id="w", batch_id="b", total=1, accepted_at=1)
WORKSPACE = Workspace(workspace_id="w", name="n", timezone="UTC", created_at=1)
COMMAND = DialerCommand(
    command="start", request_id="s", workspace_id="w", batch_id="b", requested_at=1, reason="submission", pending=-1
)
JOB = ReplayJob(replay_id="r", workspace_id="w", runner="api", requested_at=1)
RECEIPT = Receipt(
    submission_id="s",
    workspace_id="w",
    batch_id="b",
    first_index=0,
    size=1,
    total=1,
    added=1,
    failed=0,
    accepted_at=1,
    call_ids=bytes(16),
)


def letter_headers(**changes: bytes) -> tuple[tuple[str, bytes], ...]:
    rejected = Rejected((FieldError(Code.REQUIRED, "/phoneNumber", "it is missing"),), "clean")
    headers = to_message(dead_letter(b"{}", rejected, chunk({}), 0, 2, "test")).headers
    changed = {name.replace("_", "."): value for name, value in changes.items()}
    return tuple((name, changed.get(name, value)) for name, value in headers)


VERSION_2 = letter_headers(dlq_version=b"2")
NEW_CODE = letter_headers(dlq_code=b"of_tomorrow", dlq_errors=b'[{"code":"of_tomorrow","path":"","message":""}]')


def load(value: bytes) -> Any:
    return Load(KAFKA, None, None, app_version="1").read([record(7, value, topic="calls.phone-log")])  # type: ignore[arg-type]


def archive(topic: str, value: bytes = b"{}", headers: Any = ()) -> Any:
    return Archive(KAFKA, None).read([record(7, value, topic=topic, headers=headers)])  # type: ignore[arg-type]


def receipts(topic: str, value: bytes = b"{}", headers: Any = ()) -> None:
    ReceiptConsumer(KAFKA)._take_one(record(7, value, topic=topic, headers=headers))


def followed(topic: Any, value: bytes) -> None:
    topic._apply(record(7, value, topic="calls.followed"))


def clean(value: bytes) -> Any:
    return _chunk_in(RawMessage("calls.chunks", 0, 7, 1, None, value, []))


READERS: dict[str, Callable[[], object]] = {
    "load of chunks": lambda: load(of_tomorrow(a_chunk(["+12125550001"]))),
    "clean": lambda: clean(of_tomorrow(chunk({"a": 1}))),
    "archive of accepted submissions": lambda: archive("calls.receipts", of_tomorrow(ACCEPTED)),
    "archive of receipts": lambda: archive("calls.receipts", of_tomorrow(RECEIPT)),
    "archive of dead letters": lambda: archive("calls.dead-letter", headers=VERSION_2),
    "archive of a new code": lambda: archive("calls.dead-letter", headers=NEW_CODE),
    "archive of parked letters": lambda: archive("calls.parking", headers=VERSION_2),
    "receipts in the API": lambda: receipts("calls.receipts", of_tomorrow(RECEIPT)),
    "dead letters in the API": lambda: receipts("calls.dead-letter", headers=VERSION_2),
    "calling service": lambda: delivery_of(record(7, of_tomorrow(COMMAND), topic="calls.dialer")),
    "registry": lambda: followed(RegistryTopic(KAFKA), of_tomorrow(WORKSPACE)),
    "replays": lambda: followed(ReplaysTopic(KAFKA), of_tomorrow(JOB)),
    "what workers say": lambda: followed(WorkerWaits(KAFKA), of_tomorrow(WORKSPACE)),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_every_consumer_stops_before_a_newer_message_and_says_where_it_is(reader: Callable[[], object]) -> None:
    with pytest.raises(NewerError, match=r"topic calls\..*offset 7\).*upgrade this part first"):
        reader()


@pytest.mark.parametrize("headers", [VERSION_2, NEW_CODE], ids=["version", "code"])
def test_who_reads_dead_letters_to_replay_or_show_them_stops_too(headers: Any) -> None:
    with pytest.raises(NewerError):
        from_message(b"{}", headers)


def test_who_counts_attempts_of_dead_letters_stops_too() -> None:
    with pytest.raises(NewerError):
        _attempt_in(VERSION_2)


@pytest.mark.parametrize("kind", codecs.WIRE_RECORDS, ids=lambda kind: kind.__name__)
def test_a_schema_of_tomorrow_is_known_by_its_fingerprint(kind: type[Record]) -> None:
    prefix = codecs.MARKER + bytes.fromhex(fingerprint_of_tomorrow(kind))
    with pytest.raises(NewerError, match=fingerprint_of_tomorrow(kind)):
        decode_any(prefix + b"whatever follows")


@pytest.mark.parametrize(
    "value", [None, b"", b"{}", b"\xc3", b"\xc3\x01", b"\xc3\x01" + bytes(7), b"x\xc3\x01" + bytes(9)]
)
def test_what_has_no_whole_fingerprint_is_of_nobody(value: bytes | None) -> None:
    with pytest.raises(UndecodableError):
        decode_any(value)


def test_what_others_write_too_stays_undecodable() -> None:
    """On topics that every producer may write to, these bytes say nothing of a version."""
    value = of_tomorrow(chunk({"a": 1}))
    (cut,) = cut_message(RawMessage("calls.raw", 0, 7, 1, None, value, []))
    assert cut.rejected_code == Code.UNDECODABLE
    assert not isinstance(parse_status(of_tomorrow(WORKSPACE)), StatusEvent)


def test_what_is_known_is_read_as_ever() -> None:
    assert [type(item) for item in load(codecs.encode(a_chunk(["+12125550001"])))] == [PhoneLogChunk]
    assert archive(TopicName.RECEIPTS, codecs.encode(ACCEPTED)) == [ACCEPTED]
