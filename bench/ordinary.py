"""The baselines as processes of their own, on the same Kafka, each with an embedded ClickHouse of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.baselines import faust_guide
from bench.http_client import connected, latencies, post_all
from bench.measure import Pass, Watch
from bench.processes import BenchError, child, free_address, json_from, until_true
from bench.records import bodies, body

PARTITIONS: Final = 8
READY_WITHIN_SECONDS: Final = 60.0
STORED_WITHIN_SECONDS: Final = 120.0


class FaustGuide:
    """The worker of `bench.baselines.faust_guide`."""

    def __init__(
        self, process: asyncio.subprocess.Process, pids: Mapping[str, int], producer: AIOKafkaProducer
    ) -> None:
        self.pids = pids
        self._process, self._producer = process, producer
        self._sent = 0
        self._done = 0

    async def from_topic(self, batch_id: str, records: Sequence[bytes]) -> Pass:
        """Put records on its topic, one a message; the pass ends when it has stored the last."""
        messages = [faust_guide.message(batch_id, record) for record in records]
        self._sent += len(messages)
        watch = Watch(self.pids)
        sent = [await self._producer.send(faust_guide.CALLS, message) for message in messages]
        async with asyncio.timeout(STORED_WITHIN_SECONDS):
            await asyncio.gather(*sent)
            while self._done < self._sent:
                self._done = await self._told()
        return watch.done(len(records))

    async def _told(self) -> int:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise BenchError("the Faust worker ended by itself")
        return int(line.split()[-1])  # Faust writes to the terminal, too


class FastApiHandler:
    """The server of `bench.baselines.fastapi_handler`."""

    def __init__(self, address: str, pid: int) -> None:
        self.address = address
        self.pids = {"server": pid}

    async def ready(self) -> None:
        """Wait until it answers; raise TimeoutError."""
        await until_true(self._answers, READY_WITHIN_SECONDS)

    async def from_posts(self, batch_id: str, records: Sequence[bytes], connections: int) -> Pass:
        """Post records, 1000 a request; the pass ends with the last 200."""
        requests = bodies(batch_id, records)
        watch = Watch(self.pids)
        await post_all(self.address, "", requests, connections)
        return watch.done(len(records))

    async def latencies(self, batch_id: str, records: Sequence[bytes], posts: int) -> list[float]:
        """Return the seconds of each of so many requests with these records, one after the other."""
        return await latencies(self.address, "", [body(batch_id, records)] * posts)

    async def _answers(self) -> bool:
        try:
            async with connected(self.address) as connection:
                await connection.get("/openapi.json")
        except OSError:
            return False
        return True


@asynccontextmanager
async def running_faust(kafka: str, broker_pid: int, folder: Path) -> AsyncIterator[FaustGuide]:
    """Make its topics and start it."""
    await _make_topics(kafka)
    env = {"BENCH_KAFKA": kafka, "BENCH_FOLDER": str(folder)}
    async with AsyncExitStack() as stack:
        producer = await stack.enter_async_context(
            AIOKafkaProducer(bootstrap_servers=kafka, acks="all", max_batch_size=256 * 1024)
        )
        process = await stack.enter_async_context(child("faust", faust_guide.__name__, folder=folder, env=env))
        yield FaustGuide(process, {"worker": process.pid, "broker": broker_pid}, producer)


@asynccontextmanager
async def running_fastapi(folder: Path) -> AsyncIterator[FastApiHandler]:
    """Start it and yield it once it answers."""
    address = free_address()
    env = {"BENCH_HTTP": address, "BENCH_FOLDER": str(folder)}
    async with child("fastapi", "bench.baselines.fastapi_handler", folder=folder, env=env) as process:
        handler = FastApiHandler(address, process.pid)
        await handler.ready()
        yield handler


async def stored(folder: Path) -> dict[str, int]:
    """Return what a baseline stored of each batch. It must have ended."""
    found: dict[str, int] = await json_from("bench.baselines.table", str(folder / "chdb"))
    return found


async def _make_topics(kafka: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        names = (faust_guide.CALLS, faust_guide.REJECTED)
        await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
    finally:
        await admin.close()
