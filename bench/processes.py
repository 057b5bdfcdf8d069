"""The processes that are measured: started bound to this one, ended in order whatever happens."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from dialfeed.bound_child import bound

STOP_WITHIN_SECONDS: Final = 10.0
_ROOT: Final = Path(__file__).parent.parent
_TAIL_BYTES: Final = 4000


class BenchError(Exception):
    """The benchmark cannot go on; the text says why."""


@asynccontextmanager
async def child(
    name: str, module: str, *arguments: str, folder: Path, env: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `python -m module` while entered. Its stdout is a pipe, its stderr goes to `folder`/name.log.

    It knows no settings but `env`: neither ours nor those of a `.env`.
    """
    log_file = folder / f"{name}.log"
    with log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *bound([sys.executable, "-m", module, *arguments]),
            cwd=folder,
            env=_environment() | dict(env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # a terminal's Ctrl-C reaches us, and we end it
        )
    try:
        yield process
        if process.returncode is not None:
            raise BenchError(f"{name} ended by itself with {process.returncode}: {tail(log_file)}")
    except TimeoutError:
        raise BenchError(f"{name} was waited for in vain: {tail(log_file)}") from None
    finally:
        await _end(process)


async def json_from(module: str, *arguments: str, env: Mapping[str, str] | None = None) -> Any:
    """Run `python -m module` and return the JSON document that it prints; raise BenchError.

    It knows no settings but `env`.
    """
    process = await asyncio.create_subprocess_exec(
        *bound([sys.executable, "-m", module, *arguments]),
        env=_environment() | dict(env or {}),
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        answer, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise BenchError(f"{module} ended with {process.returncode}")
    return json.loads(answer)


def _environment() -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("DIALFEED_")}
    return ours | {"PYTHONPATH": str(_ROOT)}


async def until_true(check: Callable[[], Awaitable[bool]], within_seconds: float) -> None:
    """Ask again and again; raise TimeoutError."""
    async with asyncio.timeout(within_seconds):
        while not await check():  # noqa: ASYNC110  it asks another process
            await asyncio.sleep(0.1)


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_WITHIN_SECONDS):
            await process.communicate()  # reads what is left, so that it does not wait for us
    except TimeoutError:
        pass
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def tail(log_file: Path) -> str:
    """Return the end of a log."""
    return log_file.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")


def free_address() -> str:
    """Return host:port of a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
