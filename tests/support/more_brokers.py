"""More brokers beside a local Kafka: a small cluster, for what a single broker cannot show."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from dialfeed import kafka_config
from dialfeed.bound_child import bound
from dialfeed.java import find_java
from dialfeed.kafka_jars import default_cache_dir, ensure_kafka
from dialfeed.kafka_ports import free_port
from dialfeed.local_kafka import LocalKafka


@contextmanager
def more_brokers(first: LocalKafka, count: int) -> Iterator[None]:
    """Start so many brokers that join the first one's cluster. Whoever uses them waits until they are there."""
    with ExitStack() as stack:
        for number in range(2, count + 2):
            stack.enter_context(_broker(first, number))
        yield


@contextmanager
def _broker(first: LocalKafka, number: int) -> Iterator[None]:
    folder = first.data_dir / f"broker-{number}"
    (folder / "logs").mkdir(parents=True)
    (folder / kafka_config.TEMPORARY).mkdir()
    (folder / kafka_config.LOG4J2_PROPERTIES).write_text(kafka_config.LOG4J2)
    (folder / kafka_config.SERVER_PROPERTIES).write_text(_properties(first, number))
    (folder / kafka_config.STORAGE).mkdir()
    meta = (first.data_dir / kafka_config.STORAGE / "meta.properties").read_text()
    cluster = re.search(r"^cluster\.id=.+$", meta, re.MULTILINE)
    assert cluster
    own = f"version=1\n{cluster[0]}\nnode.id={number}\n"
    (folder / kafka_config.STORAGE / "meta.properties").write_text(own)
    java = kafka_config.java_command(find_java(), ensure_kafka(default_cache_dir(), print), data_dir=folder)
    with (folder / "console.log").open("wb") as console:
        command = bound(kafka_config.broker_command(java))
        process = subprocess.Popen(command, cwd=folder, stdout=console, stderr=console)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _properties(first: LocalKafka, number: int) -> str:
    """Return the first one's properties, for a broker that is no controller, at another port."""
    text = (first.data_dir / kafka_config.SERVER_PROPERTIES).read_text()
    text = text.replace("process.roles=broker,controller", "process.roles=broker")
    text = re.sub(r"^(node\.id)=.*$", rf"\1={number}", text, flags=re.MULTILINE)
    text = re.sub(r"^((?:advertised\.)?listeners=.*?),CONTROLLER://\S+$", r"\1", text, flags=re.MULTILINE)
    other = free_port()
    port = first.bootstrap.rpartition(":")[2]
    return re.sub(rf"^((?:advertised\.)?listeners=.*:){port}$", rf"\g<1>{other}", text, flags=re.MULTILINE)
