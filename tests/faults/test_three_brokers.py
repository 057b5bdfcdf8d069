"""Where there are three brokers, what is accepted is on two of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from dialfeed.doctor import topics
from dialfeed.topics_admin import describe, require_topics
from schemas.topics import TopicName
from tests.support.bus import bus_of_its_own, eventually
from tests.support.kafka import local_kafka_for_tests
from tests.support.more_brokers import more_brokers


@pytest.fixture
def cluster() -> Iterator[str]:
    with local_kafka_for_tests() as first, more_brokers(first, 2):
        yield first.bootstrap
        first._process.kill()  # in order it would look for others to lead its partitions


async def has_three(admin: AIOKafkaAdminClient) -> bool:
    return len((await admin.describe_cluster())["brokers"]) == 3


async def test_topics_are_made_with_two_of_three_replicas_in_sync_and_less_is_told(cluster: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster)
    await admin.start()
    try:
        await eventually(lambda: has_three(admin))
    finally:
        await admin.close()
    async with bus_of_its_own(cluster) as bus:
        described = await describe(bus.connection)
        assert {(status.replicas, status.ok) for status in described} == {(3, True)}
        assert (await topics(bus.connection)).ok

        await bus.configure(
            TopicName.RAW, min_insync_replicas="1", message_timestamp_type="LogAppendTime", max_message_bytes="41943040"
        )
        check = await topics(bus.connection)
        assert not check.ok
        assert "calls.raw: min.insync.replicas is 1, should be 2" in check.found
        await require_topics(bus.connection)  # weaker, but no reason to stand still
