"""Replays that were asked for over HTTP, run by one API process at a time.

That is the one which holds partition 0 of `calls.replays`, where everything is, in the consumer group `replays`. Where
it dies, another gets the partition, and goes on at each replay's last checkpoint. Two that run one for a moment do no
harm.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from dialfeed.replay_reading import letter_reader
from dialfeed.replay_resolved import LetterStore, resolved_in
from dialfeed.replay_runner import MOST_UNANSWERED, Replay
from dialfeed.replays_topic import ReplaysTopic
from schemas.kafka_connection import KafkaConnection
from schemas.messages import NewerError, Publisher, WorldError
from schemas.registry import RegistryReader
from schemas.replay_board import ReplayState
from schemas.replay_jobs import BY_API
from schemas.topics import TopicName

log = structlog.get_logger(__name__)

GROUP: Final = "replays"
AT_A_TIME: Final = 2
"""Replays of one workspace that run side by side; those of another one run beside them, however many there are."""

PAUSE_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 1.0
STOP_SECONDS: Final = 5.0


class ReplayGroup:
    """A member of the group. `run` it as a task until it is cancelled."""

    def __init__(
        self,
        connection: KafkaConnection,
        publisher: Publisher,
        topic: ReplaysTopic,
        registry: RegistryReader,
        store: LetterStore,
    ) -> None:
        self._connection = connection
        self._publisher = publisher
        self._topic = topic
        self._registry = registry
        self._store = store
        self._running: dict[str, asyncio.Task[None]] = {}
        self._leading = asyncio.Event()

    async def run(self) -> None:
        """Run what is asked for while this process holds the partition; whatever goes wrong, begin again.

        Raise NewerError only.
        """
        try:
            while True:
                try:
                    await self._member()
                except NewerError:
                    raise
                except KafkaError as error:
                    log.warning("replays_interrupted", error=type(error).__name__)
                except Exception as error:  # noqa: BLE001  the API goes on, and so do the replays after a pause
                    log.error("replays_failed", error=type(error).__name__)  # noqa: TRY400  texts may hold content
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            await self._stop_all()

    async def _member(self) -> None:
        consumer = AIOKafkaConsumer(**self._connection.group_options(GROUP), auto_offset_reset="latest")
        consumer.subscribe([self._connection.topic(TopicName.REPLAYS)], listener=_Listener(self))
        try:
            await consumer.start()
            while True:
                await self._leading.wait()
                await self._look()
        finally:
            self.revoked()
            await self._stop_all()
            await _stop(consumer)

    async def _look(self) -> None:
        """Start what waits, as far as its workspace has room; return when something may have changed."""
        for task in self._running.values():
            if task.done():
                task.result()
        self._running = {name: task for name, task in self._running.items() if not task.done()}
        for state in to_start(self._topic.board.replays, self._running):
            name = state.job.replay_id
            self._running[name] = asyncio.create_task(self._replay(state), name=f"replay {name}")
        await asyncio.sleep(LOOK_SECONDS)

    def _share(self) -> int:
        """Return how many slices of one replay may be on their way while these run."""
        return max(1, MOST_UNANSWERED // max(1, len(self._running)))

    async def _replay(self, state: ReplayState) -> None:
        """Run one replay; after an error of the world it is looked at again, from its last checkpoint.

        Raise NewerError only.
        """
        replay_id = state.job.replay_id
        try:
            await self._registry.refresh()
            async with letter_reader(self._connection) as reader:
                await Replay(
                    state,
                    reader=reader,
                    publisher=self._publisher,
                    topic=self._topic,
                    registry=self._registry.state,
                    status_topic=self._connection.topic(TopicName.STATUS),
                    most_unanswered=self._share,
                    resolved=await resolved_in(self._store, state.job, self._registry.state),
                ).run()
        except NewerError:
            raise
        except WorldError as error:
            log.warning("replay_interrupted", replay_id=replay_id, reason=str(error))
            await asyncio.sleep(PAUSE_SECONDS)
        except Exception as error:  # noqa: BLE001  one replay's fault is not that of the others
            log.error("replay_failed", replay_id=replay_id, error=type(error).__name__)  # noqa: TRY400  as above
            await asyncio.sleep(PAUSE_SECONDS)

    def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """Begin, if this process is the one."""
        if any(place.partition == 0 for place in partitions):
            self._leading.set()
            log.info("replays_assigned")

    def revoked(self) -> None:
        """Stop; another goes on."""
        self._leading.clear()
        for task in self._running.values():
            task.cancel()

    async def _stop_all(self) -> None:
        running, self._running = self._running, {}
        for task in running.values():
            task.cancel()
        await asyncio.gather(*running.values(), return_exceptions=True)


def to_start(replays: Mapping[str, ReplayState], running: Collection[str]) -> list[ReplayState]:
    """Return which replays are begun now, the oldest of each workspace first."""
    begun = Counter(replays[name].job.workspace_id for name in running)
    waiting = [state for state in replays.values() if state.job.runner == BY_API and not state.ended]
    found = []
    for state in sorted(waiting, key=lambda state: (state.accepted_at, state.job.replay_id)):
        job = state.job
        if job.replay_id not in running and begun[job.workspace_id] < AT_A_TIME:
            begun[job.workspace_id] += 1
            found.append(state)
    return found


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped here
    def __init__(self, owner: ReplayGroup) -> None:
        self._owner = owner

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:  # noqa: ARG002  # all are, in aiokafka
        self._owner.revoked()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        self._owner.assigned(list(assigned))


async def _stop(consumer: AIOKafkaConsumer) -> None:
    """Leave the group, if the brokers let us; without them it leaves by itself after the session's time."""
    try:
        async with asyncio.timeout(STOP_SECONDS):
            # aiokafka cancels its own fetches while it stops, and lets that show as if this task were cancelled.
            await asyncio.gather(consumer.stop(), return_exceptions=True)
    except TimeoutError:
        log.warning("replays_stopped_without_leaving")
