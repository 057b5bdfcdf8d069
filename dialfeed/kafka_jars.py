"""Fetch Apache Kafka once, into the user's cache folder: from Maven Central, by Maven, or the official archive.

A cache folder appears whole or not at all: it is filled under another name and renamed, one process at a time.
Standard library only, so that `python -m dialfeed.kafka_jars` fetches it while packages are being installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.request
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from dialfeed.bound_child import bound
from dialfeed.kafka_errors import JarsUnavailableError
from dialfeed.kafka_repository import ANSWER_WITHIN_SECONDS, check_jars, fetch_jars, listed_jars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from urllib.response import addinfourl

VERSION = "4.3.1"
ARCHIVE_SETTING = "DIALFEED_KAFKA_ARCHIVE"
# The first holds current releases only, the second every release there ever was.
ARCHIVES = tuple(
    f"https://{host}/kafka/{VERSION}/kafka_2.13-{VERSION}.tgz"
    for host in ("downloads.apache.org", "archive.apache.org/dist")
)
CHECKSUM_FILE_LIMIT = 4096  # bytes
PIECE = 1 << 20  # bytes
REPORT_EVERY_SECONDS = 2.0
COPY_JARS = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
# kafka_2.13 brings slf4j-api 1.7 and log4j-core 2.25, but nothing between them: without the binding it logs nothing.
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>dialfeed</groupId><artifactId>local-kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.4</version></dependency>
  </dependencies>
</project>
"""


def default_cache_dir() -> Path:
    """Return our folder in the user's cache; a relative XDG_CACHE_HOME is ignored, as the XDG rules say."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "dialfeed"


def ensure_kafka(cache_dir: Path, report: Callable[[str], None]) -> Path:
    """Return the folder of Kafka's jars, fetched first where `cache_dir` has none. Blocks for as long as that takes.

    `report` gets a line now and then, from the calling thread. Raises JarsUnavailableError.
    """
    home = cache_dir / f"kafka-{VERSION}"
    if not _complete(home):
        cache_dir.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(cache_dir / f"{home.name}.lock", report):
            if not _complete(home):
                _fill(home, report)
    return home / "libs"


def sha512_in(text: str) -> str | None:
    """Find the digest in a .sha512 file: Apache's groups of eight in several lines, or as sha512sum or BSD write it."""
    found = re.search(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]\s*){128}(?![0-9A-Fa-f])", text)
    return "".join(found[0].split()).lower() if found else None


def _complete(home: Path) -> bool:
    return (home / "libs" / f"kafka_2.13-{VERSION}.jar").is_file()


@contextmanager
def _one_at_a_time(lock_file: Path, report: Callable[[str], None]) -> Iterator[None]:
    with lock_file.open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("Waiting for another process that is fetching Kafka")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fill(home: Path, report: Callable[[str], None]) -> None:
    incomplete = home.with_name(f"{home.name}.partial")
    for leftover in (incomplete, home):  # of an interrupted fetch; of somebody who deleted jars
        shutil.rmtree(leftover, ignore_errors=True)
    incomplete.mkdir()
    try:
        _fetch(incomplete, report)
        if not _complete(incomplete):
            raise JarsUnavailableError(f"What was fetched is not Kafka {VERSION}. {_remedies()}")
        incomplete.rename(home)
    finally:
        shutil.rmtree(incomplete, ignore_errors=True)


def _fetch(into: Path, report: Callable[[str], None]) -> None:
    """Try the archive that was asked for, else Maven Central, Maven and the official archives: the first that works."""
    failures = []
    for way in _ways():
        try:
            return way(into, report)
        except (OSError, EOFError, tarfile.TarError) as error:
            failures.append(str(error))
            report(f"Fetching Kafka failed: {failures[-1]}")
            shutil.rmtree(into / "libs", ignore_errors=True)
    raise JarsUnavailableError(f"Kafka {VERSION} could not be fetched: {'; '.join(failures)}. {_remedies()}")


def _ways() -> list[Callable[[Path, Callable[[str], None]], None]]:
    if asked := os.environ.get(ARCHIVE_SETTING):
        _check_address(asked)
        return [partial(_by_archive, asked)]
    mvn = shutil.which("mvn")
    return [
        _from_central,
        *([partial(_by_maven, mvn)] if mvn else []),
        *(partial(_by_archive, url) for url in ARCHIVES),
    ]


def _remedies() -> str:
    return (
        "Connect to the internet and try again, or install Maven, or set "
        f"{ARCHIVE_SETTING} to the address of a copy of {ARCHIVES[0].rpartition('/')[2]} with its .sha512 beside it, "
        "or set DIALFEED_KAFKA to a Kafka that runs already."
    )


def _from_central(into: Path, report: Callable[[str], None]) -> None:
    reported = 0.0

    def progress(done: int) -> None:
        nonlocal reported
        if time.monotonic() - reported > REPORT_EVERY_SECONDS:
            reported = time.monotonic()
            report(f"Downloading Kafka {VERSION}, only once: {round(done / 1e6)} of 45 MB")

    fetch_jars(listed_jars(), into / "libs", progress)


def _by_maven(mvn: str, into: Path, report: Callable[[str], None]) -> None:
    """Ask Maven, which knows mirrors that are set up for it."""
    report(f"Fetching Kafka {VERSION} with Maven (45 MB, only once)")
    pom = into / "pom.xml"
    pom.write_text(POM)
    command = [mvn, "-q", "-B", "-C", "-f", str(pom), COPY_JARS, f"-DoutputDirectory={into / 'libs'}"]
    answer = subprocess.run(bound(command), capture_output=True, text=True, check=False)  # noqa: S603 - the person's own Maven
    if answer.returncode != 0:
        said = [line for line in (answer.stdout + answer.stderr).splitlines() if "ERROR" in line]
        raise OSError(f"Maven ended with {answer.returncode}: {said[0] if said else 'without saying why'}")
    check_jars(listed_jars(), into / "libs")


def _check_address(url: str) -> None:
    if not url.startswith(("https://", "http://", "file://")):
        raise JarsUnavailableError(
            f"{ARCHIVE_SETTING}={url!r} must be an http, https or file address of a .tgz, such as {ARCHIVES[0]}"
        )


def _by_archive(url: str, into: Path, report: Callable[[str], None]) -> None:
    with _opened(f"{url}.sha512") as answer:
        expected = sha512_in(answer.read(CHECKSUM_FILE_LIMIT).decode(errors="replace"))
    if expected is None:
        raise OSError(f"{url}.sha512 has no SHA-512 in it")
    archive = into / "kafka.tgz"
    if _download(url, archive, report) != expected:
        raise JarsUnavailableError(
            f"{url} does not have the SHA-512 that {url}.sha512 names, so it was not unpacked. {_remedies()}"
        )
    _unpack(archive, into)
    archive.unlink()


@contextmanager
def _opened(url: str) -> Iterator[addinfourl]:
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_WITHIN_SECONDS) as answer:  # noqa: S310 - _check_address
            yield answer
    except OSError as error:
        raise OSError(f"{url}: {error}") from error


def _download(url: str, target: Path, report: Callable[[str], None]) -> str:
    """Stream `url` into `target`; the hex SHA-512 of what came."""
    digest, done, reported = hashlib.sha512(), 0, float("-inf")
    with _opened(url) as answer, target.open("wb") as file:
        total = int(answer.headers.get("Content-Length") or 0)
        while piece := answer.read(PIECE):
            file.write(piece)
            digest.update(piece)
            done += len(piece)
            if time.monotonic() - reported > REPORT_EVERY_SECONDS:
                reported = time.monotonic()
                report(f"Downloading Kafka {VERSION}, only once: {round(done / 1e6)} of {round(total / 1e6) or '?'} MB")
        if total and done != total:
            raise OSError(f"broke off after {done} of {total} bytes")
    return digest.hexdigest()


def _unpack(archive: Path, into: Path) -> None:
    """Take the jars of `kafka_2.13-x/libs`, and nothing else, into `libs`."""
    with tarfile.open(archive) as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            if member.isfile() and path.match("kafka_*/libs/*.jar") and len(path.parts) == 3:  # noqa: PLR2004 - as above
                tar.extract(member.replace(name=f"libs/{path.name}", deep=False), into, filter="data")


def main() -> None:
    """Fetch Kafka where it is missing: `python -m dialfeed.kafka_jars`."""
    try:
        ensure_kafka(default_cache_dir(), lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201  for people
    except JarsUnavailableError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
