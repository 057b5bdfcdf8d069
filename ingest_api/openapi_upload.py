"""The part of the OpenAPI document that describes the upload. Pure."""

from __future__ import annotations

from typing import Any, Final

from ingest_api.answers import PENDING
from ingest_api.openapi_parts import (
    ASKING,
    BATCH,
    IDEMPOTENCY_KEY,
    LOCATION,
    PREFERENCE_APPLIED,
    REPEATING,
    SENDING,
    answer_of,
    errors_of,
)
from ingest_api.openapi_schemas import COUNT, TEXT, Schema, array_of, object_of, ref
from ingest_api.upload_answers import UPLOADED
from ingest_api.upload_fields import BATCH_TYPES
from schemas.outcomes import RECORD_CODES, HttpCode

_SUBMISSION: Final = "5d3f7b9e-0c1a-4b53-9f0e-6f2d1c7a8e11"

_EXAMPLE: Final = {
    "file": "phoneNumber,name,amount\n+12125551001,Ann Example,12.5\n",
    "batchName": "Spring reminders",
    "callingNumbers": '["66f2a9c1d4e5b60718293a00"]',
}

FAILED_ROW: Final[Schema] = object_of(
    {
        "row": {"type": "integer", "minimum": 1},
        "errors": array_of(
            object_of({"path": TEXT, "code": {"enum": [str(code) for code in RECORD_CODES]}, "message": TEXT})
        ),
    },
    {"lines": array_of({"type": "integer", "minimum": 1})},
)
_FORM: Final[Schema] = object_of(
    {
        "file": {**TEXT, "format": "binary", "description": "a table, CSV or XLSX by its content"},
        "batchName": TEXT,
        "callingNumbers": {**TEXT, "description": "phone ids, an array as JSON text"},
    },
    {
        "type": {"enum": ["true", "false"], "default": "false", "description": '"true": store the valid rows anyway'},
        "batchType": {"enum": list(BATCH_TYPES), "description": "means nothing here"},
        "encoding": {
            **TEXT,
            "description": "of a CSV file that is not UTF-8, such as windows-1252; else it is detected",
        },
        "retry": {**TEXT, "description": "an integer"},
        "delay": {**TEXT, "description": "seconds, an integer"},
        "timezone": TEXT,
        "country": {**TEXT, "description": "ISO 3166 alpha-2: national forms of its numbers are read too"},
        "callingHour": {**TEXT, "description": "an object as JSON text"},
        "allowedDays": {**TEXT, "description": "an array as JSON text"},
    },
)


def upload_paths() -> dict[str, Schema]:
    """Return the paths of the document."""
    return {"/api/call/upload": {"post": _upload()}}


def upload_schemas() -> dict[str, Schema]:
    """Return the named schemas of the document."""
    return {"FailedRow": FAILED_ROW, "Upload": _FORM}


def _hosted(answer: Schema) -> Schema:
    """Add what stands beside the envelope, in the words of the hosted service."""
    content = answer["content"]["application/json"]
    data = content["example"]["data"]
    shape = object_of({"_id": TEXT, "batchName": TEXT, "totalCalls": COUNT})
    content["schema"]["properties"] |= {"success": {"const": True}, "batch": shape}
    made = {"_id": data["batchId"], "batchName": _EXAMPLE["batchName"], "totalCalls": data["totalCalls"]}
    content["example"] |= {"success": True, "batch": made}
    return answer


def _upload() -> Schema:
    error = {"path": "/phoneNumber", "code": "duplicate", "message": "row 2 has the same number; the first row wins"}
    rows = {"failedRows": array_of(ref("FailedRow")), "failedRowsOmitted": COUNT}
    known = {"batchId": TEXT, "submissionId": TEXT, "totalCalls": COUNT}
    notes = {"encoding": TEXT, "encodingGuessed": {"type": "boolean"}, "hiddenRows": COUNT}
    pending: dict[str, Any] = {"batchId": BATCH, "submissionId": _SUBMISSION, "totalCalls": 3, "encoding": "utf-8"}
    pending["encodingGuessed"] = False
    failed = {"failedRows": [{"row": 3, "lines": [3], "errors": [error]}], "failedRowsOmitted": 0}
    later = answer_of(
        202,
        "not known yet: ask for the report",
        object_of(known | rows, notes),
        pending | failed,
        message=PENDING,
        ok=False,
    )
    refused = errors_of(
        HttpCode.INVALID_ROWS,
        *(code for code in SENDING if code is not HttpCode.INVALID_JSON),
        HttpCode.NO_VALID_RECORD,
        *ASKING,
        HttpCode.AGENT_NOT_FOUND,
        *REPEATING,
    )
    return {
        "operationId": "upload",
        "summary": "Make a batch of a table",
        "parameters": [IDEMPOTENCY_KEY],
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": ref("Upload"), "example": _EXAMPLE}},
        },
        "responses": {
            "201": _hosted(
                answer_of(
                    201,
                    "the batch is made, its valid rows are stored",
                    object_of({**known, "added": COUNT, **rows}, notes),
                    {**pending, "added": 2, **failed},
                    message=UPLOADED,
                )
            ),
            "202": {**_hosted(later), "headers": {**LOCATION, **PREFERENCE_APPLIED}},
            **refused,
        },
    }
