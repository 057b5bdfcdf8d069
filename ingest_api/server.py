"""Serves the application with uvicorn inside a running event loop; signals are the business of whoever runs that."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.applications import Starlette

from ingest_api.connections import BoundedProtocol, Connections, connection_limit
from ingest_api.edge import Edge
from ingest_api.settings import EdgeSettings

BACKLOG: Final = 1024
KEEP_ALIVE_SECONDS: Final = 30


def listen(settings: EdgeSettings) -> socket.socket:
    """Return a socket that listens on the host and port of the settings; raise OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


async def serve(
    app: Starlette, listening: socket.socket, *, stop: asyncio.Event, started: Callable[[], None] = lambda: None
) -> None:
    """Serve until `stop` is set, then in order: accept no more, let requests end, publish what is under way.

    Requests that wait for their report get `drain_seconds` for it, then their 202. `started` is called once
    connections are accepted.
    """
    edge: Edge = app.state.edge
    server = _Server(_config(app, edge), started)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.should_exit = True
        drain = asyncio.get_running_loop().call_later(edge.settings.drain_seconds, edge.receipts.reports.stop)
        try:
            await serving
            await edge.bus.settle(edge.settings.stop_seconds)
        finally:
            drain.cancel()
            stopping.cancel()


def _config(app: Starlette, edge: Edge) -> uvicorn.Config:
    settings = edge.settings

    class Protocol(BoundedProtocol):
        bounds = Connections(
            most=connection_limit(settings.max_connections),
            head_limit_bytes=settings.head_limit_bytes,
            head_seconds=settings.head_seconds,
            write_seconds=settings.write_seconds,
            refused=edge.metrics.connection_refused,
        )

    edge.metrics.watch_connections(lambda: len(Protocol.bounds.open))
    return uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(settings.stop_seconds)),
    )


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, when_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_started = when_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._when_started()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield
