"""A stand-in for a calling service: reads pending calls, lets them end by chance, reports their statuses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from dialfeed.kafka_publisher import KafkaPublisher
from dialfeed.simulate_calls import Behaviour, Call, Simulation, StatusReport
from dialfeed.simulate_client import CallingApi, NotOursError
from dialfeed.simulate_clock import FastClock
from dialfeed.simulate_kafka import StatusTopic, following
from schemas.kafka_connection import KafkaConnection
from schemas.statuses import CallStatus

log = structlog.get_logger(__name__)

LONGEST_WAIT_SECONDS: Final = 0.25
LEAP_STEP_SECONDS: Final = 5.0
"""Simulated seconds that a leap goes too far, so that what is due close together is reported together."""
SETTLE_WITHIN_SECONDS: Final = 60.0
ASK_AGAIN_SECONDS: Final = 0.3
LEFT_BEHIND: Final = (CallStatus.DIALING, CallStatus.IN_PROGRESS)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is simulated. `follow` is None where start commands are not followed; `statuses` None: reported over HTTP.

    `once`: end when no pending call is left. `leap`: pass over times in which nothing happens.
    """

    behaviour: Behaviour
    speed: float = 1.0
    batch_id: str | None = None
    once: bool = False
    leap: bool = False
    follow: KafkaConnection | None = None
    statuses: KafkaConnection | None = None


@dataclass(slots=True)
class Progress:
    """How far a simulation is, for those who look on."""

    simulation: Simulation
    clock: FastClock
    batches: set[str] = field(default_factory=set)
    reported: int = 0
    settled: bool = True  # False: at the end the API still showed calls that had ended as pending or under way


Watch = Callable[[Progress], None]


class Reporting(Protocol):
    """Where statuses go."""

    async def report(self, reports: Sequence[StatusReport]) -> None: ...


async def simulate(plan: Plan, api: CallingApi, stop: asyncio.Event, watch: Watch) -> Progress:
    """Simulate until stopped, or until nothing is pending if `once`; raise CommandError or WorldError."""
    clock = FastClock(time.time(), plan.speed, time.monotonic)
    progress = Progress(Simulation(plan.behaviour), clock)
    async with AsyncExitStack() as stack:
        reporting: Reporting = api
        if plan.statuses is not None:
            reporting = StatusTopic(await stack.enter_async_context(KafkaPublisher(plan.statuses)))
        starts: asyncio.Queue[str] = asyncio.Queue()
        tasks: list[asyncio.Task[None]] = []
        if plan.follow is not None:  # before the batches are listed, so that none is missed
            started = await stack.enter_async_context(following(plan.follow))
            tasks.append(asyncio.create_task(_queued(started, starts, plan.batch_id)))
        for batch_id in [plan.batch_id] if plan.batch_id else await api.unfinished_batches():
            starts.put_nowait(batch_id)
        tasks.append(asyncio.create_task(_Run(plan, api, reporting, starts, progress, watch).run()))
        try:
            await _until(stop, tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return progress


async def _queued(started: AsyncIterator[str], starts: asyncio.Queue[str], only: str | None) -> None:
    async for batch_id in started:
        if only in (None, batch_id):
            starts.put_nowait(batch_id)


async def _until(stop: asyncio.Event, tasks: Sequence[asyncio.Task[None]]) -> None:
    """Return when asked to stop or when a task has ended; raise what ended it."""
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    for task in done - {stopping}:
        task.result()


@dataclass(slots=True)
class _Run:
    plan: Plan
    api: CallingApi
    reporting: Reporting
    starts: asyncio.Queue[str]
    progress: Progress
    watch: Watch
    _seen: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Take what is started, do what is due, wait for what comes next."""
        while True:
            while not self.starts.empty():
                await self._start(self.starts.get_nowait())
            await self._step()
            if self.plan.once and self.progress.simulation.next_at() is None and await self._nothing_is_left():
                return
            await self._wait()

    async def _start(self, batch_id: str) -> None:
        """Read a batch's settings and calls; those of a predecessor that died only the first time."""
        try:
            self.progress.simulation.set_rules(batch_id, await self.api.rules(batch_id))
        except NotOursError:
            if batch_id == self.plan.batch_id:
                raise
            log.info("batch_of_others_passed_over", batch_id=batch_id)
            return
        statuses = (CallStatus.PENDING,) if batch_id in self._seen else (*LEFT_BEHIND, CallStatus.PENDING)
        self._seen.add(batch_id)
        self.progress.batches.add(batch_id)
        for status in statuses:
            async for calls in self.api.calls(batch_id, status):
                self._take(calls)
                await self._step()

    def _take(self, calls: list[Call]) -> int:
        return self.progress.simulation.take(calls, self.progress.clock.now())

    async def _step(self) -> None:
        reports = self.progress.simulation.advance(self.progress.clock.now())
        if reports:  # a telephone rings only after this
            await self.reporting.report(reports)
            self.progress.reported += len(reports)
        self.watch(self.progress)

    async def _wait(self) -> None:
        next_at = self.progress.simulation.next_at()
        if next_at is not None and self.plan.leap and self.starts.empty():
            self.progress.clock.leap_to(next_at + LEAP_STEP_SECONDS)
        wait = LONGEST_WAIT_SECONDS if next_at is None else self.progress.clock.until(next_at)
        with suppress(TimeoutError):
            async with asyncio.timeout(min(wait, LONGEST_WAIT_SECONDS)):
                self.starts.put_nowait(await self.starts.get())

    async def _nothing_is_left(self) -> bool:
        """Return whether no call is pending any more; calls that came meanwhile are taken.

        Statuses need a moment to be stored: until the API shows that the calls of this process ended it is waited for.
        """
        deadline = time.monotonic() + SETTLE_WITHIN_SECONDS
        while True:
            shown, new = await self._look()
            if new:
                return False
            if not shown or time.monotonic() > deadline:
                self.progress.settled = not shown
                return True
            await asyncio.sleep(ASK_AGAIN_SECONDS)

    async def _look(self) -> tuple[int, int]:
        """Return how many calls are not shown as ended yet, and how many pending ones were new and taken."""
        shown = new = 0
        for batch_id in sorted(self.progress.batches):
            async for calls in self.api.calls(batch_id, CallStatus.PENDING):
                shown += len(calls)
                new += self._take(calls)
            for status in LEFT_BEHIND:
                async for calls in self.api.calls(batch_id, status):
                    shown += sum(self.progress.simulation.knows(call.call_id) for call in calls)
        return shown, new
