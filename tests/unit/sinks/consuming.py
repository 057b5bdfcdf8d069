"""A consumer group's member in memory, for what does not need a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.structs import ConsumerRecord

from schemas.topics import BATCH_PARTITIONS
from sinks.consume import IDLE_MS

TOPIC = "calls.phone-log"


def record(offset: int, value: bytes | None = b"", *, topic: str = TOPIC, headers: Sequence[Any] = ()) -> Any:
    """Return a message as aiokafka gives it, of partition 0."""
    return ConsumerRecord(
        topic=topic,
        partition=0,
        offset=offset,
        timestamp=1,
        timestamp_type=1,
        key=None,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=len(value or b""),
        headers=tuple(headers),
    )


class MemoryConsumer:
    """Satisfies `sinks.consume.Consumer`: gives the waiting messages in order, and writes down what is done."""

    def __init__(self, waiting: Sequence[Any], actions: list[Any]) -> None:
        self.waiting = list(waiting)
        self.actions = actions
        self.commit_errors: list[Exception] = []
        self.start_errors: list[Exception] = []
        self.listener: ConsumerRebalanceListener
        self.late: list[Any] = []
        """Comes when `waiting` is empty and a call waits for it."""
        self.idle = asyncio.Event()
        """Set when more is waited for and all that was given has been committed."""
        self.sizes: list[int] = []
        """Messages given, by call."""
        self.dry = asyncio.Event()
        """Set when nothing is left to give."""
        self.partitions: dict[str, int] = {}
        """How many a topic has, where that is not the usual number."""
        self._given = self._committed = 0

    def subscribe(self, topics: Sequence[str], *, listener: ConsumerRebalanceListener) -> None:
        self.topics = topics
        self.listener = listener

    async def start(self) -> None:
        if self.start_errors:
            raise self.start_errors.pop(0)
        self.actions.append("start")

    async def stop(self) -> None:
        self.actions.append("stop")

    async def getmany(self, *, timeout_ms: int, max_records: int) -> Mapping[TopicPartition, Sequence[Any]]:
        await asyncio.sleep(0)
        taken, self.waiting = self.waiting[:max_records], self.waiting[max_records:]
        if not taken and timeout_ms and self.late:
            taken = [self.late.pop(0)]
        if not self.waiting and not self.late:
            self.dry.set()
        if taken:
            self.sizes.append(len(taken))
            self._given = taken[-1].offset + 1
            return {TopicPartition(taken[0].topic, 0): taken}
        if timeout_ms >= IDLE_MS and self._committed >= self._given:
            self.idle.set()
        return {}

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self.partitions.get(topic, BATCH_PARTITIONS)))

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self._committed = max(offsets.values())
        if self.commit_errors:
            raise self.commit_errors.pop(0)
        self.actions.append(("commit", *offsets.values()))
