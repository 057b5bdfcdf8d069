"""A lean HTTP client, so that what is measured is not the client: keep-alive connections, bodies sent as they are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Self

import msgspec

from bench.processes import BenchError

PATH: Final = "/api/call/addCallsToBatch"
_LIMIT: Final = 1 << 20


class Connection:
    """One connection; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, api_key: str) -> None:
        self._reader, self._writer = reader, writer
        self._head = f"host: bench\r\nx-api-key: {api_key}\r\ncontent-type: application/json\r\n"

    @classmethod
    async def open(cls, address: str, api_key: str) -> Self:
        host, _, port = address.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port), limit=_LIMIT), api_key)

    def close(self) -> None:
        self._writer.close()

    async def post(self, body: bytes) -> None:
        """Post a body whose every record is good; raise BenchError unless it is answered 200."""
        status, answer = await self._ask("POST", PATH, body)
        if status != 200:
            raise BenchError(f"POST was answered {status}: {answer[:500].decode(errors='replace')}")

    async def get(self, path: str) -> tuple[int, Any]:
        """Return status and decoded answer."""
        status, answer = await self._ask("GET", path, b"")
        return status, msgspec.json.decode(answer)

    async def _ask(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{self._head}content-length: {len(body)}\r\n\r\n".encode())
        self._writer.write(body)
        status_line, *headers = (await self._reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        length = next(int(line.partition(b":")[2]) for line in headers if line.startswith(b"content-length:"))
        return int(status_line.split()[1]), await self._reader.readexactly(length)


@asynccontextmanager
async def connected(address: str, api_key: str = "") -> AsyncIterator[Connection]:
    """Yield one connection."""
    connection = await Connection.open(address, api_key)
    try:
        yield connection
    finally:
        connection.close()


async def post_all(address: str, api_key: str, bodies: Sequence[bytes], connections: int) -> None:
    """Post every body, over so many connections at a time."""
    waiting = iter(bodies)

    async def post_on_one() -> None:
        async with connected(address, api_key) as connection:
            for body in waiting:
                await connection.post(body)

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(post_on_one())


async def latencies(address: str, api_key: str, bodies: Sequence[bytes]) -> list[float]:
    """Return the seconds that each body takes, posted one after the other."""
    found: list[float] = []
    async with connected(address, api_key) as connection:
        for body in bodies:
            began = time.perf_counter()
            await connection.post(body)
            found.append(time.perf_counter() - began)
    return found
