"""The OpenAPI document's part about dead letters. Pure."""

from __future__ import annotations

from typing import Any, Final

from ingest_api.dead_letter_queries import CLASSES, CODES, FLAGS, MOST_ATTEMPT, MOST_INDEX, SORTS
from ingest_api.dismissals import MOST_REASON
from ingest_api.openapi_parts import ASKING, SENDING, answer_of, body_of, errors_of, query_of
from ingest_api.openapi_schemas import BOOLEAN, COUNT, MAYBE_TEXT, TEXT, Schema, array_of, object_of, ref
from ingest_api.paging import DEFAULT_LIMIT, MOST_CHARACTERS, MOST_LIMIT, MOST_PAGE
from ingest_api.replay_bodies import MOST_ATTEMPTS
from schemas.dead_letter_query import MOST_RECORD_BYTES, GroupBy, ResolvedWith
from schemas.outcomes import HttpCode

_AT: Final = "2026-03-01T09:00:00.000Z"
_TIME: Final[Schema] = {"type": ["string", "null"], "format": "date-time"}
_MOMENT: Final[Schema] = {
    **TEXT,
    "pattern": "^$|^[0-9]{1,9}[smhdw]$|^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}",
}
_ERROR: Final = {"path": "/amount", "code": "type", "message": "amount must be a number"}
_LETTER: Final = {
    "code": "type",
    "class": "data",
    "stage": "clean",
    "path": "/amount",
    "message": "amount must be a number",
    "batchId": "66f2a9c1d4e5b60718293a4b",
    "submissionId": "5d3f7b9e-0c1a-4b53-9f0e-6f2d1c7a8e11",
    "recordIndex": 17,
    "attempt": 1,
    "failedAt": _AT,
    "topic": "calls.raw",
    "partition": 3,
    "offset": 42,
    "firstFailedAt": _AT,
    "acceptedAt": _AT,
    "replayId": None,
    "parked": False,
    "changes": "",
    "errors": [_ERROR],
}


_RESOLVED_BY: Final = object_of(
    {"by": {"enum": list(ResolvedWith)}, "at": _TIME},
    {"replayId": TEXT, "submissionId": TEXT, "recordIndex": COUNT, "reason": TEXT},
)


def dead_letter_paths() -> dict[str, Any]:
    """Return the paths by their operations."""
    return {
        "/api/call/dead-letters": {"get": _dead_letters()},
        "/api/call/dead-letters/dismissals": {"post": _dismiss()},
    }


def dead_letter_schemas() -> dict[str, Schema]:
    """Return the named schemas that the paths refer to."""
    letter = {
        "code": {"enum": list(CODES)},
        "class": {"enum": list(CLASSES)},
        "stage": TEXT,
        "path": TEXT,
        "message": TEXT,
        "batchId": MAYBE_TEXT,
        "submissionId": TEXT,
        "recordIndex": COUNT,
        "attempt": COUNT,
        "failedAt": _TIME,
        "topic": TEXT,
        "partition": {"type": "integer"},
        "offset": {"type": "integer"},
        "firstFailedAt": _TIME,
        "acceptedAt": _TIME,
        "replayId": MAYBE_TEXT,
        "parked": BOOLEAN,
        "changes": TEXT,
        "errors": array_of(object_of({"path": TEXT, "code": {"enum": list(CODES)}, "message": TEXT})),
    }
    bytes_shown = {"record": MAYBE_TEXT, "recordBase64": TEXT, "tried": MAYBE_TEXT, "triedBase64": TEXT}
    pages = {"page": COUNT, "limit": COUNT, "total": {"type": ["integer", "null"], "minimum": 0}}
    group = {"key": TEXT, "count": COUNT, "oldest": _TIME, "newest": _TIME, "message": TEXT}
    counts = {"groupBy": {"enum": list(GroupBy)}, "total": COUNT, "groupsOmitted": COUNT}
    return {
        "DeadLetter": object_of(letter, {**bytes_shown, "resolvedBy": _RESOLVED_BY}),
        "NewDismissal": _new_dismissal(),
        "DeadLetters": object_of({"deadLetters": array_of(ref("DeadLetter")), **pages}, {"next": MAYBE_TEXT}),
        "DeadLetterGroups": object_of({**counts, "groups": array_of(object_of(group))}),
    }


def _new_dismissal() -> Schema:
    text = {**TEXT, "minLength": 1, "maxLength": MOST_CHARACTERS}
    ago = {**TEXT, "pattern": "^[0-9]{1,9}[smhdw]$"}
    filters: dict[str, Schema] = {
        **dict.fromkeys(("agent", "batch", "submission", "stage", "path"), text),
        "index": {"type": "integer", "minimum": 0, "maximum": MOST_INDEX},
        "code": {"enum": list(CODES)},
        "class": {"enum": list(CLASSES)},
        "since": ago,
        "until": ago,
        "attempt": {"type": "integer", "minimum": 1, "maximum": MOST_ATTEMPTS},
        "parked": BOOLEAN,
    }
    optional = {name: {"anyOf": [schema, {"type": "null"}]} for name, schema in filters.items()}
    reason = {**TEXT, "minLength": 1, "maxLength": MOST_REASON, "pattern": r"\S"}
    return {
        "type": "object",
        "properties": {"reason": reason, **optional},
        "required": ["reason"],
        "additionalProperties": False,
    }


def _dismiss() -> Schema:
    example = {"reason": "the customer has left", "batch": _LETTER["batchId"], "code": "type"}
    return {
        "operationId": "dismissDeadLetters",
        "summary": "Dismiss dead letters: they are not listed, counted or replayed any more",
        "requestBody": body_of("NewDismissal", example),
        "responses": {
            "200": answer_of(
                200,
                "how many were dismissed",
                object_of({"dismissed": COUNT}),
                {"dismissed": 3},
                message="Dead letters dismissed",
            ),
            **errors_of(*SENDING, *ASKING, HttpCode.STORE_UNAVAILABLE),
        },
    }


def _parameter(name: str, schema: Schema, description: str, example: Any = None) -> Schema:
    shown = {"name": name, "in": "query", "schema": schema, "description": description}
    return shown if example is None else {**shown, "example": example}


def _dead_letters() -> Schema:
    text = {**TEXT, "maxLength": MOST_CHARACTERS}
    attempt = {"type": "integer", "minimum": 1, "maximum": MOST_ATTEMPT}
    index = {"type": "integer", "minimum": 0, "maximum": MOST_INDEX}
    place = {**TEXT, "pattern": rf"^$|^.{{1,{MOST_CHARACTERS}}}/[0-9]{{1,10}}$"}
    example = {"deadLetters": [_LETTER], "page": 1, "limit": DEFAULT_LIMIT, "total": 1}
    return {
        "operationId": "deadLetters",
        "summary": "Failed records, newest first, or counts of them; an admin key sees those of every workspace",
        "parameters": [
            _parameter("agent", text, "id of an agent: those of the batches that it speaks for now"),
            _parameter("batch", text, "id of a batch", _LETTER["batchId"]),
            _parameter("submission", text, "id of a submission", _LETTER["submissionId"]),
            _parameter("index", index, "index of a record in its submission"),
            _parameter("code", {"enum": list(CODES)}, "code of the first error"),
            _parameter("class", {"enum": list(CLASSES)}, "who has to act"),
            _parameter("stage", text, "step that found the errors", "clean"),
            _parameter("path", text, "JSON pointer of the first error", "/amount"),
            _parameter("since", _MOMENT, "failed at this time or after; or how long ago", "2h"),
            _parameter("until", _MOMENT, "failed before this time; or how long ago", _AT),
            _parameter("attempt", attempt, "this attempt, instead of the newest of each record"),
            _parameter("parked", {"enum": list(FLAGS)}, "those only that no replay takes any more"),
            _parameter("resolved", {"enum": list(FLAGS)}, "those only that are resolved, with `resolvedBy`"),
            _parameter("groupBy", {"enum": list(GroupBy)}, "count them by this instead"),
            query_of("page", 1, MOST_PAGE),
            query_of("limit", DEFAULT_LIMIT, MOST_LIMIT),
            _parameter("sortBy", {"enum": list(SORTS)}, "`record`: by submission and index"),
            _parameter("after", place, "`next` of the answer before; needs `sortBy=record`"),
            _parameter(
                "records",
                {"enum": list(FLAGS)},
                f"with the records' bytes, at most {MOST_RECORD_BYTES >> 20} MiB of them; needs `sortBy=record`",
            ),
        ],
        "responses": {
            "200": answer_of(
                200,
                "the page, or the counts",
                {"anyOf": [ref("DeadLetters"), ref("DeadLetterGroups")]},
                example,
                message="Dead letters",
            ),
            **errors_of(HttpCode.FIELD_INVALID, *ASKING, HttpCode.STORE_UNAVAILABLE),
        },
    }
