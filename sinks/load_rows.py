"""Rows as `load` writes them: those that ClickHouse refuses for their own sake are found by halving and given back."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.messages import MustStopError
from sinks.errors import RowsRefusedError
from sinks.refused import RefusedRow, halves, sample
from sinks.rows import PreparedChunk, Tables, phone_log_insert


async def store(clickhouse: Tables, prepared: Sequence[PreparedChunk]) -> list[RefusedRow]:
    """Write the rows and return those that ClickHouse refuses; raise MustStopError if it takes none of many."""
    if await _why_refused(clickhouse, prepared) is None:
        return []
    probes = sample(prepared)
    reasons = [await _why_refused(clickhouse, [probe]) for probe in probes]
    if probes and None not in reasons:
        raise MustStopError(f"{reasons[0]}, and every other row too: look for what was changed in table phone_log")
    return await _search(clickhouse, prepared)


async def _search(clickhouse: Tables, prepared: Sequence[PreparedChunk]) -> list[RefusedRow]:
    reason = await _why_refused(clickhouse, prepared)
    if reason is None:
        return []
    if sum(each.rows for each in prepared) == 1:
        return [RefusedRow(next(each.chunk for each in prepared if each.rows), reason)]
    left, right = halves(prepared)
    return [*await _search(clickhouse, left), *await _search(clickhouse, right)]


async def _why_refused(clickhouse: Tables, prepared: Sequence[PreparedChunk]) -> str | None:
    insert = phone_log_insert(prepared)
    if insert is None:
        return None
    try:
        await clickhouse.insert(insert)
    except RowsRefusedError as error:
        return str(error)
    return None
