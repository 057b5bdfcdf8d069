"""Slices of replays for the tests of sinks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.records import PhoneLogChunk, Replay, Replayed
from tests.unit.sinks.chunks import ACCEPTED_AT, a_chunk


def failed_before(record_index: int = 0, accepted_at: int = ACCEPTED_AT, **fields: Any) -> Replayed:
    values: dict[str, Any] = {
        "submission_id": "first",
        "record_index": record_index,
        "accepted_at": accepted_at,
        "source_topic": "calls.raw",
        "source_partition": 2,
        "source_offset": 9,
        "attempt": 1,
        "first_failed_at": accepted_at + 1,
        "sent": b"{}",
    }
    return Replayed(**values | fields)


def a_slice(
    numbers: Sequence[str], history: Sequence[Replayed] | None = None, *, passed: Sequence[int] | None = None, **of: Any
) -> PhoneLogChunk:
    """Return a slice that tries records of these numbers again; `passed` are the places of those that were cleaned."""
    replay_fields: dict[str, Any] = {"replay_id": "r", "part": 0, "max_attempts": 3}
    replay_fields |= {name: of.pop(name) for name in Replay.__struct_fields__ if name in of}
    records = list(history or [failed_before(index) for index in range(len(numbers))])
    places = list(range(len(numbers)) if passed is None else passed)
    return a_chunk(
        [numbers[place] for place in places],
        submission_id=replay_fields["replay_id"],
        report_partition=None,
        record_index=places,
        size=len(records),
        total=len(records),
        replay=Replay(**replay_fields, records=records),
        **of,
    )
