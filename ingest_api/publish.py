"""Publishes to Kafka: asks for a sign of life first, and never gives up in the middle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, Final

import structlog

from ingest_api.envelope import RefusedError, refused
from schemas.messages import Message, Publisher, TryAgainError, WorldError
from schemas.outcomes import HttpCode

log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 1.0


class Bus:
    """The way to Kafka of all requests of the process."""

    __slots__ = ("_fresh_seconds", "_last_ok", "_publisher", "_publishing", "_retry_after_seconds", "_seconds")

    def __init__(self, publisher: Publisher, *, seconds: float, fresh_seconds: float, retry_after_seconds: int) -> None:
        self._publisher = publisher
        self._seconds = seconds
        self._fresh_seconds = fresh_seconds
        self._retry_after_seconds = retry_after_seconds
        self._last_ok = float("-inf")
        self._publishing: set[asyncio.Task[None]] = set()

    async def require(self) -> None:
        """Return if the brokers answered lately or answer now; else refuse (503), with nothing published."""
        if time.monotonic() - self._last_ok <= self._fresh_seconds:
            return
        try:
            async with asyncio.timeout(self._seconds):
                await self._publisher.ready()
        except (WorldError, TimeoutError) as error:
            log.warning("bus_unavailable", error=type(error).__name__)
            raise self._unavailable() from error
        self._last_ok = time.monotonic()

    def begin(self, messages: Sequence[Message], then: Callable[[], None] = lambda: None) -> asyncio.Task[None]:
        """Start publishing. The task goes on whatever becomes of the request; `then` is called at its end."""
        return self._track(self._publish(messages), then)

    def _track(self, work: Coroutine[Any, Any, None], then: Callable[[], None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)
        task.add_done_callback(lambda _: then())
        return task

    def begin_in_turn(
        self, groups: Iterator[Sequence[Message]], then: Callable[[], None], tries: int
    ) -> asyncio.Task[None]:
        """Do as `begin` does with groups of messages, made in a thread only when their turn comes.

        A group is tried so often: the messages must be such that doubles do no harm.
        """
        return self._track(self._publish_in_turn(groups, tries), then)

    async def settle(self, seconds: float) -> None:
        """Wait for what is being published, at the end of the process."""
        if self._publishing:
            await asyncio.wait(self._publishing, timeout=seconds)

    async def _publish_in_turn(self, groups: Iterator[Sequence[Message]], tries: int) -> None:
        while messages := await asyncio.to_thread(next, groups, None):
            for left in reversed(range(tries)):
                try:
                    await self._publish(messages)
                    break
                except TryAgainError:
                    if not left:
                        raise
                    await asyncio.sleep(PAUSE_SECONDS)

    async def _publish(self, messages: Sequence[Message]) -> None:
        try:
            await self._publisher.publish(messages)
        except TryAgainError:
            self._last_ok = float("-inf")
            log.warning("publish_outcome_unknown", messages=len(messages), topic=str(messages[-1].topic))
            raise
        self._last_ok = time.monotonic()

    def _unavailable(self) -> RefusedError:
        return refused(HttpCode.BUS_UNAVAILABLE, headers={"Retry-After": str(self._retry_after_seconds)})


async def published(task: asyncio.Task[None], seconds: float) -> bool:
    """Wait for a publish; return False if it cannot be known whether the brokers have it. Raise MustStopError."""
    done, _ = await asyncio.wait({task}, timeout=seconds)
    try:
        for finished in done:
            finished.result()
    except TryAgainError:
        return False
    return bool(done)
