"""Where a consumer group begins that has never read a topic: at its end, not at what was told before it was there."""

from __future__ import annotations

from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, KafkaError, UnknownMemberIdError

from schemas.kafka_connection import KafkaConnection
from schemas.messages import MustStopError, TryAgainError
from schemas.topics import TopicName

log = structlog.get_logger(__name__)

_TRIES: Final = 3


async def begin_at_the_end(kafka: KafkaConnection, group: str, topic: TopicName) -> None:
    """Commit the end of each partition that the group has no offset of; raise TryAgainError or MustStopError.

    From then on nothing is missed, whatever ends a process before its first commit. Several processes may do so at
    once: Kafka refuses it where a group has members, and then they have done it.
    """
    try:
        for _ in range(_TRIES):
            if await _begun(kafka, group, kafka.topic(topic)):
                return
    except KafkaError as error:
        raise TryAgainError(f"Kafka does not answer ({type(error).__name__})") from error
    raise MustStopError(
        f"Kafka does not let group {group} begin at the end of {topic}: stop what reads with this group"
    )


async def _begun(kafka: KafkaConnection, group: str, topic: str) -> bool:
    async with (
        AIOKafkaConsumer(topic, **kafka.client_options()) as reader,
        AIOKafkaConsumer(**kafka.group_options(group)) as member,
    ):
        partitions = list(reader.assignment())
        if not partitions:
            return False
        member.assign(partitions)
        new = [place for place in partitions if await member.committed(place) is None]
        return not new or await _committed(member, await reader.end_offsets(new))


async def _committed(member: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    try:
        await member.commit(ends)
    except (CommitFailedError, UnknownMemberIdError):
        return False
    log.info("begins_at_the_end", partitions=len(ends))
    return True
