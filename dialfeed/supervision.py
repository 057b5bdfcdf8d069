"""Keeping processes running: what stops is started again with growing pauses; what keeps stopping is given up."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import structlog

from dialfeed.bound_child import spawn
from dialfeed.exits import ExitCode
from dialfeed.local_kafka import LocalKafka, start

log = structlog.get_logger(__name__)

PAUSES_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Before each start again; one more stop than these in a row, and the part is given up."""
HEALTHY_AFTER_SECONDS: Final = 30.0


class GaveUpError(Exception):
    """A part is not started any more; the text says which, and how it ended."""

    def __init__(self, name: str, code: int) -> None:
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        often = (
            "" if code == ExitCode.WRONG_USE else " again and again"
        )  # what is wrong stays wrong: it is not repeated
        super().__init__(f"{name} {how}{often}; the lines above say why")
        self.code = code


class Part(Protocol):
    """Something that is started, ends at some time, and is stopped."""

    name: str

    async def start(self) -> None: ...

    async def wait(self) -> int:
        """Return the exit code, negative for a signal."""
        ...

    async def stop(self, within_seconds: float) -> None: ...


class ChildProcess:
    """One of our own commands as a child that cannot outlive us. Its output goes where ours goes."""

    def __init__(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
        self.name = name
        self._argv = argv
        self._env = env
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await spawn(self._argv, env=self._env)

    async def wait(self) -> int:
        assert self._process is not None
        return await self._process.wait()

    async def stop(self, within_seconds: float) -> None:
        """SIGTERM, then SIGKILL."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(within_seconds):
                await process.wait()
        except TimeoutError:
            log.warning("killed", part=self.name, after_seconds=within_seconds)
            process.kill()
            await process.wait()


class LocalBroker:
    """The local Kafka, on the same port after every start."""

    name = "Kafka"

    def __init__(self, data: Path, report: Callable[[str], None]) -> None:
        self._data = data
        self._report = report
        self._kafka: LocalKafka | None = None

    @property
    def bootstrap(self) -> str:
        assert self._kafka is not None
        return self._kafka.bootstrap

    async def start(self) -> None:
        self._kafka = await start(self._data, report=self._report)

    async def wait(self) -> int:
        assert self._kafka is not None
        code = await self._kafka.wait()
        await self._kafka.stop()  # gives the data folder free
        return code

    async def stop(self, within_seconds: float) -> None:
        if self._kafka is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_seconds):  # cancelling kills the broker
                    await self._kafka.stop()


async def keep_running(part: Part) -> None:
    """Start a part again whenever it ends, until cancelled; raise GaveUpError. The part has been started once."""
    failures = 0
    while True:
        started = time.monotonic()
        code = await part.wait()
        failures = 1 if time.monotonic() - started > HEALTHY_AFTER_SECONDS else failures + 1
        if code == ExitCode.WRONG_USE or failures > len(PAUSES_SECONDS):
            raise GaveUpError(part.name, code)
        pause = PAUSES_SECONDS[failures - 1]
        log.warning("part_stopped", part=part.name, exit_code=code, starts_again_in_seconds=pause)
        await asyncio.sleep(pause)
        await part.start()
