"""All replays and how far they are: a fold over the compacted topic `calls.replays`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final, Protocol

from schemas.codecs import UndecodableError, decode_any, encode
from schemas.messages import Message
from schemas.records import ReplayReceipt
from schemas.replay_jobs import DONE, REFUSED, RUNNING, ReplayJob, ReplayProgress, job_as_json
from schemas.topics import TopicName

OUTCOMES: Final = ("added", "updated", "superseded", "failed", "parked")
"""What a receipt counts."""

SKIPPED: Final = ("foreign", "empty", "older", "repeated", "too_large", "resolved")
_SHOWN: Final = {"too_large": "tooLarge"}


@dataclass(slots=True)
class ReplayState:
    """One replay. `accepted_at` is the LogAppendTime of its job, ms since the epoch."""

    job: ReplayJob
    accepted_at: int
    progress: ReplayProgress | None = None
    receipts: dict[int, ReplayReceipt] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be done."""
        return self.progress is not None and self.progress.state in (DONE, REFUSED)

    @property
    def reason(self) -> str:
        """Why it was refused, or why the breaker let records not be tried; empty where neither is so."""
        told = self.progress.reason if self.progress is not None else ""
        return told or next((receipt.reason for receipt in self.receipts.values() if receipt.reason), "")

    def advance(self, progress: ReplayProgress) -> None:
        """Take a progress that is not behind what is known: of two processes that run a replay, the slower's is."""
        if self.progress is None or progress.place >= self.progress.place:
            self.progress = progress

    def outcomes(self) -> dict[str, int]:
        """Return what became of the records so far, by name."""
        if self.ended and self.progress is not None:
            return {name: getattr(self.progress, name) for name in OUTCOMES}
        return {name: sum(getattr(receipt, name) for receipt in self.receipts.values()) for name in OUTCOMES}

    def answered(self, parts: int) -> int:
        """Return for how many of the first so many slices the receipt is there."""
        return sum(part < parts for part in self.receipts)


@dataclass(slots=True)
class ReplayBoard:
    """Every replay, by id. Changed by `apply` only."""

    replays: dict[str, ReplayState] = field(default_factory=dict)

    def apply(self, value: bytes | None, timestamp: int) -> None:
        """Take one message of the topic; what is not ours, and a receipt of what has ended, changes nothing."""
        try:
            record = decode_any(value)
        except UndecodableError:
            return
        match record:
            case ReplayJob():
                self.replays.setdefault(record.replay_id, ReplayState(record, timestamp))
            case ReplayProgress() if (state := self.replays.get(record.replay_id)) is not None:
                state.advance(record)
                if state.ended:
                    state.receipts.clear()
            case ReplayReceipt() if (state := self.replays.get(record.replay_id)) is not None and not state.ended:
                state.receipts[record.part] = record

    def repeats_begin(self, replay_id: str, *, parked: bool) -> list[int] | None:
        """Return the offsets from which on a record may have failed twice, or None if no other replay has begun.

        That is where `calls.dead-letter`, or `calls.parking` if `parked`, ended when the first of the others began.
        """
        ends = [
            state.progress.ends if state.job.parked == parked else state.progress.other_ends
            for name, state in self.replays.items()
            if name != replay_id and state.progress is not None and state.progress.state != REFUSED
        ]
        return [min(offsets) for offsets in zip_longest(*ends, fillvalue=0)] if ends else None


class ReplayReader(Protocol):
    """A board that somebody keeps up with the topic."""

    @property
    def board(self) -> ReplayBoard:
        """What is known so far."""
        ...

    async def refresh(self) -> None:
        """Read the topic to its present end. Raise TryAgainError."""
        ...


def job_message(job: ReplayJob) -> Message:
    """Return the message that asks for a replay.

    Two processes may write jobs of one Idempotency-Key at once. The first one stands, so compaction must not let
    another take its place: the hash of the body is part of the key.
    """
    suffix = f"/{job.body_hash}" if job.body_hash is not None else ""
    return _message(f"job/{job.replay_id}{suffix}", encode(job))


def progress_message(progress: ReplayProgress) -> Message:
    """Return the message that says how far a replay is."""
    return _message(f"progress/{progress.replay_id}", encode(progress))


def forgotten(replay_id: str, first: int, end: int) -> list[Message]:
    """Return the messages that let compaction remove receipts, from one part to before another, of what has ended."""
    return [_message(f"receipt/{replay_id}/{part}", None) for part in range(first, end)]


def _message(key: str, value: bytes | None) -> Message:
    return Message(TopicName.REPLAYS, value, key=key.encode(), partition=0)


def summary(state: ReplayState) -> dict[str, Any]:
    """Return what became of a replay's records, as it is shown.

    `selected` = replayed + superseded + failed + parked + statuses + pending: what was sent since the last checkpoint
    and has its receipt counts too.
    """
    done, progress = state.outcomes(), state.progress
    written, statuses = (progress.selected, progress.statuses) if progress else (0, 0)
    selected = max(written, statuses + sum(done.values()))
    skipped = {name: getattr(progress, name) for name in SKIPPED} if progress else {}
    return {
        "replayId": state.job.replay_id,
        "state": progress.state if progress else RUNNING,
        **({"reason": state.reason} if state.reason else {}),
        "selected": selected,
        "replayed": done["added"] + done["updated"],
        "added": done["added"],
        "updated": done["updated"],
        "superseded": done["superseded"],
        "failed": done["failed"],
        "parked": done["parked"],
        "statuses": statuses,
        "pending": selected - statuses - sum(done.values()),
        "skipped": sum(skipped.values()),
        "skippedBecause": skipped_because(skipped),
    }


def map_not_found(names: Sequence[str], selected: int) -> dict[str, list[str]]:
    """Return, as a fact to be shown, the fields to be renamed that none of the selected records had: misspelt ones."""
    return {"mapNotFound": list(names)} if names and selected else {}


def skipped_because(counts: Mapping[str, int]) -> dict[str, int]:
    """Return why letters were passed over, as it is shown."""
    return {_SHOWN.get(name, name): counts[name] for name in SKIPPED if counts.get(name)}


def shown(state: ReplayState) -> dict[str, Any]:
    """Return a replay as the API shows it."""
    progress = state.progress
    return summary(state) | {
        "asked": job_as_json(state.job),
        "acceptedAt": state.accepted_at,
        "updatedAt": progress.updated_at if progress else state.accepted_at,
        "read": progress.read if progress else 0,
        "toRead": progress.to_read if progress else None,
    }
