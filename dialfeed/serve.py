"""`dialfeed api` and `dialfeed load`: the edge, the sink, or both in one process, wired and ended in order."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Protocol

import structlog
import uvloop

from dialfeed import garbage
from dialfeed.admin_key import ensure_admin_key
from dialfeed.exits import WrongUseError
from dialfeed.heartbeat import BEAT_SECONDS, Heartbeat
from dialfeed.installation import cannot_listen, require_engine
from dialfeed.kafka_publisher import KafkaPublisher
from dialfeed.lag_reader import KafkaLag
from dialfeed.letter_numbers import number_of
from dialfeed.registry_session import RULES
from dialfeed.registry_topic import RegistryTopic
from dialfeed.replay_group import ReplayGroup
from dialfeed.replay_reading import letter_reader
from dialfeed.replay_rehearsal import Judge, Rehearsal
from dialfeed.replay_resolved import resolved_in
from dialfeed.replays_topic import ReplaysTopic
from dialfeed.row_check import row_check
from dialfeed.settings import Settings
from dialfeed.topics_admin import require_topics
from dialfeed.worker import in_order
from dialfeed.worker_group import WorkerGroup
from dialfeed.worker_waits import WorkerWaits
from ingest_api.app import create_app
from ingest_api.edge import Check
from ingest_api.receipts import ReceiptConsumer
from ingest_api.server import listen, serve
from ingest_api.settings import EdgeSettings
from schemas.kafka_connection import KafkaConnection
from schemas.messages import Publisher, TryAgainError
from schemas.replay_jobs import ReplayJob
from schemas.topics import TopicName
from sinks import calling_service
from sinks.archive import Archive
from sinks.calling_service import CallingService, Service
from sinks.clickhouse import ClickHouse, connect
from sinks.first_offsets import begin_at_the_end
from sinks.kept_offsets import KeptOffsets, committed_by
from sinks.load import GROUP as LOAD
from sinks.load import Load
from streams.pipeline import Limits

log = structlog.get_logger(__name__)

DRAIN_SECONDS: Final = 3.0
CUT_OFF_SECONDS: Final = 4.0


def serve_api(settings: Settings, *, with_load: bool) -> int:
    """Run the API, and the sink in the same process if asked for, until SIGTERM or Ctrl-C; return the exit code."""
    if settings.embedded and not with_load:
        raise WrongUseError(
            "embedded ClickHouse (chDB) can be opened by one process only, so API and sink have to share it",
            "Use `dialfeed api --with-load`, or set DIALFEED_CLICKHOUSE to a server.",
        )
    require_engine(settings)
    return uvloop.run(in_order(lambda stop: _api(settings, stop, with_load=with_load)))


def serve_load(settings: Settings) -> int:
    """Run the sink until SIGTERM or Ctrl-C; return the exit code."""
    if settings.embedded:
        raise WrongUseError(
            "embedded ClickHouse (chDB) can be opened by one process only, so API and sink have to share it",
            "Use `dialfeed api --with-load`, or set DIALFEED_CLICKHOUSE to a server.",
        )
    return uvloop.run(in_order(lambda stop: _load(settings, stop)))


async def _load(settings: Settings, stop: asyncio.Event) -> None:
    kafka = settings.kafka_connection()
    await require_topics(kafka)
    async with (
        _store(settings) as clickhouse,
        KafkaPublisher(kafka) as publisher,
        _running(await _sink(settings, kafka, clickhouse, publisher), settings.data, publisher) as running,
    ):
        garbage.settle()
        log.info("load_ready")
        await _until(stop, running)


async def _api(settings: Settings, stop: asyncio.Event, *, with_load: bool) -> None:
    kafka = settings.kafka_connection()
    await require_topics(kafka)
    async with AsyncExitStack() as stack:
        clickhouse = await stack.enter_async_context(_store(settings))
        publisher = await stack.enter_async_context(KafkaPublisher(kafka))
        registry = await stack.enter_async_context(RegistryTopic(kafka))
        replays = await stack.enter_async_context(ReplaysTopic(kafka))
        workers = await stack.enter_async_context(WorkerGroup(kafka))
        waits = await stack.enter_async_context(WorkerWaits(kafka))
        lags = await stack.enter_async_context(KafkaLag(kafka))
        receipts = ReceiptConsumer(kafka)
        members = [receipts.run(), ReplayGroup(kafka, publisher, replays, registry, clickhouse).run()]
        followed = [registry.ended(), replays.ended(), waits.ended()]
        following = await stack.enter_async_context(_tasks(*members, *followed))
        edge = edge_settings(settings)
        listening = stack.enter_context(_listening(edge))  # before a key is shown that nobody looks for after an error
        await ensure_admin_key(registry, publisher, settings.data)
        sink = await _sink(settings, kafka, clickhouse, publisher) if with_load else ()
        running = await stack.enter_async_context(_running(sink, settings.data, publisher))
        app = create_app(
            edge,
            registry=registry,
            publisher=publisher,
            store=clickhouse,
            receipts=receipts,
            known_timezone=RULES.known_timezone,
            normalise=RULES.normalise,
            check_rows=row_check(registry.state, settings.max_record_bytes),
            replays=replays,
            rehearse=partial(_rehearsed, settings, kafka, registry, clickhouse),
            lags=lags,
            checks=_checks(publisher, registry, workers, clickhouse) | {"breaker": waits.check},
        )
        garbage.settle()
        ended = asyncio.Event()
        serving = asyncio.create_task(serve(app, listening, stop=ended, started=lambda: log.info("api_ready")))
        try:
            await _until(stop, [*following, *running, serving])
        finally:
            ended.set()
            await serving


@asynccontextmanager
async def _tasks(*works: Coroutine[Any, Any, None]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Yield tasks that are cancelled at the end: a member of a group leaves it, so that its partitions move at once."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def edge_settings(settings: Settings) -> EdgeSettings:
    """Return what the edge is started with."""
    host, port = settings.http_address
    return EdgeSettings(
        host=host,
        port=port,
        body_limit_bytes=settings.max_body_bytes,
        upload_limit_bytes=settings.max_upload_bytes,
        wait_seconds=settings.wait_seconds,
        max_waiting=settings.max_waiting,
        drain_seconds=DRAIN_SECONDS,
        stop_seconds=CUT_OFF_SECONDS,
    )


def _listening(edge: EdgeSettings) -> socket.socket:
    """Return a socket that listens on the address that is set; raise WrongUseError."""
    try:
        return listen(edge)
    except OSError as error:
        raise cannot_listen(edge.host, edge.port, error.strerror or str(error)) from None


async def _rehearsed(
    settings: Settings, kafka: KafkaConnection, registry: RegistryTopic, store: ClickHouse, job: ReplayJob
) -> dict[str, Any]:
    await registry.refresh()
    async with letter_reader(kafka) as reader:
        limits = Limits(settings.max_record_bytes)
        status_topic = kafka.topic(TopicName.STATUS)
        judge = store if isinstance(store, Judge) else None
        resolved = await resolved_in(store, job, registry.state)
        rehearsal = Rehearsal(
            job, registry.state, judge=judge, limits=limits, status_topic=status_topic, resolved=resolved
        )
        return await rehearsal.run(reader)


def _checks(
    publisher: Publisher, registry: RegistryTopic, workers: WorkerGroup, clickhouse: ClickHouse
) -> dict[str, Check]:
    return {
        "kafka": publisher.ready,
        "registry": registry.refresh,
        "workers": workers.check,
        "clickhouse": clickhouse.writable,
    }


class _Runner(Protocol):
    """A consumer of the sink."""

    async def run(self) -> None: ...

    async def stop(self) -> bool: ...


async def _sink(
    settings: Settings, kafka: KafkaConnection, clickhouse: ClickHouse, publisher: Publisher
) -> tuple[_Runner, ...]:
    kept = KeptOffsets(clickhouse, committed_by(kafka, LOAD), accept=settings.sink_offsets == "accept")
    load = Load(kafka, clickhouse, publisher, app_version=version("dialfeed"), kept=kept)
    return load, Archive(kafka, clickhouse, number_of=number_of), *await _calling_service(settings, kafka)


async def _calling_service(settings: Settings, kafka: KafkaConnection) -> tuple[_Runner, ...]:
    """Return what tells the calling service, if there is one: of what comes from now on, where it is new."""
    if settings.calling_service is None:
        return ()
    await begin_at_the_end(kafka, calling_service.GROUP, TopicName.DIALER)
    secret = settings.calling_service_secret
    return (
        CallingService(
            kafka, Service(settings.calling_service, secret.get_secret_value().encode() if secret else None)
        ),
    )


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[ClickHouse]:
    clickhouse = connect(settings.clickhouse_url)
    try:
        await clickhouse.migrate()
        yield clickhouse
    finally:
        await clickhouse.close()


@asynccontextmanager
async def _running(
    runners: Sequence[_Runner], data: Path, publisher: KafkaPublisher
) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run consumers as tasks, and say how they are; at the end let each finish and commit what it is writing."""
    started = [(runner, asyncio.create_task(runner.run(), name=type(runner).__name__)) for runner in runners]
    try:
        async with _tasks(*([_beat(data, publisher, runners)] if runners else [])):
            yield [task for _, task in started]
    finally:
        await asyncio.gather(*(runner.stop() for runner, _ in started))
        for _, task in started:
            task.cancel()
        await asyncio.gather(*(task for _, task in started), return_exceptions=True)


async def _beat(data: Path, publisher: KafkaPublisher, runners: Sequence[_Runner]) -> None:
    """Say every few seconds how the sink is, for `dialfeed health`."""
    consumers = [runner for runner in runners if isinstance(runner, Load | Archive)]
    with Heartbeat(data, "load") as heart:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            troubles = [await _kafka_trouble(publisher), *(consumer.trouble() for consumer in consumers)]
            heart.beat("; ".join(filter(None, troubles)))


async def _kafka_trouble(publisher: KafkaPublisher) -> str:
    try:
        async with asyncio.timeout(BEAT_SECONDS):
            await publisher.ready()
    except (TimeoutError, TryAgainError):
        return "Kafka does not answer"
    return ""


async def _until(stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """Return when asked to stop; raise what ended a task before."""
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    for task in done - {stopping}:
        await task
