"""Whether ClickHouse and the offsets of Kafka belong together: a sink that lacks what was written must not go on.

Statuses and records come on two topics. Where a store is empty or older than the offsets, or the offsets are set back,
statuses overtake the records that they are about: calls that have ended would be pending again, and be called again.
So how far each partition has been written is kept in ClickHouse, before it is committed; what Kafka says when the
partition is read for the first time has to fit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.kafka_connection import KafkaConnection
from schemas.messages import MustStopError, TryAgainError
from sinks import native
from sinks.rows import Insert
from sinks.sessions import Session, Store

log = structlog.get_logger(__name__)

REMEDY: Final = (
    "calls that have ended might be made again. Use the ClickHouse and the Kafka that belong together, or restore both"
    ' from one moment; docs/operating.md, "When ClickHouse and Kafka do not fit", says what to do otherwise'
)
_KEPT: Final = "SELECT topic, partition, since, next FROM sink_offsets FINAL"
_ANYTHING: Final = "SELECT count() FROM (SELECT 1 FROM receipts LIMIT 1)"


class Kept(NamedTuple):
    """How far a partition has been written: what was committed before the last flush, and what is after it."""

    since: int
    next: int


Committed = Callable[[Sequence[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]
"""Returns what a group has committed of these partitions, as far as it has."""


def misfit(place: TopicPartition, committed: int | None, kept: Kept | None, *, store_is_empty: bool) -> str | None:
    """Return why the offset of a partition does not fit to the store, or None."""
    where = f"{place.topic}, partition {place.partition}"
    if kept is None:
        lacks = store_is_empty and committed is not None
        return f"ClickHouse is empty, while {where} has been read up to offset {committed}" if lacks else None
    if committed is None and kept.since:
        return f"the offset of {where} is gone, while ClickHouse has what comes before {kept.next}"
    if (committed or 0) < kept.since:
        return f"the offset of {where} was set back to {committed}, while ClickHouse has what comes before {kept.next}"
    if (committed or 0) > kept.next:
        return f"ClickHouse has {where} up to offset {kept.next} only, while it has been read up to {committed}"
    return None


class KeptOffsets:
    """Judges partitions that are read for the first time, and keeps how far they have been written."""

    def __init__(self, clickhouse: Store, committed: Committed, *, accept: bool = False) -> None:
        self._clickhouse, self._committed, self._accept = clickhouse, committed, accept
        self._since: dict[TopicPartition, int] = {}

    def forget(self) -> None:
        """Forget what was judged: partitions have moved."""
        self._since = {}

    async def check(self, places: Sequence[TopicPartition]) -> None:
        """Raise MustStopError where one of these partitions, judged for the first time, does not fit to the store."""
        new = [place for place in places if place not in self._since]
        if not new:
            return
        committed = await self._committed(new)
        if self._accept:
            await self._clickhouse.consult(lambda session: session.tell("TRUNCATE TABLE sink_offsets"))
            log.warning("sink_offsets_accepted", remedy="start without DIALFEED_SINK_OFFSETS the next time")
            self._accept = False
        kept, is_empty = await self._clickhouse.consult(_kept)
        for place in new:
            problem = misfit(place, committed.get(place), kept.get(place), store_is_empty=is_empty)
            if problem:
                raise MustStopError(f"{problem}: {REMEDY}")
        self._since |= {place: committed.get(place, 0) for place in new}

    async def keep(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Keep how far these partitions are written, before it is committed; nothing of those that have moved away."""
        since = self._since
        rows = [(place, Kept(since[place], at)) for place, at in offsets.items() if place in since]
        if rows:
            await self._clickhouse.insert(_insert(rows))

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Note that these have been committed."""
        self._since |= offsets


def _kept(session: Session) -> tuple[dict[TopicPartition, Kept], bool]:
    kept = {TopicPartition(topic, partition): Kept(*of) for topic, partition, *of in session.query(_KEPT)}
    ((receipts,),) = session.query(_ANYTHING)
    return kept, not receipts


def _insert(rows: Sequence[tuple[TopicPartition, Kept]]) -> Insert:
    columns = [
        native.texts("topic", [place.topic for place, _ in rows]),
        native.integers("partition", "Int32", [place.partition for place, _ in rows]),
        native.integers("since", "Int64", [kept.since for _, kept in rows]),
        native.integers("next", "Int64", [kept.next for _, kept in rows]),
    ]
    return Insert("sink_offsets", tuple(each.name for each in columns), native.block(len(rows), columns), len(rows))


def committed_by(kafka: KafkaConnection, group: str) -> Committed:
    """Return what asks Kafka for a group's offsets."""

    async def committed(places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        try:
            async with AIOKafkaConsumer(**kafka.group_options(group)) as asking:
                asking.assign(list(places))
                found = {place: await asking.committed(place) for place in places}
        except KafkaError as error:
            raise TryAgainError(f"Kafka does not answer ({type(error).__name__})") from error
        return {place: offset for place, offset in found.items() if offset is not None}

    return committed
