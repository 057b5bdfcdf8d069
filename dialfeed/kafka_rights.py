"""Which rights each role needs where Kafka has an authorizer: `dialfeed topics --acls` and docs/kafka-acls.md. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from dialfeed import lag_reader, replay_group
from ingest_api import receipts
from schemas.topics import TOPICS, WORKER_GROUP, TopicName
from sinks import archive, calling_service, load
from streams.gather import GATHER_GROUP

T = TopicName


@dataclass(frozen=True, slots=True)
class Rights:
    """What one role does. Reading a group is taking part in it; describing one is asking how far it is."""

    reads: tuple[TopicName, ...] = ()
    writes: tuple[TopicName, ...] = ()
    groups: tuple[str, ...] = ()
    describes_groups: tuple[str, ...] = ()
    checks_topics: bool = True
    """Compares the topics with what they should be: Describe and DescribeConfigs on each."""


RIGHTS: Final[dict[str, Rights]] = {
    "api": Rights(
        reads=(T.RECEIPTS, T.DEAD_LETTER, T.PARKING, T.REGISTRY, T.REPLAYS, T.WORKERS),
        writes=(T.RAW, T.CHUNKS, T.STATUS, T.DIALER, T.RECEIPTS, T.REGISTRY, T.REPLAYS),
        groups=(receipts.GROUP, replay_group.GROUP),
        describes_groups=tuple(lag_reader.GROUPS),
    ),
    "worker": Rights(
        reads=(T.RAW, T.RECORDS, T.CHUNKS, T.REGISTRY),
        writes=(T.CHUNKS, T.PHONE_LOG, T.DEAD_LETTER, T.PARKING, T.WORKERS),
        groups=(WORKER_GROUP, GATHER_GROUP),
    ),
    "load": Rights(
        reads=(T.PHONE_LOG, T.STATUS, T.DEAD_LETTER, T.PARKING, T.RECEIPTS, T.DIALER),
        writes=(T.RECEIPTS, T.DEAD_LETTER, T.PARKING, T.STATUS, T.DIALER, T.REPLAYS),
        groups=(load.GROUP, archive.GROUP, calling_service.GROUP),
    ),
    "operator": Rights(
        reads=(T.REGISTRY, T.REPLAYS, T.DEAD_LETTER, T.PARKING, T.DIALER),
        writes=(T.RAW, T.CHUNKS, T.STATUS, T.REGISTRY, T.REPLAYS),
    ),
    "producer": Rights(writes=(T.RAW, T.RECORDS), checks_topics=False),
    "dialer": Rights(reads=(T.DIALER,), writes=(T.STATUS,), checks_topics=False),
}
"""`operator` is whoever uses the command line; `producer` and `dialer` are your own programs.

`api --with-load` needs what `api` and `load` need, `topics --create` the right to create topics besides.
"""


def acl_commands(full_name: Callable[[str], str]) -> Iterator[str]:
    """Yield the `kafka-acls.sh` commands that give every role its rights, with full names of topics and groups."""
    for role, rights in RIGHTS.items():
        for operations, kind, names in _grants(rights):
            resources = " ".join(f"--{kind} {full_name(name)}" for name in names)
            allowed = " ".join(f"--operation {operation}" for operation in operations)
            yield f"kafka-acls.sh $KAFKA --add --allow-principal User:{role} {allowed} {resources}"


def _grants(rights: Rights) -> Iterator[tuple[tuple[str, ...], str, tuple[str, ...]]]:
    grants = (
        (
            ("Describe", "DescribeConfigs"),
            "topic",
            tuple(topic.name for topic in TOPICS) if rights.checks_topics else (),
        ),
        (("Read",), "topic", rights.reads),
        (("Write",), "topic", rights.writes),
        (("Read",), "group", rights.groups),
        (("Describe",), "group", rights.describes_groups),
    )
    yield from (grant for grant in grants if grant[2])
