"""Which command is told to the calling service next, and which offsets are done. Pure: the time comes in.

Commands of one batch are told in their order, one at a time; batches do not wait for each other. An offset counts as
done only when everything before it in its partition is done, so that a stop at any point may tell a command twice, but
leaves none untold. Times are seconds of one monotonic clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 60.0
LONGEST_RETRY_AFTER_SECONDS: Final = 300.0

Partition = tuple[str, int]
"""Topic and partition."""


@dataclass(slots=True, eq=False)
class Delivery:
    """One command on its way. `body` is None for a message that is no command: there is nothing to tell."""

    partition: Partition
    offset: int
    batch_id: str
    request_id: str
    body: bytes | None
    tries: int = 0
    begun_at: float | None = None
    not_before: float = 0.0
    in_flight: bool = False
    done: bool = False


@dataclass(slots=True)
class Deliveries:
    """The commands that were taken from Kafka and whose offsets are not committed yet."""

    give_up_seconds: float
    _in_order: dict[Partition, deque[Delivery]] = field(default_factory=dict)
    _of_batch: dict[tuple[Partition, str], deque[Delivery]] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self._in_order.values()))

    def add(self, delivery: Delivery) -> None:
        """Take one message, in the order of its partition."""
        self._in_order.setdefault(delivery.partition, deque()).append(delivery)
        if delivery.body is None:
            delivery.done = True
        else:
            self._of_batch.setdefault((delivery.partition, delivery.batch_id), deque()).append(delivery)

    def due(self, now: float) -> Iterator[Delivery]:
        """Yield what may be tried now: the first command of each batch, unless it is being tried or has to wait."""
        for queue in self._of_batch.values():
            if not queue[0].in_flight and queue[0].not_before <= now:
                yield queue[0]

    def begin(self, delivery: Delivery, now: float) -> None:
        """Note that a command is being told."""
        delivery.in_flight = True
        delivery.tries += 1
        if delivery.begun_at is None:
            delivery.begun_at = now

    def finish(self, delivery: Delivery) -> None:
        """Note that nothing more is to be done for a command."""
        delivery.in_flight, delivery.done = False, True
        key = (delivery.partition, delivery.batch_id)
        queue = self._of_batch.get(key)
        if queue and queue[0] is delivery:  # else its partition was taken away meanwhile
            queue.popleft()
            if not queue:
                del self._of_batch[key]

    def fail(self, delivery: Delivery, now: float, *, share: float, retry_after: float = 0.0) -> bool:
        """Note a failed try; return False if there is to be no other: its time is over.

        `share`, from 0 to 1, is chance: how much of the pause is taken ("full jitter", so that services that come back
        are not met by everybody at once).
        """
        delivery.in_flight = False
        pause = share * min(FIRST_PAUSE_SECONDS * 2**delivery.tries, LONGEST_PAUSE_SECONDS)
        delivery.not_before = now + max(pause, min(retry_after, LONGEST_RETRY_AFTER_SECONDS))
        return now - (delivery.begun_at or now) < self.give_up_seconds

    def committable(self) -> dict[Partition, int]:
        """Return the next offset of each partition that has come further, and forget what is before it."""
        moved: dict[Partition, int] = {}
        for partition, queue in self._in_order.items():
            while queue and queue[0].done:
                moved[partition] = queue.popleft().offset + 1
        return moved

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Forget partitions that have been taken away: whoever has them now tells what was not committed."""
        lost = set(partitions)
        self._in_order = {place: queue for place, queue in self._in_order.items() if place not in lost}
        self._of_batch = {key: queue for key, queue in self._of_batch.items() if key[0] not in lost}
