"""The rounds: dialfeed and both baselines at the same work, in turns, all on one broker in one temporary folder."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench import installation, ordinary
from bench.measure import Pass
from bench.processes import BenchError, json_from
from bench.records import record_texts
from dialfeed import local_kafka
from dialfeed.topics_admin import create_missing
from schemas.kafka_connection import KafkaConnection

FOLDER: Final = "dialfeed-bench-"
CONNECTIONS: Final = 16
LATENCY_RECORDS: Final = 1000
WARM_UP_POSTS: Final = 2
FAUST_SHARE: Final = 10
FASTAPI_SHARE: Final = 4
"""A baseline gets one record of so many, for it is slower; rates are per record."""

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured. `records` is for dialfeed from the topic, each round; `posts` is for each latency."""

    records: int
    rounds: int
    posts: int
    kernel_seconds: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What the rounds gave, in their order; latencies in seconds, of all rounds."""

    topic: list[Pass] = field(default_factory=list)
    faust: list[Pass] = field(default_factory=list)
    posts: list[Pass] = field(default_factory=list)
    fastapi: list[Pass] = field(default_factory=list)
    latency: list[float] = field(default_factory=list)
    fastapi_latency: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Running:
    dialfeed: installation.Dialfeed
    faust: ordinary.FaustGuide
    fastapi: ordinary.FastApiHandler


async def kernels(sizes: Sizes, report: Report) -> list[dict[str, Any]]:
    """Return what `bench.kernels` prints."""
    report("CPU of each step, by the pure functions alone ...")
    with tempfile.TemporaryDirectory(prefix=FOLDER) as folder:
        steps: list[dict[str, Any]] = await json_from(
            "bench.kernels", str(sizes.rounds), str(sizes.kernel_seconds), folder
        )
    return steps


async def measure(sizes: Sizes, report: Report) -> Measured:
    """Start everything, measure every round, stop everything."""
    records = record_texts(max(sizes.records, LATENCY_RECORDS))
    measured = Measured()
    expected: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix=FOLDER) as name:
        folder = Path(name)
        async with local_kafka.running(folder / "kafka", report=report) as broker:
            report("Starting dialfeed and both baselines ...")
            async with _running(broker, folder) as running:
                await _warm_up(running, records, sizes)
                for number in range(1, sizes.rounds + 1):
                    report(f"Round {number} of {sizes.rounds} ...")
                    await _round(running, records, sizes, measured, f"round-{number}")
        report("Counting what the baselines stored ...")
        for share, passes in (("faust", measured.faust), ("fastapi", measured.fastapi)):
            expected = {f"round-{number}": one.records for number, one in enumerate(passes, 1)}
            _compare(share, await ordinary.stored(folder / share), expected)
    return measured


@asynccontextmanager
async def _running(broker: local_kafka.LocalKafka, folder: Path) -> AsyncIterator[_Running]:
    kafka = KafkaConnection(broker.bootstrap)
    await create_missing(kafka)
    folders = {name: folder / name for name in ("dialfeed", "faust", "fastapi")}
    for one in folders.values():
        one.mkdir()
    async with AsyncExitStack() as stack:
        yield _Running(
            await stack.enter_async_context(installation.running(kafka, broker.pid, folders["dialfeed"])),
            await stack.enter_async_context(ordinary.running_faust(kafka.bootstrap, broker.pid, folders["faust"])),
            await stack.enter_async_context(ordinary.running_fastapi(folders["fastapi"])),
        )


async def _warm_up(running: _Running, records: list[bytes], sizes: Sizes) -> None:
    """Let everything compile and connect; the broker's compiler is at work for longest."""
    await _round(running, records, sizes, Measured(), "warm-up")


async def _round(running: _Running, records: list[bytes], sizes: Sizes, measured: Measured, name: str) -> None:
    few, some = records[: sizes.records // FAUST_SHARE], records[: sizes.records // FASTAPI_SHARE]
    posted = records[: sizes.records // 2]
    chunk, posts = records[:LATENCY_RECORDS], sizes.posts // sizes.rounds + WARM_UP_POSTS
    measured.topic.append(await running.dialfeed.from_topic(records))
    measured.faust.append(await running.faust.from_topic(name, few))
    measured.posts.append(await running.dialfeed.from_posts(posted, CONNECTIONS))
    measured.fastapi.append(await running.fastapi.from_posts(name, some, CONNECTIONS))
    measured.latency.extend((await running.dialfeed.latencies(chunk, posts))[WARM_UP_POSTS:])
    fastapi_latencies = await running.fastapi.latencies(f"{name}-latency", chunk, posts)
    measured.fastapi_latency.extend(fastapi_latencies[WARM_UP_POSTS:])


def _compare(name: str, stored: dict[str, int], expected: dict[str, int]) -> None:
    wrong = {batch: stored.get(batch, 0) for batch, count in expected.items() if stored.get(batch, 0) != count}
    if wrong:
        raise BenchError(f"{name} stored {wrong} of {expected}: not comparable")
