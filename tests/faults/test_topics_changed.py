"""What an operator may change of topics, and what each part refuses to start with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dialfeed.exits import ExitCode
from dialfeed.topics_admin import create_missing, describe, require_topics
from schemas.messages import MustStopError
from schemas.topics import READ_TOGETHER, TopicName
from tests.support.bus import Bus, bus_of_its_own, eventually, part
from tests.support.installation import installation
from tests.support.samples import records

WITHIN_SECONDS = 60.0
MORE = 12


@pytest.fixture
async def bus(kafka_bootstrap: str) -> AsyncIterator[Bus]:
    async with bus_of_its_own(kafka_bootstrap) as made:
        yield made


@pytest.mark.parametrize("pair", READ_TOGETHER, ids=lambda pair: pair[0])
async def test_unequal_partitions_of_topics_that_are_read_together_are_refused(
    bus: Bus, pair: tuple[TopicName, TopicName]
) -> None:
    for name in pair:
        await bus.add_partitions({name: MORE})
        if name == pair[0]:
            with pytest.raises(MustStopError, match=f"{pair[0]} has 12 partitions and .*{pair[1]} 8.*--partitions 12"):
                await require_topics(bus.connection)
    await require_topics(bus.connection)


async def test_a_topic_that_is_made_later_goes_with_its_partner(bus: Bus) -> None:
    await bus.add_partitions({TopicName.PHONE_LOG: MORE})
    await bus.remove(TopicName.STATUS)
    await create_missing(bus.connection)
    await require_topics(bus.connection)
    partitions = {status.name: status.partitions for status in await describe(bus.connection)}
    assert partitions[bus.connection.topic(TopicName.STATUS)] == MORE


@pytest.mark.parametrize("arguments", [("api", "--with-load"), ("worker",)], ids=lambda arguments: arguments[0])
async def test_a_part_does_not_start_with_them(bus: Bus, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    await bus.add_partitions({TopicName.STATUS: MORE})
    with part(bus, tmp_path, *arguments) as process:
        assert await asyncio.to_thread(process.wait, WITHIN_SECONDS) == ExitCode.STOPPED
    assert "they are read together" in (tmp_path / "parts.log").read_text()


async def test_a_topic_that_does_not_keep_its_promise_is_refused(bus: Bus) -> None:
    await bus.configure(TopicName.STATUS, message_timestamp_type="CreateTime")
    with pytest.raises(MustStopError, match=r"message.timestamp.type of .*calls.status is CreateTime"):
        await require_topics(bus.connection)


async def test_longer_retention_and_more_partitions_stop_nothing(bus: Bus) -> None:
    await bus.configure(TopicName.REGISTRY, cleanup_policy="compact", max_message_bytes="2000000")
    await bus.configure(TopicName.CHUNKS, retention_ms="-1", max_message_bytes="41943040")
    await bus.add_partitions({TopicName.RAW: MORE, TopicName.PHONE_LOG: MORE, TopicName.STATUS: MORE})
    await require_topics(bus.connection)


async def test_with_partitions_added_everything_goes_on_and_answers_at_once(kafka_bootstrap: str) -> None:
    async with installation(kafka_bootstrap, partitions=MORE) as made:

        async def post() -> int:
            return (await made.post(*records(3))).status_code

        assert {await post() for _ in range(24)} == {200}  # answers go to partitions that are chosen at random
        calls = {row["phoneLogs"][0]["callId"] for row in await made.contacts()}
        for call_id in calls:
            told: dict[str, Any] = {"callId": call_id, "status": "completed"}
            assert (await made.http.post("/api/call/status", json=told)).status_code == 200

        async def all_completed() -> bool:
            rows = await made.contacts()
            return bool(rows) and {row["phoneLogs"][0]["callStatus"] for row in rows} == {"completed"}

        await eventually(all_completed)
