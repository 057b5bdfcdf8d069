"""Reads topics of dead letters from one place to another, and ends there: of no consumer group, committing nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from dialfeed.topics_admin import describe
from schemas.kafka_connection import KafkaConnection
from schemas.messages import MustStopError, TryAgainError
from schemas.replay_jobs import ReplayJob
from schemas.replay_selection import Newest
from schemas.topics import TopicName

SILENT_SECONDS: Final = 60.0
"""Kafka counts as gone when a partition that has more gives nothing for so long."""

TOPICS: Final = (TopicName.DEAD_LETTER, TopicName.PARKING)
MOST_AT_ONCE: Final = 500
"""So few that requests of the same process do not wait for long meanwhile."""

FETCH_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Read:
    """Messages of one partition, and the offset to go on at."""

    partition: int
    messages: Sequence[Any]
    position: int


class LetterReader:
    """Reads `calls.dead-letter` and `calls.parking`; every method raises TryAgainError while Kafka does not answer."""

    def __init__(
        self, consumer: AIOKafkaConsumer, connection: KafkaConnection, partitions: Mapping[TopicName, int]
    ) -> None:
        self._consumer = consumer
        self._connection = connection
        self._partitions = partitions

    async def bounds(self, topic: TopicName) -> tuple[list[int], list[int]]:
        """Return first and end offset of each partition, as they are now. Ends a reading that is under way."""
        places = self._places(topic)
        self._consumer.assign(places)  # aiokafka pauses 100 ms over a topic that it has not heard of
        self._consumer.pause(*places)
        try:
            starts = await self._consumer.beginning_offsets(places)
            ends = await self._consumer.end_offsets(places)
        except (KafkaError, TimeoutError) as error:
            raise TryAgainError("Kafka does not answer") from error
        return [starts[place] for place in places], [ends[place] for place in places]

    async def read(self, topic: TopicName, starts: Sequence[int], ends: Sequence[int]) -> AsyncIterator[Read]:
        """Yield each partition's messages from its start to before its end, partition by partition.

        The last `Read` of each partition stands at its end, with or without messages.
        """
        for partition, (start, end) in enumerate(zip(starts, ends, strict=True)):
            place = TopicPartition(self._connection.topic(topic), partition)
            async for read in self._partition(place, start, end):
                yield read

    async def _partition(self, place: TopicPartition, start: int, end: int) -> AsyncIterator[Read]:
        loop = asyncio.get_running_loop()
        position, moved_at = start, loop.time()
        if start < end:
            self._consumer.assign([place])
            self._consumer.seek(place, start)
        while position < end:
            try:
                fetched = await self._consumer.getmany(place, timeout_ms=1_000, max_records=MOST_AT_ONCE)
                reached = await self._consumer.position(place)
            except KafkaError as error:
                raise TryAgainError("Kafka does not answer") from error
            messages = [message for message in fetched.get(place, ()) if message.offset < end]
            if messages or reached > position:
                position, moved_at = min(reached, end), loop.time()
                yield Read(place.partition, messages, position)
                await asyncio.sleep(0)  # what is buffered is returned without waiting: let others have a turn
            elif loop.time() - moved_at > SILENT_SECONDS:
                raise TryAgainError("Kafka does not answer")
        if start >= end:
            yield Read(place.partition, (), max(start, end))

    def _places(self, topic: TopicName) -> list[TopicPartition]:
        name = self._connection.topic(topic)
        return [TopicPartition(name, partition) for partition in range(self._partitions[topic])]


@asynccontextmanager
async def letter_reader(connection: KafkaConnection) -> AsyncIterator[LetterReader]:
    """Yield a reader; raise TryAgainError if no broker answers, MustStopError where a topic is missing."""
    partitions = await _partitions(connection)
    consumer = AIOKafkaConsumer(
        **connection.client_options(),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_wait_ms=100,
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    try:
        await consumer.start()
        yield LetterReader(consumer, connection, partitions)
    except KafkaError as error:
        raise TryAgainError("Kafka does not answer") from error
    finally:
        await asyncio.gather(consumer.stop(), return_exceptions=True)


async def _partitions(connection: KafkaConnection) -> dict[TopicName, int]:
    found = {status.name: status.partitions for status in await describe(connection)}
    for name in map(connection.topic, TOPICS):
        if not found.get(name):
            raise MustStopError(f"the topic {name} is missing: run `dialfeed topics --create`")
    return {topic: found[connection.topic(topic)] for topic in TOPICS}


def topics_of(job: ReplayJob) -> tuple[TopicName, TopicName]:
    """Return the topic a job reads, and the other one where its records may have failed again since."""
    both = (TopicName.DEAD_LETTER, TopicName.PARKING)
    return (both[1], both[0]) if job.parked else both


async def newest_of(
    reader: LetterReader, topic: TopicName, ends: Sequence[int], newest: Newest, begin: Sequence[int] = ()
) -> None:
    """Read a topic up to its ends for how often each record has failed; what is before `begin` has failed once."""
    first, _ = await reader.bounds(topic)
    starts = [min(max(of), end) for end, *of in zip_longest(ends, first, begin, fillvalue=0)]
    async for read in reader.read(topic, starts[: len(ends)], ends):
        for message in read.messages:
            newest.take(_headers(message))


def _headers(message: Any) -> Sequence[tuple[str, bytes | None]]:
    headers: Sequence[tuple[str, bytes | None]] = message.headers
    return headers
