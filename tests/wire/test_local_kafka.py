"""The local broker against the real Apache Kafka."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from socket import socket
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from dialfeed import kafka_config, local_kafka
from dialfeed.bound_child import bound
from dialfeed.java import find_java
from dialfeed.kafka_errors import BrokerFailedError, DataFolderInUseError, PortTakenError
from dialfeed.kafka_jars import default_cache_dir, ensure_kafka
from dialfeed.local_kafka import running, start
from dialfeed.ownership import PID_FILE, Running, own
from tests.support.kafka import local_kafka_for_tests

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from dialfeed.local_kafka import LocalKafka

TOPIC = "records"

# Starts a broker, tells where it is, and waits to be killed.
OWNER = """
import asyncio, pathlib, sys
from dialfeed.local_kafka import start
async def main():
    kafka = await start(pathlib.Path(sys.argv[1]), report=lambda line: None)
    print(kafka.pid, kafka.bootstrap, flush=True)
    await kafka.wait()
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def local() -> Iterator[LocalKafka]:
    with local_kafka_for_tests() as kafka:
        yield kafka


def report(line: str) -> None:
    sys.stderr.write(f"{line}\n")


async def produce(bootstrap: str, value: bytes) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC, 1, 1)])
    await admin.close()
    limit = kafka_config.LARGEST_MESSAGE
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=limit, acks="all") as producer:
        await producer.send_and_wait(TOPIC, value)


async def consume(bootstrap: str) -> bytes | None:
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        group_id="reader",
        max_partition_fetch_bytes=kafka_config.LARGEST_MESSAGE,
    )
    async with consumer, asyncio.timeout(30):
        message = await consumer.getone()
        value: bytes | None = message.value
        return value


async def until_gone(process: Running) -> None:
    async with asyncio.timeout(10):
        while process.lives():  # noqa: ASYNC110 - it sets no event of ours
            await asyncio.sleep(0.02)


def identity(pid: int) -> Running:
    found = Running.of(pid)
    assert found is not None
    return found


@asynccontextmanager
async def owned_elsewhere(data_dir: Path) -> AsyncIterator[tuple[subprocess.Popen[str], Running, str]]:
    """A broker whose owner is another process."""
    command = [sys.executable, "-c", OWNER, str(data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:  # noqa: ASYNC220 - to be killed
        try:
            assert owner.stdout is not None
            pid, bootstrap = (await asyncio.to_thread(owner.stdout.readline)).split()
            yield owner, identity(int(pid)), bootstrap
        finally:
            owner.kill()


async def test_data_and_port_are_kept_between_starts(tmp_path: Path) -> None:
    async with running(tmp_path, report=report) as first:
        await produce(first.bootstrap, b"kept")
    async with running(tmp_path, report=report) as second:
        assert second.bootstrap == first.bootstrap
        assert await consume(second.bootstrap) == b"kept"


async def test_a_stopped_broker_leaves_no_process(tmp_path: Path) -> None:
    kafka = await start(tmp_path, report=report)
    broker = identity(kafka.pid)
    await kafka.stop()
    assert not broker.lives()
    await kafka.stop()  # may be repeated


def test_it_listens_on_the_loopback_address_only(local: LocalKafka) -> None:
    psutil = importlib.import_module("psutil")  # has no types
    connections = psutil.Process(local.pid).net_connections("tcp")
    listening = [c.laddr.ip.removeprefix("::ffff:") for c in connections if c.status == psutil.CONN_LISTEN]
    assert listening == ["127.0.0.1", "127.0.0.1"]


def test_its_log_is_in_a_file(local: LocalKafka) -> None:
    assert "Kafka Server started" in local.log_file.read_text()


async def test_a_message_as_large_as_a_body_passes(local: LocalKafka) -> None:
    value = os.urandom(40 * 1024 * 1024)
    await produce(local.bootstrap, value)
    assert await consume(local.bootstrap) == value


async def test_a_start_that_is_cancelled_leaves_no_process_and_a_free_folder(tmp_path: Path) -> None:
    starting = asyncio.create_task(start(tmp_path, report=report))
    async with asyncio.timeout(30):
        while not (broker := Running.kept_in(tmp_path)):  # noqa: ASYNC110 - a file sets no event
            await asyncio.sleep(0.02)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not broker.lives()
    own(tmp_path).close()


async def test_a_port_that_was_taken_meanwhile_is_replaced_and_that_is_said(tmp_path: Path) -> None:
    async with running(tmp_path, report=report) as first:
        pass
    port = int(first.bootstrap.rpartition(":")[2])
    said: list[str] = []
    with socket() as squatter:
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        async with running(tmp_path, report=said.append) as second:
            assert second.bootstrap != first.bootstrap
    assert any(f"{port} is in use" in line for line in said)


async def test_a_port_that_was_asked_for_and_is_taken_is_refused(tmp_path: Path) -> None:
    with socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"Port {port} is in use: choose another one"):
            await start(tmp_path, report=report, port=port)


async def test_a_second_start_on_the_same_folder_is_refused_naming_the_owner(tmp_path: Path) -> None:
    async with owned_elsewhere(tmp_path) as (owner, _, _):
        with pytest.raises(DataFolderInUseError, match=f"Process {owner.pid} already runs Kafka in {tmp_path}"):
            await start(tmp_path, report=report)


async def test_the_broker_dies_with_its_killed_owner_and_keeps_the_data(tmp_path: Path) -> None:
    async with owned_elsewhere(tmp_path) as (owner, broker, bootstrap):
        await produce(bootstrap, b"acknowledged")
        owner.kill()
        await until_gone(broker)
    async with running(tmp_path, report=report) as kafka:
        assert kafka.bootstrap == bootstrap
        assert await consume(kafka.bootstrap) == b"acknowledged"


async def test_a_broker_left_behind_is_ended_by_the_next_start(tmp_path: Path) -> None:
    async with running(tmp_path, report=report):
        pass
    java = kafka_config.java_command(find_java(), ensure_kafka(default_cache_dir(), report), data_dir=tmp_path)
    command = bound(kafka_config.broker_command(java))
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as other:  # noqa: ASYNC220 - to be ended
        try:
            left_behind = identity(other.pid)
            left_behind.keep_in(tmp_path)
            said: list[str] = []
            async with running(tmp_path, report=said.append) as kafka:
                assert not left_behind.lives()
                assert kafka.pid != other.pid
        finally:
            other.kill()
    assert f"Ending the Kafka that was left behind in {tmp_path} (process {other.pid})" in said


async def test_a_broker_that_fails_says_why_and_where_to_read_on(tmp_path: Path) -> None:
    async with running(tmp_path, report=report):
        pass
    (tmp_path / "log" / "meta.properties").write_text("version=1\ncluster.id=other\nnode.id=7\n")
    with pytest.raises(BrokerFailedError) as failed:
        await start(tmp_path, report=report)
    assert str(tmp_path / "logs" / "kafka.log") in str(failed.value)
    assert "ERROR" in str(failed.value)
    assert "node.id" in str(failed.value) or "node id" in str(failed.value)
    assert not (tmp_path / PID_FILE).exists()


async def test_a_broker_that_is_too_slow_is_ended_and_the_folder_is_free(tmp_path: Path) -> None:
    with pytest.raises(BrokerFailedError, match=r"did not answer within 0\.01 s"):
        await start(tmp_path, report=report, ready_within_seconds=0.01)
    async with running(tmp_path, report=report) as kafka:
        await produce(kafka.bootstrap, b"works")


async def test_a_broker_that_does_not_heed_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_kafka, "STOP_WITHIN_SECONDS", 0.2)
    kafka = await start(tmp_path, report=report)
    broker = identity(kafka.pid)
    os.kill(kafka.pid, signal.SIGSTOP)
    await kafka.stop()
    assert await kafka.wait() == -signal.SIGKILL
    assert not broker.lives()


async def test_the_shared_broker_of_the_tests_answers(kafka_bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        assert await admin.describe_cluster()
    finally:
        await admin.close()
