"""A sink that has lost what it wrote, or whose offsets were set back, stops: nobody is called twice in silence."""

from __future__ import annotations

from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.topics import BATCH_PARTITIONS, TopicName
from sinks.load import GROUP
from tests.support.bus import Bus, eventually
from tests.support.installation import Installation, installation
from tests.support.samples import records

CONTACTS = 300
COMMITTED_WITHIN_SECONDS = 30


async def test_who_was_called_is_not_called_again_by_a_sink_that_was_restored_or_set_back(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with installation(kafka_bootstrap) as system:
        for _ in range(2):  # an offset that the last flush of all began with may be that of a killed process
            await _called(system)
        starts = await system.bus.end(TopicName.DIALER)
        system.kill("api")

        system.start_api(DIALFEED_CLICKHOUSE=f"chdb://{tmp_path}/another")
        assert "ClickHouse is empty" in await _stopped(system)

        await _set_back(system.bus)
        system.start_api()
        assert "was set back to 0" in await _stopped(system)
        assert await system.bus.end(TopicName.DIALER) == starts

        system.start_api(DIALFEED_SINK_OFFSETS="accept")
        await eventually(lambda: _is_read_again(system.bus))
        system.kill("api")
        system.start_api()
        await system.ready()
        assert await _statuses(system) == {"completed"}


async def _called(system: Installation) -> None:
    """Have everybody called, and wait until the sink has committed it."""
    answer = await system.post(*records(CONTACTS))
    assert answer.status_code == 200
    events = [{"callId": call_id, "status": "completed"} for call_id in answer.json()["data"]["callIds"]]
    assert (await system.http.post("/api/call/status", json=events)).is_success
    await eventually(lambda: _is_read_again(system.bus), COMMITTED_WITHIN_SECONDS)
    assert await _statuses(system) == {"completed"}


async def _is_read_again(bus: Bus) -> bool:
    topics = (TopicName.PHONE_LOG, TopicName.STATUS)
    return all([await bus.committed(GROUP, topic) == await bus.end(topic) for topic in topics])


async def _statuses(system: Installation) -> set[str]:
    contacts = await system.contacts()
    assert len(contacts) == CONTACTS
    return {log["callStatus"] for contact in contacts for log in contact["phoneLogs"]}


async def _stopped(system: Installation) -> str:
    """Return the log's end once the API with its sink has stopped by itself."""
    await eventually(lambda: system.parts["api"].poll() is not None)
    assert system.parts["api"].returncode == 70
    system.kill("api")
    return system.log()[-4000:]


async def _set_back(bus: Bus) -> None:
    topics = [bus.connection.topic(topic) for topic in (TopicName.PHONE_LOG, TopicName.STATUS)]
    places = [TopicPartition(topic, partition) for topic in topics for partition in range(BATCH_PARTITIONS)]

    async def done() -> bool:
        async with AIOKafkaConsumer(**bus.connection.group_options(GROUP)) as consumer:
            consumer.assign(places)
            try:
                await consumer.commit(dict.fromkeys(places, 0))
            except Exception:  # noqa: BLE001  # the group still has a member that was killed
                return False
        return True

    await eventually(done)
