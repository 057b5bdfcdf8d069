from __future__ import annotations

from typing import Any

import pytest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.safe_consumer import LOOK_AGAIN_SECONDS, SafeConsumer

FULL, OTHER = TP("calls.raw", 0), TP("calls.raw", 1)


class Waiting(SafeConsumer):
    """A consumer that is never connected."""

    flow_active = True
    should_stop = False

    def __init__(self) -> None:
        self._active_partitions = {FULL, OTHER}
        self._buffered_partitions: set[TP] = set()
        self.app: Any = type("App", (), {"in_recovery": False})


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return how long Faust is let wait for messages, each time."""
    told: list[float] = []

    async def wait_next_records(_: Any, timeout: float) -> tuple[None, None]:  # noqa: ASYNC109  # Faust's signature
        told.append(timeout)
        return None, None

    monkeypatch.setattr(driver.Consumer, "_wait_next_records", wait_next_records)
    return told


async def test_while_a_buffer_is_full_it_looks_again_soon(waits: list[float]) -> None:
    consumer = Waiting()
    consumer.on_buffer_full(FULL)

    await consumer._wait_next_records(1.0)

    assert waits == [LOOK_AGAIN_SECONDS]


async def test_with_room_for_all_it_waits_as_long_as_faust_does(waits: list[float]) -> None:
    consumer = Waiting()
    consumer.on_buffer_full(FULL)
    consumer.on_buffer_drop(FULL)

    await consumer._wait_next_records(1.0)

    assert waits == [1.0]
