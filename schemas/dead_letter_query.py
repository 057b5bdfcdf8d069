"""Which dead letters are asked for: the filters that lists, exports and replays share. Pure.

Of a record that failed several times only the newest attempt counts, unless one attempt is asked for: filters are about
that one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from schemas.dead_letters import DeadLetter
from schemas.outcomes import RECORD_CODES

MOST_RECORD_BYTES: Final = 16 * 1024 * 1024
"""Bytes of records in one page; a larger record is a page by itself."""

MOMENT_RULE: Final = (
    "must be a time with offset, such as 2026-01-31T09:30:00Z, or how long ago, such as 90s, 15m, 2h, 7d"
)
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_AGO: Final = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_UNIT_MS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """What must hold of a dead letter; None: whatever. All of it must hold.

    `since` and `until` are ms since the epoch: failed at or after the one, before the other. `code` and `path` are
    those of the first error. `agent` is the one that speaks for the batch now, which the registry knows: `batches` are
    its, as `with_batches` fills them in; before that it lets nothing through.
    """

    batch: str | None = None
    submission: str | None = None
    code: str | None = None
    failure_class: str | None = None
    stage: str | None = None
    since: int | None = None
    until: int | None = None
    attempt: int | None = None
    workspace_id: str | None = None
    path: str | None = None
    record_index: int | None = None
    agent: str | None = None
    batches: frozenset[str] = frozenset()

    def matches(self, letter: DeadLetter) -> bool:
        """Return whether all of it holds."""
        first = letter.errors[0]
        return (
            (self.batch is None or self.batch == letter.batch_id)
            and (self.agent is None or letter.batch_id in self.batches)
            and (self.submission is None or self.submission == letter.submission_id)
            and (self.code is None or self.code == first.code)
            and (self.failure_class is None or self.failure_class == RECORD_CODES[first.code].failure_class)
            and (self.stage is None or self.stage == letter.stage)
            and (self.attempt is None or self.attempt == letter.attempt)
            and (self.workspace_id is None or self.workspace_id == letter.workspace_id)
            and (self.path is None or self.path == first.path)
            and (self.record_index is None or self.record_index == letter.record_index)
            and self._in_time(letter.failed_at)
        )

    def _in_time(self, failed_at: int) -> bool:
        return (self.since is None or failed_at >= self.since) and (self.until is None or failed_at < self.until)


def with_batches(wanted: DeadLetterFilter, of_agent: Callable[[str], frozenset[str]]) -> DeadLetterFilter:
    """Return a filter that knows the batches of the agent it names; `of_agent` is asked for their ids."""
    return wanted if wanted.agent is None else replace(wanted, batches=of_agent(wanted.agent))


class GroupBy(StrEnum):
    """What dead letters can be counted by. `agent` is the one of the batch, known to the registry only."""

    CODE = "code"
    CLASS = "class"
    STAGE = "stage"
    BATCH = "batch"
    AGENT = "agent"
    PATH = "path"


class Place(NamedTuple):
    """A failed record's place in the order of submissions and indices."""

    submission_id: str
    record_index: int

    def __str__(self) -> str:
        return f"{self.submission_id}/{self.record_index}"


@dataclass(frozen=True, slots=True)
class DeadLetterQuery:
    """Which dead letters, and in which order: newest first, or by place, where `after` goes on.

    `parked` asks for those in the parking topic only, `resolved` for those that need no replay any more. `records`
    asks for the bytes too: then a page may end early, and so has to be by place.
    """

    filter: DeadLetterFilter = DeadLetterFilter()
    parked: bool = False
    resolved: bool = False
    page: int = 1
    limit: int = 10
    by_place: bool = False
    after: Place | None = None
    records: bool = False


class ResolvedWith(StrEnum):
    """What a dead letter needs no replay for any more.

    A replay stored its record or found it superseded; the corrected record was posted again; a later record of the same
    number is stored in the batch; somebody dismissed it.
    """

    REPLAY = "replay"
    RECORD = "record"
    CONTACT = "contact"
    DISMISSAL = "dismissal"


@dataclass(frozen=True, slots=True)
class ResolvedBy:
    """How a dead letter was resolved, and when, ms since the epoch; of the rest what belongs to it."""

    by: ResolvedWith
    at: int
    replay_id: str | None = None
    submission_id: str | None = None
    record_index: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A dead letter as it is kept. Without its bytes, if they were not asked for."""

    letter: DeadLetter
    parked: bool = False
    resolved_by: ResolvedBy | None = None

    @property
    def place(self) -> Place:
        return Place(self.letter.submission_id, self.letter.record_index)


@dataclass(frozen=True, slots=True)
class DeadLetterPage:
    """One page. `total` counts all that are asked for; None after the first page by place, where nobody counts.

    `more` says whether others follow this page.
    """

    total: int | None
    letters: Sequence[KeptLetter]
    more: bool


@dataclass(frozen=True, slots=True)
class DeadLetterGroup:
    """Failed records that have something in common; `key` is "" where they have none of it.

    `oldest` is when the first of them first failed, `newest` when the last one did, ms since the epoch. `message` is
    that of the newest.
    """

    key: str
    count: int
    oldest: int
    newest: int
    message: str


def merged(key: str, groups: Sequence[DeadLetterGroup]) -> DeadLetterGroup:
    """Return one group of several, at least one."""
    return DeadLetterGroup(
        key=key,
        count=sum(group.count for group in groups),
        oldest=min(group.oldest for group in groups),
        newest=max(group.newest for group in groups),
        message=max(groups, key=lambda group: group.newest).message,
    )


def by_count(groups: Iterable[DeadLetterGroup]) -> list[DeadLetterGroup]:
    """Return the groups, largest first."""
    return sorted(groups, key=lambda group: (-group.count, group.key))


def group_key(letter: DeadLetter, by: GroupBy) -> str:
    """Return what a letter is counted by; for `agent` its batch."""
    first = letter.errors[0]
    match by:
        case GroupBy.CODE:
            return first.code
        case GroupBy.CLASS:
            return RECORD_CODES[first.code].failure_class
        case GroupBy.STAGE:
            return letter.stage
        case GroupBy.PATH:
            return first.path
        case GroupBy.BATCH | GroupBy.AGENT:
            return letter.batch_id or ""


def group_of(letter: DeadLetter, by: GroupBy) -> DeadLetterGroup:
    """Return the group of one letter."""
    key, message = group_key(letter, by), letter.errors[0].message
    return DeadLetterGroup(key, 1, letter.first_failed_at, letter.failed_at, message)


def moment(text: str, now_ms: int) -> int:
    """Return a time as RFC 3339 has it, or one so long before now, in ms since the epoch; raise ValueError."""
    ago = _AGO.fullmatch(text)
    if ago:
        return max(0, now_ms - int(ago[1]) * _UNIT_MS[ago[2]])
    if not _RFC3339.fullmatch(text):
        raise ValueError(MOMENT_RULE)
    try:
        at = datetime.fromisoformat(text.upper())
        return (at - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise ValueError("names a day or time that does not exist") from None
