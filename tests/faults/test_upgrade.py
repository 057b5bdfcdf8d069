"""Parts of two versions side by side: the older stops before what it cannot read, and the newer one goes on there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from dialfeed.exits import ExitCode
from schemas import codecs
from schemas.codecs import encode
from schemas.messages import Message, NewerError
from schemas.records import PhoneLogChunk, Workspace
from schemas.topics import TopicName
from sinks.load import GROUP, Load
from tests.support.bus import Bus, bus_of_its_own, eventually, part
from tests.support.installation import Installation, installation
from tests.support.samples import chunk, record
from tests.support.stored import engine_in
from tests.support.tomorrow import of_tomorrow
from tests.unit.sinks.chunks import a_chunk, numbers

WITHIN_SECONDS = 60.0


@pytest.fixture
async def bus(kafka_bootstrap: str) -> AsyncIterator[Bus]:
    async with bus_of_its_own(kafka_bootstrap) as made:
        yield made


async def stops(made: Installation, name: str) -> None:
    """Wait for the part's end and check that it is the right one."""
    code = await asyncio.to_thread(made.parts[name].wait, WITHIN_SECONDS)
    assert code == ExitCode.STOPPED, made.log()


async def test_api_sink_and_worker_stop_before_a_registry_that_a_newer_part_wrote(kafka_bootstrap: str) -> None:
    async with installation(kafka_bootstrap) as made:
        assert (await made.post(record(1))).status_code == 200
        newer = of_tomorrow(Workspace(workspace_id="w2", name="n", timezone="UTC", created_at=1))
        await made.bus.publisher.publish([Message(TopicName.REGISTRY, newer, key=b"workspace/w2")])
        await stops(made, "worker")
        await stops(made, "api")
        assert made.log().count("upgrade this part first") == 2


async def test_a_worker_stops_before_a_chunk_of_a_newer_worker(bus: Bus, tmp_path: Path) -> None:
    await bus.publisher.publish([Message(TopicName.CHUNKS, of_tomorrow(chunk({"a": 1})), key=b"k")])
    with part(bus, tmp_path, "worker") as worker:
        assert await asyncio.to_thread(worker.wait, WITHIN_SECONDS) == ExitCode.STOPPED
    log = (tmp_path / "parts.log").read_text()
    assert "upgrade this part first" in log
    assert await bus.committed("worker", TopicName.CHUNKS) == 0
    assert await bus.end(TopicName.DEAD_LETTER) == 0


async def test_an_old_sink_stops_and_the_upgraded_one_stores_everything(
    bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one is today's without today's schema of chunks: the newer worker has written by it."""
    newer = [a_chunk(numbers(10, 10 * i), submission_id=f"s{i}", batch_id=f"b{i}") for i in range(20)]
    known = codecs._codecs_by_prefix()
    old = {prefix: codec for prefix, codec in known.items() if codec.kind is not PhoneLogChunk}
    async with engine_in(tmp_path) as clickhouse:
        await bus.publisher.publish([Message(TopicName.PHONE_LOG, encode(each), key=b"b") for each in newer])
        monkeypatch.setattr(codecs, "_codecs_by_prefix", lambda: old)
        async with asyncio.timeout(WITHIN_SECONDS):
            with pytest.raises(NewerError):
                await Load(bus.connection, clickhouse, bus.publisher, app_version="old").run()
        assert await bus.committed(GROUP, TopicName.PHONE_LOG) == 0

        monkeypatch.setattr(codecs, "_codecs_by_prefix", lambda: known)
        upgraded = Load(bus.connection, clickhouse, bus.publisher, app_version="new")
        running = asyncio.create_task(upgraded.run())
        with capture_logs():
            await eventually(lambda: committed_all(bus, len(newer)))
        await upgraded.stop()
        await running
        count = await clickhouse._writer.run(lambda client: client.query("SELECT count() FROM phone_log").result_rows)
        assert count[0][0] == 200


async def committed_all(bus: Bus, count: int) -> bool:
    return await bus.committed(GROUP, TopicName.PHONE_LOG) == count
