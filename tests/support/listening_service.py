"""A calling service in some lines: a real HTTP server that answers as it is told, and writes down what it heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from dialfeed.kafka_ports import free_port


@dataclass(frozen=True, slots=True)
class Heard:
    """One request: its headers, with names in lower case, and its body."""

    headers: dict[str, str]
    body: bytes

    @property
    def command(self) -> dict[str, Any]:
        decoded: dict[str, Any] = msgspec.json.decode(self.body)
        return decoded


@dataclass
class ListeningService:
    """`answer` says what each request is answered: an HTTP status, or None to hang up without an answer."""

    port: int = field(default_factory=free_port)
    answer: Callable[[Heard], int | None] = lambda _: 200
    headers: dict[str, str] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None

    def __post_init__(self) -> None:
        self.held.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/starts"

    @property
    def request_ids(self) -> list[str]:
        return [one.command["requestId"] for one in self.heard]

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def stop(self) -> None:
        """Stop listening: whoever comes is refused."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heard = await _request(reader)
            self.heard.append(heard)
            await self.held.wait()
            status = self.answer(heard)
            if status is not None:
                more = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
                head = f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n{more}\r\n"
                writer.write(head.encode())
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _request(reader: asyncio.StreamReader) -> Heard:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
    pairs = (line.partition(":") for line in head)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    return Heard(headers, await reader.readexactly(int(headers["content-length"])))


@asynccontextmanager
async def listening_service() -> AsyncIterator[ListeningService]:
    """Listen as long as the block."""
    service = ListeningService()
    await service.start()
    try:
        yield service
    finally:
        service.held.set()
        await service.stop()
