"""Which HTTP server carries a body of 150 KB for the least CPU: uvicorn, granian or hypercorn.

Each serves the same trivial ASGI application in a process of its own, with one worker; a few threads post the same body
over kept-alive connections. Prints requests/s, CPU a request and ratios to uvicorn. A server that is not installed
is left out; `--python` names another interpreter to look in.

    python bench/http_servers.py [--seconds 2] [--python /path/to/python]
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

BODY_BYTES: Final = 150_000
CLIENTS: Final = 4
WARM_UP_SECONDS: Final = 0.3
_ASGI = MutableMapping[str, Any]


async def app(scope: _ASGI, receive: Callable[[], Awaitable[_ASGI]], send: Callable[[_ASGI], Awaitable[None]]) -> None:
    """Read the body and answer its length."""
    if scope["type"] != "http":
        return
    pieces: list[bytes] = []
    more = True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    answer = str(len(b"".join(pieces))).encode()
    headers = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


@dataclass(frozen=True, slots=True)
class Server:
    """A server and the arguments of `python -m` that start it on a port."""

    name: str
    module: str
    arguments: str


SERVERS: Final = (
    Server("uvicorn httptools+uvloop", "uvicorn", "--http httptools --loop uvloop --no-access-log --port {port}"),
    Server("granian uvloop", "granian", "--interface asgi --loop uvloop --workers 1 --no-ws --port {port}"),
    Server("hypercorn uvloop", "hypercorn", "--worker-class uvloop --bind 127.0.0.1:{port}"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What one server did."""

    name: str
    requests_per_second: float
    cpu_us_a_request: float


def main() -> None:
    options = _options()
    results = [result for server in SERVERS if (result := _measure(server, options.python, options.seconds))]
    first = results[0]
    print(f"POST of {BODY_BYTES} bytes, {CLIENTS} connections, one worker, {options.seconds} s each")
    print(f"{'server':28}{'requests/s':>12}{'CPU us/req':>12}{'rate ratio':>12}{'CPU ratio':>12}")
    for r in results:
        rate, cpu = r.requests_per_second / first.requests_per_second, r.cpu_us_a_request / first.cpu_us_a_request
        print(f"{r.name:28}{r.requests_per_second:12.0f}{r.cpu_us_a_request:12.0f}{rate:12.2f}{cpu:12.2f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--python", action="append", default=[sys.executable])
    return parser.parse_args()


def _measure(server: Server, pythons: list[str], seconds: float) -> Result | None:
    python = next((python for python in pythons if _has(python, server.module)), None)
    if python is None:
        print(f"{server.name}: not installed, left out", file=sys.stderr)
        return None
    port = _free_port()
    command = [python, "-m", server.module, *server.arguments.format(port=port).split(), "http_servers:app"]
    here = Path(__file__).parent
    process = subprocess.Popen(command, cwd=here, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        _load(port, WARM_UP_SECONDS)
        before = _cpu_seconds(process.pid)
        count = _load(port, seconds)
        return Result(server.name, count / seconds, (_cpu_seconds(process.pid) - before) / count * 1e6)
    finally:
        process.terminate()
        process.wait(10)


def _has(python: str, module: str) -> bool:
    return subprocess.run([python, "-c", f"import {module}, uvloop"], capture_output=True, check=False).returncode == 0


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the server did not start within 15 s")


def _load(port: int, seconds: float) -> int:
    counts = [0] * CLIENTS
    threads = [threading.Thread(target=_client, args=(port, seconds, counts, i)) for i in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def _client(port: int, seconds: float, counts: list[int], mine: int) -> None:
    head = f"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {BODY_BYTES}\r\n\r\n"
    request = head.encode() + b"x" * BODY_BYTES
    expected = str(BODY_BYTES).encode()
    deadline = time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", port)) as s:
        while time.monotonic() < deadline:
            s.sendall(request)
            answer = b""
            while not answer.endswith(b"\r\n\r\n" + expected):
                received = s.recv(65536)
                if not received:
                    raise SystemExit("the server closed the connection")
                answer += received
            counts[mine] += 1


def _cpu_seconds(pid: int) -> float:
    """Return user and system time of a process and its children, which some servers work in (Linux, proc(5))."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return ticks / 100 + sum(_cpu_seconds(int(child)) for child in children)


if __name__ == "__main__":
    main()
