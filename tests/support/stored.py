"""Records and statuses, written to ClickHouse as `load` writes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from schemas.identity import call_ids, uuid_texts
from schemas.records import PhoneLogChunk
from schemas.statuses import CallStatus, StatusEvent
from sinks.clickhouse import ClickHouse, connect
from sinks.facts import read_calls, read_left_times, refresh_contacts
from sinks.rows import phone_log_insert, prepare
from sinks.statuses import Reported, call_status_insert, merged

_encode = msgspec.json.encode
CANDIDATES: Final = ("America/New_York", "Europe/Paris")
"""What is kept of numbers that are stored without a zone of their own."""


@asynccontextmanager
async def engine_in(folder: Path) -> AsyncIterator[ClickHouse]:
    """Yield the real engine with all tables, its data in the folder."""
    clickhouse = connect(f"chdb://{folder}/chdb")
    await clickhouse.migrate()
    yield clickhouse
    await clickhouse.close()


async def store(
    clickhouse: ClickHouse,
    records: Mapping[str, Mapping[str, Any]],
    at: int,
    batch_id: str = "batch",
    zones: Mapping[str, str] | None = None,
) -> None:
    """Store the variables of these numbers as accepted at that time, ms since the epoch."""
    rows = len(records)
    uncertain = [row for row, number in enumerate(records) if not (zones and number in zones)]
    chunk = PhoneLogChunk(
        submission_id=f"submission-{at}",
        batch_id=batch_id,
        first_index=0,
        total=rows,
        accepted_at=at,
        source_topic="calls.raw",
        source_partition=0,
        source_offset=0,
        report_partition=None,
        workspace_id="workspace",
        agent_id="agent",
        schema_version=1,
        size=rows,
        record_index=list(range(rows)),
        phone_number=list(records),
        phone_number_sent=list(records),
        timezone=[(zones or {}).get(number, "UTC") for number in records],
        timezone_source=["record" if zones and number in zones else "default" for number in records],
        variables=[_encode(variables) for variables in records.values()],
        uncertain=uncertain,
        uncertain_area=[0] * len(uncertain),
        areas=[" ".join(("country", *CANDIDATES))],
    )
    left = await clickhouse.consult(lambda session: read_left_times(session, [batch_id]))
    insert = phone_log_insert([prepare(chunk, left[batch_id])])
    assert insert is not None
    await clickhouse.insert(insert)


async def report(clickhouse: ClickHouse, call_id: str, status: str, received_at: int, **details: Any) -> None:
    """Store one status of a call."""
    event = StatusEvent(call_id, CallStatus(status), **details)
    calls = await clickhouse.consult(lambda session: read_calls(session, [call_id]))
    await clickhouse.insert(call_status_insert([merged(calls[call_id], [Reported(event, received_at)])]))
    await clickhouse.consult(lambda session: refresh_contacts(session, [call_id]))


def call_id_of(number: str, entry: int = 0, batch_id: str = "batch") -> str:
    return uuid_texts(call_ids(batch_id, [(number, entry)]))[0]
