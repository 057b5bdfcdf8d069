"""What the local broker is told: its properties, its log, its command line. Pure.

Every path is relative to the data folder, which is the broker's working folder: no path needs escaping.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LOCALHOST = "127.0.0.1"
SERVER_PROPERTIES = "server.properties"
LOG4J2_PROPERTIES = "log4j2.properties"
LOG_FILE = "logs/kafka.log"
PREVIOUS_LOG_FILE = "logs/kafka.previous.log"
CONSOLE_FILE = "logs/console.log"
STORAGE = "log"  # Kafka's word for its data
TEMPORARY = "tmp"
LARGEST_MESSAGE = 42 * 1024 * 1024  # bytes: the largest body the edge takes, 32 MiB, and room for what surrounds it
LARGEST_REQUEST = 128 * 1024 * 1024  # bytes

_LISTENERS = ("PLAINTEXT", "CONTROLLER")

LOG4J2 = f"""status = warn
# The broker logs until its last moment; log4j's own hook would stop that before.
shutdownHook = disable
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {LOG_FILE}
appender.file.filePattern = logs/kafka.%i.log
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{ISO8601}} %p %m (%c)%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
"""


@dataclass(frozen=True, slots=True)
class Ports:
    broker: int
    controller: int


def server_properties(ports: Ports, *, storage: str = STORAGE) -> str:
    """One node that is broker and controller (KRaft), on 127.0.0.1 only, sized for a developer's machine."""
    listeners = f"PLAINTEXT://{LOCALHOST}:{ports.broker},CONTROLLER://{LOCALHOST}:{ports.controller}"
    settings: dict[str, str | int] = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.bootstrap.servers": f"{LOCALHOST}:{ports.controller}",
        "listeners": listeners,
        "advertised.listeners": listeners,
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in _LISTENERS),
        "log.dirs": storage,
        "auto.create.topics.enable": "false",
        "message.max.bytes": LARGEST_MESSAGE,
        "replica.fetch.max.bytes": LARGEST_MESSAGE,
        "socket.request.max.bytes": LARGEST_REQUEST,
        "group.initial.rebalance.delay.ms": 0,
        # With one partition each, a coordinator that answers once has loaded everything: that is what ready means.
        "offsets.topic.num.partitions": 1,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # A killed broker's registration blocks its successor until this has passed (the default is 9 s); a broker that
        # a busy machine holds up for longer is fenced for a moment, and its clients wait.
        "broker.session.timeout.ms": 6000,
        "broker.heartbeat.interval.ms": 500,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 2,
        "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,  # 128 MB otherwise, a quarter of the heap
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def java_command(java: Path, libs: Path, *, data_dir: Path) -> list[str]:
    """Return the JVM that runs Kafka's classes, in the data folder; a main class and its arguments are to follow.

    The serial collector starts with fewest threads and has no trouble with messages of tens of megabytes in a small
    heap, where G1 must find contiguous regions for each. The second compiler takes longer to compile than it saves:
    over the first minutes the broker takes half the CPU a record without it.
    """
    return [
        str(java),
        "-Xms128m",
        "-Xmx512m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-UsePerfData",  # no files in /tmp
        "-XX:ErrorFile=logs/jvm-crash.log",
        "-Djava.awt.headless=true",
        f"-Djava.io.tmpdir={TEMPORARY}",
        f"-Dlog4j2.configurationFile={LOG4J2_PROPERTIES}",
        f"-Ddialfeed.data={data_dir}",  # for people who read the list of processes
        "-cp",
        f"{libs}/*",
    ]


def format_command(java: list[str], cluster_id: str, properties: str) -> list[str]:
    return [*java, "kafka.tools.StorageTool", "format", "--standalone", "-t", cluster_id, "-c", properties]


def broker_command(java: list[str]) -> list[str]:
    return [*java, "kafka.Kafka", SERVER_PROPERTIES]


def last_errors(log: str, *, at_most: int = 8) -> list[str]:
    """Pick the newest lines of errors in a broker's log, oldest first; its last lines where it has no error.

    The exception under an ERROR is what says why, so it is picked too; the frames below it are not.
    """
    lines = [line for line in log.splitlines() if line.strip()]
    errors, in_error = [], False
    for line in lines:
        if entry := re.match(r"\d{4}-\S+ ([A-Z]+) ", line):
            in_error = entry[1] in ("ERROR", "FATAL")
        if in_error and not line[0].isspace():
            errors.append(line)
    return (errors or lines)[-at_most:]
