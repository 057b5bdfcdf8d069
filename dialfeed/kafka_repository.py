"""Kafka's jars as Maven Central has them: which they are, and the SHA-256 of each (`kafka_jars.sha256`).

A jar that does not have its hash is never used, whoever fetched it. Standard library only.
"""

from __future__ import annotations

import hashlib
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CENTRAL: Final = "https://repo.maven.apache.org/maven2"
ANSWER_WITHIN_SECONDS: Final = 30.0
_LIST: Final = Path(__file__).with_name("kafka_jars.sha256")


class Jar(NamedTuple):
    """One jar: its path in a Maven repository, and its hash in hex."""

    path: str
    sha256: str

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def listed_jars() -> list[Jar]:
    """Return all jars that a broker needs, with log4j's binding so that it can log."""
    lines = (line.split() for line in _LIST.read_text(encoding="ascii").splitlines())
    return [Jar(path, sha256) for sha256, path in lines]


def fetch_jars(jars: Iterable[Jar], libs: Path, progress: Callable[[int], None], *, repository: str = CENTRAL) -> None:
    """Download jars into the folder `libs`. Raise OSError, which names the first that failed.

    `progress` gets the bytes that have come so far, after each jar.
    """
    libs.mkdir(parents=True, exist_ok=True)
    done = 0
    for jar in jars:
        data = _fetched(f"{repository}/{jar.path}", jar)
        (libs / jar.name).write_bytes(data)
        done += len(data)
        progress(done)


def check_jars(jars: Iterable[Jar], libs: Path) -> None:
    """Raise OSError unless the folder has just these jars, each with its hash."""
    expected = {jar.name: jar for jar in jars}
    if different := expected.keys() ^ {file.name for file in libs.iterdir()}:
        raise OSError(f"{len(different)} jars are missing or not expected, such as {min(different)}")
    for jar in expected.values():
        _check(jar, (libs / jar.name).read_bytes(), libs)


def _fetched(url: str, jar: Jar) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_WITHIN_SECONDS) as answer:  # noqa: S310  https, or a test's http
            data: bytes = answer.read()
    except (OSError, HTTPException) as error:
        raise OSError(f"{url}: {error}") from error
    _check(jar, data, url)
    return data


def _check(jar: Jar, data: bytes, where: object) -> None:
    if hashlib.sha256(data).hexdigest() != jar.sha256:
        raise OSError(f"{jar.name} from {where} does not have the SHA-256 that {_LIST.name} lists")
