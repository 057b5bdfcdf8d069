"""How far each consumer group is behind, asked of Kafka: some ten small questions, none of which fetches a message."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.consumer_lag import ConsumerLag, Search
from schemas.kafka_connection import KafkaConnection
from schemas.messages import TryAgainError
from schemas.topics import WORKER_GROUP, TopicName
from sinks import archive, calling_service, load
from streams.gather import GATHER_GROUP

GROUPS: Final[Mapping[str, tuple[TopicName, ...]]] = {
    WORKER_GROUP: (TopicName.RAW, TopicName.CHUNKS),
    GATHER_GROUP: (TopicName.RECORDS,),
    load.GROUP: (TopicName.PHONE_LOG, TopicName.STATUS),
    archive.GROUP: (TopicName.DEAD_LETTER, TopicName.PARKING, TopicName.RECEIPTS),
    calling_service.GROUP: (TopicName.DIALER,),
}
"""Every group that commits what it has read. `api` and `replays` begin anew each time, and are never behind."""

OPTIONAL: Final = frozenset((calling_service.GROUP,))
"""Groups that need not be there: one that has never read anything is not behind."""

Offsets = dict[TopicPartition, int]


class KafkaLag:
    """A `schemas.consumer_lag.LagReader`, while it is entered; connects when first asked."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._admin: AIOKafkaAdminClient | None = None
        self._consumer: AIOKafkaConsumer | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()

    async def lags(self) -> list[ConsumerLag]:
        """Return the lag of every group on every topic it reads. Raise TryAgainError."""
        try:
            return await self._read()
        except (KafkaError, OSError) as error:
            await self._close()
            raise TryAgainError("Kafka does not answer") from error

    async def _read(self) -> list[ConsumerLag]:
        admin, consumer = await self._clients()
        committed = {group: await self._committed(admin, group) for group in GROUPS}
        places = await self._places(admin)
        begins, ends = await asyncio.gather(consumer.beginning_offsets(places), consumer.end_offsets(places))
        unread = {
            (group, place): max(committed[group].get(place, 0), begins[place])
            for group, topics in GROUPS.items()
            if committed[group] or group not in OPTIONAL
            for place in places
            if place.topic in map(self._connection.topic, topics)
        }
        behind = {key: offset for key, offset in unread.items() if offset < ends[key[1]]}
        oldest = await _oldest(consumer, behind)
        return [
            _lag(group, topic, [(ends[place] - offset, oldest.get((group, place))) for place, offset in of.items()])
            for (group, topic), of in self._by_topic(unread).items()
        ]

    def _by_topic(self, unread: Mapping[tuple[str, TopicPartition], int]) -> dict[tuple[str, str], Offsets]:
        found: dict[tuple[str, str], Offsets] = {}
        for (group, place), offset in unread.items():
            topic = place.topic.removeprefix(self._connection.prefix)
            found.setdefault((group, topic), {})[place] = offset
        return found

    async def _committed(self, admin: AIOKafkaAdminClient, group: str) -> Offsets:
        offsets = await admin.list_consumer_group_offsets(self._connection.topic(group))
        return {place: kept.offset for place, kept in offsets.items() if kept.offset >= 0}

    async def _places(self, admin: AIOKafkaAdminClient) -> list[TopicPartition]:
        names = [self._connection.topic(topic) for topics in GROUPS.values() for topic in topics]
        described = await admin.describe_topics(names)
        return [TopicPartition(topic["topic"], one["partition"]) for topic in described for one in topic["partitions"]]

    async def _clients(self) -> tuple[AIOKafkaAdminClient, AIOKafkaConsumer]:
        if self._admin is None or self._consumer is None:
            options = self._connection.client_options()
            self._admin = AIOKafkaAdminClient(**options, request_timeout_ms=5_000)
            self._consumer = AIOKafkaConsumer(**options, enable_auto_commit=False, isolation_level="read_committed")
            await self._admin.start()
            await self._consumer.start()
        return self._admin, self._consumer

    async def _close(self) -> None:
        admin, consumer, self._admin, self._consumer = self._admin, self._consumer, None, None
        if admin is not None:
            with suppress(KafkaError):
                await admin.close()
        if consumer is not None:
            await asyncio.gather(consumer.stop(), return_exceptions=True)  # aiokafka cancels its own tasks


async def _oldest(
    consumer: AIOKafkaConsumer, behind: Mapping[tuple[str, TopicPartition], int]
) -> dict[tuple[str, TopicPartition], int]:
    """Return when each first unread message was written: a few rounds of one question about all of them."""
    now = time.time_ns() // 1_000_000
    searches = {key: Search(offset, now) for key, offset in behind.items()}
    while asking := {key[1]: search.ask_at for key, search in searches.items() if not search.done}:
        first = await consumer.offsets_for_times(asking)
        for (_, place), search in searches.items():
            if not search.done:
                found = first[place]
                search.take((found.offset, found.timestamp) if found is not None else None)
    return {key: search.written_at for key, search in searches.items()}


def _lag(group: str, topic: str, partitions: list[tuple[int, int | None]]) -> ConsumerLag:
    oldest = [at for _, at in partitions if at is not None]
    return ConsumerLag(group, topic, sum(behind for behind, _ in partitions), min(oldest, default=None))
