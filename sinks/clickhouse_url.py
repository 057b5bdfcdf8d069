"""Where ClickHouse is: `clickhouse://user:password@host:8123/database`, or `chdb:///folder` for the embedded engine."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote, urlsplit

EXAMPLES: Final = "clickhouse://user:password@host:8123/database, clickhouses://... for TLS, or chdb:///absolute/folder"
_PORTS: Final = {"clickhouse": 8123, "clickhouses": 8443}
_HOST: Final = re.compile(r"[\w.-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", re.ASCII)
_DATABASE: Final = re.compile(r"[^/@:?#\s]*")
"""Strict, because a password that is not percent-encoded ends a URL early: its rest would be taken for a host."""


@dataclass(frozen=True, slots=True)
class Server:
    """A ClickHouse server, by HTTP. `str()` has no password."""

    host: str
    port: int
    database: str
    username: str
    password: str = field(repr=False)
    secure: bool

    def __str__(self) -> str:
        return f"{'clickhouses' if self.secure else 'clickhouse'}://{self.host}:{self.port}/{self.database}"


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the embedded engine. One process at a time can have it open."""

    path: str

    def __str__(self) -> str:
        return f"chdb://{self.path}"


def parse(url: str) -> Server | Folder:
    """Return where the URL points to. Raise ValueError, whose text does not repeat the URL."""
    if re.search(r"[\s#]", url):
        raise ValueError(f"not a ClickHouse URL: write {EXAMPLES}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"not a ClickHouse URL: write {EXAMPLES}") from None
    path = unquote(parts.path)
    if parts.scheme == "chdb":
        if parts.netloc or path in {"", "/"}:
            raise ValueError("a chdb URL names an absolute folder after three slashes: chdb:///absolute/folder")
        return Folder(path)
    if (
        parts.scheme not in _PORTS
        or not _HOST.fullmatch(parts.hostname or "")
        or parts.query
        or not _DATABASE.fullmatch(path[1:])
    ):
        raise ValueError(f"not a ClickHouse URL: write {EXAMPLES}")
    return Server(
        host=parts.hostname or "",
        port=port or _PORTS[parts.scheme],
        database=path[1:] or "default",
        username=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        secure=parts.scheme == "clickhouses",
    )


def with_password(url: str, password: str) -> str:
    """Return a server's URL, which holds no password, with one."""
    scheme, _, rest = url.partition("://")
    user, _, where = rest.rpartition("@")
    return f"{scheme}://{user.removesuffix(':')}:{quote(password, safe='')}@{where}"
