from __future__ import annotations

from typing import Any

from dialfeed.followed_topic import FollowedTopic, Following
from schemas.messages import Message
from schemas.topics import TopicName
from tests.support.bus import Bus, bus_of_its_own


class Heard(FollowedTopic):
    """Keeps what it hears; its fetches wait for much longer than a refresh may take."""

    def __init__(self, bus: Bus) -> None:
        following = Following(
            topic=TopicName.REGISTRY,
            not_read="not_read",
            fetch_wait_ms=30_000,
            refresh_within_seconds=15,
            not_refreshed="Kafka does not answer",
        )
        super().__init__(bus.connection, following)
        self.values: list[bytes] = []

    def apply(self, message: Any) -> None:
        self.values.append(message.value)


async def test_to_read_to_the_end_does_not_wait_for_a_fetch_that_waits_for_messages(kafka_bootstrap: str) -> None:
    async with bus_of_its_own(kafka_bootstrap) as bus, Heard(bus) as heard:
        for number in range(3):
            value = str(number).encode()
            await bus.publisher.publish([Message(TopicName.REGISTRY, value, key=value, partition=0)])
            await heard.refresh()
            assert heard.values[-1] == value
            await heard.refresh()
