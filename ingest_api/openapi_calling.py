"""The OpenAPI document's part about calling: start-calling, and the statuses that come back. Pure."""

from __future__ import annotations

from typing import Any, Final

from ingest_api.openapi_parts import ASKING, BATCH, SENDING, answer_of, body_of, errors_of
from ingest_api.openapi_schemas import COUNT, TEXT, UUID, Schema, object_of, ref
from ingest_api.statuses import MOST_EVENTS
from schemas.outcomes import HttpCode
from schemas.statuses import MAX_TRANSCRIPT_CHARACTERS, MAX_URL_CHARACTERS, CallStatus

_EVENT: Final = {
    "callId": "b1946ac9-2492-8d23-a7c5-5c1d64cc1d5e",
    "status": "completed",
    "at": "2026-03-01T09:02:13.250Z",
    "callDuration": 48.5,
    "recordingUrl": "https://recordings.example/b1946ac9.mp3",
    "transcript": "Hello ...",
}


def calling_paths() -> dict[str, Any]:
    """Return the paths by their operations."""
    return {
        "/api/call/start-calling": {"post": _start_calling()},
        "/api/call/status": {"post": _status()},
    }


def calling_schemas() -> dict[str, Schema]:
    """Return the named schemas that the paths refer to."""
    return {
        "StartCalling": object_of({"batchId": {**TEXT, "pattern": r"\S"}}),
        "CallStatusEvent": _event(),
        "CallStatusEvents": {
            "anyOf": [
                ref("CallStatusEvent"),
                {"type": "array", "items": ref("CallStatusEvent"), "minItems": 1, "maxItems": MOST_EVENTS},
            ]
        },
    }


def _event() -> Schema:
    return object_of(
        {"callId": UUID, "status": {"enum": [str(status) for status in CallStatus]}},
        {
            "at": _maybe({"type": "string", "format": "date-time"}, "when it happened; left out: when it is received"),
            "callDuration": _maybe({"type": "number", "minimum": 0}, "seconds"),
            "recordingUrl": _maybe({**TEXT, "maxLength": MAX_URL_CHARACTERS}, ""),
            "transcript": _maybe({**TEXT, "maxLength": MAX_TRANSCRIPT_CHARACTERS}, ""),
        },
    )


def _maybe(schema: Schema, description: str) -> Schema:
    said = {"description": description} if description else {}
    return {"anyOf": [schema, {"type": "null"}], **said}


def _start_calling() -> Schema:
    data = object_of({"batchId": TEXT, "status": {"const": "started"}})
    done = {"batchId": BATCH, "status": "started"}
    return {
        "operationId": "startCalling",
        "summary": "Start calling the pending contacts of a batch",
        "requestBody": body_of("StartCalling", {"batchId": BATCH}),
        "responses": {
            "200": answer_of(200, "the calling service has been told", data, done, message="Calling started"),
            **errors_of(*SENDING, *ASKING, HttpCode.BATCH_NOT_FOUND, HttpCode.AGENT_NOT_FOUND),
        },
    }


def _status() -> Schema:
    return {
        "operationId": "status",
        "summary": "Report the statuses of calls: one event, or an array of them",
        "requestBody": body_of("CallStatusEvents", [_EVENT]),
        "responses": {
            "200": answer_of(
                200,
                "every event is durable",
                object_of({"accepted": COUNT}),
                {"accepted": 1},
                message="Statuses accepted",
            ),
            **errors_of(*SENDING, *ASKING, HttpCode.STORE_UNAVAILABLE),
        },
    }
