"""A stand-in for clickhouse-server: the tests' HTTP front, with the image's variables, on every address."""

from __future__ import annotations

import os
import re

from tests.support import clickhouse_http as front


class Server(front._Server):
    """Listens where the server does."""

    def server_bind(self) -> None:
        self.server_address = ("0.0.0.0", 8123)
        super().server_bind()


class Handler(front._Handler):
    """Answers /ping too."""

    def do_GET(self) -> None:  # noqa: N802  the library's name
        if self.path == "/ping":
            return self._answer(200, b"Ok.\n")
        return super().do_GET()

    def do_HEAD(self) -> None:  # noqa: N802  as above
        self.send_response(200)
        self.end_headers()


front._Handler = Handler  # type: ignore[misc]  # which the server makes
front.USER, front.PASSWORD = os.environ["CLICKHOUSE_USER"], os.environ["CLICKHOUSE_PASSWORD"]
server = Server("/var/lib/clickhouse")
assert re.fullmatch(r"\w+", os.environ["CLICKHOUSE_DB"])
server.engine.query(f"CREATE DATABASE IF NOT EXISTS {os.environ['CLICKHOUSE_DB']}")
server.serve_forever()
