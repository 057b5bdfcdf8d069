"""How far consumers are behind, as a real Kafka tells it."""

from __future__ import annotations

import time

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from dialfeed.lag_reader import GROUPS, KafkaLag
from schemas.kafka_connection import KafkaConnection
from schemas.messages import Message, TryAgainError
from schemas.topics import TopicName
from sinks.load import GROUP
from tests.support.bus import bus_of_its_own


async def test_lag_and_age_of_each_group_and_topic(kafka_bootstrap: str) -> None:
    async with bus_of_its_own(kafka_bootstrap) as bus, KafkaLag(bus.connection) as reader:
        nothing = {(lag.group, lag.topic): (lag.messages, lag.oldest_at) for lag in await reader.lags()}
        assert set(nothing.values()) == {(0, None)}
        pairs = {(group, topic) for group, topics in GROUPS.items() for topic in topics}
        assert set(nothing) == pairs - {("calling-service", TopicName.DIALER)}  # nobody has ever read it

        began = time.time()
        await bus.publisher.publish([Message(TopicName.PHONE_LOG, b"x", partition=3) for _ in range(5)])
        place = TopicPartition(bus.connection.topic(TopicName.PHONE_LOG), 3)
        async with AIOKafkaConsumer(**bus.connection.group_options(GROUP)) as consumer:
            consumer.assign([place])
            await consumer.commit({place: 2})
        lags = {(lag.group, lag.topic): lag for lag in await reader.lags()}
        lag = lags[GROUP, TopicName.PHONE_LOG]
        assert lag.messages == 3
        assert lag.oldest_at is not None
        assert began - 2 <= lag.oldest_at / 1000 <= time.time()
        assert (lags[GROUP, TopicName.STATUS].messages, lags[GROUP, TopicName.STATUS].oldest_at) == (0, None)


async def test_where_kafka_does_not_answer_it_says_so() -> None:
    async with KafkaLag(KafkaConnection("127.0.0.1:1")) as reader:
        with pytest.raises(TryAgainError):
            await reader.lags()
