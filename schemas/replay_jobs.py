"""A replay of dead letters as it is asked for, and how far it is: what `calls.replays` holds beside receipts.

Field meanings are in the `doc` of the `.avsc` files in `schemas/avro`. Times are ms since the epoch.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from schemas.dead_letter_query import DeadLetterFilter
from schemas.records import Record

RUNNING: Final = "running"
DONE: Final = "done"
REFUSED: Final = "refused"

BY_COMMAND: Final = "command"
BY_API: Final = "api"

DEFAULT_MAX_ATTEMPTS: Final = 3

MOST_INT: Final = 2**31 - 1
"""Of an attempt and of the version of a schema: both are an Avro `int`."""


class ReplayMove(Record, frozen=True, kw_only=True):
    """A field that is renamed."""

    old: str
    new: str


class ReplayValue(Record, frozen=True, kw_only=True):
    """A field that is set; `value` is JSON text."""

    name: str
    value: bytes


class ReplayJob(Record, frozen=True, kw_only=True):
    """What a replay was asked to do. Written once."""

    replay_id: str
    workspace_id: str
    runner: str
    requested_at: int
    parked: bool = False
    agent: str | None = None
    batch: str | None = None
    submission: str | None = None
    code: str | None = None
    failure_class: str | None = None
    stage: str | None = None
    path: str | None = None
    since: int | None = None
    until: int | None = None
    attempt: int | None = None
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    rate: int | None = None
    as_new: bool = False
    agent_version: int | None = None
    moves: list[ReplayMove] = msgspec.field(default_factory=list)
    values: list[ReplayValue] = msgspec.field(default_factory=list)
    file_hash: str | None = None
    body_hash: str | None = None
    to_batch: str | None = None

    @property
    def is_unclear(self) -> bool:
        """Whether a version is named, but not of which agent: a filter may take letters of several.

        A batch has one agent, and so has a submission.
        """
        return self.agent_version is not None and not (self.agent or self.batch or self.submission or self.to_batch)


class ReplayProgress(Record, frozen=True, kw_only=True):
    """Where a replay goes on, a place a partition, and what was done before. The last five counts are of the end."""

    replay_id: str
    state: str
    reason: str = ""
    updated_at: int
    starts: list[int]
    positions: list[int]
    ends: list[int]
    other_ends: list[int]
    parts: int
    selected: int = 0
    statuses: int = 0
    foreign: int = 0
    empty: int = 0
    older: int = 0
    repeated: int = 0
    too_large: int = 0
    added: int = 0
    updated: int = 0
    superseded: int = 0
    failed: int = 0
    parked: int = 0
    resolved: int = 0

    @property
    def place(self) -> tuple[bool, int]:
        """How far it is, to be compared: of two processes that run a job, the one that is behind changes nothing."""
        return self.state != RUNNING, sum(self.positions)

    @property
    def read(self) -> int:
        """How many messages were read."""
        return sum(self.positions) - sum(self.starts)

    @property
    def to_read(self) -> int:
        """How many messages there are to read in all."""
        return sum(self.ends) - sum(self.starts)


def filter_of(job: ReplayJob) -> DeadLetterFilter:
    """Return which dead letters a job asks for."""
    return DeadLetterFilter(
        agent=job.agent,
        batch=job.batch,
        submission=job.submission,
        code=job.code,
        failure_class=job.failure_class,
        stage=job.stage,
        since=job.since,
        until=job.until,
        attempt=job.attempt,
        workspace_id=job.workspace_id or None,
        path=job.path,
    )


def job_as_json(job: ReplayJob) -> dict[str, Any]:
    """Return what was asked for, as it is shown: of what is set, the names of fields only."""
    asked = {
        "agent": job.agent,
        "batch": job.batch,
        "submission": job.submission,
        "code": job.code,
        "class": job.failure_class,
        "stage": job.stage,
        "path": job.path,
        "since": job.since,
        "until": job.until,
        "attempt": job.attempt,
        "parked": job.parked or None,
        "maxAttempts": job.max_attempts,
        "rate": job.rate,
        "asNew": job.as_new or None,
        "toBatch": job.to_batch,
        "agentVersion": job.agent_version,
        "map": {move.old: move.new for move in job.moves} or None,
        "set": [value.name for value in job.values] or None,
    }
    return {name: value for name, value in asked.items() if value is not None}
