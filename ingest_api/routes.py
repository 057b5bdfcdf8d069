"""The routes: what is asked, of whom, answered how. Each is a few lines; what they do is elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from ingest_api import batches
from ingest_api.batch_details import details, page_of
from ingest_api.body import read_json_body
from ingest_api.edge import Edge
from ingest_api.envelope import Answer, RefusedError, refused, success
from ingest_api.headers import wait_of
from ingest_api.off_loop import THREAD_RECORDS, off_loop
from ingest_api.openapi import document
from ingest_api.openapi_page import page
from ingest_api.publish import published
from ingest_api.readiness import unready
from ingest_api.report import Report, report_of
from ingest_api.submit import submit
from schemas.codecs import encode
from schemas.identity import new_id, valid_submission_id
from schemas.messages import Message, TryAgainError
from schemas.outcomes import HttpCode
from schemas.records import Batch
from schemas.registry import registry_key
from schemas.stores import StoredSubmission
from schemas.topics import TopicName

log = structlog.get_logger(__name__)
NOTHING_STORED: Final = StoredSubmission(None, (), (), {})
Handler = Callable[[Edge, Request], Awaitable[Response]]
T = TypeVar("T")


def routes(edge: Edge) -> list[Route]:
    """Return every route."""
    return [
        _route(edge, "POST", "/api/call/addCallsToBatch", add_calls),
        _route(edge, "POST", "/api/call/createBatch", create_batch),
        _route(edge, "GET", "/api/call/batch-details/{id}", batch_details),
        _route(edge, "GET", "/api/call/submissions/{id}", submission),
        _route(edge, "GET", "/healthz", healthz),
        _route(edge, "GET", "/readyz", readyz),
        _route(edge, "GET", "/openapi.json", openapi),
        _route(edge, "GET", "/docs", docs),
    ]


def _route(edge: Edge, method: str, path: str, handler: Handler) -> Route:
    allowed = {"GET": "GET, HEAD, OPTIONS"}.get(method, f"{method}, OPTIONS")

    async def endpoint(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": allowed})
        return await handler(edge, request)

    return Route(path, endpoint, methods=[method, "OPTIONS"])


def respond(answer: Answer) -> Response:
    """Return the answer as JSON."""
    return _json(answer.status, answer.body, answer.headers)


async def add_calls(edge: Edge, request: Request) -> Response:
    workspace_id = await edge.access.workspace(request.headers.get("x-api-key"))
    wait = wait_of(request.headers.getlist("prefer"), edge.settings.wait_seconds)
    with edge.admission.enter() as place:
        read = partial(read_json_body, request, edge.settings.body_limit_bytes, edge.settings.body_idle_seconds)
        return respond(await submit(edge, workspace_id, await read(place.hold), place, wait))


async def create_batch(edge: Edge, request: Request) -> Response:
    workspace_id = await edge.access.workspace(request.headers.get("x-api-key"))
    with edge.admission.enter() as place:
        body = await read_json_body(request, batches.BODY_LIMIT_BYTES, edge.settings.body_idle_seconds, place.hold)
        batch = await _new_batch(edge, workspace_id, body)
        await edge.bus.require()
        message = Message(TopicName.REGISTRY, encode(batch), registry_key(batch).encode())
        if not await published(edge.bus.begin([message]), edge.settings.wait_seconds):
            raise refused(HttpCode.INTERNAL, "Kafka failed in the middle: the batch may or may not exist")
    await _read_back(edge, batch)
    return respond(success("Batch created successfully", batch.batch_id, 201))


async def _new_batch(edge: Edge, workspace_id: str, body: bytes) -> Batch:
    fields = batches.read_object(body)
    checked = batches.check(fields, edge.known_timezone)
    unknown = await edge.access.unknown_numbers(workspace_id, batches.phone_ids_of(fields))
    errors = [*(checked if isinstance(checked, list) else []), *batches.unknown_numbers(unknown)]
    if isinstance(checked, list) or errors:
        raise RefusedError(*errors)
    return batches.batch_of(checked, new_id(), workspace_id, edge.now_ms())


async def _read_back(edge: Edge, batch: Batch) -> None:
    """Wait until this process knows the batch. If Kafka fails just now it is durable all the same, and known later."""
    try:
        await edge.access.catch_up()
    except RefusedError:
        log.warning("batch_not_read_back", batch_id=batch.batch_id)


async def batch_details(edge: Edge, request: Request) -> Response:
    workspace_id = await edge.access.workspace(request.headers.get("x-api-key"))
    number, limit = page_of(request.query_params)
    batch = await edge.access.batch(request.path_params["id"])
    if batch is None or batch.workspace_id != workspace_id:
        raise refused(HttpCode.BATCH_NOT_FOUND)
    found = await _stored(edge, edge.store.contacts(batch.batch_id, number, limit))
    return respond(success("Batch details", details(batch, found, number, limit)))


async def submission(edge: Edge, request: Request) -> Response:
    workspace_id = await edge.access.workspace(request.headers.get("x-api-key"))
    submission_id = valid_submission_id(request.path_params["id"])
    report = await _report(edge, submission_id) if submission_id else None
    if report is None or report.accepted.workspace_id != workspace_id:
        raise refused(HttpCode.SUBMISSION_NOT_FOUND)
    data = await off_loop(report.complete and report.total > THREAD_RECORDS, report.as_json)
    return respond(success("Report of the submission", data))


async def _report(edge: Edge, submission_id: str) -> Report | None:
    """Return what the store knows, together with what a request that waits just now knows."""
    stored = await _stored(edge, edge.store.submission(submission_id))
    waiting = edge.receipts.reports.find(submission_id)
    if waiting is not None:
        waiting.add_stored(stored or NOTHING_STORED)
        return waiting.report
    return report_of(stored or NOTHING_STORED, edge.receipts.reports.recent(submission_id))


async def _stored(edge: Edge, asked: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(edge.settings.store_seconds):
            return await asked
    except (TryAgainError, TimeoutError) as error:
        log.warning("store_unavailable", error=type(error).__name__)
        raise refused(HttpCode.STORE_UNAVAILABLE, headers=edge.retry_later) from error


async def healthz(_edge: Edge, _request: Request) -> Response:
    return _json(200, {"alive": True})


async def readyz(edge: Edge, _request: Request) -> Response:
    reasons = await unready({**edge.checks, "receipts": edge.receipts.check}, edge.settings.check_seconds)
    headers = edge.retry_later if reasons else {}
    return _json(503 if reasons else 200, {"ready": not reasons, "reasons": reasons}, headers)


async def openapi(_edge: Edge, _request: Request) -> Response:
    return _json(200, document())


async def docs(_edge: Edge, _request: Request) -> Response:
    return HTMLResponse(page(document()))


def _json(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, dict(headers or {}), "application/json")
