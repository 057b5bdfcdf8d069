"""`dialfeed run`: a whole installation on one machine, as a small supervisor of its parts.

Kafka first (unless one is set), then its topics, then API and sink in one process and the workers beside it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from contextlib import AsyncExitStack, suppress
from typing import Final

import httpx
import structlog

from dialfeed.exits import CommandError, ExitCode, UnreachableError, WrongUseError
from dialfeed.installation import RunFile, api_url, cannot_listen, remove_run_file, require_engine, write_run_file
from dialfeed.ownership import own
from dialfeed.sample import show_sample
from dialfeed.settings import Settings, without_secret_files
from dialfeed.supervision import ChildProcess, GaveUpError, LocalBroker, Part, keep_running
from dialfeed.topics_admin import create_missing
from dialfeed.worker import in_order
from sinks.clickhouse_url import parse

log = structlog.get_logger(__name__)

READY_WITHIN_SECONDS: Final = 90.0
STOP_API_WITHIN_SECONDS: Final = 6.0
STOP_WORKER_WITHIN_SECONDS: Final = 2.0
STOP_KAFKA_WITHIN_SECONDS: Final = 1.5


def run(settings: Settings, *, sample: bool, workers: int) -> int:
    """Run until SIGTERM or Ctrl-C; return the exit code. Raise CommandError."""
    require_engine(settings)
    installation = _Installation(settings, workers)
    return asyncio.run(in_order(lambda stop: installation.run(stop, sample=sample)))


class _Installation:
    """The parts of one installation, in the order they were started."""

    def __init__(self, settings: Settings, workers: int) -> None:
        self._settings = settings
        self._workers = workers
        self._parts: list[tuple[Part, float]] = []
        self._keepers: list[asyncio.Task[None]] = []

    async def run(self, stop: asyncio.Event, *, sample: bool) -> None:
        settings = self._settings
        async with AsyncExitStack() as undo:
            undo.enter_context(own(settings.data))
            _require_free(settings)
            undo.push_async_callback(self._stop)
            undo.callback(remove_run_file, settings.data)
            stopped = asyncio.create_task(stop.wait())
            serving = asyncio.create_task(self._serve(sample=sample))
            await asyncio.wait({stopped, serving}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if serving.done():
                serving.result()
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving
            _say("Stopping ...")

    async def _serve(self, *, sample: bool) -> None:
        bootstrap = await self._kafka()
        await create_missing(self._settings.kafka_connection(bootstrap))
        host, port = _free_address(self._settings)
        url = api_url(host, port)
        environment = self._environment(bootstrap, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        await self._start(_child("API and sink", ["api", "--with-load"], environment), STOP_API_WITHIN_SECONDS)
        for number in range(1, self._workers + 1):
            await self._start(_child(f"worker {number}", ["worker"], environment), STOP_WORKER_WITHIN_SECONDS)
        await self._until_ready(url)
        store = str(parse(self._settings.clickhouse_url))
        kafka = self._settings.kafka_connection(bootstrap)
        write_run_file(self._settings.data, RunFile.of(kafka, http=url, clickhouse=store))
        _say(f"dialfeed serves {url}/api/call (Kafka at {bootstrap}, rows in {store}). Ctrl-C stops it.")
        if sample:
            await show_sample(kafka, url, self._settings.data)
        await self._kept()

    async def _kafka(self) -> str:
        if self._settings.kafka is not None:
            return self._settings.kafka
        broker = LocalBroker(self._settings.kafka_folder, _say)
        _say("Starting Kafka ...")
        await self._start(broker, STOP_KAFKA_WITHIN_SECONDS)
        return broker.bootstrap

    def _environment(self, bootstrap: str, address: str) -> dict[str, str]:
        return (
            without_secret_files(os.environ)
            | self._settings.environment()
            | {
                "DIALFEED_DATA": str(self._settings.data),
                "DIALFEED_KAFKA": bootstrap,
                "DIALFEED_HTTP": address,
            }
        )

    async def _start(self, part: Part, stop_within: float) -> None:
        self._parts.append((part, stop_within))
        await part.start()
        self._keepers.append(asyncio.create_task(keep_running(part), name=part.name))

    async def _until_ready(self, url: str) -> None:
        _say("Waiting until everything answers ...")
        ready = asyncio.create_task(_ready(url))
        done, _ = await asyncio.wait({ready, *self._keepers}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        await self._raise_of(done)

    async def _kept(self) -> None:
        """Return never, but raise what ended a part for good."""
        done, _ = await asyncio.wait(self._keepers, return_when=asyncio.FIRST_COMPLETED)
        await self._raise_of(done)

    async def _raise_of(self, done: set[asyncio.Task[None]]) -> None:
        for task in done:
            try:
                await task
            except GaveUpError as error:
                raise _as_command_error(error) from None

    async def _stop(self) -> None:
        """Stop the API first, so that what is in flight is worked on; then workers, then Kafka: all in ten seconds."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        by_order = sorted(self._parts, key=lambda pair: -pair[1])
        for seconds in sorted({seconds for _, seconds in by_order}, reverse=True):
            await asyncio.gather(*(part.stop(seconds) for part, own in by_order if own == seconds))


def _as_command_error(error: GaveUpError) -> CommandError:
    if error.code == ExitCode.WRONG_USE:
        return WrongUseError(str(error), "Correct what it names, then start again.")
    failed = CommandError(str(error), "`dialfeed doctor` looks for the cause.")
    failed.exit_code = ExitCode.UNREACHABLE if error.code == ExitCode.UNREACHABLE else ExitCode.STOPPED
    return failed


def _child(name: str, arguments: list[str], environment: dict[str, str]) -> ChildProcess:
    return ChildProcess(name, [sys.executable, "-m", "dialfeed", *arguments], environment)


def _require_free(settings: Settings) -> None:
    """Raise WrongUseError, before anything is started, where the API could not listen on the address that is set."""
    host, port = settings.http_address
    if _is_set(settings) and (reason := _not_free(host, port)):
        raise cannot_listen(host, port, reason)


def _free_address(settings: Settings) -> tuple[str, int]:
    """Return the address that is set; a free one where none is set and the default is taken."""
    host, port = settings.http_address
    if _is_set(settings):
        return host, port
    for candidate in (port, 0):
        with suppress(OSError):
            chosen = _bound(host, candidate)
            if chosen != port:
                _say(f"Port {port} is in use, so the API listens on {chosen}. DIALFEED_HTTP sets another.")
            return host, chosen
    raise WrongUseError(f"nothing can listen on {host}", "Set DIALFEED_HTTP to another address.")


def _is_set(settings: Settings) -> bool:
    return "http" in settings.model_fields_set and settings.http_address[1] != 0


def _not_free(host: str, port: int) -> str:
    try:
        _bound(host, port)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _bound(host: str, port: int) -> int:
    """Take a port for a moment and return its number, that of a free one for 0; raise OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        taken: int = probe.getsockname()[1]
        return taken


async def _ready(url: str) -> None:
    reasons = "it does not answer"
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
        while time.monotonic() < deadline:
            try:
                answer = await client.get(f"{url}/readyz")
            except httpx.HTTPError:
                await asyncio.sleep(0.1)
                continue
            if answer.is_success:
                return
            reasons = answer.text
            await asyncio.sleep(0.1)
    raise UnreachableError(f"dialfeed is not ready after {READY_WITHIN_SECONDS:.0f} s: {reasons}", "See the log above.")


def _say(line: str) -> None:
    """Tell people on stderr how far the start is."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
