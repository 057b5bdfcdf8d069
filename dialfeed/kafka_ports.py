"""Ports for the local broker: chosen once, kept in the data folder, changed only when something else took one."""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from dialfeed.kafka_config import LOCALHOST, Ports
from dialfeed.kafka_errors import PortTakenError

if TYPE_CHECKING:
    from collections.abc import Callable

PORTS_FILE = "ports.json"
EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST = 10_000
TRIES = 200


def choose_ports(data_dir: Path, wanted: int | None, report: Callable[[str], None]) -> Ports:
    """Return the ports of the last start where they are free, others where not (said to `report`); keep them.

    Raises PortTakenError when `wanted`, which comes before what was kept, is in use.
    """
    file = data_dir / PORTS_FILE
    kept = _read(file)
    if wanted is not None and not is_free(wanted):
        raise PortTakenError(f"Port {wanted} is in use: choose another one, or none, then a free one is taken.")
    broker = wanted or (kept.broker if kept and is_free(kept.broker) else free_port())
    controller = kept.controller if kept and kept.controller != broker and is_free(kept.controller) else None
    ports = Ports(broker, controller or free_port(other_than=broker))
    if kept and ports.broker != kept.broker:
        report(f"Kafka's port is now {ports.broker}: {'it was asked for' if wanted else f'{kept.broker} is in use'}")
    if ports != kept:
        file.write_text(json.dumps({"broker": ports.broker, "controller": ports.controller}))
    return ports


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does: TIME_WAIT takes no port
        try:
            probe.bind((LOCALHOST, port))
        except OSError:
            return False
        return True


def free_port(*, other_than: int = 0) -> int:
    """Find a free port outside the range from which the system takes ports for outgoing connections.

    Inside it, anybody's connection could take the port between two starts, and a client that keeps trying a broker
    that is down can connect to itself.
    """
    candidates = outside(*_ephemeral_range())
    for _ in range(TRIES):
        port = random.choice(candidates)  # noqa: S311 - to keep installations apart, not a secret
        if port != other_than and is_free(port):
            return port
    raise PortTakenError(f"None of {TRIES} ports tried on {LOCALHOST} is free: end something that listens there.")


def outside(low: int, high: int) -> range:
    """Return the larger of the two ranges of unprivileged ports below `low` and above `high`."""
    below, above = range(LOWEST, low), range(high + 1, 65_536)
    return max(below, above, key=len) or range(LOWEST, 65_536)


def _ephemeral_range() -> tuple[int, int]:
    try:
        low, high = map(int, EPHEMERAL_RANGE.read_text().split())
    except (OSError, ValueError):
        return 32_768, 60_999  # Linux's default
    return low, high


def _read(file: Path) -> Ports | None:
    try:
        kept = json.loads(file.read_text())
        return Ports(int(kept["broker"]), int(kept["controller"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # the first start, or a file somebody damaged: choose anew
