"""What dialfeed publishes is read by a client without any extra package."""

from __future__ import annotations

import aiokafka.codec
import pytest
from aiokafka import AIOKafkaConsumer

from schemas.dead_letters import to_message
from schemas.topics import TOPICS, TopicName
from tests.support.bus import Bus, bus_of_its_own
from tests.unit.schemas.test_replays import letter


def test_no_topic_asks_for_a_codec_that_needs_an_extra() -> None:
    asked = {topic.name: (topic.settings | topic.wishes).get("compression.type", "producer") for topic in TOPICS}
    assert set(asked.values()) <= {"producer", "gzip"}, asked


async def test_a_client_without_extras_reads_dead_letters(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for codec in ("zstd", "lz4", "snappy"):
        monkeypatch.setattr(aiokafka.codec, f"has_{codec}", lambda: False)
    async with bus_of_its_own(kafka_bootstrap) as bus:
        await bus.publisher.publish([to_message(letter(index)) for index in range(3)])
        assert len(await _read(bus)) == 3


async def _read(bus: Bus) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        bus.connection.topic(TopicName.DEAD_LETTER), **bus.connection.client_options(), auto_offset_reset="earliest"
    )
    found: list[bytes] = []
    async with consumer:
        while len(found) < 3:
            for messages in (await consumer.getmany(timeout_ms=500)).values():
                found += [message.value for message in messages]
    return found
