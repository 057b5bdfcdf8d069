"""The OpenAPI document: every route with its answers, codes and examples. Pure.

Kept by hand where prose matters; codes come from `schemas.outcomes`, the body of createBatch from its model.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from ingest_api.answers import ENQUEUED, PARTLY, PENDING
from ingest_api.openapi_admin import admin_paths
from ingest_api.openapi_calling import calling_paths, calling_schemas
from ingest_api.openapi_dead_letters import dead_letter_paths, dead_letter_schemas
from ingest_api.openapi_parts import (
    ASKING,
    BATCH,
    IDEMPOTENCY_KEY,
    LOCATION,
    PREFERENCE_APPLIED,
    REPEATING,
    SENDING,
    answer_of,
    body_of,
    errors_of,
    json_of,
    path_id,
)
from ingest_api.openapi_reading import reading_paths, reading_schemas
from ingest_api.openapi_replays import replay_paths, replay_schemas
from ingest_api.openapi_schemas import BOOLEAN, COUNT, TEXT, UUID, Schema, array_of, named_schemas, object_of, ref
from ingest_api.openapi_upload import upload_paths, upload_schemas
from schemas.outcomes import HttpCode

ROOT: Final = {
    "name": "dialfeed",
    "message": "The calls are under /api/call; /docs describes them and lets you try them.",
    "docs": "/docs",
    "openapi": "/openapi.json",
    "health": "/healthz",
    "ready": "/readyz",
    "metrics": "/metrics",
}
"""What `GET /` answers."""

SUBMISSION: Final = "5d3f7b9e-0c1a-4b53-9f0e-6f2d1c7a8e11"
CALL: Final = "b1946ac9-2492-8d23-a7c5-5c1d64cc1d5e"
RECORD: Final = {"phoneNumber": "12125551001", "firstName": "Ada", "timezone": "America/New_York"}
_PREFER: Final[Schema] = {
    "name": "Prefer",
    "in": "header",
    "schema": TEXT,
    "description": "`respond-async`: answer 202 at once; `wait=N`: wait at most N seconds",
    "example": "wait=10",
}
_FAILED_CHUNK: Final = {
    "chunkNum": 1,
    "error": "1 of 2 records failed; the first is record 1 (/phoneNumber): phoneNumber is too short",
    "firstIndex": 0,
    "size": 2,
    "added": 1,
    "failed": 1,
    "retryable": False,
    "records": [
        {
            "index": 1,
            "phoneNumber": "123",
            "errors": [{"path": "/phoneNumber", "code": "phone_invalid", "message": "phoneNumber is too short"}],
        }
    ],
    "recordsOmitted": 0,
}


@cache
def document() -> Schema:
    """Return the document (OpenAPI 3.1). Do not change what it returns."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "dialfeed", "version": "1", "description": _DESCRIPTION},
        "security": [{"apiKey": []}, {"bearer": []}],
        "paths": {
            "/api/call/addCallsToBatch": {"post": _add_calls()},
            "/api/call/createBatch": {"post": _create_batch()},
            **reading_paths(),
            **dead_letter_paths(),
            **replay_paths(),
            "/api/call/submissions/{id}": {"get": _submission()},
            **upload_paths(),
            **calling_paths(),
            **admin_paths(),
            "/": {"get": _plain("root", "Where to go from here", {"200": "the addresses"}, ROOT)},
            "/healthz": {"get": _plain("healthz", "Whether the process is alive", {"200": "alive"}, {"alive": True})},
            "/readyz": {"get": _readyz()},
            "/metrics": {"get": _metrics()},
            "/openapi.json": {"get": _plain("openapi", "This document", {"200": "the document"}, None)},
            "/docs": {"get": _docs()},
        },
        "components": {
            "securitySchemes": {
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "bearer": {"type": "http", "scheme": "bearer", "description": "the same key"},
            },
            "schemas": {
                **named_schemas(),
                **upload_schemas(),
                **reading_schemas(),
                **dead_letter_schemas(),
                **replay_schemas(),
                **calling_schemas(),
            },
        },
    }


_DESCRIPTION: Final = (
    "Every answer under /api/call and /api/admin is the envelope {message, status, code, errorMessage, data}. "
    "`code` is the HTTP status; `status` is true only when everything asked for was done. "
    "Errors carry data.errors, each with a closed code. "
    "Options that are not supported are refused by name; other unknown fields come back as warnings."
)


def _add_calls() -> Schema:
    done = {"added": 1, "callIds": [CALL], "submissionId": SUBMISSION}
    counted = {"added": COUNT, "callIds": array_of(UUID), "submissionId": TEXT}
    partly = object_of({**counted, "failedChunks": array_of(ref("FailedChunk"))})
    return {
        "operationId": "addCallsToBatch",
        "summary": "Add calls to a batch",
        "parameters": [_PREFER, IDEMPOTENCY_KEY],
        "requestBody": body_of("AddCalls", {"batchId": BATCH, "call_data": [RECORD]}),
        "responses": {
            "200": answer_of(200, "every record is stored", object_of(counted), done, message=ENQUEUED),
            "202": _pending(),
            "207": answer_of(
                207,
                "some records are stored",
                partly,
                {**done, "failedChunks": [_FAILED_CHUNK]},
                message=PARTLY,
                error="1 of 2 records failed",
                ok=False,
            ),
            **errors_of(
                *SENDING,
                HttpCode.NO_VALID_RECORD,
                *ASKING,
                HttpCode.BATCH_NOT_FOUND,
                HttpCode.AGENT_NOT_FOUND,
                *REPEATING,
            ),
        },
    }


def _pending() -> Schema:
    pending = answer_of(
        202,
        "not known yet: ask for the report",
        object_of({"submissionId": TEXT}),
        {"submissionId": SUBMISSION},
        message=PENDING,
        ok=False,
    )
    pending["headers"] = {**LOCATION, **PREFERENCE_APPLIED}
    return pending


def _create_batch() -> Schema:
    example = {
        "batchName": "Spring",
        "callingNumbers": ["66f2a9c1d4e5b60718293a00"],
        "retry": 2,
        "delay": 600,
        "timezone": "America/New_York",
        "callingHour": {"start": "09:00", "end": "17:30"},
        "allowedDays": [1, 2, 3, 4, 5],
    }
    return {
        "operationId": "createBatch",
        "summary": "Create a batch",
        "requestBody": body_of("NewBatch", example),
        "responses": {
            "201": answer_of(201, "the id of the new batch", TEXT, BATCH, message="Batch created successfully"),
            **errors_of(*SENDING, *ASKING),
        },
    }


def _submission() -> Schema:
    example = {
        "submissionId": SUBMISSION,
        "batchId": BATCH,
        "total": 1,
        "added": 1,
        "failed": 0,
        "superseded": 0,
        "pending": 0,
        "complete": True,
        "callIds": [CALL],
        "failedChunks": [],
        "replayed": {"count": 0, "lastAt": None, "records": []},
    }
    return {
        "operationId": "submission",
        "summary": "The report of a submission",
        "parameters": [path_id("the submission", SUBMISSION)],
        "responses": {
            "200": answer_of(
                200,
                "each record is added, failed or pending",
                ref("Report"),
                example,
                message="Report of the submission",
            ),
            **errors_of(*ASKING, HttpCode.SUBMISSION_NOT_FOUND, HttpCode.STORE_UNAVAILABLE),
        },
    }


def _readyz() -> Schema:
    schema = object_of(
        {"ready": BOOLEAN, "reasons": array_of(object_of({"check": TEXT, "reason": TEXT}))},
    )
    reason = {"check": "kafka", "reason": "no answer within 2.5 s"}
    return {
        "operationId": "readyz",
        "summary": "Whether requests can be served",
        "security": [],
        "responses": {
            "200": json_of("ready", schema, {"ready": True, "reasons": []}),
            "503": json_of("not ready, and why", schema, {"ready": False, "reasons": [reason]}),
        },
    }


def _plain(operation_id: str, summary: str, answers: dict[str, str], example: Any) -> Schema:
    responses = {status: json_of(text, {"type": "object"}, example) for status, text in answers.items()}
    return {"operationId": operation_id, "summary": summary, "security": [], "responses": responses}


def _metrics() -> Schema:
    text = {"description": "the metrics", "content": {"text/plain": {"schema": TEXT}}}
    return {
        "operationId": "metrics",
        "summary": "Metrics in Prometheus' text format",
        "security": [],
        "responses": {"200": text},
    }


def _docs() -> Schema:
    html = {"description": "the page", "content": {"text/html": {"schema": TEXT}}}
    return {"operationId": "docs", "summary": "This document as a page", "security": [], "responses": {"200": html}}
