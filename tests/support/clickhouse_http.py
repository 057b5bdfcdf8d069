"""ClickHouse's HTTP interface before the embedded engine, in a process of its own, with faults on demand.

No ClickHouse server can be had without Docker. This front passes what clickhouse-connect sends to chDB, which is the
same engine, so that the client's HTTP path is tested for real. It knows one user, USER with PASSWORD.
"""

from __future__ import annotations

import base64
import email
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import chdb

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER, PASSWORD = "dialfeed", "s3cret:/@"
_NO_SETTINGS = {"query", "database", "query_id", "wait_end_of_query", "client_protocol_version", "session_id"}
_INSERT = re.compile(rb"(INSERT INTO .*?)\s+FORMAT Native\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to the next `times` statements that contain `on`.

    kind `error`: the answer is `code`; `lose_answer`: done, then the connection is cut; `hang`: no answer ever;
    `cut`: the connection is cut before anything is done.
    """

    kind: str
    code: int = 0
    times: int = 1
    on: str = "INSERT INTO"


@dataclass(frozen=True, slots=True)
class Front:
    """A front that runs: where it is, and how to make it fail."""

    port: int

    def url(self, database: str) -> str:
        """Return the URL of a database, which is made if it is not there."""
        url = f"http://127.0.0.1:{self.port}/databases/{database}"
        with urllib.request.urlopen(url, data=b""):
            return f"clickhouse://{USER}:s3cret%3A%2F%40@127.0.0.1:{self.port}/{database}"

    def inject(self, *faults: Fault) -> None:
        """Replace the faults that are still due."""
        body = json.dumps([asdict(fault) for fault in faults]).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/faults", data=body):
            pass


@contextmanager
def clickhouse_http(folder: Path) -> Iterator[Front]:
    """Run a front over a folder as long as the block."""
    command = [sys.executable, "-m", "tests.support.clickhouse_http", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Front(int(process.stdout.readline()))
        finally:
            process.kill()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.engine = chdb.connect(folder)  # keeps the engine open between requests
        self.faults: list[Fault] = []
        self.lock = threading.Lock()

    def fault_for(self, statement: bytes) -> Fault | None:
        with self.lock:
            for place, fault in enumerate(self.faults):
                if fault.on.encode() in statement:
                    left = [Fault(fault.kind, fault.code, fault.times - 1, fault.on)] if fault.times > 1 else []
                    self.faults[place : place + 1] = left
                    return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self._body()
        url = urlsplit(self.path)
        if url.path == "/faults":
            with self.server.lock:
                self.server.faults = [Fault(**fault) for fault in json.loads(body)]
            return self._answer(200, b"")
        if url.path.startswith("/databases/"):
            self.server.engine.query(f"CREATE DATABASE IF NOT EXISTS {url.path.rpartition('/')[2]}")
            return self._answer(200, b"")
        parameters = dict(parse_qsl(url.query, keep_blank_values=True))
        if self.headers.get_content_type() == "multipart/form-data":  # how long parameters come
            parameters |= _form(self.headers["Content-Type"], body)
            body = b""
        if "query" in parameters:
            body = parameters["query"].encode() + b"\n" + body
        expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {expected}":
            return self._refuse(516)
        return self._run(body, parameters)

    def _run(self, body: bytes, parameters: dict[str, str]) -> None:
        fault = self.server.fault_for(body[:10_000])
        if fault and fault.kind == "error":
            return self._refuse(fault.code)
        if fault and fault.kind == "hang":
            threading.Event().wait()
        if fault and fault.kind == "cut":
            return self._cut()
        try:
            result = _execute(self.server.folder, body, parameters)
        except Exception as error:  # noqa: BLE001 - whatever the engine says is the answer
            code = re.search(r"Code: (\d+)", str(error))
            return self._refuse(int(code[1]) if code else 1002, str(error))
        return self._cut() if fault else self._answer(200, result)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _cut(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def _refuse(self, code: int, text: str = "injected") -> None:
        body = text if text.startswith("Code: ") else f"Code: {code}. DB::Exception: {text}. (INJECTED)"
        self._answer(500, body.encode(), ("X-ClickHouse-Exception-Code", str(code)))

    def _answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(body))), ("X-ClickHouse-Timezone", "UTC")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _form(content_type: str, body: bytes) -> dict[str, str]:
    form = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    parts = [part for part in form.walk() if not part.is_multipart()]
    values = [part.get_payload(decode=True) for part in parts]
    names = [str(part.get_param("name", header="content-disposition")) for part in parts]
    return {name: value.decode() for name, value in zip(names, values, strict=True) if isinstance(value, bytes)}


def _execute(folder: str, body: bytes, parameters: dict[str, str]) -> bytes:
    connection = chdb.connect(folder)
    try:
        connection.query(f"USE {parameters.get('database', 'default')}")
        for name, value in sorted(
            parameters.items(), key=lambda pair: pair[0] == "readonly"
        ):  # a server sets all at once
            if name not in _NO_SETTINGS and not name.startswith("param_"):
                connection.query(f"SET {name} = '{value}'")
        bound = {name[6:]: value for name, value in parameters.items() if name.startswith("param_")}
        insert = _INSERT.match(body)
        if insert is None:
            result: bytes = connection.query(body.decode(), "TabSeparated", params=bound).bytes()
            return result
        with tempfile.NamedTemporaryFile() as file:
            file.write(body[insert.end() :])
            file.flush()
            connection.query(f"{insert[1].decode()} FROM INFILE '{file.name}' FORMAT Native")
        return b""
    finally:
        connection.close()


if __name__ == "__main__":
    server = _Server(sys.argv[1])
    print(server.server_port, flush=True)
    server.serve_forever()
