"""Which dead letters are meant. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.dead_letters import DeadLetter
from schemas.outcomes import RECORD_CODES


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """What a dead letter has to be; None is anything. Times of failure, ms since the epoch: since <= t < until.

    `code`, `failure_class` and `path` are those of any of its errors.
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

    def matches(self, letter: DeadLetter) -> bool:
        """Return whether the letter is one of those meant."""
        wanted = (
            (self.batch, letter.batch_id),
            (self.submission, letter.submission_id),
            (self.stage, letter.stage),
            (self.attempt, letter.attempt),
            (self.workspace_id, letter.workspace_id),
        )
        return (
            all(want is None or want == found for want, found in wanted)
            and (self.since is None or self.since <= letter.failed_at)
            and (self.until is None or letter.failed_at < self.until)
            and any(
                self.code in (None, error.code)
                and self.failure_class in (None, RECORD_CODES[error.code].failure_class)
                and self.path in (None, error.path)
                for error in letter.errors
            )
        )
