"""Wires the edge: nothing happens at import, everything that touches the world is passed in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from ingest_api.access import Access
from ingest_api.admission import Admission
from ingest_api.edge import Check, Edge, Rehearse, Uploads
from ingest_api.envelope import RefusedError
from ingest_api.guard import Guard, http_answer, refused_answer
from ingest_api.metrics import Measured, Metrics
from ingest_api.publish import Bus
from ingest_api.routes import routes
from ingest_api.settings import EdgeSettings
from ingest_api.upload_rows import CheckRows
from ingest_api.waiting import ReceiptSource
from schemas.consumer_lag import LagReader
from schemas.messages import Publisher
from schemas.outcomes import FieldError
from schemas.registry import RegistryReader
from schemas.replay_board import ReplayReader
from schemas.stores import Store

NO_CHECKS: Final[Mapping[str, Check]] = {}


def create_app(
    settings: EdgeSettings,
    *,
    registry: RegistryReader,
    publisher: Publisher,
    store: Store,
    receipts: ReceiptSource,
    known_timezone: Callable[[str], bool],
    normalise: Callable[[str], str | FieldError],
    check_rows: CheckRows,
    replays: ReplayReader,
    rehearse: Rehearse,
    lags: LagReader,
    checks: Mapping[str, Check] = NO_CHECKS,
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> Starlette:
    """Return the application. `checks` are those of /readyz, by name; that of the receipts is added to them."""
    later = settings.retry_after_seconds
    admission = Admission(
        most_requests=settings.max_waiting, most_bytes=settings.max_held_bytes, retry_after_seconds=later
    )
    metrics = Metrics(store, lambda: admission.requests, now_ms, lags)
    edge = Edge(
        settings=settings,
        access=Access(registry, seconds=settings.bus_seconds, retry_after_seconds=later),
        bus=Bus(
            publisher,
            seconds=settings.bus_seconds,
            fresh_seconds=settings.bus_fresh_seconds,
            retry_after_seconds=later,
        ),
        store=store,
        receipts=receipts,
        admission=admission,
        known_timezone=known_timezone,
        normalise=normalise,
        uploads=Uploads(check_rows, asyncio.Semaphore(settings.uploads_read)),
        checks=checks,
        now_ms=now_ms,
        replays=replays,
        rehearse=rehearse,
        metrics=metrics,
    )
    app = Starlette(
        routes=routes(edge),
        middleware=[Middleware(Measured, metrics=metrics), Middleware(Guard)],
        exception_handlers={RefusedError: refused_answer, HTTPException: http_answer},
    )
    app.router.redirect_slashes = False
    app.state.edge = edge
    return app
