"""Calls without telephones: who is called when, and how that ends. Pure: the time comes in, reports come out.

Follows docs/calling-service.md. A call leaves pending with its first attempt; attempts without an answer are repeated
as the batch says before anything final is reported. Times are seconds since the epoch, of a clock that may run fast.
How an attempt ends is a function of (seed, callId, attempt), whatever happens around it.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import count
from random import Random
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dialfeed.simulate_hours import CallingHours
from schemas.statuses import FINAL_RANK, RANKS, CallStatus

UNANSWERED: Final = {
    CallStatus.NO_ANSWER: 0.6,
    CallStatus.BUSY: 0.2,
    CallStatus.VOICEMAIL: 0.15,
    CallStatus.FAILED: 0.05,
}
"""How attempts end that nobody answers, by their share."""

TRIED_AGAIN: Final = frozenset({CallStatus.NO_ANSWER, CallStatus.BUSY})
RING_SECONDS: Final = (4.0, 25.0)
TALK_SECONDS: Final = (15.0, 180.0)
MESSAGE_SECONDS: Final = 12.0
"""What is said to a voicemail."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How people answer, and how many of them are called at a time."""

    answer_rate: float = 0.6
    lines: int = 50
    seed: int = 0


@dataclass(frozen=True, slots=True)
class BatchRules:
    """What a batch says of calling: further attempts, seconds between them, and when."""

    retry: int = 0
    delay: float = 0.0
    hours: CallingHours = field(default_factory=CallingHours)


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it was read: pending, or left behind in the middle by a calling service that died."""

    call_id: str
    batch_id: str
    timezone: str
    status: CallStatus = CallStatus.PENDING


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What is to be reported of a call."""

    batch_id: str
    call_id: str
    status: CallStatus
    at: float
    call_duration: float | None = None


@dataclass(slots=True, eq=False)
class _InHand:
    call: Call
    attempts: int = 0
    status: CallStatus = CallStatus.PENDING
    becomes: CallStatus = CallStatus.PENDING
    duration: float | None = None


class Simulation:
    """Every call that was taken, and what becomes of each as time goes on."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._rules: dict[str, BatchRules] = {}
        self._calls: dict[str, _InHand] = {}
        self._turn = count()  # of two that are due at once the earlier taken is first
        self._waiting: list[tuple[float, int, _InHand]] = []
        self._under_way: list[tuple[float, int, _InHand]] = []
        self.attempts = 0
        self.statuses: Counter[CallStatus] = Counter()

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def unfinished(self) -> int:
        """How many calls have not come to their end."""
        return sum(number for status, number in self.statuses.items() if RANKS[status] < FINAL_RANK)

    def knows(self, call_id: str) -> bool:
        """Return whether a call was taken."""
        return call_id in self._calls

    def set_rules(self, batch_id: str, rules: BatchRules) -> None:
        """Take what a batch says of calling, before its calls."""
        self._rules[batch_id] = rules

    def take(self, calls: Iterable[Call], now: float) -> int:
        """Take calls, and return how many of them are new: one that is known already is not called again."""
        new = [call for call in calls if call.call_id not in self._calls]
        for call in new:
            in_hand = self._calls[call.call_id] = _InHand(call, status=call.status)
            self.statuses[call.status] += 1
            self._begin(in_hand, now)
        return len(new)

    def next_at(self) -> float | None:
        """Return when something happens next; None: nothing does."""
        next_of = [heap[0][0] for heap in (self._under_way, self._waiting if self._free else []) if heap]
        return min(next_of, default=None)

    def advance(self, now: float) -> list[StatusReport]:
        """Let happen what is due, one step a call, and return what is to be reported before the next steps."""
        reports: list[StatusReport] = []
        while self._under_way and self._under_way[0][0] <= now:
            _, _, in_hand = heapq.heappop(self._under_way)
            reports += self._go_on(in_hand, now)
        while self._free and self._waiting and self._waiting[0][0] <= now:
            _, _, in_hand = heapq.heappop(self._waiting)
            reports += self._dial(in_hand, now)
        return reports

    @property
    def _free(self) -> bool:
        return len(self._under_way) < self._behaviour.lines

    def _begin(self, in_hand: _InHand, now: float) -> None:
        """Let a call wait for its turn. Of one that was left behind, one attempt has been made; talk is lost."""
        left_behind = in_hand.status is not CallStatus.PENDING
        in_hand.attempts = int(left_behind)
        rules = self._rules.get(in_hand.call.batch_id, BatchRules())
        if in_hand.status is CallStatus.IN_PROGRESS or in_hand.attempts > rules.retry:
            in_hand.becomes = CallStatus.FAILED
            self._push(self._under_way, now, in_hand)
        else:
            self._push(self._waiting, now + rules.delay * left_behind, in_hand)

    def _push(self, heap: list[tuple[float, int, _InHand]], at: float, in_hand: _InHand) -> None:
        heapq.heappush(heap, (at, next(self._turn), in_hand))

    def _dial(self, in_hand: _InHand, now: float) -> list[StatusReport]:
        call = in_hand.call
        rules = self._rules.get(call.batch_id, BatchRules())
        opening = rules.hours.next_opening(datetime.fromtimestamp(now, UTC), zone_of(call.timezone)).timestamp()
        if opening > now:
            self._push(self._waiting, opening, in_hand)
            return []
        in_hand.attempts += 1
        self.attempts += 1
        chance = Random(f"{self._behaviour.seed}/{call.call_id}/{in_hand.attempts}")  # noqa: S311  a game of chance
        in_hand.becomes = _answer(chance, self._behaviour.answer_rate)
        in_hand.duration = chance.uniform(*TALK_SECONDS) if in_hand.becomes is CallStatus.IN_PROGRESS else None
        self._push(self._under_way, now + chance.uniform(*RING_SECONDS), in_hand)
        return [self._report(in_hand, CallStatus.DIALING, now)] if in_hand.attempts == 1 else []

    def _go_on(self, in_hand: _InHand, now: float) -> list[StatusReport]:
        status = in_hand.becomes
        rules = self._rules.get(in_hand.call.batch_id, BatchRules())
        if status in TRIED_AGAIN and in_hand.attempts <= rules.retry:
            self._push(self._waiting, now + rules.delay, in_hand)
            return []
        if status is CallStatus.IN_PROGRESS:
            assert in_hand.duration is not None
            in_hand.becomes = CallStatus.COMPLETED
            self._push(self._under_way, now + in_hand.duration, in_hand)
            return [self._report(in_hand, status, now)]
        if status is CallStatus.VOICEMAIL:
            in_hand.duration = MESSAGE_SECONDS
        return [self._report(in_hand, status, now, in_hand.duration)]

    def _report(self, in_hand: _InHand, status: CallStatus, now: float, duration: float | None = None) -> StatusReport:
        self.statuses[in_hand.status] -= 1
        self.statuses[status] += 1
        in_hand.status = status
        return StatusReport(in_hand.call.batch_id, in_hand.call.call_id, status, now, duration)


def _answer(chance: Random, answer_rate: float) -> CallStatus:
    if chance.random() < answer_rate:
        return CallStatus.IN_PROGRESS
    return chance.choices(list(UNANSWERED), list(UNANSWERED.values()))[0]


@cache
def zone_of(name: str) -> ZoneInfo:
    """Return a zone of the tz database; UTC for a name that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
