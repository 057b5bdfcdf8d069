"""Chunks for the tests of sinks."""

from __future__ import annotations

from typing import Any

from schemas.records import PhoneLogChunk

ACCEPTED_AT = 1_767_225_600_000


def a_chunk(numbers: list[str], **changes: Any) -> PhoneLogChunk:
    """Return a chunk of these E.164 numbers, whole unless changed."""
    rows = len(numbers)
    fields: dict[str, Any] = {
        "submission_id": "submission",
        "batch_id": "batch",
        "first_index": 0,
        "total": rows,
        "accepted_at": ACCEPTED_AT,
        "source_topic": "calls.raw",
        "source_partition": 3,
        "source_offset": 17,
        "report_partition": 5,
        "workspace_id": "workspace",
        "agent_id": "agent",
        "schema_version": 2,
        "size": rows,
        "record_index": list(range(rows)),
        "phone_number": numbers,
        "phone_number_sent": [number[1:] for number in numbers],
        "timezone": ["America/New_York"] * rows,
        "timezone_source": ["number"] * rows,
        "variables": [b'{"n":%d}' % row for row in range(rows)],
    }
    return PhoneLogChunk(**(fields | changes))


def numbers(count: int, start: int = 0) -> list[str]:
    """Return so many different numbers."""
    return [f"+1212{2000000 + start + i}" for i in range(count)]
