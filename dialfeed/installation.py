"""`run.json` in the data folder: how the other commands find an installation that `dialfeed run` started."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec

from dialfeed.exits import UnreachableError, WrongUseError
from dialfeed.ownership import LOCK_FILE, Running
from dialfeed.private_files import create_private, own_folder
from dialfeed.settings import Settings
from schemas.kafka_connection import PLAINTEXT, KafkaConnection

RUN_FILE: Final = "run.json"
_ANY_HOST: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  read, not bound: where "every address" is reached


class KafkaSecurity(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How its Kafka is asked, as Kafka clients name it; holds a password where there is one."""

    protocol: str
    mechanism: str | None = None
    username: str | None = None
    password: str | None = None
    ca_file: str | None = None


class RunFile(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What `dialfeed run` tells the other commands: all they need to meet this installation and no other.

    `http` is a URL, `kafka` are bootstrap servers, `clickhouse` is without its password.
    """

    http: str
    kafka: str
    kafka_security: KafkaSecurity | None = None
    topic_prefix: str = ""
    clickhouse: str
    pid: int

    @classmethod
    def of(cls, kafka: KafkaConnection, *, http: str, clickhouse: str) -> RunFile:
        """Return that of this process."""
        security = {field: getattr(kafka, field) for field in KafkaSecurity.__struct_fields__}
        return cls(
            http=http,
            kafka=kafka.bootstrap,
            kafka_security=None if kafka.protocol == PLAINTEXT else KafkaSecurity(**security),
            topic_prefix=kafka.prefix,
            clickhouse=clickhouse,
            pid=os.getpid(),
        )

    def connection(self) -> KafkaConnection:
        """Return how its Kafka is reached."""
        security = {} if self.kafka_security is None else msgspec.structs.asdict(self.kafka_security)
        return KafkaConnection(bootstrap=self.kafka, prefix=self.topic_prefix, **security)


@dataclass(frozen=True, slots=True)
class Installation:
    """Where an installation is; None where that is not known."""

    http: str | None
    kafka: KafkaConnection | None


def write_run_file(data: Path, run: RunFile) -> None:
    """Put `run.json` into the data folder: at once, or not at all; readable by its owner only."""
    own_folder(data, known_by=(RUN_FILE, LOCK_FILE))
    new = data / f"{RUN_FILE}.{os.getpid()}.new"
    with create_private(new) as file:
        file.write(msgspec.json.format(msgspec.json.encode(run)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(data / RUN_FILE)


def remove_run_file(data: Path) -> None:
    """Remove this process's `run.json`; that of another process stays."""
    run = _read(data / RUN_FILE)
    if run is not None and run.pid == os.getpid():
        (data / RUN_FILE).unlink(missing_ok=True)


def running_installation(data: Path) -> RunFile | None:
    """Return the `run.json` of a process that still runs; what a killed one left behind counts as none."""
    run = _read(data / RUN_FILE)
    return run if run is not None and Running.of(run.pid) is not None else None


def find_installation(settings: Settings) -> Installation:
    """Return where the installation is: as set, else as `dialfeed run` says."""
    run = running_installation(settings.data)
    return Installation(
        http=settings.url or _set_http(settings) or (run.http if run is not None else None),
        kafka=_kafka(settings, run),
    )


def _kafka(settings: Settings, run: RunFile | None) -> KafkaConnection | None:
    """Return how Kafka is reached: that of `run` unless another one is set. What is set besides wins over `run`."""
    if run is None or settings.kafka not in (None, run.kafka):
        return settings.kafka_connection() if settings.kafka is not None else None
    found, given = run.connection(), settings.kafka_connection(run.kafka)
    if "topic_prefix" in settings.model_fields_set:
        found = replace(found, prefix=given.prefix)
    if "kafka_security_protocol" in settings.model_fields_set:
        return replace(given, prefix=found.prefix)
    return found


def find_kafka(settings: Settings) -> KafkaConnection:
    """Return how to reach the installation's Kafka; raise UnreachableError."""
    kafka = find_installation(settings).kafka
    if kafka is None:
        raise UnreachableError(
            f"no installation runs in {settings.data}, and no Kafka is set",
            "Start one with `dialfeed run`, or set DIALFEED_KAFKA to the bootstrap servers of yours.",
        )
    return kafka


def find_api(settings: Settings) -> str:
    """Return the URL of the installation's API, without a slash at its end; raise UnreachableError."""
    url = find_installation(settings).http
    if url is None:
        raise UnreachableError(
            f"no installation runs in {settings.data}, and no API is set",
            "Start one with `dialfeed run`, or say where it is with --url or DIALFEED_URL.",
        )
    return url.rstrip("/")


def api_url(host: str, port: int) -> str:
    """Return the URL under which an API that listens on host and port is reached from this machine."""
    host = _ANY_HOST.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def require_engine(settings: Settings) -> None:
    """Return unless rows are to be stored by chDB and it is not installed; raise WrongUseError."""
    if settings.embedded and find_spec("chdb") is None:
        raise WrongUseError(
            "no ClickHouse server is set, and the embedded engine (chDB) is not installed",
            "Set DIALFEED_CLICKHOUSE to a server, or run `pip install 'dialfeed[embedded]'`.",
        )


def cannot_listen(host: str, port: int, reason: str) -> WrongUseError:
    """Return what is told where the API's address is taken, or none of this machine's."""
    return WrongUseError(
        f"the API cannot listen on {host}:{port}: {reason}",
        "Stop what listens there, or set DIALFEED_HTTP to another address.",
    )


def _set_http(settings: Settings) -> str | None:
    host, port = settings.http_address
    return api_url(host, port) if "http" in settings.model_fields_set and port else None


def _read(file: Path) -> RunFile | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=RunFile)
    except (OSError, msgspec.MsgspecError):
        return None


def kafka_unreachable(connection: KafkaConnection) -> UnreachableError:
    """Return what to tell a person whose Kafka does not answer."""
    return UnreachableError(
        f"Kafka does not answer at {connection.bootstrap}",
        "Start it (`dialfeed run`, or `dialfeed kafka`), or correct DIALFEED_KAFKA; `dialfeed doctor` looks further.",
    )
