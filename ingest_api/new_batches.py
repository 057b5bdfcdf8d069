"""A batch as createBatch and an upload ask for it, checked against the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ingest_api import batches
from ingest_api.edge import Edge
from ingest_api.envelope import RefusedError, RequestError
from schemas.records import Batch


async def checked_batch(
    edge: Edge, workspace_id: str, fields: dict[str, Any], batch_id: str, errors: Sequence[RequestError] = ()
) -> Batch:
    """Return the batch that the fields of createBatch ask for; refuse them (400) with everything that is wrong.

    `errors` are those known before; of each field the first one is told.
    """
    checked = batches.check(fields, edge.known_timezone)
    unknown = await edge.access.unknown_numbers(workspace_id, batches.phone_ids_of(fields))
    found = [*errors, *(checked if isinstance(checked, list) else []), *batches.unknown_numbers(unknown)]
    wrong = {error.path: error for error in reversed(found)}
    if isinstance(checked, list) or wrong:
        raise RefusedError(*reversed(wrong.values()))
    return batches.batch_of(checked, batch_id, workspace_id, edge.now_ms())
