"""Faust's Kafka consumer with the parts replaced that lose, double or delay messages in faust-streaming 0.15.3.

Each override names what it cures. They use private hooks: `tests/faults` fails if an upgrade changes them.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

import faust
import structlog
from aiokafka import AIOKafkaConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from schemas.kafka_connection import FETCH_WAIT_MS

log = structlog.get_logger(__name__)

LOOK_AGAIN_SECONDS: Final = 0.02
_SHARE_OF_REBALANCE: Final = 0.5


class SafeConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust is untyped here
    """Reads committed messages only, which Faust offers with its transactions alone, and asks for more in time."""

    logger = logging.getLogger("faust.consumer")

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001  # no setting reaches these
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001
        return consumer


class SafeConsumer(driver.Consumer):  # type: ignore[misc]  # Faust is untyped here
    """Commits exactly what has been acknowledged in order, and before partitions are given away."""

    logger = logging.getLogger("faust.consumer")

    def _new_consumer_thread(self) -> SafeConsumerThread:
        return SafeConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _new_offset(self, tp: TP) -> int | None:
        """Return the offset to commit: never past a message that is still waited for.

        Faust looks for consecutive offsets, off by one at the head, and takes transaction markers for messages. Our
        agents acknowledge in offset order, so what was acknowledged below the first waiting message is what is done.
        """
        acked: list[int] = self._acked[tp]
        waiting = [message.offset for message in self._unacked_messages if message.tp == tp and not message.acked]
        first_waiting = min(waiting, default=None)
        done = [offset for offset in acked if first_waiting is None or offset < first_waiting]
        if not done:
            return None
        acked[:] = [offset for offset in acked if first_waiting is not None and offset >= first_waiting]
        self._acked_index[tp].difference_update(done)
        return max(done) + 1

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: `_new_offset` needs no offsets that are not there."""

    async def _wait_next_records(self, timeout: float) -> Any:  # noqa: ASYNC109  # Faust's signature
        """Look again soon while the buffer of a partition is full; Faust learns of its end a whole second later.

        With all of them full Faust sleeps; with some full it waits for messages of the others only.
        """
        for _ in range(int(1 / LOOK_AGAIN_SECONDS)):
            if not self.flow_active or self.should_stop or self._get_active_partitions():
                break
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return await super()._wait_next_records(LOOK_AGAIN_SECONDS if self._buffered_partitions else timeout)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish and commit the events in progress while their acknowledgements are known; Faust forgets them first."""
        if revoked and not self.app.should_stop:
            self.stop_flow()
            self.app.flow_control.suspend()
            self.app.flow_control.clear()
            finishing = asyncio.ensure_future(self.wait_empty())
            await asyncio.wait({finishing}, timeout=self.app.conf.broker_rebalance_timeout * _SHARE_OF_REBALANCE)
            if not finishing.done():
                finishing.cancel()
                log.warning("rebalance_before_commit", partitions=len(revoked))
        await super().on_partitions_revoked(revoked)


class SafeTransport(driver.Transport):  # type: ignore[misc]  # Faust is untyped here
    """The transport that makes SafeConsumers."""

    Consumer = SafeConsumer


def leave_group(app: faust.App) -> None:
    """Tell the brokers that this process goes: without it the group stands still until the session ends.

    Blocks the event loop on purpose, so that nothing is acknowledged meanwhile.
    """
    try:
        thread = app.consumer._thread  # noqa: SLF001  # Faust has no public way
        leaving = thread._consumer._coordinator._maybe_leave_group()  # noqa: SLF001
        asyncio.run_coroutine_threadsafe(leaving, thread.thread_loop).result(2)
    except BaseException as error:  # noqa: BLE001  # the process ends next, whatever this was
        log.warning("group_not_left", error=type(error).__name__)
