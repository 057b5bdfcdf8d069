"""The edge over a real socket, with everything behind it in memory: a pipeline of some lines instead of Kafka.

`World` holds the parts and the switches that tests turn: what is down, what is lost, what stays silent.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.applications import Starlette

from dialfeed.row_check import row_check
from ingest_api.app import create_app
from ingest_api.server import listen, serve
from ingest_api.settings import EdgeSettings
from schemas.outcomes import Code, FieldError
from tests.support.edge_memory import LoopbackReceipts, MemoryLags, MemoryRegistry, MemoryReplays, MemoryStore
from tests.support.known import (
    BATCH,
    KEY,
    NOW_MS,
    known_records,
)
from tests.support.loopback import LoopbackPipeline


@dataclass
class World:
    """Everything behind the edge, and the client before it."""

    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    store: MemoryStore = field(default_factory=MemoryStore)
    receipts: LoopbackReceipts = field(default_factory=LoopbackReceipts)
    replays: MemoryReplays = field(default_factory=MemoryReplays)
    lags: MemoryLags = field(default_factory=MemoryLags)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    pipeline: LoopbackPipeline = field(init=False)
    http: httpx.AsyncClient = field(init=False)
    app: Starlette = field(init=False)
    now_ms: int = NOW_MS
    address: tuple[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.pipeline = LoopbackPipeline(self.registry, self.store, self.receipts, self.replays)
        for record in known_records():
            self.registry.state.apply(record)

    async def send(self, records: Any, batch_id: str = BATCH, **options: Any) -> httpx.Response:
        """POST records to the batch."""
        body = json.dumps({"batchId": batch_id, "call_data": records}).encode()
        return await self.post("addCallsToBatch", body, **options)

    async def post(self, call: str, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        """POST a body as it is, with the workspace's key unless another is given."""
        return await self.http.post(f"/api/call/{call}", content=body, headers={"x-api-key": KEY, **(headers or {})})

    async def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        """GET with the workspace's key unless another is given."""
        return await self.http.get(path, headers={"x-api-key": KEY, **(headers or {})})

    async def bytes_exchanged(self, request: bytes) -> bytes:
        """Return all that the server answers to raw bytes, until it closes."""
        reader, writer = await asyncio.open_connection(*self.address)
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()
        return answer


def e164(number: str) -> str | FieldError:
    """Read a number, simply."""
    digits = number.removeprefix("+")
    return f"+{digits}" if digits.isdigit() else FieldError(Code.PHONE_INVALID, "/phoneNumber", "it has no digits")


@asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[World]:
    """Serve the edge on a free port; the world's switches may be turned meanwhile."""
    world = World()
    chosen = EdgeSettings(port=0, **{"wait_seconds": 5.0, "drain_seconds": 0.0, "stop_seconds": 2.0, **settings})
    world.app = create_app(
        chosen,
        registry=world.registry,
        publisher=world.pipeline,
        store=world.store,
        receipts=world.receipts,
        known_timezone={"America/New_York", "UTC"}.__contains__,
        normalise=e164,
        check_rows=row_check(world.registry.state, 16 * 1024),
        replays=world.replays,
        rehearse=world.replays.rehearse,
        lags=world.lags,
        checks={"store": world.store.writable},
        now_ms=lambda: world.now_ms,
    )
    listening = listen(chosen)
    world.address = listening.getsockname()[:2]
    started = asyncio.Event()
    serving = asyncio.create_task(serve(world.app, listening, stop=world.stop, started=started.set))
    await asyncio.wait_for(started.wait(), 5)
    url = f"http://{world.address[0]}:{world.address[1]}"
    async with httpx.AsyncClient(base_url=url, timeout=20, trust_env=False) as world.http:
        yield world
    world.stop.set()
    await asyncio.wait_for(serving, 10)


async def until(happened: Callable[[], bool], seconds: float = 10) -> None:
    """Return once it has happened; raise TimeoutError."""
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110  # what is waited for is state of others, without an event
            await asyncio.sleep(0.005)
