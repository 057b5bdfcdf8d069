"""The commands of docs/replay-with-kafka-tools.md, as they stand there, run by Kafka's own Java classes."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dialfeed.java import find_java
from dialfeed.kafka_jars import VERSION, default_cache_dir, ensure_kafka
from dialfeed.registry_topic import write
from schemas.codecs import decode
from schemas.records import Batch, PhoneLogChunk
from schemas.topics import TopicName
from tests.support.bus import bus_of_its_own, part
from tests.support.samples import body, record

DOCUMENT = Path(__file__).parents[2] / "docs/replay-with-kafka-tools.md"
TOOLS = {
    "kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer.sh": "org.apache.kafka.tools.ConsoleProducer",
}
COPY_JAR = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"


def class_path(folder: Path) -> str:
    """Return Kafka's jars with its tools, which the archive has and Maven's dependencies of the broker have not."""
    libs = ensure_kafka(default_cache_dir(), print)
    if not list(libs.glob("kafka-tools-4*.jar")):
        mvn = shutil.which("mvn") or pytest.skip("no jar of Kafka's tools, and no Maven to fetch it")
        artifact = f"-Dartifact=org.apache.kafka:kafka-tools:{VERSION}"
        subprocess.run([mvn, "-q", "-B", COPY_JAR, artifact, f"-DoutputDirectory={folder}"], check=True)
    return f"{libs}/*:{folder}/*"


def install(folder: Path) -> None:
    """Put scripts with the names of Kafka's into the folder."""
    path = class_path(folder)
    for name, tool in TOOLS.items():
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec "{find_java()}" -Xmx256m -cp "{path}" {tool} "$@"\n')
        script.chmod(0o755)


async def test_the_recipe_replays_what_it_says(kafka_bootstrap: str, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    install(tools)
    setting, *steps = re.findall(r"```sh\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert "export KAFKA=" in setting
    async with bus_of_its_own(kafka_bootstrap) as bus:
        late = {"batch": "late"}
        await bus.produce(body(record(1), record(2, name="a, b:\tü"), **late), submission_id="late")
        await bus.produce(b"\x00 no text: \xff", submission_id="junk")
        await bus.produce(body(record(3, amount=",batch-id:other,"), record(4)), submission_id="bad")
        with part(bus, tmp_path, "worker"):
            await bus.dead_letters("late", 2)
            await bus.dead_letters("bad", 1)
            await bus.dead_letters("junk", 1)
            await write(
                bus.publisher, Batch(batch_id="late", workspace_id="w", name="Late", phone_ids=["n"], created_at=1)
            )
            environment = os.environ | {
                "PATH": f"{tools}:{os.environ['PATH']}",
                "KAFKA": bus.connection.bootstrap,
                "PREFIX": bus.connection.prefix,
                "CODE": "batch_unknown",
            }
            done = await asyncio.to_thread(
                subprocess.run,
                ["bash", "-euo", "pipefail", "-c", "\n".join(steps)],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert done.returncode == 0, done.stderr[-2000:]
            assert done.stdout.split()[:2] == ["2", "records.txt"]
            messages = await bus.read(TopicName.PHONE_LOG, lambda found: len(stored_of_late(found)) >= 2)
    assert sorted(stored_of_late(messages)) == ["+12125550001", "+12125550002"]
    assert not (tmp_path / "letters.txt").exists()


def stored_of_late(messages: list[object]) -> list[str]:
    logs = [decode(message.value, PhoneLogChunk) for message in messages]  # type: ignore[attr-defined]
    return [number for log in logs if log.batch_id == "late" for number in log.phone_number]
