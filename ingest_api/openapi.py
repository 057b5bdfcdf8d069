"""The OpenAPI document: every route with its answers, codes and examples. Pure.

Kept by hand where prose matters; codes come from `schemas.outcomes`, the body of createBatch from its model.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from ingest_api.batch_details import DEFAULT_LIMIT, MOST_LIMIT, MOST_PAGE
from ingest_api.openapi_schemas import BOOLEAN, COUNT, TEXT, UUID, Schema, array_of, named_schemas, object_of, ref
from schemas.outcomes import HTTP_CODES, HttpCode

SUBMISSION: Final = "5d3f7b9e-0c1a-4b53-9f0e-6f2d1c7a8e11"
CALL: Final = "b1946ac9-2492-8d23-a7c5-5c1d64cc1d5e"
BATCH: Final = "66f2a9c1d4e5b60718293a4b"
RECORD: Final = {"phoneNumber": "12125551001", "firstName": "Ada", "timezone": "America/New_York"}
_EXTRAS: Final = frozenset({HttpCode.NO_VALID_RECORD})


@cache
def document() -> Schema:
    """Return the document (OpenAPI 3.1). Do not change what it returns."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "dialfeed", "version": "1", "description": _DESCRIPTION},
        "security": [{"apiKey": []}],
        "paths": {
            "/api/call/addCallsToBatch": {"post": _add_calls()},
            "/api/call/createBatch": {"post": _create_batch()},
            "/api/call/batch-details/{id}": {"get": _batch_details()},
            "/api/call/submissions/{id}": {"get": _submission()},
            "/healthz": {"get": _plain("Whether the process is alive", {"200": "alive"}, {"alive": True})},
            "/readyz": {"get": _readyz()},
            "/openapi.json": {"get": _plain("This document", {"200": "the document"}, None)},
            "/docs": {"get": _docs()},
        },
        "components": {
            "securitySchemes": {"apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
            "schemas": named_schemas(),
        },
    }


_DESCRIPTION: Final = (
    "Every answer under /api/call is the envelope {message, status, code, errorMessage, data}. "
    "`code` is the HTTP status; `status` is true only when everything asked for was done. "
    "Errors carry data.errors, each with a closed code."
)


def _envelope(status: int, data: Schema, *, ok: bool) -> Schema:
    return object_of(
        {
            "message": TEXT,
            "status": {"const": ok},
            "code": {"const": status},
            "errorMessage": TEXT,
            "data": data,
        }
    )


def _answer(status: int, description: str, data: Schema, example: Any, *, ok: bool = True) -> Schema:
    body = {"message": description, "status": ok, "code": status, "errorMessage": "", "data": example}
    return _json(description, _envelope(status, data, ok=ok), body)


def _json(description: str, schema: Schema, example: Any) -> Schema:
    content: Schema = {"schema": schema}
    if example is not None:
        content["example"] = example
    return {"description": description, "content": {"application/json": content}}


def _errors(*codes: HttpCode) -> dict[str, Schema]:
    """Return the error answers of a route by HTTP status, with the codes that each may carry."""
    by_status: dict[int, list[HttpCode]] = {}
    for code in codes:
        by_status.setdefault(HTTP_CODES[code][0], []).append(code)
    return {str(status): _error(status, of_status) for status, of_status in sorted(by_status.items())}


def _error(status: int, codes: list[HttpCode]) -> Schema:
    meaning = "; ".join(f"`{code}`: {HTTP_CODES[code][1]}" for code in codes)
    first = {"code": str(codes[0]), "message": HTTP_CODES[codes[0]][1]}
    more: dict[str, Schema] = {}
    if _EXTRAS & set(codes):
        more = {"submissionId": TEXT, "failedChunks": array_of(ref("FailedChunk"))}
    schema = _envelope(status, object_of({"errors": array_of(ref("Error"))}, more), ok=False)
    example = {"message": "", "status": False, "code": status, "errorMessage": first["message"]}
    answer = _json(meaning, schema, {**example, "data": {"errors": [first]}})
    if status in (429, 503):
        answer["headers"] = {"Retry-After": {"description": "seconds", "schema": COUNT}}
    return answer


_ASKING: Final = (HttpCode.FORBIDDEN, HttpCode.INTERNAL, HttpCode.BUS_UNAVAILABLE)
_SENDING: Final = (
    HttpCode.BAD_REQUEST,
    HttpCode.INVALID_JSON,
    HttpCode.FIELD_INVALID,
    HttpCode.BODY_TOO_LARGE,
    HttpCode.UNSUPPORTED_MEDIA_TYPE,
    HttpCode.OVERLOADED,
)


def _add_calls() -> Schema:
    done = {"added": 1, "callIds": [CALL], "submissionId": SUBMISSION}
    error = {"path": "/phoneNumber", "code": "phone_invalid", "message": "phoneNumber is too short"}
    failed = {
        "chunkNum": 1,
        "error": "1 of 2 records failed; the first is record 1 (/phoneNumber): phoneNumber is too short",
        "firstIndex": 0,
        "size": 2,
        "added": 1,
        "failed": 1,
        "retryable": False,
        "records": [{"index": 1, "phoneNumber": "123", "errors": [error]}],
        "recordsOmitted": 0,
    }
    counted = {"added": COUNT, "callIds": array_of(UUID), "submissionId": TEXT}
    partly = object_of({**counted, "failedChunks": array_of(ref("FailedChunk"))})
    pending = _answer(
        202,
        "not known yet: ask for the report",
        object_of({"submissionId": TEXT}),
        {"submissionId": SUBMISSION},
        ok=False,
    )
    pending["headers"] = {
        "Location": {"description": "path of the report", "schema": TEXT},
        "Preference-Applied": {"description": "what of Prefer was heeded (RFC 7240)", "schema": TEXT},
    }
    return {
        "operationId": "addCallsToBatch",
        "summary": "Add calls to a batch",
        "parameters": [
            {
                "name": "Prefer",
                "in": "header",
                "schema": TEXT,
                "description": "`respond-async`: answer 202 at once; `wait=N`: wait at most N seconds",
                "example": "wait=10",
            }
        ],
        "requestBody": _body("AddCalls", {"batchId": BATCH, "call_data": [RECORD]}),
        "responses": {
            "200": _answer(200, "every record is stored", object_of(counted), done),
            "202": pending,
            "207": _answer(207, "some records are stored", partly, {**done, "failedChunks": [failed]}, ok=False),
            **_errors(
                *_SENDING,
                HttpCode.NO_VALID_RECORD,
                *_ASKING,
                HttpCode.BATCH_NOT_FOUND,
                HttpCode.AGENT_NOT_FOUND,
            ),
        },
    }


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
        "requestBody": _body("NewBatch", example),
        "responses": {
            "201": _answer(201, "the id of the new batch", TEXT, BATCH),
            **_errors(*_SENDING, *_ASKING),
        },
    }


def _batch_details() -> Schema:
    log = {
        "callId": CALL,
        "entry": 0,
        "callStatus": "pending",
        "callDuration": None,
        "recordingUrl": None,
        "transcript": None,
        "createdAt": "2026-03-01T09:00:00.000Z",
    }
    contact = {
        "_id": CALL,
        "phoneNumber": "+12125551001",
        "timezone": "America/New_York",
        "timezoneSource": "record",
        "callId": CALL,
        "phoneLogs": [log],
        "createdAt": "2026-03-01T09:00:00.000Z",
        "firstName": "Ada",
    }
    example = {"batchId": BATCH, "batchName": "Spring", "batchStatus": "pending", "page": 1, "limit": 10, "total": 1}
    return {
        "operationId": "batchDetails",
        "summary": "A page of a batch's contacts",
        "parameters": [
            _path_id("the batch", BATCH),
            _query("page", 1, MOST_PAGE),
            _query("limit", DEFAULT_LIMIT, MOST_LIMIT),
        ],
        "responses": {
            "200": _answer(
                200,
                "the page; one past the end is empty",
                ref("BatchDetails"),
                {**example, "totalPages": 1, "data": [contact]},
            ),
            **_errors(HttpCode.FIELD_INVALID, *_ASKING, HttpCode.BATCH_NOT_FOUND, HttpCode.STORE_UNAVAILABLE),
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
    }
    return {
        "operationId": "submission",
        "summary": "The report of a submission",
        "parameters": [_path_id("the submission", SUBMISSION)],
        "responses": {
            "200": _answer(200, "each record is added, failed or pending", ref("Report"), example),
            **_errors(*_ASKING, HttpCode.SUBMISSION_NOT_FOUND, HttpCode.STORE_UNAVAILABLE),
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
            "200": _json("ready", schema, {"ready": True, "reasons": []}),
            "503": _json("not ready, and why", schema, {"ready": False, "reasons": [reason]}),
        },
    }


def _plain(summary: str, answers: dict[str, str], example: Any) -> Schema:
    responses = {status: _json(text, {"type": "object"}, example) for status, text in answers.items()}
    return {"summary": summary, "security": [], "responses": responses}


def _docs() -> Schema:
    html = {"description": "the page", "content": {"text/html": {"schema": TEXT}}}
    return {"summary": "This document as a page", "security": [], "responses": {"200": html}}


def _body(name: str, example: Any) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": ref(name), "example": example}}}


def _path_id(of: str, example: str) -> Schema:
    return {
        "name": "id",
        "in": "path",
        "required": True,
        "schema": {**TEXT, "minLength": 1},
        "description": f"id of {of}",
        "example": example,
    }


def _query(name: str, default: int, most: int) -> Schema:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return {"name": name, "in": "query", "schema": schema}
