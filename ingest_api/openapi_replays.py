"""The OpenAPI document's part about replays. Pure."""

from __future__ import annotations

from typing import Any, Final

from ingest_api.foreseen import AcceptedRecords
from ingest_api.openapi_parts import (
    ASKING,
    BATCH,
    IDEMPOTENCY_KEY,
    SENDING,
    answer_of,
    body_of,
    errors_of,
    path_id,
    query_of,
)
from ingest_api.openapi_schemas import BOOLEAN, COUNT, TEXT, Schema, array_of, object_of, ref
from ingest_api.paging import DEFAULT_LIMIT, MOST_LIMIT, MOST_PAGE
from ingest_api.replay_bodies import MOST_ATTEMPTS, MOST_CHANGES, MOST_CHARACTERS, MOST_RATE, NewReplay
from schemas.dead_letters import STAGES
from schemas.outcomes import Code, FailureClass, HttpCode
from schemas.replay_jobs import MOST_INT

REPLAY: Final = "0b4a2a63-5c5e-4f4e-9a39-3f7f1f6f2d77"
_COUNTS: Final = (
    "selected",
    "replayed",
    "added",
    "updated",
    "superseded",
    "failed",
    "parked",
    "statuses",
    "pending",
    "skipped",
)
_SHOWN: Final = {
    "replayId": REPLAY,
    "state": "done",
    **dict.fromkeys(_COUNTS, 0),
    "selected": 3,
    "replayed": 2,
    "added": 2,
    "superseded": 1,
    "skippedBecause": {},
    "asked": {"code": "batch_unknown", "maxAttempts": 5},
    "acceptedAt": 1_772_355_600_000,
    "updatedAt": 1_772_355_602_000,
    "read": 3,
    "toRead": 3,
}

_TRIED_COUNTS: Final = (
    "selected",
    "replayed",
    "added",
    "updated",
    "superseded",
    "failed",
    "parked",
    "statuses",
    "notAsked",
    "skipped",
)
_FORESEEN: Final = ["added", "updated", "superseded"]
_SKIPPED: Final = {"type": "object", "additionalProperties": COUNT}
_EXAMPLE: Final = {
    "submissionId": "5d3f7b9e-0c1a-4b53-9f0e-6f2d1c7a8e11",
    "recordIndex": 17,
    "path": "/amount",
    "message": "amount must be a number",
}
TRIED: Final = {
    "dryRun": True,
    **dict.fromkeys(_TRIED_COUNTS, 0),
    "selected": 1,
    "failed": 1,
    "skipped": 2,
    "skippedBecause": {"older": 2},
    "failedByCode": {"type": 1},
    "examples": {"type": [_EXAMPLE]},
}


def replay_paths() -> dict[str, Any]:
    """Return the paths by their operations."""
    return {
        "/api/call/replays": {"get": _list(), "post": _ask()},
        "/api/call/replays/outcomes": {"post": _foresee()},
        "/api/call/replays/{id}": {"get": _one()},
    }


def replay_schemas() -> dict[str, Schema]:
    """Return the named schemas that the paths refer to."""
    shown = {
        "replayId": TEXT,
        "state": {"enum": ["running", "done", "refused"]},
        **dict.fromkeys(_COUNTS, COUNT),
        "skippedBecause": _SKIPPED,
        "asked": {"type": "object"},
        "acceptedAt": {**COUNT, "description": "ms since the epoch"},
        "updatedAt": {**COUNT, "description": "ms since the epoch"},
        "read": COUNT,
        "toRead": {"type": ["integer", "null"], "description": "messages to read; null before it has begun"},
    }
    pages = {"page": COUNT, "limit": COUNT, "total": COUNT}
    accepted = AcceptedRecords.model_json_schema(ref_template="#/components/schemas/{model}")
    return {
        **accepted.pop("$defs"),
        "AcceptedRecords": accepted,
        "NewReplay": _new_replay(),
        "ReplayTried": object_of(
            {
                "dryRun": {"const": True},
                **dict.fromkeys(_TRIED_COUNTS, COUNT),
                "skippedBecause": _SKIPPED,
                "failedByCode": {"type": "object", "additionalProperties": COUNT},
                "examples": {"type": "object", "additionalProperties": array_of({"type": "object"})},
            },
            {"mapNotFound": array_of(TEXT)},
        ),
        "Outcomes": object_of({"outcomes": array_of(object_of({"outcome": {"enum": _FORESEEN}, "entry": COUNT}))}),
        "Replay": object_of(shown, {"reason": TEXT}),
        "Replays": object_of({"replays": array_of(ref("Replay")), **pages}),
    }


def _new_replay() -> Schema:
    text = {**TEXT, "minLength": 1, "maxLength": MOST_CHARACTERS}
    fields: dict[str, Schema] = {
        "agent": text,
        "batch": text,
        "submission": text,
        "code": {"enum": [str(code) for code in Code]},
        "class": {"enum": [str(one) for one in FailureClass]},
        "stage": {"enum": list(STAGES)},
        "path": text,
        "since": {**TEXT, "pattern": "^[0-9]{1,9}[smhdw]$"},
        "until": {**TEXT, "pattern": "^[0-9]{1,9}[smhdw]$"},
        "attempt": _number(MOST_ATTEMPTS),
        "parked": BOOLEAN,
        "maxAttempts": _number(MOST_ATTEMPTS),
        "rate": _number(MOST_RATE),
        "asNew": BOOLEAN,
        "toBatch": text,
        "agentVersion": _number(MOST_INT),
        "dryRun": BOOLEAN,
        "map": {
            "type": "object",
            "propertyNames": text,
            "additionalProperties": text,
            "maxProperties": MOST_CHANGES,
        },
        "set": {"type": "object", "propertyNames": text, "maxProperties": MOST_CHANGES},
    }
    described = {(field.alias or name): field.description or "" for name, field in NewReplay.model_fields.items()}
    optional = {
        name: {"anyOf": [schema, {"type": "null"}], **({"description": described[name]} if described[name] else {})}
        for name, schema in fields.items()
    }
    return {"type": "object", "properties": optional, "additionalProperties": False}


def _number(most: int) -> Schema:
    return {"type": "integer", "minimum": 1, "maximum": most}


def _ask() -> Schema:
    location = {"Location": {"description": "path of the replay", "schema": TEXT}}
    accepted = answer_of(
        202, "the replay will be run", object_of({"replayId": TEXT}), {"replayId": REPLAY}, message="Replay accepted"
    )
    return {
        "operationId": "replay",
        "summary": "Try dead letters again: those there are now; an admin key, those of every workspace",
        "parameters": [IDEMPOTENCY_KEY],
        "requestBody": body_of("NewReplay", {"code": "batch_unknown"}),
        "responses": {
            "200": answer_of(
                200, "what would become of the records", ref("ReplayTried"), TRIED, message="Replay tried"
            ),
            "202": {**accepted, "headers": location},
            **errors_of(*SENDING, *ASKING, HttpCode.BATCH_NOT_FOUND, HttpCode.IDEMPOTENCY_BODY_DIFFERS),
        },
    }


def _foresee() -> Schema:
    record = {"phoneNumber": "+12125551001", "acceptedAt": 1_772_355_600_000, "recordIndex": 0}
    outcomes = {"outcomes": [{"outcome": "added", "entry": 0}]}
    return {
        "operationId": "replayOutcomes",
        "summary": "What a replay would make of records of one batch that pass, sending nothing",
        "requestBody": body_of("AcceptedRecords", {"batchId": BATCH, "records": [record]}),
        "responses": {
            "200": answer_of(
                200, "the outcome of each, after those before it", ref("Outcomes"), outcomes, message="Outcomes"
            ),
            **errors_of(*SENDING, *ASKING, HttpCode.BATCH_NOT_FOUND, HttpCode.STORE_UNAVAILABLE),
        },
    }


def _one() -> Schema:
    return {
        "operationId": "replayStatus",
        "summary": "How far a replay is, and what became of its records",
        "parameters": [path_id("the replay", REPLAY)],
        "responses": {
            "200": answer_of(200, "the replay", ref("Replay"), _SHOWN, message="Replay"),
            **errors_of(*ASKING, HttpCode.NOT_FOUND),
        },
    }


def _list() -> Schema:
    return {
        "operationId": "replays",
        "summary": "A page of the workspace's replays, newest first",
        "parameters": [query_of("page", 1, MOST_PAGE), query_of("limit", DEFAULT_LIMIT, MOST_LIMIT)],
        "responses": {
            "200": answer_of(
                200,
                "the page; one past the end is empty",
                ref("Replays"),
                {"replays": [_SHOWN], "page": 1, "limit": 10, "total": 1},
                message="Replays",
            ),
            **errors_of(HttpCode.FIELD_INVALID, *ASKING),
        },
    }
