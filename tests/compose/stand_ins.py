"""Base images for machines that can pull none, made from packages and tagged with the official names.

`python:3.12-slim`: Debian by debootstrap with a copy of the CPython that runs this. `apache/kafka`: the local Kafka's
jars, whose `KafkaDockerWrapper` reads the same variables as in the official image. `clickhouse/clickhouse-server`: the
tests' HTTP front over chDB, the same engine. They show that the compose file fits together, not that the official
images do what theirs do. Needs root, debootstrap and Java 17 from Debian.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from dialfeed.kafka_jars import default_cache_dir, ensure_kafka

ROOT: Final = Path(__file__).parents[2]
HERE: Final = Path(__file__).with_name("stand_in_files")
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dialfeed" / "stand-ins"
PACKAGES: Final = (
    "ca-certificates,wget,openjdk-17-jre-headless,netbase,libssl3,libffi8,libexpat1,libsqlite3-0,libbz2-1.0,"
    "liblzma5,libreadline8,libncursesw6,libuuid1,zlib1g"
)
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
"""This machine's, which may know a proxy's."""

OVERRIDE: Final = """
services:
  topics:
    build:
      context: .
      network: host
  clickhouse:
    ulimits:
      nofile: 20000
"""


def prepare(folder: Path) -> Path:
    """Make the images that are missing; return a Compose file that goes with them."""
    images = dict(re.findall(r"image: (apache/kafka|clickhouse/clickhouse-server):(\S+)", _compose_file()))
    debian = _debian()
    _build("debian-stand-in", folder / "debian", "FROM scratch\nADD root.tar /\n", {"root.tar": debian})
    python = {"python": Path(sys.base_prefix), "certificates.crt": CERTIFICATES}
    _build("python:3.12-slim", folder / "python", _PYTHON, python)
    _build(
        f"apache/kafka:{images['apache/kafka']}",
        folder / "kafka",
        _KAFKA,
        {"libs": ensure_kafka(default_cache_dir(), print), "files": HERE / "kafka"},
    )
    chdb = folder / "chdb.lock"
    locked = (ROOT / "requirements-run.lock").read_text()
    chdb.write_text("".join(re.findall(r"^chdb\S*==.*\n(?:    --hash.*\n)+", locked, re.MULTILINE)))
    front = ROOT / "tests/support/clickhouse_http.py"
    clickhouse = {"chdb.lock": chdb, "front.py": front, "files": HERE / "clickhouse"}
    _build(
        f"clickhouse/clickhouse-server:{images['clickhouse/clickhouse-server']}", folder / "ch", _CLICKHOUSE, clickhouse
    )
    override = folder / "override.yml"
    override.write_text(OVERRIDE.replace("context: .", f"context: {ROOT}"))
    return override


def _compose_file() -> str:
    return (ROOT / "docker-compose.yml").read_text()


def _debian() -> Path:
    """Return a tar of a small Debian with Java, made once."""
    tar = CACHE / "debian.tar"
    if not tar.exists():
        root = CACHE / "debian"
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        leave_out = [f"--exclude=./{path}/*" for path in ("proc", "sys", "dev", "var/cache/apt", "var/lib/apt/lists")]
        subprocess.run(["tar", "-C", str(root), *leave_out, "-cf", f"{tar}.new", "."], check=True)
        Path(f"{tar}.new").rename(tar)
        shutil.rmtree(root)
    return tar


def _build(tag: str, folder: Path, dockerfile: str, files: dict[str, Path]) -> None:
    """Build an image unless it is there; `files` are links of the context."""
    if subprocess.run(["docker", "image", "inspect", tag], capture_output=True, check=False).returncode == 0:
        return
    print(f"making a stand-in for {tag}", flush=True)
    folder.mkdir()
    for name, source in files.items():
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "test", "config-3*", "site-packages", "*.a")
            shutil.copytree(source, folder / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    if "python" in files:  # pip and nothing else of what is installed
        packages = next((files["python"] / "lib").glob("python3*/site-packages"))
        for pip in (packages / "pip", *packages.glob("pip-*")):
            shutil.copytree(pip, folder / "python" / pip.relative_to(files["python"]), dirs_exist_ok=True)
    (folder / "Dockerfile").write_text(dockerfile)
    command = ["docker", "build", "--quiet", "--network", "host", "--tag", tag, str(folder)]
    subprocess.run(command, check=True, env=os.environ | {"DOCKER_BUILDKIT": "0"})


_PYTHON: Final = """FROM debian-stand-in
RUN rm -rf /usr/lib/jvm /usr/share/doc /usr/share/locale
FROM scratch
COPY --from=0 / /
COPY python /usr/local
COPY certificates.crt /etc/ssl/certs/ca-certificates.crt
ENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
RUN ln -sf python3 /usr/local/bin/python && printf '#!/bin/sh\\nexec python3 -m pip "$@"\\n' > /usr/local/bin/pip \\
    && chmod +x /usr/local/bin/pip && ldconfig
"""
_KAFKA: Final = """FROM debian-stand-in
COPY libs /opt/kafka/libs
COPY files/etc /etc/kafka/docker
COPY files/run /run-kafka
RUN useradd --uid 1000 appuser && mkdir -p /var/lib/kafka/data /mnt/shared/config /opt/kafka/config /opt/kafka/logs \\
    && chown -R appuser /var/lib/kafka /opt/kafka/config /opt/kafka/logs /mnt/shared/config && chmod +x /run-kafka
USER appuser
VOLUME ["/var/lib/kafka/data"]
CMD ["/run-kafka"]
"""
_CLICKHOUSE: Final = """FROM python:3.12-slim
COPY chdb.lock /
RUN pip install --no-cache-dir --no-deps --require-hashes -r /chdb.lock
COPY front.py /opt/tests/support/clickhouse_http.py
COPY files/server.py /opt/server.py
VOLUME ["/var/lib/clickhouse"]
CMD ["python", "/opt/server.py"]
"""
