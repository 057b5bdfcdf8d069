"""Whether one part of an installation works: quick and cheap enough to be asked every few seconds.

Reads a few variables itself, since all settings take ten times as long. Standard library only.
"""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from dialfeed.data_folder import default_data_folder
from dialfeed.heartbeat import beats

PARTS: Final = ("api", "worker", "load")
DEFAULT_HTTP: Final = "127.0.0.1:8080"
ANSWER_WITHIN_SECONDS: Final = 3.0
_ANY_HOST: Final = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104  read, not bound


class Health(NamedTuple):
    """Whether a part works, and why not or how it was found."""

    part: str
    ok: bool
    found: str


def variables() -> Mapping[str, str]:
    """Return the environment over the `.env` of the working folder."""
    written: dict[str, str | None] = {}
    if Path(".env").is_file():
        from dotenv import dotenv_values  # noqa: PLC0415  only where there is one

        written = dotenv_values(".env", encoding="utf-8")
    return {name: value for name, value in (written | dict(os.environ)).items() if value}


def look(part: str, data: str | None, http: str | None) -> Health:
    """Look at one part, in the data folder and at the address that are given, else set."""
    given = variables()
    folder = Path(data or given.get("DIALFEED_DATA") or default_data_folder()).expanduser()
    if part == "api":
        return _api(http or given.get("DIALFEED_HTTP") or _running_http(folder) or DEFAULT_HTTP)
    return _process(part, folder, time.monotonic())


def _process(part: str, folder: Path, now: float) -> Health:
    found = beats(folder, part)
    if not found:
        return Health(part, ok=False, found=f"none runs with the data folder {folder}")
    troubles = [f"process {beat.pid}: {trouble}" for beat in found if (trouble := beat.trouble(now))]
    return Health(part, not troubles, "; ".join(troubles) or f"{len(found)} at work")


def _api(address: str) -> Health:
    host, _, port = address.removeprefix("http://").rpartition(":")
    host = host.strip("[]")
    try:
        with closing(http.client.HTTPConnection(_ANY_HOST.get(host, host), int(port), ANSWER_WITHIN_SECONDS)) as api:
            api.request("GET", "/healthz")
            status = api.getresponse().status
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Health("api", ok=False, found=f"{host}:{port} does not answer ({type(error).__name__})")
    return Health("api", status == http.client.OK, f"{host}:{port} answers {status}")


def _running_http(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / "run.json").read_bytes())["http"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
