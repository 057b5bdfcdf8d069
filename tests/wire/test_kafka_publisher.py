"""What publishing comes to when Kafka lacks a topic, and when it lacks everything."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from dialfeed import local_kafka
from dialfeed.kafka_publisher import KafkaPublisher
from dialfeed.topics_admin import create_missing
from schemas.kafka_connection import KafkaConnection
from schemas.messages import Message, MustStopError, TryAgainError
from schemas.topics import TopicName


async def test_a_missing_topic_stops_and_says_what_to_do(kafka_bootstrap: str) -> None:
    async with KafkaPublisher(KafkaConnection(kafka_bootstrap, prefix="nothing-there.")) as publisher:
        with pytest.raises(MustStopError, match="dialfeed topics --create"):
            await publisher.publish([Message(TopicName.DEAD_LETTER, b"x")])


async def test_a_topic_that_was_not_used_before_is_not_missing_because_the_broker_has_died(tmp_path: Path) -> None:
    async with local_kafka.running(tmp_path, report=lambda _: None) as kafka:
        connection = KafkaConnection(kafka.bootstrap)
        await create_missing(connection)
        async with KafkaPublisher(connection) as publisher:
            await publisher.publish([Message(TopicName.RAW, b"x")])
            await _forget_other_topics(publisher)
            os.kill(kafka.pid, signal.SIGKILL)
            with pytest.raises(TryAgainError, match="does not answer"):
                await publisher.publish([Message(TopicName.DEAD_LETTER, b"x")])


async def _forget_other_topics(publisher: KafkaPublisher) -> None:
    """As after a first use of a topic that was not known yet: from then on aiokafka asks for those in use only."""
    assert publisher._producer is not None
    assert await publisher._producer.client.set_topics([TopicName.RAW])
