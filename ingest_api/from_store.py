"""Asks the store, with an end to waiting: what cannot be known now is a refusal (503)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import structlog

from ingest_api.edge import Edge
from ingest_api.envelope import refused
from schemas.messages import TryAgainError
from schemas.outcomes import HttpCode

log = structlog.get_logger(__name__)
T = TypeVar("T")


async def from_store(edge: Edge, asked: Awaitable[T]) -> T:
    """Return what the store answers; refuse (503) if it does not."""
    try:
        async with asyncio.timeout(edge.settings.store_seconds):
            return await asked
    except (TryAgainError, TimeoutError) as error:
        log.warning("store_unavailable", error=type(error).__name__)
        raise refused(HttpCode.STORE_UNAVAILABLE, headers=edge.retry_later) from error
