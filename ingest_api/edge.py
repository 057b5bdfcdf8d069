"""The parts that the routes work with, put together once by `app.create_app`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ingest_api.access import Access
from ingest_api.admission import Admission
from ingest_api.metrics import Metrics
from ingest_api.publish import Bus
from ingest_api.settings import EdgeSettings
from ingest_api.upload_rows import CheckRows
from ingest_api.waiting import ReceiptSource
from schemas.outcomes import FieldError
from schemas.replay_board import ReplayReader
from schemas.replay_jobs import ReplayJob
from schemas.stores import Store

Check = Callable[[], Awaitable[None]]
"""One check of /readyz: returns if all is well, raises with a sentence for the operator."""

Rehearse = Callable[[ReplayJob], Awaitable[dict[str, Any]]]
"""Returns what a replay would do, as it is shown, sending nothing; raises TryAgainError."""


@dataclass(frozen=True, slots=True)
class Uploads:
    """How uploaded rows are checked, and how many tables may be read at a time."""

    check_rows: CheckRows
    places: asyncio.Semaphore


@dataclass(frozen=True, slots=True)
class Edge:
    """Everything a route needs. `normalise` reads a telephone number; `now_ms` is the clock, in ms since the epoch."""

    settings: EdgeSettings
    access: Access
    bus: Bus
    store: Store
    receipts: ReceiptSource
    admission: Admission
    known_timezone: Callable[[str], bool]
    normalise: Callable[[str], str | FieldError]
    uploads: Uploads
    checks: Mapping[str, Check]
    now_ms: Callable[[], int]
    replays: ReplayReader
    rehearse: Rehearse
    metrics: Metrics

    @property
    def retry_later(self) -> dict[str, str]:
        """The header of an answer that asks to come again."""
        return {"Retry-After": str(self.settings.retry_after_seconds)}
