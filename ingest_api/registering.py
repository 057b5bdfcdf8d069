"""Puts what was made over HTTP into the registry, and waits until this process knows it."""

from __future__ import annotations

import structlog

from ingest_api.edge import Edge
from ingest_api.envelope import RefusedError, refused
from ingest_api.publish import published
from schemas.outcomes import HttpCode
from schemas.records import RegistryRecord
from schemas.registry import registry_message

log = structlog.get_logger(__name__)


async def register(edge: Edge, record: RegistryRecord) -> None:
    """Publish a record and return once it is known here. Refuse (500) where nobody knows whether it exists.

    If Kafka fails just after it was published, it is durable all the same, and known later.
    """
    if not await published(edge.bus.begin([registry_message(record)]), edge.settings.wait_seconds):
        raise refused(HttpCode.INTERNAL, "Kafka failed in the middle: outcome unknown: check before you retry")
    try:
        await edge.access.catch_up()
    except RefusedError:
        log.warning("registration_not_read_back", kind=type(record).__name__)
