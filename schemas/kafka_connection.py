"""How to reach Kafka: plain data, turned into client options by those who make clients."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

GROUP_SESSION_MS = 10_000
"""A dead consumer's partitions move after this long; a heartbeat goes every second."""

PLAINTEXT = "PLAINTEXT"

FETCH_WAIT_MS = 250
"""How long brokers hold back an empty answer. aiokafka has one fetch on its way to a broker: a partition that was full
when it was sent is not asked for again before the answer."""


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Bootstrap servers, security as Kafka clients name it, and the prefix of topic and group names."""

    bootstrap: str
    prefix: str = ""
    protocol: str = PLAINTEXT
    mechanism: str | None = None
    username: str | None = None
    password: str | None = None
    ca_file: str | None = None

    def topic(self, name: str) -> str:
        """Return a topic's or consumer group's full name."""
        return self.prefix + name

    def client_options(self) -> dict[str, Any]:
        """Return what every aiokafka client is made with."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.protocol,
            "metadata_max_age_ms": 5_000,
            "retry_backoff_ms": 100,
        }
        if self.protocol.startswith("SASL"):
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        if self.protocol.endswith("SSL"):
            options["ssl_context"] = ssl.create_default_context(cafile=self.ca_file)
        return options

    def group_options(self, group: str) -> dict[str, Any]:
        """Return what every aiokafka consumer of a group is made with: offsets are committed by hand only."""
        return self.client_options() | {
            "group_id": self.topic(group),
            "enable_auto_commit": False,
            "isolation_level": "read_committed",
            "fetch_max_wait_ms": FETCH_WAIT_MS,
            "session_timeout_ms": GROUP_SESSION_MS,
            "heartbeat_interval_ms": 1_000,
            "max_poll_interval_ms": 2**31 - 1,  # a store that is down is waited for, however long
        }
