"""What a connection may take: uvicorn's protocol with an end to every wait and a bound on every byte that is no body.

Nobody needs a key to open a connection, so whatever one can hold up (memory, a descriptor, a timer) ends by itself:
the head of a request has a size and a deadline, trailers and the framing of chunks have a size, an answer that nobody
reads has a deadline, and beyond the most connections an idle one is closed for each new one.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ingest_api.envelope import RequestError, failure
from schemas.outcomes import HttpCode

log = structlog.get_logger(__name__)

LINGER_SECONDS: Final = 5.0
"""How long the rest of a body that was refused is still read, so that the client gets to read the answer."""
CHUNK_FRAMING_BYTES: Final = 32
"""What the size line of a chunk may take beside its data."""
LOG_EVERY_SECONDS: Final = 10.0


@dataclass(slots=True)
class Connections:
    """The bounds of a server's connections, and how many it has."""

    most: int
    head_limit_bytes: int
    head_seconds: float
    write_seconds: float
    refused: Callable[[], None] = lambda: None
    """Called for each connection that is refused because there are too many."""
    open: dict[BoundedProtocol, None] = field(default_factory=dict)
    _logged_at: float = float("-inf")

    def admit(self, new: BoundedProtocol) -> bool:
        """Take a connection in, closing the oldest idle one where there are too many; say whether there is a place."""
        if len(self.open) >= self.most:
            self._log()
            idle = next((each for each in self.open if each.is_idle), None)
            if idle is None:
                self.refused()
                return False
            del self.open[idle]
            idle.transport.close()
        self.open[new] = None
        return True

    def _log(self) -> None:
        now = time.monotonic()
        if now - self._logged_at >= LOG_EVERY_SECONDS:
            self._logged_at = now
            log.warning("connections_at_limit", most=self.most)


def connection_limit(most: int) -> int:
    """Return how many connections there may be: half of the file descriptors are kept for everything else."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if soft == resource.RLIM_INFINITY else min(most, max(soft // 2, 1))


class BoundedProtocol(HttpToolsProtocol):
    """One connection. `bounds` is set by a subclass, for each server one."""

    bounds: Connections

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._in_head = self._in_message = False
        self._overhead_bytes = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is asked or answered."""
        return not self._in_message and (self.cycle is None or self.cycle.response_complete)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.bounds.admit(self):
            self._within("head", self.bounds.head_seconds, self._head_is_late)
        else:
            self._refuse(503, HttpCode.OVERLOADED, "there are too many connections: try again in a moment")

    def connection_lost(self, exc: Exception | None) -> None:
        self.bounds.open.pop(self, None)
        for name in list(self._timers):
            self._done(name)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if not self._in_message and "head" not in self._timers:
            self._within("head", self.bounds.head_seconds, self._head_is_late)
        self._overhead_bytes += len(data)
        super().data_received(data)
        if self._overhead_bytes > self.bounds.head_limit_bytes and not self.transport.is_closing():
            self._refuse_overhead()

    def on_message_begin(self) -> None:
        self._in_head = self._in_message = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._done("head")
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > self.bounds.head_limit_bytes:
            raise ValueError("headers over the limit")
        self._overhead_bytes = 0
        super().on_headers_complete()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # what follows a body (trailers) means nothing here
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._overhead_bytes -= len(body)
        super().on_body(body)

    def on_chunk_header(self) -> None:
        """Allow a chunk its size line."""
        self._overhead_bytes -= CHUNK_FRAMING_BYTES

    def on_message_complete(self) -> None:
        self._in_message, self._overhead_bytes = False, 0
        self._done("rest")
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_message and not self.transport.is_closing():
            self._within("rest", LINGER_SECONDS, self.transport.abort)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._within("write", self.bounds.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._done("write")

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, HttpCode.BAD_REQUEST, msg)

    def _refuse_overhead(self) -> None:
        limit = self.bounds.head_limit_bytes
        if self._in_head or not self._in_message:
            self.send_400_response(f"request line and headers are over {limit} bytes")
        else:
            self.send_400_response(f"trailers and chunk extensions are over {limit} bytes")

    def _head_is_late(self) -> None:
        if self.transport.is_closing():
            return
        if self._in_message:
            self.send_400_response(f"the headers did not come within {self.bounds.head_seconds:g} s")
        else:
            self.transport.close()

    def _refuse(self, status: int, code: HttpCode, message: str) -> None:
        """Answer and close; only close where an answer has begun already."""
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            body = msgspec.json.encode(failure([RequestError(code, message)]).body)
            reason = {400: "Bad Request", 503: "Service Unavailable"}[status]
            head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()

    def _within(self, name: str, seconds: float, otherwise: Callable[[], None]) -> None:
        self._done(name)
        self._timers[name] = self.loop.call_later(seconds, otherwise)

    def _done(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()
