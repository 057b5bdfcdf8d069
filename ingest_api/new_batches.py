"""Makes a batch: checks what was asked for against the registry, publishes it, and waits until it is known here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from ingest_api import batches
from ingest_api.edge import Edge
from ingest_api.envelope import RefusedError, RequestError, refused
from ingest_api.publish import published
from schemas.outcomes import HttpCode
from schemas.records import Batch
from schemas.registry import registry_message

log = structlog.get_logger(__name__)


async def checked_batch(
    edge: Edge, workspace_id: str, fields: dict[str, Any], batch_id: str, errors: Sequence[RequestError] = ()
) -> Batch:
    """Return the batch that the fields of createBatch ask for; refuse them (400) with everything that is wrong.

    `errors` are those known before; of a field that has one nothing more is said.
    """
    checked = batches.check(fields, edge.known_timezone)
    unknown = await edge.access.unknown_numbers(workspace_id, batches.phone_ids_of(fields))
    said = {error.path for error in errors}
    found = [*(checked if isinstance(checked, list) else []), *batches.unknown_numbers(unknown)]
    wrong = [*errors, *(error for error in found if error.path not in said)]
    if isinstance(checked, list) or wrong:
        raise RefusedError(*wrong)
    return batches.batch_of(checked, batch_id, workspace_id, edge.now_ms())


async def create(edge: Edge, batch: Batch) -> None:
    """Publish the batch, and return once this process knows it. Refuse (500) where nobody knows whether it exists.

    If Kafka fails just after it was published, it is durable all the same, and known later.
    """
    if not await published(edge.bus.begin([registry_message(batch)]), edge.settings.wait_seconds):
        raise refused(HttpCode.INTERNAL, "Kafka failed in the middle: the batch may or may not exist")
    try:
        await edge.access.catch_up()
    except RefusedError:
        log.warning("batch_not_read_back", batch_id=batch.batch_id)
