"""ensure_kafka against a Maven repository, a Maven, and archives as Apache publishes them, served by our own server."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from dialfeed.java import find_java
from dialfeed.kafka_errors import JarsUnavailableError
from dialfeed.kafka_jars import ARCHIVE_SETTING, VERSION, default_cache_dir, ensure_kafka
from dialfeed.kafka_repository import check_jars, fetch_jars, listed_jars

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FOLDER = f"kafka_2.13-{VERSION}"
KAFKA_JAR = f"{FOLDER}/libs/{FOLDER}.jar"


def nothing(line: str) -> None:
    """Take a line of progress that the test does not look at."""


def publish(folder: Path, files: Mapping[str, bytes]) -> Path:
    """An archive with `files`, and its checksum beside it as Apache writes it."""
    archive = folder / f"{FOLDER}.tgz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    digest = hashlib.sha512(archive.read_bytes()).hexdigest().upper()
    groups = " ".join(digest[at : at + 8] for at in range(0, 128, 8))
    archive.with_name(f"{archive.name}.sha512").write_text(f"{archive.name}: {groups[:71]}\n  {groups[72:]}\n")
    return archive


@contextmanager
def served(folder: Path, requests: list[str]) -> Iterator[str]:
    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            super().do_GET()

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/{FOLDER}.tgz"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "mirror"
    folder.mkdir()
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def ask_for(archive: Path | str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ARCHIVE_SETTING, archive if isinstance(archive, str) else archive.as_uri())


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A Maven repository with the jars that the local Kafka runs on."""
    folder, real = tmp_path / "repository", ensure_kafka(default_cache_dir(), nothing)
    for jar in listed_jars():
        (folder / jar.path).parent.mkdir(parents=True)
        (folder / jar.path).hardlink_to(real / jar.name)
    return folder


def test_the_listed_jars_are_all_of_kafka_and_what_it_needs_to_log() -> None:
    jars = listed_jars()
    names = {jar.name.rpartition("-")[0] for jar in jars}
    assert names >= {"kafka_2.13", "log4j-slf4j-impl", "log4j-core"}
    assert f"{FOLDER}.jar" in {jar.name for jar in jars}
    check_jars(jars, ensure_kafka(default_cache_dir(), nothing))


def test_jars_are_fetched_from_a_maven_repository(repository: Path, tmp_path: Path) -> None:
    progress: list[int] = []
    requests: list[str] = []
    with served(repository, requests) as address:
        fetch_jars(listed_jars(), tmp_path / "libs", progress.append, repository=address.rpartition("/")[0])
    check_jars(listed_jars(), tmp_path / "libs")
    assert progress == sorted(progress)
    assert progress[-1] == sum(jar.stat().st_size for jar in (tmp_path / "libs").iterdir())


def test_a_jar_with_another_hash_is_refused_by_name(repository: Path, tmp_path: Path) -> None:
    jars = listed_jars()
    bad = repository / jars[3].path
    bad.unlink()
    bad.write_bytes(b"<html>Please log in</html>")
    with (
        served(repository, []) as address,
        pytest.raises(OSError, match=rf"{jars[3].name} .*does not have the SHA-256"),
    ):
        fetch_jars(jars, tmp_path / "libs", lambda _: None, repository=address.rpartition("/")[0])
    assert not (tmp_path / "libs" / jars[3].name).exists()


@pytest.mark.parametrize("how", ["missing", "more", "changed"])
def test_a_folder_with_other_jars_than_listed_is_refused(repository: Path, tmp_path: Path, how: str) -> None:
    jars, libs = listed_jars(), tmp_path / "libs"
    libs.mkdir()
    for jar in jars:
        (libs / jar.name).write_bytes((repository / jar.path).read_bytes())
    match how:
        case "missing":
            (libs / jars[0].name).unlink()
        case "more":
            (libs / "evil.jar").touch()
        case "changed":
            (libs / jars[0].name).write_bytes(b"evil")
    with pytest.raises(OSError, match=r"missing or not expected|does not have the SHA-256"):
        check_jars(jars, libs)


def maven(folder: Path, script: str) -> Path:
    """A program `mvn` on a PATH of its own; `$libs` is the folder that it is asked to fill."""
    folder.mkdir()
    program = folder / "mvn"
    find = 'for each in "$@"; do case "$each" in -DoutputDirectory=*) libs="${each#*=}";; esac; done'
    program.write_text(f"#!/bin/sh\n{find}\nmkdir -p $libs\n{script}\n")
    program.chmod(0o755)
    return folder


def test_what_maven_brings_is_checked_against_the_list(
    repository: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ARCHIVE_SETTING, raising=False)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # Maven Central cannot be reached
    monkeypatch.setattr("urllib.request._opener", None)  # which remembers the proxies of its first use
    copy = f"find {repository} -name '*.jar' -exec cp {{}} $libs \\;"
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", f"{maven(tmp_path / 'good', copy)}:{path}")
    check_jars(listed_jars(), ensure_kafka(cache, nothing))
    monkeypatch.setenv("PATH", f"{maven(tmp_path / 'evil', copy + '; echo > $libs/re2j-1.8.jar')}:{path}")
    with pytest.raises(JarsUnavailableError, match=r"re2j-1\.8\.jar .*does not have the SHA-256"):
        ensure_kafka(cache / "other", nothing)


def test_the_kafka_of_an_archive_runs(mirror: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = ensure_kafka(default_cache_dir(), nothing)
    ask_for(publish(mirror, {f"{FOLDER}/libs/{jar.name}": jar.read_bytes() for jar in real.iterdir()}), monkeypatch)
    libs = ensure_kafka(cache, nothing)
    command = [str(find_java()), "-cp", f"{libs}/*", "kafka.Kafka", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith(VERSION)


def test_an_archive_is_fetched_over_http_once(mirror: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(mirror, {KAFKA_JAR: b"jar"})
    requests: list[str] = []
    with served(mirror, requests) as address:
        ask_for(address, monkeypatch)
        ensure_kafka(cache, nothing)
        ensure_kafka(cache, nothing)
    assert requests == [f"/{FOLDER}.tgz.sha512", f"/{FOLDER}.tgz"]


def test_several_processes_at_once_fetch_it_once(mirror: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(mirror, {KAFKA_JAR: b"jar"})
    requests: list[str] = []
    with served(mirror, requests) as address, ThreadPoolExecutor(4) as pool:
        ask_for(address, monkeypatch)
        found = list(pool.map(lambda _: ensure_kafka(cache, nothing), range(4)))
    assert len(requests) == 2
    assert all((libs / f"{FOLDER}.jar").read_bytes() == b"jar" for libs in found)


def test_a_download_says_how_far_it_is(mirror: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_for(publish(mirror, {KAFKA_JAR: bytes(2_000_000)}), monkeypatch)
    said: list[str] = []
    ensure_kafka(cache, said.append)
    assert said[0].startswith(f"Downloading Kafka {VERSION}, only once: ")


def test_a_wrong_checksum_is_refused_and_leaves_nothing(
    mirror: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = publish(mirror, {KAFKA_JAR: b"jar"})
    with archive.open("ab") as file:
        file.write(b"\0")
    ask_for(archive, monkeypatch)
    with pytest.raises(JarsUnavailableError, match=r"does not have the SHA-512 .* so it was not unpacked"):
        ensure_kafka(cache, nothing)
    assert [path.name for path in cache.iterdir()] == [f"kafka-{VERSION}.lock"]


def test_an_archive_without_a_checksum_is_refused(mirror: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = publish(mirror, {KAFKA_JAR: b"jar"})
    archive.with_name(f"{archive.name}.sha512").write_text("<html>Please log in</html>")
    ask_for(archive, monkeypatch)
    with pytest.raises(JarsUnavailableError, match="has no SHA-512 in it"):
        ensure_kafka(cache, nothing)


def test_nothing_of_an_archive_lands_outside_of_its_folder(
    mirror: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = {"../evil.jar": b"", "/tmp/evil.jar": b"", f"{FOLDER}/libs/../../../evil.jar": b"", f"{FOLDER}/bin/x": b""}
    ask_for(publish(mirror, {**evil, KAFKA_JAR: b"jar"}), monkeypatch)
    libs = ensure_kafka(cache, nothing)
    assert [path.name for path in libs.parent.rglob("*") if path.is_file()] == [f"{FOLDER}.jar"]
    assert not list(cache.parent.rglob("evil*"))


def test_an_archive_of_something_else_is_refused(mirror: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_for(publish(mirror, {"zookeeper/libs/zookeeper.jar": b"jar"}), monkeypatch)
    with pytest.raises(JarsUnavailableError, match="is not Kafka"):
        ensure_kafka(cache, nothing)


def test_what_an_interrupted_fetch_left_is_replaced(mirror: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = cache / f"kafka-{VERSION}.partial" / "libs"
    half.mkdir(parents=True)
    (half / "half.jar").write_bytes(b"ha")
    ask_for(publish(mirror, {KAFKA_JAR: b"jar"}), monkeypatch)
    assert [jar.name for jar in ensure_kafka(cache, nothing).iterdir()] == [f"{FOLDER}.jar"]
    assert not half.exists()


def test_an_address_that_cannot_be_reached_is_named_with_the_remedies(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_for(tmp_path / "nothing.tgz", monkeypatch)
    with pytest.raises(JarsUnavailableError, match=r"nothing\.tgz.*install Maven, or set DIALFEED_KAFKA_ARCHIVE"):
        ensure_kafka(cache, nothing)


@pytest.mark.parametrize("address", ["/home/me/kafka.tgz", "ftp://host/kafka.tgz"])
def test_an_address_of_another_kind_is_refused_with_an_example(
    address: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_for(address, monkeypatch)
    with pytest.raises(JarsUnavailableError, match=rf"{ARCHIVE_SETTING}='{address}' must be .* such as https://"):
        ensure_kafka(cache, nothing)
