"""The calling service's two topics: start commands are followed from now on, statuses are published."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from dialfeed.kafka_publisher import KafkaPublisher
from dialfeed.simulate_calls import StatusReport
from dialfeed.simulate_client import event_of
from schemas.codecs import UndecodableError, decode_message
from schemas.kafka_connection import KafkaConnection
from schemas.messages import Message, MustStopError, TryAgainError
from schemas.records import DialerCommand
from schemas.topics import TopicName


@asynccontextmanager
async def following(kafka: KafkaConnection) -> AsyncIterator[AsyncIterator[str]]:
    """Yield the batches that are started from now on; raise TryAgainError or MustStopError.

    Of no consumer group, and from the end: what waited before is asked of the API.
    """
    topic = kafka.topic(TopicName.DIALER)
    consumer = AIOKafkaConsumer(
        topic,
        **kafka.client_options(),
        enable_auto_commit=False,
        auto_offset_reset="latest",
        isolation_level="read_committed",
        fetch_max_wait_ms=200,
    )
    try:
        await consumer.start()
        if not consumer.assignment():
            raise MustStopError(f"the topic {topic} is missing: run `dialfeed topics --create`")
        await consumer.seek_to_end()
        yield _started(consumer)
    except KafkaError as error:
        raise TryAgainError("Kafka does not answer") from error
    finally:
        await consumer.stop()


async def _started(consumer: AIOKafkaConsumer) -> AsyncIterator[str]:
    try:
        async for message in consumer:
            with suppress(UndecodableError):
                yield decode_message(message, DialerCommand).batch_id
    except KafkaError as error:
        raise TryAgainError("Kafka does not answer") from error


class StatusTopic:
    """Publishes statuses to `calls.status`, keyed by batch."""

    def __init__(self, publisher: KafkaPublisher) -> None:
        self._publisher = publisher

    async def report(self, reports: Sequence[StatusReport]) -> None:
        """Return once Kafka has the statuses for good; raise TryAgainError or MustStopError."""
        await self._publisher.publish(
            [Message(TopicName.STATUS, msgspec.json.encode(event_of(one)), one.batch_id.encode()) for one in reports]
        )
