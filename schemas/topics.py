"""Every topic with its partitions and settings: what `dialfeed topics` creates and checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MAX_MESSAGE_BYTES: Final = 40 * 1024 * 1024
"""Room for a body of 32 MiB that is a single record: even that is kept, untouched, as a dead letter."""

WORKER_GROUP: Final = "worker"
"""The consumer group of the Faust app: known to those who ask Kafka whether workers run."""

LETTERS_KEPT_DAYS: Final = 30
"""From its newest failure on a record can be tried again for so long."""

_DAY_MS: Final = 24 * 60 * 60 * 1000
_LARGE: Final = {"max.message.bytes": str(MAX_MESSAGE_BYTES)}

_COMPRESSED: Final = {"compression.type": "gzip"}
"""The headers of dead letters are much alike, and several times the size of most records.

Every client reads gzip without an extra package; zstd would save a seventh to a half of what is left, and 3 to 5 us CPU
a letter at the broker (`docs/benchmarks.md`).
"""


class TopicName(StrEnum):
    """Names before the installation's prefix."""

    RAW = "calls.raw"
    CHUNKS = "calls.chunks"
    PHONE_LOG = "calls.phone-log"
    DEAD_LETTER = "calls.dead-letter"
    PARKING = "calls.parking"
    RECEIPTS = "calls.receipts"
    REGISTRY = "calls.registry"
    RECORDS = "calls.records"
    STATUS = "calls.status"
    DIALER = "calls.dialer"
    REPLAYS = "calls.replays"
    WORKERS = "calls.workers"


PROMISES: Final = frozenset({"message.timestamp.type", "cleanup.policy"})
"""Settings without which a promise does not hold: no part starts with another value. Others may be changed."""

AT_LEAST: Final = frozenset({"retention.ms", "max.message.bytes"})
"""Settings that may be larger without being told so."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as it is made. Settings are Kafka's own names and values; none of the `wishes` has to be kept."""

    name: TopicName
    partitions: int
    settings: dict[str, str] = field(default_factory=dict)
    wishes: dict[str, str] = field(default_factory=dict)


RAW_PARTITIONS: Final = 8
REPORT_PARTITIONS: Final = 8
BATCH_PARTITIONS: Final = 8
"""Of a new installation; more may be added to a running one."""

READ_TOGETHER: Final = (
    (TopicName.PHONE_LOG, TopicName.STATUS),
    (TopicName.RECEIPTS, TopicName.DEAD_LETTER),
)
"""Pairs that must have the same number of partitions: one process has both the cleaned chunks and the statuses of a
batch, one has all the answers to a submission."""


def unequal(one: str, partitions: int, other: str, partitions_of_other: int) -> str:
    """Return what is told of two topics that are read together with different numbers of partitions."""
    fewer, more = (one, other) if partitions < partitions_of_other else (other, one)
    return (
        f"{one} has {partitions} partitions and {other} {partitions_of_other}, but they are read together and need the"
        f" same number: stop all parts, then `kafka-topics.sh --alter --topic {fewer}"
        f" --partitions {max(partitions, partitions_of_other)}` (Kafka cannot take away those of {more})"
    )


def _kept(days: int) -> dict[str, str]:
    return {"retention.ms": str(days * _DAY_MS), "cleanup.policy": "delete"}


TOPICS: Final[tuple[Topic, ...]] = (
    Topic(TopicName.RAW, RAW_PARTITIONS, {"message.timestamp.type": "LogAppendTime", **_LARGE, **_kept(7)}),
    Topic(TopicName.RECORDS, 8, {"message.timestamp.type": "LogAppendTime", **_LARGE, **_kept(7)}),
    Topic(TopicName.CHUNKS, 8, {**_LARGE, **_kept(7)}),
    Topic(TopicName.PHONE_LOG, BATCH_PARTITIONS, {**_LARGE, **_kept(14)}),
    Topic(TopicName.STATUS, BATCH_PARTITIONS, {"message.timestamp.type": "LogAppendTime", **_kept(14)}),
    Topic(TopicName.DIALER, 4, _kept(14)),
    Topic(TopicName.DEAD_LETTER, REPORT_PARTITIONS, {**_LARGE, **_kept(LETTERS_KEPT_DAYS)}, _COMPRESSED),
    Topic(TopicName.PARKING, REPORT_PARTITIONS, {**_LARGE, **_kept(LETTERS_KEPT_DAYS)}, _COMPRESSED),
    Topic(TopicName.RECEIPTS, REPORT_PARTITIONS, _kept(14)),
    Topic(TopicName.REPLAYS, 1, {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}),
    Topic(TopicName.WORKERS, 1, _kept(1)),
    Topic(TopicName.REGISTRY, 1, {"cleanup.policy": "compact"}),
)
