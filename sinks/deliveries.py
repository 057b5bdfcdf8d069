"""Which command is told to the calling service next, and which offsets are done. Pure: the time comes in.

Commands of one batch are told one at a time; batches do not wait for each other. A command that waits when a later one
of its batch comes is told with it: the later one says the same of more calls. An offset counts as done only when
everything before it in its partition is done, so that a stop at any point may tell a command twice, but leaves none
untold. Times are seconds of one monotonic clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 60.0
LONGEST_RETRY_AFTER_SECONDS: Final = 300.0
_MOST_DOUBLED: Final = 30

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

    def go_on_from(self, before: Delivery) -> None:
        """Take over the tries of the command before: a service that is away is not asked sooner for this one."""
        self.tries, self.begun_at, self.not_before = before.tries, before.begun_at, before.not_before


@dataclass(slots=True)
class _OfBatch:
    """What is being told of a batch, or is to be told next; and what is to be told after it."""

    first: Delivery
    then: Delivery | None = None


@dataclass(slots=True)
class Deliveries:
    """The commands that were taken from Kafka and are not told yet, and how far each partition is done."""

    give_up_seconds: float
    _undone: dict[Partition, dict[int, Delivery]] = field(default_factory=dict)
    """By offset, in their order."""
    _of_batch: dict[tuple[Partition, str], _OfBatch] = field(default_factory=dict)
    _taken: dict[Partition, int] = field(default_factory=dict)
    _committable: dict[Partition, int] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return how many are to be told: at most two a batch."""
        return sum(map(len, self._undone.values()))

    def add(self, delivery: Delivery) -> None:
        """Take one message, in the order of its partition."""
        self._committable.setdefault(delivery.partition, delivery.offset)
        self._taken[delivery.partition] = delivery.offset + 1
        if delivery.body is None:
            return
        self._undone.setdefault(delivery.partition, {})[delivery.offset] = delivery
        key = (delivery.partition, delivery.batch_id)
        of_batch = self._of_batch.get(key)
        if of_batch is None:
            self._of_batch[key] = _OfBatch(delivery)
        elif of_batch.first.in_flight:
            self._replace(of_batch.then, delivery)
            of_batch.then = delivery
        else:
            self._replace(of_batch.first, delivery)
            of_batch.first = delivery

    def due(self, now: float) -> Iterator[Delivery]:
        """Yield what may be tried now, of each batch one command; what has waited longest comes first."""
        ready = (of.first for of in self._of_batch.values() if not of.first.in_flight and of.first.not_before <= now)
        yield from sorted(ready, key=lambda delivery: delivery.not_before)

    def begin(self, delivery: Delivery, now: float) -> None:
        """Note that a command is being told."""
        delivery.in_flight = True
        delivery.tries += 1
        if delivery.begun_at is None:
            delivery.begun_at = now

    def finish(self, delivery: Delivery) -> None:
        """Note that nothing more is to be done for a command."""
        delivery.in_flight = False
        of_batch = self._current(delivery)
        if of_batch is None:
            return
        self._done(delivery)
        if of_batch.then is None:
            del self._of_batch[delivery.partition, delivery.batch_id]
        else:
            of_batch.first, of_batch.then = of_batch.then, None

    def fail(self, delivery: Delivery, now: float, *, share: float, retry_after: float = 0.0) -> bool:
        """Note a failed try; return False if there is to be no other: its time is over.

        `share`, from 0 to 1, is chance: how much of the pause is taken ("full jitter", so that services that come back
        are not met by everybody at once).
        """
        delivery.in_flight = False
        pause = share * min(FIRST_PAUSE_SECONDS * 2 ** min(delivery.tries, _MOST_DOUBLED), LONGEST_PAUSE_SECONDS)
        delivery.not_before = now + max(pause, min(retry_after, LONGEST_RETRY_AFTER_SECONDS))
        if delivery.begun_at is not None and now - delivery.begun_at >= self.give_up_seconds:
            return False
        of_batch = self._current(delivery)
        if of_batch is not None and of_batch.then is not None:
            self._replace(delivery, of_batch.then)
            of_batch.first, of_batch.then = of_batch.then, None
        return True

    def committable(self) -> dict[Partition, int]:
        """Return the next offset of each partition that has come further."""
        reached = {place: min(self._undone.get(place) or (taken,)) for place, taken in self._taken.items()}
        moved = {place: offset for place, offset in reached.items() if offset > self._committable[place]}
        self._committable |= moved
        return moved

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Forget partitions that have been taken away: whoever has them now tells what was not committed."""
        lost = set(partitions)
        for place in lost:
            self._undone.pop(place, None)
            self._taken.pop(place, None)
            self._committable.pop(place, None)
        self._of_batch = {key: of for key, of in self._of_batch.items() if key[0] not in lost}

    def _current(self, delivery: Delivery) -> _OfBatch | None:
        """Return its batch's commands; None where its partition was taken away meanwhile, and maybe came back."""
        of_batch = self._of_batch.get((delivery.partition, delivery.batch_id))
        return of_batch if of_batch is not None and of_batch.first is delivery else None

    def _replace(self, before: Delivery | None, by: Delivery) -> None:
        if before is not None:
            by.go_on_from(before)
            self._done(before)

    def _done(self, delivery: Delivery) -> None:
        del self._undone[delivery.partition][delivery.offset]
