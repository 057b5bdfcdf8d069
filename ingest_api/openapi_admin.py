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
                (
                    "adminUpdateWorkspace",
                    "Change a workspace: fields that are not named stay, null takes one away",
                    "Workspace updated",
                ),
                WorkspaceChange,
                {"country": "DE"},
                _WORKSPACE,
            ),
            "delete": _deletion("workspace", _WORKSPACE),
        },
        "/api/admin/keys": _kind("key", NewKey, {"workspaceId": _ID, "name": "crm"}, _KEY, {"apiKey": "df_..."}),
        "/api/admin/keys/{id}": {
            "delete": _one(
                "adminRevokeKey",
                "Revoke a key: it stops working within seconds",
                "key",
                {**_KEY, "revokedAt": _AT},
                "Key revoked",
            )
        },
        "/api/admin/agents": _kind("agent", NewAgent, new_agent, _AGENT),
        "/api/admin/agents/{id}": {
            "get": _one(
                "adminShowAgent", "An agent with every version of its variable schema", "agent", full_agent, "Agent"
            ),
            "put": _new_version(),
            "delete": _deletion("agent", _AGENT),
        },
        "/api/admin/numbers": _kind("calling number", NewNumber, new_number, _NUMBER),
        "/api/admin/numbers/{id}": {
            "patch": _change(
                ("adminAssignNumber", "Assign another agent to a calling number", "Number assigned"),
                Assignment,
                {"agentId": _ID},
                _NUMBER,
            ),
            "delete": _deletion("calling number", _NUMBER),
        },
        "/api/admin/batches": _kind("batch", NewBatchOf, _NEW_BATCH, _BATCH),
        "/api/admin/batches/{id}": {
            "patch": _change(
                (
                    "adminUpdateBatch",
                    "Change a batch: fields that are not named stay, null takes one away",
                    "Batch updated",
                ),
                NewBatch,
                change,
                changed,
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
        "operationId": "adminSql",
        "summary": "Ask what is stored by one SELECT, read only and within limits",
        "requestBody": _body(Question, asked),
        "responses": {
            "200": answer_of(200, "at most 1,000 rows", _shape(answer), answer, message="Answered"),
            **errors,
        },
    }


def _kind(what: str, body: Any, new: Any, shown: dict[str, Any], once: dict[str, Any] | None = None) -> Schema:
    listing = {
        "operationId": f"adminList{_named(what, many=True)}",
        "summary": f"Every {what}, oldest first",
        "parameters": [
            {"name": "workspaceId", "in": "query", "schema": TEXT, "description": "only its own"},
            query_of("page", 1, MOST_PAGE),
            query_of("limit", MOST_LIMIT, MOST_LIMIT),
        ],
        "responses": {
            "200": answer_of(
                200, "the page; one past the end is empty", array_of(_shape(shown)), [shown], message="Registered"
            ),
            **errors_of(HttpCode.FIELD_INVALID, *ASKING),
        },
    }
    made = {**shown, **(once or {})}
    message = "Key created; it is shown this once" if once else f"{_named(what)} created"
    creating = {
        "operationId": f"adminCreate{_named(what)}",
        "summary": f"Make {_a(what)}",
        "requestBody": _body(body, new),
        "responses": {
            "201": answer_of(
                201, "made, and known to every process within seconds", _shape(made), made, message=message
            ),
            **errors_of(*SENDING, *ASKING, HttpCode.CONFLICT),
        },
    }
    return {"get": listing, "post": creating}


def _named(what: str, *, many: bool = False) -> str:
    """Return a kind as part of an operation's id: `calling number` is `Number`, many are `Numbers` or `Batches`."""
    name = what.rpartition(" ")[2].capitalize()
    return f"{name}{'es' if name == 'Batch' else 's'}" if many else name


def _one(operation: str, summary: str, what: str, shown: dict[str, Any], message: str) -> Schema:
    return {
        "operationId": operation,
        "summary": summary,
        "parameters": [path_id(f"the {what}", _ID)],
        "responses": {
            "200": answer_of(200, f"the {what}", _shape(shown), shown, message=message),
            **errors_of(*ASKING, HttpCode.NOT_FOUND),
        },
    }


def _deletion(what: str, shown: dict[str, Any]) -> Schema:
    own_id = next(iter(shown))
    summary, message = f"Delete {_a(what)}, unless something needs it", f"{_named(what)} deleted"
    one = _one(f"adminDelete{_named(what)}", summary, what, {**shown, own_id: DELETED}, message)
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


def _change(said: tuple[str, str, str], body: Any, new: Any, shown: dict[str, Any]) -> Schema:
    """`said` is the operation's id, its summary, and the message of its answer."""
    operation, summary, message = said
    one = _one(operation, summary, "one to be changed", shown, message)
    content = _body(body, new)
    content["content"]["application/json"]["schema"].pop("required", None)
    errors = errors_of(*SENDING, *ASKING, HttpCode.NOT_FOUND)
    return {**one, "requestBody": content, "responses": {"200": one["responses"]["200"], **errors}}


def _a(what: str) -> str:
    return f"{'an' if what[0] in 'aeiou' else 'a'} {what}"


def _new_version() -> Schema:
    summary, shown = "A new version of an agent's variable schema", {**_AGENT, "schemaVersion": 2}
    one = _one("adminUpdateAgent", summary, "agent", shown, "Agent updated")
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
