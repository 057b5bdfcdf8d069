"""The administration's operations of the OpenAPI document. Pure."""

from __future__ import annotations

from typing import Any, Final

from ingest_api.admin_bodies import (
    Assignment,
    NewAgent,
    NewBatchOf,
    NewKey,
    NewNumber,
    NewVersion,
    NewWorkspace,
    WorkspaceChange,
)
from ingest_api.admin_sql import PATH as SQL_PATH
from ingest_api.admin_sql import Question
from ingest_api.batches import NewBatch
from ingest_api.openapi_parts import ASKING, SENDING, answer_of, errors_of, path_id, query_of
from ingest_api.openapi_schemas import BOOLEAN, COUNT, MAYBE_TEXT, TEXT, Schema, array_of, object_of
from ingest_api.paging import MOST_LIMIT, MOST_PAGE
from schemas.outcomes import HttpCode

_ID: Final = "66f2a9c1d4e5b60718293a4b"
DELETED: Final = "66f2a9c1d4e5b60718293a4c"
_AT: Final = "2026-03-01T09:00:00.000Z"
_AVRO: Final = {"type": "record", "name": "Reminder", "fields": [{"name": "firstName", "type": "string"}]}
_TIME: Final[Schema] = {"type": "string", "format": "date-time"}

_WORKSPACE: Final = {"workspaceId": _ID, "name": "Acme", "timezone": "Europe/Berlin", "country": "DE", "createdAt": _AT}
_KEY: Final = {"keyId": _ID, "name": "crm", "workspaceId": _ID, "admin": False, "createdAt": _AT, "revokedAt": None}
_AGENT: Final = {"agentId": _ID, "name": "Reminder", "workspaceId": _ID, "schemaVersion": 1, "createdAt": _AT}
_NUMBER: Final = {
    "phoneId": _ID,
    "number": "+4915112345678",
    "agentId": _ID,
    "workspaceId": _ID,
    "createdAt": _AT,
}
_RULES: Final = {
    "retry": 2,
    "delay": 600,
    "timezone": "Europe/Berlin",
    "country": "DE",
    "callingHour": {"start": "09:00", "end": "17:30"},
    "allowedDays": [1, 2, 3, 4, 5],
}
_NEW_BATCH: Final = {"workspaceId": _ID, "batchName": "Spring", "callingNumbers": [_ID], **_RULES}
_BATCH: Final = {"batchId": _ID, **_NEW_BATCH, "agentId": _ID, "createdAt": _AT}


def admin_paths() -> dict[str, Schema]:
    """Return the paths under /api/admin."""
    full_agent = {**_AGENT, "versions": [{"version": 1, "createdAt": _AT, "schema": _AVRO}]}
    new_agent = {"workspaceId": _ID, "name": "Reminder", "schema": _AVRO}
    change, changed = {"retry": 3, "callingHour": None}, {**_BATCH, "retry": 3}
    new_number = {"workspaceId": _ID, "agentId": _ID, "number": "+4915112345678"}
    return {
        "/api/admin/workspaces": _kind("workspace", NewWorkspace, {"name": "Acme"}, _WORKSPACE),
        "/api/admin/workspaces/{id}": {
            "patch": _change(
                "Change a workspace: fields that are not named stay, null takes one away",
                WorkspaceChange,
                {"country": "DE"},
                _WORKSPACE,
            ),
            "delete": _deletion("workspace", _WORKSPACE),
        },
        "/api/admin/keys": _kind("key", NewKey, {"workspaceId": _ID, "name": "crm"}, _KEY, {"apiKey": "df_..."}),
        "/api/admin/keys/{id}": {
            "delete": _one("Revoke a key: it stops working within seconds", "key", {**_KEY, "revokedAt": _AT})
        },
        "/api/admin/agents": _kind("agent", NewAgent, new_agent, _AGENT),
        "/api/admin/agents/{id}": {
            "get": _one("An agent with every version of its variable schema", "agent", full_agent),
            "put": _new_version(),
            "delete": _deletion("agent", _AGENT),
        },
        "/api/admin/numbers": _kind("calling number", NewNumber, new_number, _NUMBER),
        "/api/admin/numbers/{id}": {
            "patch": _change("Assign another agent to a calling number", Assignment, {"agentId": _ID}, _NUMBER),
            "delete": _deletion("calling number", _NUMBER),
        },
        "/api/admin/batches": _kind("batch", NewBatchOf, _NEW_BATCH, _BATCH),
        "/api/admin/batches/{id}": {
            "patch": _change(
                "Change a batch: fields that are not named stay, null takes one away", NewBatch, change, changed
            ),
            "delete": _batch_deletion(),
        },
        SQL_PATH: {"post": _question()},
    }


def _question() -> Schema:
    answer = {"columns": [{"name": "calls", "type": "UInt64"}], "rows": [[42]], "truncated": False}
    asked = {"sql": "SELECT count() AS calls FROM calls FINAL"}
    errors = errors_of(*SENDING, *ASKING, HttpCode.STORE_UNAVAILABLE)
    return {
        "summary": "Ask what is stored by one SELECT, read only and within limits",
        "requestBody": _body(Question, asked),
        "responses": {"200": answer_of(200, "at most 1,000 rows", _shape(answer), answer), **errors},
    }


def _kind(what: str, body: Any, new: Any, shown: dict[str, Any], once: dict[str, Any] | None = None) -> Schema:
    listing = {
        "summary": f"Every {what}, oldest first",
        "parameters": [
            {"name": "workspaceId", "in": "query", "schema": TEXT, "description": "only its own"},
            query_of("page", 1, MOST_PAGE),
            query_of("limit", MOST_LIMIT, MOST_LIMIT),
        ],
        "responses": {
            "200": answer_of(200, "the page; one past the end is empty", array_of(_shape(shown)), [shown]),
            **errors_of(HttpCode.FIELD_INVALID, *ASKING),
        },
    }
    made = {**shown, **(once or {})}
    creating = {
        "summary": f"Make {_a(what)}",
        "requestBody": _body(body, new),
        "responses": {
            "201": answer_of(201, "made, and known to every process within seconds", _shape(made), made),
            **errors_of(*SENDING, *ASKING, HttpCode.CONFLICT),
        },
    }
    return {"get": listing, "post": creating}


def _one(summary: str, what: str, shown: dict[str, Any]) -> Schema:
    return {
        "summary": summary,
        "parameters": [path_id(f"the {what}", _ID)],
        "responses": {
            "200": answer_of(200, f"the {what}", _shape(shown), shown),
            **errors_of(*ASKING, HttpCode.NOT_FOUND),
        },
    }


def _deletion(what: str, shown: dict[str, Any]) -> Schema:
    own_id = next(iter(shown))
    one = _one(f"Delete {_a(what)}, unless something needs it", what, {**shown, own_id: DELETED})
    errors = errors_of(*ASKING, HttpCode.FIELD_INVALID, HttpCode.NOT_FOUND, HttpCode.CONFLICT)
    responses = {"200": one["responses"]["200"], **errors}
    return {**one, "parameters": [path_id(f"the {what}", DELETED)], "responses": responses}


def _batch_deletion() -> Schema:
    one = _deletion("batch", _BATCH)
    drop = {
        "name": "dropPending",
        "in": "query",
        "schema": {**BOOLEAN, "default": False},
        "description": "true: calls that are pending are not made; else they stand against it (409)",
    }
    unavailable = errors_of(HttpCode.BUS_UNAVAILABLE, HttpCode.STORE_UNAVAILABLE)
    return {**one, "parameters": [*one["parameters"], drop], "responses": {**one["responses"], **unavailable}}


def _change(summary: str, body: Any, new: Any, shown: dict[str, Any]) -> Schema:
    one = _one(summary, "one to be changed", shown)
    content = _body(body, new)
    content["content"]["application/json"]["schema"].pop("required", None)
    errors = errors_of(*SENDING, *ASKING, HttpCode.NOT_FOUND)
    return {**one, "requestBody": content, "responses": {"200": one["responses"]["200"], **errors}}


def _a(what: str) -> str:
    return f"{'an' if what[0] in 'aeiou' else 'a'} {what}"


def _new_version() -> Schema:
    one = _one("A new version of an agent's variable schema", "agent", {**_AGENT, "schemaVersion": 2})
    errors = errors_of(*SENDING, *ASKING, HttpCode.NOT_FOUND, HttpCode.CONFLICT)
    return {
        **one,
        "requestBody": _body(NewVersion, {"schema": _AVRO}),
        "responses": {"200": one["responses"]["200"], **errors},
    }


def _body(model: Any, example: Any) -> Schema:
    schema = model.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)  # what a batch refers to is among the named schemas
    return {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}


def _shape(example: dict[str, Any]) -> Schema:
    """Return the schema of what the example is one of."""
    return object_of({name: _of_value(name, value) for name, value in example.items()})


def _of_value(name: str, value: Any) -> Schema:
    match value:
        case bool():
            return BOOLEAN
        case int():
            return COUNT
        case list():
            return {"type": "array"}
        case dict():
            return {"type": ["object", "null"]}
    if name.endswith("At"):
        return _TIME if value else {**_TIME, "type": ["string", "null"]}
    return MAYBE_TEXT if name in ("timezone", "country", "workspaceId", "agentId") else TEXT
