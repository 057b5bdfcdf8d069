"""The batches of a workspace as the contract lists them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ingest_api.batch_details import queue_status, utc
from schemas.records import Batch
from schemas.stores import BatchCounts


def listed(batches: Iterable[Batch], workspace_id: str, search: str) -> list[Batch]:
    """Return the workspace's batches that have the text in their name, newest first."""
    found = [batch for batch in batches if batch.workspace_id == workspace_id and search in batch.name]
    return sorted(found, key=lambda batch: (batch.created_at, batch.batch_id), reverse=True)


def page_of_batches(found: Sequence[Batch], page: int, limit: int) -> Sequence[Batch]:
    """Return one page, from 1, of those found."""
    return found[(page - 1) * limit : page * limit]


def listing(
    shown: Sequence[Batch], counts: Mapping[str, BatchCounts], page: int, limit: int, total: int
) -> dict[str, Any]:
    """Return the `data` of the list of batches."""
    return {
        "batches": [_row(batch, counts.get(batch.batch_id)) for batch in shown],
        "pagination": {"page": page, "limit": limit, "total": total, "totalPages": -(-total // limit)},
    }


def _row(batch: Batch, counts: BatchCounts | None) -> dict[str, Any]:
    return {
        "_id": batch.batch_id,
        "batchName": batch.name,
        "totalCalls": counts.total_calls if counts else 0,
        "callsPicked": counts.picked if counts else 0,
        "callsCompleted": counts.completed if counts else 0,
        "callsCanceled": counts.canceled if counts else 0,
        "queue_status": queue_status(counts),
        "createdAt": utc(batch.created_at),
        "updatedAt": utc(max(batch.created_at, counts.updated_at) if counts else batch.created_at),
    }
