"""Numbers in the documents are those of the code: sizes, counts, durations, kept days. And names in backticks exist."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

import click
import pytest

from dialfeed import heartbeat, logs, replay_checkpoints, replay_runner
from dialfeed.command_line import cli
from dialfeed.settings import Settings
from dialfeed.settings_table import known_variables
from ingest_api import (
    batches,
    dead_letters,
    inflate,
    metrics,
    paging,
    settled_report,
    statuses,
)
from ingest_api.settings import EdgeSettings
from schemas import schema_compatibility, variable_parsing
from schemas.agent_schemas import MAX_SCHEMA_BYTES
from schemas.dead_letter_query import MOST_RECORD_BYTES
from schemas.dead_letters import PHONE_NUMBER_SHOWN
from schemas.kafka_connection import GROUP_SESSION_MS
from schemas.records import CHUNK_RECORDS
from schemas.replay_jobs import DEFAULT_MAX_ATTEMPTS
from schemas.stores import RECORDS_REPORTED
from schemas.submission_body import MAX_RECORDS
from schemas.topics import TOPICS, TopicName
from sinks import calling_service, clickhouse, deliveries
from streams import agents, chunking, gather
from tests.unit.documents.markdown import ROOT, Document, documents

EDGE: Final = EdgeSettings()
MIB: Final = 1024 * 1024
DAY_MS: Final = 24 * 60 * 60 * 1000


def kept_days(topic: TopicName) -> int:
    settings = next(one.settings for one in TOPICS if one.name is topic)
    return int(settings["retention.ms"]) // DAY_MS


def default(command: str, option: str) -> Any:
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    return next(parameter.default for parameter in found.params if option in parameter.opts)


SAID: Final = [
    ("docs/http.md", f"an array of 1 to {MAX_RECORDS:,} records"),
    ("docs/http.md", f"at most {Settings(data=ROOT).max_record_bytes // 1024} KiB (a setting)"),
    ("docs/http.md", f"most {(1 << inflate._ZSTD_WINDOW_LOG) // MIB} MiB, as RFC 9659 has it"),
    ("docs/http.md", f"A body that stops coming for {EDGE.body_idle_seconds:g} s is 400"),
    ("docs/http.md", f"The wait is {EDGE.wait_seconds:g} s (a setting)"),
    ("docs/http.md", f"one chunk, at most {CHUNK_RECORDS} consecutive records"),
    ("docs/http.md", f"({PHONE_NUMBER_SHOWN} characters of it)"),
    ("docs/http.md", f"at most {EDGE.upload_limit_bytes // MIB} MiB, a setting"),
    ("docs/http.md", f"waits for them, at most {settled_report.SETTLING_SECONDS:g} s"),
    ("docs/http.md", f"at most {EDGE.max_held_bytes // MIB} MiB of bodies not yet published"),
    ("docs/http.md", f"takes over {EDGE.head_seconds:g} s or {EDGE.head_limit_bytes // 1024} KiB"),
    ("docs/http.md", f"largest first, at most {dead_letters.GROUPS_SHOWN}"),
    ("docs/http.md", f"at most {MOST_RECORD_BYTES // MIB} MiB of them"),
    ("docs/http.md", f"each with {EDGE.check_seconds:g} s"),
    ("docs/http.md", f"an array of at most {statuses.MOST_EVENTS}"),
    ("docs/admin.md", f"Bodies are at most {batches.BODY_LIMIT_BYTES // 1024} KiB"),
    ("docs/admin.md", f"`limit` ({paging.MOST_LIMIT}, the most)"),
    ("docs/operating.md", f"names at most {RECORDS_REPORTED} rejected records of each {CHUNK_RECORDS}"),
    ("docs/operating.md", f"`--chunk` records each ({default('send', '--chunk'):,})"),
    ("docs/operating.md", f"`--parallel` of them at a time ({default('send', '--parallel')})"),
    ("docs/operating.md", f"`--give-up-after` seconds ({default('send', '--give-up-after'):g})"),
    ("docs/operating.md", f"up to {clickhouse._MOST_UNCOMPRESSED // MIB} MB"),
    ("docs/operating.md", f"again every {agents.HOLD_SECONDS:g} seconds"),
    ("docs/operating.md", f"cut at {logs.MOST_VALUE_CHARACTERS} characters"),
    ("docs/operating.md", f"logged once in {logs.REPEAT_AFTER_SECONDS:g} seconds"),
    ("docs/operating.md", f"says so every {heartbeat.BEAT_SECONDS:g} seconds"),
    ("docs/operating.md", f"unwell after {heartbeat.LATE_AFTER_SECONDS:g} seconds"),
    ("docs/metrics.md", f"at most once in {metrics.ASK_EVERY_SECONDS:g} seconds"),
    ("docs/metrics.md", f"Kafka keeps it for {kept_days(TopicName.DEAD_LETTER)}"),
    ("docs/agent-schemas.md", f"more than {variable_parsing.MAX_FIELDS} fields"),
    ("docs/agent-schemas.md", f"{variable_parsing.MAX_LEVELS} levels or {MAX_SCHEMA_BYTES // 1024} KiB"),
    ("docs/agent-schemas.md", f"at most {schema_compatibility.MAX_SCHEMAS_BYTES // 1000} KB"),
    ("docs/produce-to-kafka.md", f"gathered for at most {gather.GATHER_MS / 1000:g} s"),
    ("docs/calling-service.md", f"Kept {kept_days(TopicName.DIALER)} days"),
    ("docs/calling-service.md", f"2xx within {calling_service.ANSWER_WITHIN_SECONDS:g} s"),
    ("docs/calling-service.md", f"4 ... {deliveries.LONGEST_PAUSE_SECONDS:g} s"),
    ("docs/calling-service.md", f"seconds, up to {deliveries.LONGEST_RETRY_AFTER_SECONDS:g}"),
    ("docs/replay.md", f"kept for {kept_days(TopicName.DEAD_LETTER)} days on `calls.dead-letter`"),
    ("docs/replay.md", f"Checkpoints are {replay_checkpoints.CHECKPOINT_OFFSETS:,} messages apart"),
    ("docs/replay.md", f"at most {replay_runner.MOST_UNANSWERED} slices of {CHUNK_RECORDS} records"),
    ("docs/dead-letters.md", f"after `--max-attempts` ({DEFAULT_MAX_ATTEMPTS}) it is parked"),
    ("ARCHITECTURE.md", f"for {kept_days(TopicName.PHONE_LOG)} days"),
    ("ARCHITECTURE.md", f"kept {kept_days(TopicName.PARKING)} days"),
    ("ARCHITECTURE.md", f"some {chunking.SLICE_BYTES // 1000} KB"),
    ("ARCHITECTURE.md", f"up to {GROUP_SESSION_MS // 1000} s (Kafka's session)"),
    ("ARCHITECTURE.md", f"last {Settings(data=ROOT).breaker_records} records"),
]
"""Sentences with a number, each written with the constant that it is about."""


@cache
def flowing(name: str) -> str:
    """Return a document's text with all white space as single blanks."""
    return " ".join(Document(ROOT / name).text.split())


@pytest.mark.parametrize(("name", "sentence"), SAID, ids=[f"{name}: {sentence}" for name, sentence in SAID])
def test_a_number_in_a_document_is_the_one_of_the_code(name: str, sentence: str) -> None:
    assert sentence in flowing(name)


@cache
def vocabulary() -> set[str]:
    """Return every word of the code, its schemas, migrations and build files."""
    kinds = ("*.py", "*.avsc", "*.sql", "*.toml", "*.yml", "*.yaml", "*.lock", "Makefile", "Dockerfile")
    folders = ("schemas", "ingest_api", "streams", "sinks", "dialfeed", "bench")
    files = {path for kind in kinds for folder in folders for path in (ROOT / folder).rglob(kind)}
    files |= {path for kind in kinds for path in ROOT.glob(kind)}
    words = {word for path in files for word in re.findall(r"\w+", path.read_text("utf-8"))}
    return words | {camel(word) for word in words}


def camel(word: str) -> str:
    first, *rest = word.split("_")
    return first + "".join(each.capitalize() for each in rest)


FOREIGN: Final = {"uncompressed_cache_size", "dryRunn"}
"""Names of others, or misspelt, that our code never says."""


@pytest.mark.parametrize("document", documents(), ids=lambda one: one.name)
def test_every_name_in_backticks_is_one_of_the_code(document: Document) -> None:
    """Log events, fields, codes, columns, settings of Kafka and ClickHouse: `snake_case` and `camelCase` alike."""
    words = {text for text in document.code if re.fullmatch(r"[a-z]+(?:_[a-z0-9]+)+|[a-z]+(?:[A-Z][a-z0-9]*)+", text)}
    words = {word.removesuffix("_total") for word in words}  # which Prometheus adds to a counter's name
    assert words - vocabulary() - FOREIGN - known_variables() == set()
