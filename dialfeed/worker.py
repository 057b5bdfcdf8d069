"""`dialfeed worker`: one process of Faust agents, watched from inside, ended in order."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any, Final

import structlog
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from dialfeed import garbage
from dialfeed.exits import ExitCode
from dialfeed.heartbeat import Heartbeat
from dialfeed.kafka_publisher import KafkaPublisher
from dialfeed.registry_topic import RegistryTopic
from dialfeed.settings import Settings
from dialfeed.topics_admin import require_topics
from schemas.messages import MustStopError, TryAgainError
from streams.agents import Steps
from streams.app import FailStopApp, StreamSettings, build_app
from streams.breaker import Breaker
from streams.gather import Gather
from streams.liveness import Liveness, Sighting
from streams.pipeline import Limits

log = structlog.get_logger(__name__)

LOOK_EVERY_SECONDS: Final = 5.0
ASK_WITHIN_SECONDS: Final = 3.0
STOP_WITHIN_SECONDS: Final = 6.0


def run_worker(settings: Settings) -> int:
    """Run until SIGTERM or Ctrl-C; return the exit code."""
    return uvloop.run(in_order(lambda stop: _work(settings, stop)))


async def in_order(work: Callable[[asyncio.Event], Awaitable[None]]) -> int:
    """Run `work` with an event that SIGTERM and Ctrl-C set, and return the exit code of how it ended."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    try:
        await work(stop)
    except MustStopError as error:
        log.critical("stopped", reason=str(error))
        return ExitCode.STOPPED
    except TryAgainError as error:
        log.critical("unreachable", reason=str(error))
        return ExitCode.UNREACHABLE
    return ExitCode.DONE


async def _work(settings: Settings, stop: asyncio.Event) -> None:
    kafka = settings.kafka_connection()
    await require_topics(kafka)
    async with KafkaPublisher(kafka) as publisher, RegistryTopic(kafka) as registry:
        limits = Limits(settings.max_record_bytes, version("dialfeed"))
        breaker = Breaker(settings.breaker_share, settings.breaker_records)
        steps = Steps.with_effects(publisher, registry, limits, breaker)
        gather = Gather(kafka, publisher)
        app = build_app(StreamSettings(kafka, settings.data / "faust"), steps, gather)
        await app.start()
        garbage.settle()
        log.info("worker_ready", pid=os.getpid())
        watch = asyncio.create_task(_watch(app, settings, steps, gather), name="liveness")
        followed = asyncio.create_task(_stop_at_its_end(registry, app), name="registry")
        await _first_of(stop.wait(), app.wait_until_stopped())
        for task in (watch, followed):
            task.cancel()
        await asyncio.gather(watch, followed, return_exceptions=True)
        if not stop.is_set():
            app.end_process()
        await _stop(app)


async def _stop_at_its_end(registry: RegistryTopic, app: FailStopApp) -> None:
    """End the process once the registry is followed no more, as behind a message of a newer version."""
    try:
        await registry.ended()
    except Exception as error:  # noqa: BLE001  # whatever it is, records would be judged by what has been
        app.stop_unacknowledged(error)


async def _first_of(*awaitables: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(one) for one in awaitables]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def _stop(app: FailStopApp) -> None:
    """Finish the event in progress and commit; one that waits for the world is left for the next worker."""
    stopping = asyncio.ensure_future(app.stop())
    await asyncio.wait({stopping}, timeout=STOP_WITHIN_SECONDS)
    if not stopping.done():
        log.warning("worker_stopped_in_work", seconds=STOP_WITHIN_SECONDS)
        app.end_process()


async def _watch(app: FailStopApp, settings: Settings, steps: Steps, gather: Gather) -> None:
    kafka = settings.kafka_connection()
    agents, gathering = Liveness(), Liveness()
    probe = AIOKafkaConsumer(**kafka.client_options(), enable_auto_commit=False, isolation_level="read_committed")
    with Heartbeat(settings.data, "worker") as heart:
        async with probe:
            while True:
                await asyncio.sleep(LOOK_EVERY_SECONDS)
                of_agents, of_gather = await _look_at_agents(app, probe, steps), await _look_at_gather(gather, probe)
                if reason := agents.stalled(of_agents) or gathering.stalled(of_gather):
                    log.critical("worker_stalled", reason=reason)
                    app.end_process()
                heart.beat(_trouble(_consumer_of(app), of_agents) or _trouble(gather.consumer, of_gather))


def _trouble(consumer: Any, seen: Sighting) -> str:
    """Return why a consumer that is alive does not work now, or an empty text."""
    if consumer is None or consumer._subscription.subscription.assignment is None:  # noqa: SLF001  no public way waits not
        return "it has not been given its partitions"
    return "Kafka does not answer" if seen.lag is None else ""


async def _look_at_agents(app: FailStopApp, probe: AIOKafkaConsumer, steps: Steps) -> Sighting:
    return Sighting(
        at=time.monotonic(),
        crashed=bool(app.crashed),
        busy=bool(steps.at_work),
        received=int(app.monitor.messages_received_total),
        lag=await _lag(_consumer_of(app), probe),
    )


def _consumer_of(app: FailStopApp) -> Any:
    return app.consumer._thread._consumer  # noqa: SLF001  # Faust keeps it to itself


async def _look_at_gather(gather: Gather, probe: AIOKafkaConsumer) -> Sighting:
    return Sighting(
        at=time.monotonic(),
        crashed=False,
        busy=gather.at_work,
        received=gather.received,
        lag=await _lag(gather.consumer, probe) if gather.consumer else None,
    )


async def _lag(consumer: Any, probe: AIOKafkaConsumer) -> int | None:
    """Return how many messages wait at the brokers beyond what this worker has fetched."""
    positions = _positions(consumer)
    try:
        async with asyncio.timeout(ASK_WITHIN_SECONDS):
            ends: dict[TopicPartition, int] = await probe.end_offsets(list(positions))
    except (TimeoutError, KafkaError):
        return None
    return sum(max(0, ends[partition] - position) for partition, position in positions.items())


def _positions(consumer: Any) -> dict[TopicPartition, int]:
    """Return where a consumer stands, by its own state: its public way to ask would wait for what may never come."""
    assignment = consumer._subscription.subscription.assignment  # noqa: SLF001
    states = {} if assignment is None else {tp: assignment.state_value(tp) for tp in assignment.tps}
    return {tp: state._position for tp, state in states.items() if state._position is not None}  # noqa: SLF001
