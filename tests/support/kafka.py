"""A real Kafka for the tests: the one given, else a container, else the local broker as `dialfeed run` starts it."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dialfeed.local_kafka import LocalKafka

GIVEN = "DIALFEED_TEST_KAFKA"
ENGINE_SOCKET = Path("/var/run/docker.sock")


@contextmanager
def kafka_for_tests() -> Iterator[str]:
    """Yield the bootstrap servers of a broker that runs as long as the block."""
    if given := os.environ.get(GIVEN):
        yield given
    elif docker_answers():
        with _container() as bootstrap:
            yield bootstrap
    else:
        with local_kafka_for_tests() as kafka:
            yield kafka.bootstrap


def docker_answers() -> bool:
    if not (os.environ.get("DOCKER_HOST") or ENGINE_SOCKET.exists()):
        return False
    docker = importlib.import_module("docker")  # has no types
    try:
        client = docker.from_env(timeout=2)
    except docker.errors.DockerException:
        return False
    try:
        return bool(client.ping())
    except docker.errors.DockerException:
        return False
    finally:
        client.close()


@contextmanager
def _container() -> Iterator[str]:
    from testcontainers.community.kafka import KafkaContainer  # noqa: PLC0415 - only where there is an engine

    # The same limits as the local broker has: a body of 32 MiB must pass.
    container = KafkaContainer().with_kraft().with_env("KAFKA_MESSAGE_MAX_BYTES", "44040192")
    container.with_env("KAFKA_REPLICA_FETCH_MAX_BYTES", "44040192").with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
    with container as kafka:
        yield kafka.get_bootstrap_server()


@contextmanager
def local_kafka_for_tests() -> Iterator[LocalKafka]:
    """Run the local broker. For fixtures that are not async, outside of any loop.

    A loop of our own runs at both ends only: the broker needs none meanwhile, and is bound to the calling thread.
    """
    from dialfeed.local_kafka import start  # noqa: PLC0415 - only where there is no other Kafka

    def report(line: str) -> None:
        sys.stderr.write(f"{line}\n")

    with (
        tempfile.TemporaryDirectory(prefix="dialfeed-kafka-") as folder,
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
    ):
        kafka = runner.run(start(Path(folder), report=report))
        try:
            yield kafka
        finally:
            runner.run(kafka.stop())
