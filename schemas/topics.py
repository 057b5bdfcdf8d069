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

_COMPRESSED: Final = {"compression.type": "zstd"}
"""The headers of dead letters are much alike, and several times the size of most records."""


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


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as it should be. Settings are Kafka's own names and values; none of the `wishes` has to be kept."""

    name: TopicName
    partitions: int
    settings: dict[str, str] = field(default_factory=dict)
    wishes: dict[str, str] = field(default_factory=dict)


RAW_PARTITIONS: Final = 8
REPORT_PARTITIONS: Final = 8
"""Receipts and dead letters have the same number, so that one process reads all of a submission's answers."""

BATCH_PARTITIONS: Final = 8
"""Cleaned chunks and statuses have the same number, so that one process has both of a batch."""


def _kept(days: int) -> dict[str, str]:
    return {"retention.ms": str(days * _DAY_MS)}


TOPICS: Final[tuple[Topic, ...]] = (
    Topic(TopicName.RAW, RAW_PARTITIONS, {"message.timestamp.type": "LogAppendTime", **_LARGE, **_kept(7)}),
    Topic(TopicName.RECORDS, 8, {"message.timestamp.type": "LogAppendTime", **_LARGE, **_kept(7)}),
    Topic(TopicName.CHUNKS, 8, {**_LARGE, **_kept(3)}),
    Topic(TopicName.PHONE_LOG, BATCH_PARTITIONS, {**_LARGE, **_kept(14)}),
    Topic(TopicName.STATUS, BATCH_PARTITIONS, {"message.timestamp.type": "LogAppendTime", **_kept(14)}),
    Topic(TopicName.DIALER, 4, _kept(7)),
    Topic(TopicName.DEAD_LETTER, REPORT_PARTITIONS, {**_LARGE, **_kept(LETTERS_KEPT_DAYS)}, _COMPRESSED),
    Topic(TopicName.PARKING, REPORT_PARTITIONS, {**_LARGE, **_kept(LETTERS_KEPT_DAYS)}, _COMPRESSED),
    Topic(TopicName.RECEIPTS, REPORT_PARTITIONS, _kept(7)),
    Topic(TopicName.REPLAYS, 1, {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}),
    Topic(TopicName.WORKERS, 1, _kept(1)),
    Topic(TopicName.REGISTRY, 1, {"cleanup.policy": "compact"}),
)
