"""The compacted topic `calls.replays`: whoever waits for a receipt waits here."""

from __future__ import annotations

from typing import Any, Final

from dialfeed.followed_topic import FollowedTopic, Following
from schemas.kafka_connection import KafkaConnection
from schemas.replay_board import ReplayBoard
from schemas.topics import TopicName

_FOLLOWING: Final = Following(
    topic=TopicName.REPLAYS,
    fetch_wait_ms=200,
    refresh_within_seconds=15.0,
    missing="the topic of replays is missing: run `dialfeed topics --create`",
    not_refreshed="the replays cannot be read to their end: Kafka does not answer",
    not_followed="the replays are not followed any more: restart this process",
    not_read="replays_not_read",
)


class ReplaysTopic(FollowedTopic):
    """A `schemas.replay_board.ReplayReader` that follows the topic while it is entered."""

    def __init__(self, connection: KafkaConnection) -> None:
        super().__init__(connection, _FOLLOWING)
        self.board = ReplayBoard()

    def apply(self, message: Any) -> None:
        self.board.apply(message.value, message.timestamp)
