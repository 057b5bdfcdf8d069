"""The Faust app of a worker: its settings, and what happens when something unexpected does."""

from __future__ import annotations

import logging
import os
import ssl
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import faust
import structlog
from faust.auth import SASLCredentials, SSLCredentials

from schemas.kafka_connection import GROUP_SESSION_MS, KafkaConnection
from schemas.messages import WorldError
from schemas.topics import MAX_MESSAGE_BYTES, WORKER_GROUP, TopicName
from streams.agents import Steps, register
from streams.gather import Gather, service_of
from streams.safe_consumer import SafeTransport, leave_group

log = structlog.get_logger(__name__)

EXIT_STOPPED: Final = 70
"""The process stopped by itself to lose nothing (EX_SOFTWARE of sysexits.h)."""

BUFFERED_MESSAGES: Final = 32  # of each partition, of up to 900 KB each, mostly far smaller
FETCH_BYTES: Final = 1024 * 1024
REBALANCE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What a worker is started with; `data` is a folder it may write to."""

    kafka: KafkaConnection
    data: Path


class FailStopApp(faust.App):  # type: ignore[misc]  # Faust is untyped here
    """A Faust app that ends its process when an agent fails, before Faust can acknowledge the event."""

    prefix: str = ""
    logger = logging.getLogger("faust.app")  # else Faust logs under our module's name

    def _new_transport(self) -> SafeTransport:
        return SafeTransport(self.conf.broker_consumer, self)

    async def _on_agent_error(self, agent: Any, exc: BaseException) -> None:
        # An await before the exit would let the failed event be committed.
        log.critical("agent_failed", agent=agent.name, error=type(exc).__name__)
        self.end_process()

    def is_alone(self) -> bool:
        """Whether this worker has every partition of `calls.raw`: then there is nobody to share its work with."""
        raw = self.prefix + TopicName.RAW
        mine = [partition for partition in self.consumer.assignment() if partition.topic == raw]
        return bool(len(mine) == self.consumer.topic_partitions(raw))

    def stop_unacknowledged(self, error: Exception) -> None:
        """End the process at once; what was being done is done again by the next worker."""
        # Only our own errors are quoted: another's text may hold a record.
        reason = str(error) if isinstance(error, WorldError) else "a fault in dialfeed itself: please report it"
        where = traceback.format_tb(error.__traceback__)[-3:]
        log.critical("worker_stops", reason=reason, error=type(error).__name__, where=where)
        self.end_process()

    def end_process(self) -> None:
        """Leave the group, then the world."""
        leave_group(self)
        os._exit(EXIT_STOPPED)


def build_app(settings: StreamSettings, steps: Steps, gather: Gather) -> FailStopApp:
    """Return the app with its agents and `gather`. Nothing is connected yet; topics must exist before it is started."""
    app = FailStopApp(**_options(settings))
    app.prefix = settings.kafka.prefix
    register(app, replace(steps, alone=app.is_alone), app.stop_unacknowledged)
    app.service(service_of(gather, app.stop_unacknowledged))
    return app


def _options(settings: StreamSettings) -> dict[str, Any]:
    session = GROUP_SESSION_MS / 1000
    return {
        "id": settings.kafka.topic(WORKER_GROUP),
        "broker": [f"kafka://{server}" for server in settings.kafka.bootstrap.split(",")],
        "broker_credentials": _credentials(settings.kafka),
        "datadir": settings.data,
        "autodiscover": False,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "table_standby_replicas": 0,  # no tables: Kafka's plain round-robin assignor
        "key_serializer": "raw",
        "value_serializer": "raw",
        "stream_buffer_maxsize": BUFFERED_MESSAGES,
        "stream_wait_empty": True,
        "stream_processing_timeout": 3600.0,  # only logs; a step may wait for the world for long
        "consumer_max_fetch_size": FETCH_BYTES,
        "consumer_auto_offset_reset": "earliest",
        "consumer_metadata_max_age_ms": 5_000,
        "broker_commit_interval": 1.0,
        "broker_session_timeout": session,
        "broker_heartbeat_interval": 1.0,
        "broker_rebalance_timeout": REBALANCE_SECONDS,
        "broker_request_timeout": REBALANCE_SECONDS + 10,
        "broker_max_poll_interval": 2**31 / 1000 - 1,
        "producer_request_timeout": 30.0,
        "producer_max_request_size": MAX_MESSAGE_BYTES,
        "processing_guarantee": "at_least_once",
        "cython_optimizations": True,
        "web_enabled": False,
        "worker_redirect_stdouts": False,
    }


def _credentials(kafka: KafkaConnection) -> Any:
    context = ssl.create_default_context(cafile=kafka.ca_file) if kafka.protocol.endswith("SSL") else None
    if kafka.protocol.startswith("SASL"):
        return SASLCredentials(
            username=kafka.username, password=kafka.password, ssl_context=context, mechanism=kafka.mechanism
        )
    return SSLCredentials(context) if context is not None else None
