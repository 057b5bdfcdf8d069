"""The OpenAPI document's part about reading back: the batches, and a batch's contacts. Pure."""

from __future__ import annotations

from typing import Any, Final

from ingest_api.batch_details import QUEUE_STATUSES
from ingest_api.openapi_parts import ASKING, BATCH, answer_of, errors_of, path_id, query_of
from ingest_api.openapi_schemas import COUNT, TEXT, Schema, array_of, object_of, ref
from ingest_api.paging import (
    DEFAULT_LIMIT,
    DIRECTIONS,
    MOST_CHARACTERS,
    MOST_FILTER_CHARACTERS,
    MOST_LIMIT,
    MOST_PAGE,
)
from schemas.outcomes import HttpCode

_CALL: Final = "b1946ac9-2492-8d23-a7c5-5c1d64cc1d5e"
_AT: Final = "2026-03-01T09:00:00.000Z"
_TIME: Final[Schema] = {**TEXT, "format": "date-time"}
_LOG: Final = {
    "callId": _CALL,
    "entry": 0,
    "callStatus": "completed",
    "callDuration": 48.5,
    "recordingUrl": "https://recordings.example/b1946ac9.mp3",
    "transcript": "Hello ...",
    "at": "2026-03-01T09:04:11.250Z",
    "createdAt": _AT,
}
_CONTACT: Final = {
    "_id": _CALL,
    "phoneNumber": "+12125551001",
    "timezone": "America/New_York",
    "timezoneSource": "record",
    "timezoneConfidence": "certain",
    "timezoneCandidates": [],
    "phoneNumberReadAs": "international",
    "callId": _CALL,
    "phoneLogs": [_LOG],
    "createdAt": _AT,
    "firstName": "Ada",
}
_PAGES: Final = [query_of("page", 1, MOST_PAGE), query_of("limit", DEFAULT_LIMIT, MOST_LIMIT)]


def reading_paths() -> dict[str, Any]:
    """Return the paths by their operations."""
    return {
        "/api/call/batch-details/{id}": {"get": _batch_details()},
        "/api/call/batches": {"get": _batches()},
        "/api/call/batches/{userId}": {"get": _batches_of_user()},
    }


def reading_schemas() -> dict[str, Schema]:
    """Return the named schemas that the paths refer to."""
    row = {
        "_id": TEXT,
        "batchName": TEXT,
        "totalCalls": COUNT,
        "callsPicked": COUNT,
        "callsCompleted": COUNT,
        "callsCanceled": COUNT,
        "queue_status": {"enum": list(QUEUE_STATUSES)},
        "createdAt": _TIME,
        "updatedAt": _TIME,
    }
    pagination = object_of({"page": COUNT, "limit": COUNT, "total": COUNT, "totalPages": COUNT})
    return {"Batches": object_of({"batches": array_of(object_of(row)), "pagination": pagination})}


def _text(name: str, description: str, example: str, most: int = MOST_CHARACTERS) -> Schema:
    schema = {**TEXT, "maxLength": most}
    return {"name": name, "in": "query", "schema": schema, "description": description, "example": example}


def _batch_details() -> Schema:
    rules = {
        "retry": 2,
        "delay": 600,
        "timezone": None,
        "country": None,
        "callingHour": None,
        "allowedDays": [1, 2, 3, 4, 5],
    }
    example = {"batchId": BATCH, "batchName": "Spring", "batchStatus": "completed", **rules, "page": 1, "limit": 10}
    return {
        "operationId": "batchDetails",
        "summary": "A page of a batch's contacts",
        "parameters": [
            path_id("the batch", BATCH),
            *_PAGES,
            _text(
                "filter",
                "JSON object: what `callStatus` of the newest entry, a fixed field or a variable must be equal to",
                '{"callStatus":"pending"}',
                MOST_FILTER_CHARACTERS,
            ),
            _text("sortBy", "a fixed field or a variable; without it by phone number", "createdAt"),
            {"name": "sortOrder", "in": "query", "schema": {"enum": list(DIRECTIONS), "default": "asc"}},
            _text("search", "literal part of the number or of a variable's text", "Ada"),
            {
                "name": "after",
                "in": "query",
                "schema": {**TEXT, "pattern": r"^([+ ]?[0-9]{1,15})?$"},
                "description": "only greater phone numbers, in their order: stable while calls leave pending",
                "example": "+12125551001",
            },
        ],
        "responses": {
            "200": answer_of(
                200,
                "the page; one past the end is empty",
                ref("BatchDetails"),
                {**example, "total": 1, "totalPages": 1, "data": [_CONTACT]},
                message="Batch details",
            ),
            **errors_of(HttpCode.FIELD_INVALID, *ASKING, HttpCode.BATCH_NOT_FOUND, HttpCode.STORE_UNAVAILABLE),
        },
    }


def _batches_of_user() -> Schema:
    """Return the same as `_batches`, under the path that clients of the hosted service know."""
    listing = _batches()
    user = {"name": "userId", "in": "path", "required": True, "schema": TEXT, "description": "means nothing here"}
    summary = "The same list, whatever the user id: the key decides"
    return {
        **listing,
        "operationId": "batchesOfUser",
        "summary": summary,
        "parameters": [{**user, "example": "me"}, *listing["parameters"]],
    }


def _batches() -> Schema:
    row = {
        "_id": BATCH,
        "batchName": "Spring",
        "totalCalls": 2,
        "callsPicked": 1,
        "callsCompleted": 1,
        "callsCanceled": 0,
        "queue_status": "in-progress",
        "createdAt": _AT,
        "updatedAt": _AT,
    }
    example = {"batches": [row], "pagination": {"page": 1, "limit": 10, "total": 1, "totalPages": 1}}
    return {
        "operationId": "batches",
        "summary": "A page of the workspace's batches, newest first",
        "parameters": [*_PAGES, _text("search", "literal part of the batch's name", "Spring")],
        "responses": {
            "200": answer_of(200, "the page; one past the end is empty", ref("Batches"), example, message="Batches"),
            **errors_of(HttpCode.FIELD_INVALID, *ASKING, HttpCode.STORE_UNAVAILABLE),
        },
    }
