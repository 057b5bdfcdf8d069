"""Whether the baselines do the same work: the same records refused, the same numbers, zones and variables stored."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, Final

import msgspec

from bench.baselines.checks import Row, judge
from bench.baselines.checks import Submission as BaselineSubmission
from bench.records import BATCH_ZONE, SCHEMA
from schemas.agent_schemas import compile_validator, parse_schema
from schemas.records import Chunk
from streams.campaigns import Campaign
from streams.pipeline import Limits, clean

BATCH: Final = "parity"
_GOOD: Final[dict[str, Any]] = {
    "phoneNumber": "12122000000",
    "name": "Ada Moreau",
    "account_id": 700_000,
    "amount_due": 19.9,
    "due_date": "2026-01-01",
    "note": "kept",
}
_CHANGES: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"phoneNumber": "+1 (312) 200-0001"},
    {"phoneNumber": "0012122000002"},
    {"phoneNumber": 12122000003},
    {"phoneNumber": "447400000003"},
    {"phoneNumber": "+4915120000007"},
    {"phoneNumber": "call me maybe"},
    {"phoneNumber": "1212555"},
    {"phoneNumber": "121220000000000"},
    {"phoneNumber": " "},
    {"phoneNumber": None},
    {"phoneNumber": True},
    {"phoneNumber": ["12122000000"]},
    {"timezone": "America/Chicago"},
    {"timezone": ""},
    {"timezone": None},
    {"timezone": "Eastern"},
    {"timezone": 5},
    {"name": None},
    {"name": 5},
    {"account_id": "700000"},
    {"account_id": 3.0},
    {"account_id": True},
    {"account_id": 2**63},
    {"amount_due": "19.9"},
    {"amount_due": 20},
    {"due_date": "31/12/2026"},
    {"due_date": "2026-02-30"},
    {"due_date": 20_000},
    {"nested": {"deep": [1, {"er": "ünïcode"}]}, "unknown": None},
    {"name": 5, "amount_due": None, "phoneNumber": "x"},
)
_NOT_OBJECTS: Final[tuple[Any, ...]] = ("x", 3, [], None)


def campaign() -> Campaign:
    """Return what dialfeed checks the benchmark's records against."""
    return Campaign("workspace", BATCH_ZONE, None, None, "agent", 1, compile_validator(parse_schema(SCHEMA)))


def chunk_of(records: list[bytes], batch_id: str = BATCH) -> Chunk:
    """Return these records as a chunk."""
    return Chunk(
        submission_id="submission",
        batch_id=batch_id,
        first_index=0,
        total=len(records),
        accepted_at=1_800_000_000_000,
        source_topic="calls.raw",
        source_partition=0,
        source_offset=0,
        records=records,
    )


def differences() -> list[str]:
    """Return where dialfeed and the baselines judge a record differently; the records are named by their change."""
    records: list[Any] = [_GOOD | change for change in _CHANGES] + [*_NOT_OBJECTS]
    without = [{name: value for name, value in _GOOD.items() if name != left_out} for left_out in _GOOD]
    records += without
    ours, theirs = _ours(records), _theirs(records)
    return [
        f"{json.dumps(record)}: dialfeed {our}, baseline {their}"
        for record, our, their in zip(records, ours, theirs, strict=True)
        if our != their
    ]


_Verdict = tuple[str, str | None, Any] | None
"""The number, the zone where the number alone has not decided it, the variables; None where the record is refused."""


def _ours(records: list[Any]) -> list[_Verdict]:
    cleaned = clean(chunk_of([json.dumps(record).encode() for record in records]), campaign(), Limits(), 0)
    log = cleaned.phone_log
    columns = (log.record_index, log.phone_number, log.timezone, log.timezone_source, log.variables)
    stored = {
        row: _verdict(number, zone, source, variables)
        for row, number, zone, source, variables in zip(*columns, strict=True)
    }
    return [stored.get(index) for index in range(len(records))]


def _theirs(records: list[Any]) -> list[_Verdict]:
    submission = BaselineSubmission(BATCH, BATCH_ZONE, dt.datetime.fromtimestamp(1_800_000_000, dt.UTC))
    rows = [judge(record, submission) for record in records]
    return [
        _verdict(row.phone_number, row.timezone, row.timezone_source, row.variables.encode())
        if isinstance(row, Row)
        else None
        for row in rows
    ]


def _verdict(number: str, zone: str, source: str, variables: bytes) -> _Verdict:
    # Outside North America dialfeed mends the library's map (see `streams.timezones`), so that the zones may differ.
    comparable = source == "record" or number.startswith("+1")
    return number, zone if comparable else None, msgspec.json.decode(variables)
