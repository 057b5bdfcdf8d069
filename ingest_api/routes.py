"""The routes: what is asked, of whom, answered how. Each is a few lines; what they do is elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
import structlog
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from ingest_api import batches
from ingest_api.admin import admin_routes
from ingest_api.admin_sql import sql_route
from ingest_api.body import read_json_body
from ingest_api.dismissals import dismiss
from ingest_api.edge import Edge
from ingest_api.envelope import Answer, refused, success, with_warnings
from ingest_api.foreseen import foresee
from ingest_api.from_store import from_store
from ingest_api.headers import api_key_of, wait_of
from ingest_api.idempotency import key_of
from ingest_api.multipart import read_form
from ingest_api.new_batches import checked_batch
from ingest_api.off_loop import THREAD_RECORDS, off_loop
from ingest_api.openapi import ROOT, document
from ingest_api.openapi_page import page, policy
from ingest_api.readiness import unready
from ingest_api.reading import list_batches, list_dead_letters, read_batch
from ingest_api.registering import register
from ingest_api.replays import ask_for_replay, list_replays, read_replay
from ingest_api.report import Report
from ingest_api.requested import Warnings, beside, in_body
from ingest_api.routing import Handler, route
from ingest_api.settled_report import NOTHING_STORED, settled_report
from ingest_api.start_calling import start_calling
from ingest_api.statuses import report_statuses
from ingest_api.submit import Asked, submit
from ingest_api.upload import upload
from schemas.identity import new_id, valid_submission_id
from schemas.options import START_OPTIONS
from schemas.outcomes import HttpCode

log = structlog.get_logger(__name__)


def routes(edge: Edge) -> list[Route]:
    """Return every route."""
    return [
        _route(edge, "POST", "/api/call/addCallsToBatch", add_calls),
        _route(edge, "POST", "/api/call/createBatch", create_batch),
        _route(edge, "POST", "/api/call/upload", upload_table),
        _route(edge, "POST", "/api/call/start-calling", start),
        _route(edge, "POST", "/api/call/status", status),
        _route(edge, "GET", "/api/call/batch-details/{id}", batch_details),
        _route(edge, "GET", "/api/call/batches", batch_list),
        _route(edge, "GET", "/api/call/batches/{userId}", batch_list),
        _route(edge, "GET", "/api/call/submissions/{id}", submission),
        _route(edge, "GET", "/api/call/dead-letters", dead_letters),
        route(edge, "/api/call/replays", {"GET": replays, "POST": new_replay}),
        _route(edge, "POST", "/api/call/dead-letters/dismissals", dismissal),
        _route(edge, "POST", "/api/call/replays/outcomes", replay_outcomes),
        _route(edge, "GET", "/api/call/replays/{id}", one_replay),
        *admin_routes(edge),
        sql_route(edge),
        _route(edge, "GET", "/", root),
        _route(edge, "GET", "/healthz", healthz),
        _route(edge, "GET", "/readyz", readyz),
        _route(edge, "GET", "/metrics", metrics),
        _route(edge, "GET", "/openapi.json", openapi),
        _route(edge, "GET", "/docs", docs),
    ]


def _route(edge: Edge, method: str, path: str, handler: Handler) -> Route:
    return route(edge, path, {method: handler})


def respond(answer: Answer, warnings: Warnings | None = None) -> Response:
    """Return the answer as JSON, with the warnings about its request."""
    answer = with_warnings(answer, warnings or [])
    return _json(answer.status, answer.body, answer.headers)


async def add_calls(edge: Edge, request: Request) -> Response:
    workspace_id = await edge.access.workspace(api_key_of(request.headers))
    warnings = beside(request, keyed=True)
    wait = wait_of(request.headers.getlist("prefer"), edge.settings.wait_seconds)
    asked = Asked(wait, key_of(request.headers.getlist("idempotency-key")), warnings)
    with edge.admission.enter() as place:
        read = partial(read_json_body, request, edge.settings.body_limit_bytes, edge.settings.body_idle_seconds)
        return respond(await submit(edge, workspace_id, await read(place.hold), place, asked))


async def start(edge: Edge, request: Request) -> Response:
    workspace_id = await edge.access.workspace(api_key_of(request.headers))
    warnings = beside(request, options=START_OPTIONS)
    with edge.admission.enter() as place:
        body = await read_json_body(request, batches.BODY_LIMIT_BYTES, edge.settings.body_idle_seconds, place.hold)
        fields = batches.read_object(body)
        warnings += in_body(fields, {"batchId"}, START_OPTIONS)
        return respond(await start_calling(edge, workspace_id, fields), warnings)


async def status(edge: Edge, request: Request) -> Response:
    workspace_id = await edge.access.workspace(api_key_of(request.headers))
    warnings = beside(request)
    with edge.admission.enter() as place:
        limit, idle = edge.settings.body_limit_bytes, edge.settings.body_idle_seconds
        body = await read_json_body(request, limit, idle, place.hold)
        return respond(await report_statuses(edge, workspace_id, body), warnings)


async def create_batch(edge: Edge, request: Request) -> Response:
    workspace_id = await edge.access.workspace(api_key_of(request.headers))
    warnings = beside(request)
    with edge.admission.enter() as place:
        body = await read_json_body(request, batches.BODY_LIMIT_BYTES, edge.settings.body_idle_seconds, place.hold)
        fields = batches.read_object(body)
        warnings += batches.warnings_of(fields)
        batch = await checked_batch(edge, workspace_id, fields, new_id())
        await edge.bus.require()
        await register(edge, batch)
    return respond(success("Batch created successfully", batch.batch_id, 201), warnings)


async def upload_table(edge: Edge, request: Request) -> Response:
    workspace_id = await edge.access.workspace(api_key_of(request.headers))
    warnings = beside(request, keyed=True)
    wait = wait_of(request.headers.getlist("prefer"), edge.settings.wait_seconds)
    asked = Asked(wait, key_of(request.headers.getlist("idempotency-key")), warnings)
    limit, idle = edge.settings.upload_limit_bytes, edge.settings.body_idle_seconds
    with edge.admission.enter() as place:
        async with read_form(request, limit, idle, place.hold) as form:
            return respond(await upload(edge, workspace_id, form, place, asked))


async def batch_details(edge: Edge, request: Request) -> Response:
    return respond(await read_batch(edge, request))


async def batch_list(edge: Edge, request: Request) -> Response:
    return respond(await list_batches(edge, request))


async def dead_letters(edge: Edge, request: Request) -> Response:
    return respond(await list_dead_letters(edge, request))


async def dismissal(edge: Edge, request: Request) -> Response:
    workspace_id = await edge.access.reader(api_key_of(request.headers))
    warnings = beside(request)
    with edge.admission.enter() as place:
        body = await read_json_body(request, batches.BODY_LIMIT_BYTES, edge.settings.body_idle_seconds, place.hold)
        return respond(await dismiss(edge, workspace_id, body), warnings)


async def new_replay(edge: Edge, request: Request) -> Response:
    workspace_id = await edge.access.reader(api_key_of(request.headers))
    warnings = beside(request, keyed=True)
    key = key_of(request.headers.getlist("idempotency-key"))
    with edge.admission.enter() as place:
        body = await read_json_body(request, batches.BODY_LIMIT_BYTES, edge.settings.body_idle_seconds, place.hold)
        return respond(await ask_for_replay(edge, workspace_id, body, key), warnings)


async def replays(edge: Edge, request: Request) -> Response:
    return respond(await list_replays(edge, request))


async def replay_outcomes(edge: Edge, request: Request) -> Response:
    workspace_id = await edge.access.reader(api_key_of(request.headers))
    warnings = beside(request)
    with edge.admission.enter() as place:
        body = await read_json_body(request, batches.BODY_LIMIT_BYTES, edge.settings.body_idle_seconds, place.hold)
        return respond(await foresee(edge, workspace_id, body), warnings)


async def one_replay(edge: Edge, request: Request) -> Response:
    return respond(await read_replay(edge, request))


async def submission(edge: Edge, request: Request) -> Response:
    workspace_id = await edge.access.workspace(api_key_of(request.headers))
    warnings = beside(request)
    submission_id = valid_submission_id(request.path_params["id"])
    report = await _report(edge, submission_id) if submission_id else None
    if report is None or report.accepted.workspace_id != workspace_id:
        raise refused(HttpCode.SUBMISSION_NOT_FOUND)
    data = await off_loop(report.complete and report.total > THREAD_RECORDS, report.as_json)
    return respond(success("Report of the submission", data), warnings)


async def _report(edge: Edge, submission_id: str) -> Report | None:
    """Return what the store knows, together with what a request that waits just now knows."""
    waiting = edge.receipts.reports.find(submission_id)
    if waiting is not None:
        stored = await from_store(edge, edge.store.submission(submission_id))
        waiting.add_stored(stored or NOTHING_STORED)
        if not waiting.other_body:
            return waiting.report
    return await settled_report(edge, submission_id)


async def root(_edge: Edge, _request: Request) -> Response:
    return _json(200, ROOT)


async def healthz(_edge: Edge, _request: Request) -> Response:
    return _json(200, {"alive": True})


async def readyz(edge: Edge, _request: Request) -> Response:
    reasons = await unready({**edge.checks, "receipts": edge.receipts.check}, edge.settings.check_seconds)
    headers = edge.retry_later if reasons else {}
    return _json(503 if reasons else 200, {"ready": not reasons, "reasons": reasons}, headers)


async def metrics(edge: Edge, _request: Request) -> Response:
    return Response(await edge.metrics.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)


async def openapi(_edge: Edge, _request: Request) -> Response:
    return _json(200, document())


async def docs(_edge: Edge, _request: Request) -> Response:
    return HTMLResponse(page(document()), headers={"Content-Security-Policy": policy()})


def _json(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, dict(headers or {}), "application/json")
