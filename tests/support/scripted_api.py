"""An API that answers as a test says: real HTTP on a real socket, what it was sent is kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Scripted:
    """One answer; `drop` closes the connection instead, after the request was read."""

    status: int = 200
    data: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False


@dataclass(slots=True)
class Asked:
    """One request."""

    method: str
    path: str
    key: str | None
    body: Any
    idempotency_key: str | None = None


Answering = Callable[[Asked], Scripted]


def everything_added(asked: Asked) -> Scripted:
    records = asked.body["call_data"] if asked.body else []
    return Scripted(data={"added": len(records), "callIds": ["c"] * len(records), "submissionId": "s-1"})


@dataclass(slots=True)
class ScriptedApi:
    """Where it is, and what it was asked, `/healthz` aside."""

    url: str
    asked: list[Asked] = field(default_factory=list)

    @property
    def records(self) -> list[Any]:
        return [record for one in self.asked if one.body for record in one.body["call_data"]]


@contextmanager
def scripted_api(answering: Answering = everything_added) -> Iterator[ScriptedApi]:
    """Run an API until the block ends. `answering` is called by several threads, one call at a time."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/healthz":
                self._write(Scripted())
            else:
                self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

        def _answer(self, body: Any) -> None:
            asked = Asked(self.command, self.path, self.headers["x-api-key"], body, self.headers["idempotency-key"])
            with lock:
                api.asked.append(asked)
                scripted = answering(asked)
            if scripted.drop:
                self.close_connection = True
            else:
                self._write(scripted)

        def _write(self, scripted: Scripted) -> None:
            envelope = {
                "message": "",
                "status": scripted.status == 200,
                "code": scripted.status,
                "errorMessage": scripted.error,
                "data": scripted.data,
            }
            content = json.dumps(envelope).encode()
            self.send_response(scripted.status)
            for name, value in {**scripted.headers, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api = ScriptedApi(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
