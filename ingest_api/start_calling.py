"""start-calling: tells the calling service that a batch is to be called now; the answer waits until Kafka holds it."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from ingest_api.edge import Edge
from ingest_api.envelope import Answer, refused, success
from ingest_api.publish import published
from schemas.codecs import encode
from schemas.identity import new_submission_id
from schemas.messages import Message, TryAgainError
from schemas.outcomes import HttpCode
from schemas.records import DialerCommand
from schemas.topics import TopicName

log = structlog.get_logger(__name__)


async def start_calling(edge: Edge, workspace_id: str, fields: dict[str, Any]) -> Answer:
    """Return the answer to a body. Asking twice starts nothing twice: a call that is under way stays as it is."""
    batch_id = _batch_id(fields)
    await edge.access.callable(workspace_id, batch_id)
    await edge.bus.require()
    command = DialerCommand(
        command="start",
        request_id=new_submission_id(),
        workspace_id=workspace_id,
        batch_id=batch_id,
        requested_at=edge.now_ms(),
        reason="requested",
        pending=await _pending(edge, batch_id),
    )
    message = Message(TopicName.DIALER, encode(command), batch_id.encode())
    if not await published(edge.bus.begin([message]), edge.settings.wait_seconds):
        raise refused(HttpCode.INTERNAL, "Kafka failed in the middle: calling may or may not start; ask again")
    log.info("start_requested", batch_id=batch_id, request_id=command.request_id, pending=command.pending)
    return success("Calling started", {"batchId": batch_id, "status": "started"})


def _batch_id(fields: dict[str, Any]) -> str:
    batch_id = fields.get("batchId")
    if not isinstance(batch_id, str) or not batch_id.strip():
        raise refused(HttpCode.FIELD_INVALID, "batchId must be text: name the batch", "/batchId")
    return batch_id.strip()


async def _pending(edge: Edge, batch_id: str) -> int:
    """Return how many calls wait; -1 where the store does not say so at once, which is no reason not to start."""
    try:
        async with asyncio.timeout(edge.settings.bus_seconds):
            counts = (await edge.store.batch_counts([batch_id])).get(batch_id)
    except (TryAgainError, TimeoutError) as error:
        log.warning("pending_unknown", batch_id=batch_id, error=type(error).__name__)
        return -1
    return counts.pending if counts is not None else 0
