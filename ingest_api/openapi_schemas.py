"""The shapes of bodies and answers in the OpenAPI document. Pure."""

from __future__ import annotations

from typing import Any, Final

from ingest_api.batch_details import BATCH_STATUSES
from ingest_api.batches import NewBatch
from schemas.outcomes import RECORD_CODES, HttpCode
from schemas.stores import TIMEZONE_CONFIDENCES, TIMEZONE_SOURCES

Schema = dict[str, Any]


def object_of(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    """Return the schema of an object; what is not named may be there too."""
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required)}


def array_of(items: Schema) -> Schema:
    """Return the schema of an array."""
    return {"type": "array", "items": items}


def ref(name: str) -> Schema:
    """Return a reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


TEXT: Final[Schema] = {"type": "string"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
BOOLEAN: Final[Schema] = {"type": "boolean"}
UUID: Final[Schema] = {"type": "string", "format": "uuid"}
_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
MAYBE_TEXT: Final[Schema] = {"type": ["string", "null"]}

_RECORDS: Final[Schema] = {
    "type": "array",
    "minItems": 1,
    "items": object_of({"phoneNumber": {"type": ["string", "integer"]}}, {"timezone": MAYBE_TEXT}),
    "description": "the contacts; keys beyond these two are the agent's variables and are kept",
}
_ADD_CALLS: Final[Schema] = {
    "type": "object",
    "properties": {"batchId": {**TEXT, "minLength": 1}, "call_data": _RECORDS, "callData": _RECORDS},
    "required": ["batchId"],
    "anyOf": [{"required": ["call_data"]}, {"required": ["callData"]}],
}
_ERROR: Final[Schema] = object_of({"code": {"enum": [str(code) for code in HttpCode]}, "message": TEXT}, {"path": TEXT})
_RECORD_ERROR: Final[Schema] = object_of(
    {"path": TEXT, "code": {"enum": [str(code) for code in RECORD_CODES]}, "message": TEXT}
)
_FAILED_CHUNK: Final[Schema] = object_of(
    {
        "chunkNum": {"type": "integer", "minimum": 1},
        "error": TEXT,
        "firstIndex": COUNT,
        "size": COUNT,
        "added": COUNT,
        "failed": COUNT,
        "retryable": BOOLEAN,
        "records": array_of(
            object_of({"index": COUNT, "phoneNumber": MAYBE_TEXT, "errors": array_of(_RECORD_ERROR)}),
        ),
        "recordsOmitted": COUNT,
    }
)
_REPLAYED: Final[Schema] = object_of(
    {
        "count": COUNT,
        "lastAt": MAYBE_TEXT,
        "records": array_of(object_of({"index": COUNT, "outcome": TEXT, "at": _TIME, "replayId": TEXT})),
    }
)
_REPORT: Final[Schema] = object_of(
    {
        "submissionId": TEXT,
        "batchId": MAYBE_TEXT,
        "total": COUNT,
        "added": COUNT,
        "failed": COUNT,
        "superseded": COUNT,
        "pending": COUNT,
        "complete": BOOLEAN,
        "callIds": array_of(UUID),
        "failedChunks": array_of(ref("FailedChunk")),
        "replayed": _REPLAYED,
    }
)
_PHONE_LOG: Final[Schema] = object_of(
    {
        "callId": UUID,
        "entry": COUNT,
        "callStatus": TEXT,
        "callDuration": {"type": ["number", "null"]},
        "recordingUrl": MAYBE_TEXT,
        "transcript": MAYBE_TEXT,
        "at": {"type": ["string", "null"], "format": "date-time"},
        "createdAt": _TIME,
    }
)
_CONTACT: Final[Schema] = object_of(
    {
        "_id": UUID,
        "phoneNumber": TEXT,
        "timezone": TEXT,
        "timezoneSource": {"enum": list(TIMEZONE_SOURCES)},
        "timezoneConfidence": {"enum": [*TIMEZONE_CONFIDENCES, ""]},
        "timezoneCandidates": array_of(TEXT),
        "phoneNumberReadAs": TEXT,
        "callId": {**UUID, "type": ["string", "null"]},
        "phoneLogs": array_of(_PHONE_LOG),
        "createdAt": _TIME,
    },
    {"variables": {"type": "object"}},
)
_BATCH_DETAILS: Final[Schema] = object_of(
    {
        "batchId": TEXT,
        "batchName": TEXT,
        "batchStatus": {"enum": list(BATCH_STATUSES)},
        "retry": COUNT,
        "delay": COUNT,
        "timezone": MAYBE_TEXT,
        "country": MAYBE_TEXT,
        "callingHour": {"anyOf": [object_of({"start": TEXT, "end": TEXT}), {"type": "null"}]},
        "allowedDays": array_of({"type": "integer", "minimum": 0, "maximum": 6}),
        "page": COUNT,
        "limit": COUNT,
        "total": COUNT,
        "totalPages": COUNT,
        "data": array_of(ref("Contact")),
    }
)


def named_schemas() -> dict[str, Schema]:
    """Return the document's `components.schemas`."""
    model = NewBatch.model_json_schema(ref_template="#/components/schemas/{model}")
    nested = model.pop("$defs", {})
    return {
        **nested,
        "NewBatch": model,
        "AddCalls": _ADD_CALLS,
        "Error": _ERROR,
        "FailedChunk": _FAILED_CHUNK,
        "Report": _REPORT,
        "Contact": _CONTACT,
        "BatchDetails": _BATCH_DETAILS,
    }
