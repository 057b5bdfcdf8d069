"""The administration over HTTP: what the command line makes, for those who have an admin key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ingest_api import admin_bodies as bodies
from ingest_api import batches
from ingest_api.batches import NewBatch
from ingest_api.body import read_json_body
from ingest_api.edge import Edge
from ingest_api.envelope import Answer, RefusedError, refused, success, with_warnings
from ingest_api.from_store import from_store
from ingest_api.headers import api_key_of
from ingest_api.paging import PAGE_PARAMETERS, listed_page_of
from ingest_api.registering import register
from ingest_api.requested import beside
from ingest_api.routing import Handler, route
from schemas import deletions, registrations
from schemas.identity import new_id
from schemas.outcomes import HttpCode
from schemas.records import RegistryRecord, Workspace
from schemas.registrations import RegistrationRefusedError, Rules
from schemas.registry import Registry

Listing = Callable[[Edge, Request], Answer]
Change = Callable[[Edge, Request, dict[str, Any]], Awaitable[Answer]]
"""Answers a request and its body, `{}` where it has none."""

T = TypeVar("T")


def admin_routes(edge: Edge) -> list[Route]:
    """Return the routes under /api/admin. Changes go one at a time, so that each is checked against the one before."""
    changing = asyncio.Lock()

    def reading(listing: Listing) -> Handler:
        async def handle(edge: Edge, request: Request) -> Response:
            await edge.access.administrator(api_key_of(request.headers))
            warnings = beside(request, () if listing is _agent else LISTING_PARAMETERS)
            await edge.access.catch_up()
            return _respond(with_warnings(listing(edge, request), warnings))

        return handle

    def writing(change: Change) -> Handler:
        async def handle(edge: Edge, request: Request) -> Response:
            await edge.access.administrator(api_key_of(request.headers))
            warnings = beside(request, ("dropPending",) if change is _delete_batch else ())
            fields = {} if request.method == "DELETE" else await _body(edge, request)
            warnings += bodies.warnings_of(_BODIES.get(change), fields)
            async with changing:
                await edge.access.catch_up()
                return _respond(with_warnings(await _refusing(change(edge, request, fields)), warnings))

        return handle

    handlers: dict[str, dict[str, Handler]] = {path: {"GET": reading(one)} for path, one in _LISTINGS.items()}
    for (method, path), change in _CHANGES.items():
        handlers.setdefault(path, {})[method] = writing(change)
    return [route(edge, path, by_method) for path, by_method in handlers.items()]


async def _refusing(asked: Awaitable[Answer]) -> Answer:
    try:
        return await asked
    except RegistrationRefusedError as error:
        raise bodies.refusal(error) from None


def _respond(answer: Answer) -> Response:
    return JSONResponse(answer.body, answer.status, dict(answer.headers))


async def _body(edge: Edge, request: Request) -> dict[str, Any]:
    with edge.admission.enter() as place:
        limit, idle = batches.BODY_LIMIT_BYTES, edge.settings.body_idle_seconds
        return batches.read_object(await read_json_body(request, limit, idle, place.hold))


async def _register(edge: Edge, record: RegistryRecord) -> None:
    await edge.bus.require()
    await register(edge, record)


def _rules(edge: Edge) -> Rules:
    return Rules(known_timezone=edge.known_timezone, normalise=edge.normalise)


def _owner(state: Registry, workspace_id: str) -> Workspace:
    return registrations.find_workspace(state, workspace_id)


def _found(kept: Mapping[str, T], wanted: str) -> T:
    found = kept.get(wanted)
    if found is None:
        raise refused(HttpCode.NOT_FOUND)
    return found


def _listed(request: Request, kept: Mapping[str, Any], shown: Callable[[Any], dict[str, Any]]) -> Answer:
    page, limit = listed_page_of(request.query_params)
    wanted = list(bodies.of_workspace(kept.values(), request.query_params.get("workspaceId") or None))
    return success("Registered", [shown(one) for one in wanted[(page - 1) * limit : page * limit]])


def _workspaces(edge: Edge, request: Request) -> Answer:
    return _listed(request, edge.access.known.workspaces, bodies.workspace_shown)


async def _create_workspace(edge: Edge, _: Request, fields: dict[str, Any]) -> Answer:
    asked = bodies.checked(bodies.NewWorkspace, fields)
    state, now = edge.access.known, edge.now_ms()
    made = registrations.new_workspace(state, _rules(edge), asked.name, asked.timezone, now, asked.country)
    await _register(edge, made)
    return success("Workspace created", bodies.workspace_shown(made), 201)


async def _update_workspace(edge: Edge, request: Request, fields: dict[str, Any]) -> Answer:
    """Change the fields that the body has; null takes one away. What is not named stays."""
    known = _found(edge.access.known.workspaces, request.path_params["id"])
    asked = bodies.checked(bodies.WorkspaceChange, fields)
    given = {name: getattr(asked, name) or "" for name in ("timezone", "country") if name in fields}
    made = registrations.changed_workspace(
        _rules(edge), known, given.get("timezone"), given.get("country"), edge.now_ms()
    )
    if made is not known:
        await _register(edge, made)
    return success("Workspace updated", bodies.workspace_shown(made))


def _keys(edge: Edge, request: Request) -> Answer:
    return _listed(request, edge.access.known.keys, bodies.key_shown)


async def _create_key(edge: Edge, _: Request, fields: dict[str, Any]) -> Answer:
    asked = bodies.checked(bodies.NewKey, fields)
    if asked.workspaceId is None:
        made, api_key = registrations.new_admin_key(asked.name, edge.now_ms())
    else:
        made, api_key = registrations.new_key(_owner(edge.access.known, asked.workspaceId), asked.name, edge.now_ms())
    await _register(edge, made)
    return success("Key created; it is shown this once", {**bodies.key_shown(made), "apiKey": api_key}, 201)


async def _revoke_key(edge: Edge, request: Request, _: dict[str, Any]) -> Answer:
    key_id = request.path_params["id"]
    _found(edge.access.known.keys, key_id)
    revoked = registrations.revoked_key(edge.access.known, key_id, edge.now_ms())
    await _register(edge, revoked)
    return success("Key revoked", bodies.key_shown(revoked))


def _agents(edge: Edge, request: Request) -> Answer:
    return _listed(request, edge.access.known.agents, bodies.agent_shown)


async def _create_agent(edge: Edge, _: Request, fields: dict[str, Any]) -> Answer:
    asked = bodies.checked(bodies.NewAgent, fields)
    owner = _owner(edge.access.known, asked.workspaceId)
    made = registrations.new_agent(owner, asked.name, asked.avro, edge.now_ms())
    await _register(edge, made)
    return success("Agent created", bodies.agent_shown(made), 201)


async def _update_agent(edge: Edge, request: Request, fields: dict[str, Any]) -> Answer:
    known = _found(edge.access.known.agents, request.path_params["id"])
    asked = bodies.checked(bodies.NewVersion, fields)
    made = registrations.new_agent_version(known, asked.avro, edge.now_ms())
    if made != known:
        await _register(edge, made)
    return success("Agent updated", bodies.agent_shown(made))


def _agent(edge: Edge, request: Request) -> Answer:
    return success("Agent", bodies.agent_in_full(_found(edge.access.known.agents, request.path_params["id"])))


def _numbers(edge: Edge, request: Request) -> Answer:
    return _listed(request, edge.access.known.numbers, bodies.number_shown)


async def _create_number(edge: Edge, _: Request, fields: dict[str, Any]) -> Answer:
    asked = bodies.checked(bodies.NewNumber, fields)
    state = edge.access.known
    speaker = registrations.find_agent(state, asked.agentId, _owner(state, asked.workspaceId))
    made = registrations.new_number(state, _rules(edge), speaker, asked.number, edge.now_ms())
    await _register(edge, made)
    return success("Number created", bodies.number_shown(made), 201)


def _batches(edge: Edge, request: Request) -> Answer:
    state = edge.access.known
    return _listed(request, state.batches, lambda batch: bodies.batch_shown(batch, state))


async def _create_batch(edge: Edge, _: Request, fields: dict[str, Any]) -> Answer:
    asked = bodies.checked(bodies.NewBatchOf, fields, edge.known_timezone)
    state = edge.access.known
    owner = _owner(state, asked.workspaceId)
    unknown = await edge.access.unknown_numbers(owner.workspace_id, asked.callingNumbers)
    if unknown:
        raise RefusedError(*batches.unknown_numbers(unknown))
    made = batches.batch_of(asked, new_id(), owner.workspace_id, edge.now_ms())
    await _register(edge, made)
    return success("Batch created", bodies.batch_shown(made, state), 201)


async def _assign_number(edge: Edge, request: Request, fields: dict[str, Any]) -> Answer:
    state = edge.access.known
    known = _found(state.numbers, request.path_params["id"])
    asked = bodies.checked(bodies.Assignment, fields)
    speaker = registrations.find_agent(state, asked.agentId, state.workspaces[known.workspace_id])
    made = registrations.assigned_number(known, speaker, edge.now_ms())
    if made is not known:
        await _register(edge, made)
    return success("Number assigned", bodies.number_shown(made))


async def _update_batch(edge: Edge, request: Request, fields: dict[str, Any]) -> Answer:
    """Change the fields of createBatch that the body has; null takes one away. What is not named stays."""
    state = edge.access.known
    known = _found(state.batches, request.path_params["id"])
    asked = bodies.checked(NewBatch, bodies.batch_fields(known) | fields, edge.known_timezone)
    unknown = await edge.access.unknown_numbers(known.workspace_id, asked.callingNumbers)
    if unknown:
        raise RefusedError(*batches.unknown_numbers(unknown))
    now = edge.now_ms()
    made = registrations.same_batch(known, batches.batch_of(asked, known.batch_id, known.workspace_id, now), now)
    if made is not known:
        await _register(edge, made)
    return success("Batch updated", bodies.batch_shown(made, state))


async def _delete_workspace(edge: Edge, request: Request, _: dict[str, Any]) -> Answer:
    state = edge.access.known
    known = _found(state.workspaces, request.path_params["id"])
    await _register(edge, deletions.deleted_workspace(state, known, edge.now_ms()))
    return success("Workspace deleted", bodies.workspace_shown(known))


async def _delete_agent(edge: Edge, request: Request, _: dict[str, Any]) -> Answer:
    state = edge.access.known
    known = _found(state.agents, request.path_params["id"])
    await _register(edge, deletions.deleted_agent(state, known, edge.now_ms()))
    return success("Agent deleted", bodies.agent_shown(known))


async def _delete_number(edge: Edge, request: Request, _: dict[str, Any]) -> Answer:
    state = edge.access.known
    known = _found(state.numbers, request.path_params["id"])
    await _register(edge, deletions.deleted_number(state, known, edge.now_ms()))
    return success("Number deleted", bodies.number_shown(known))


async def _delete_batch(edge: Edge, request: Request, _: dict[str, Any]) -> Answer:
    state = edge.access.known
    known = _found(state.batches, request.path_params["id"])
    pending = 0 if _drops_pending(request) else await _pending(edge, known.batch_id)
    await _register(edge, deletions.deleted_batch(known, pending, edge.now_ms()))
    return success("Batch deleted", bodies.batch_shown(known, state))


def _drops_pending(request: Request) -> bool:
    said = request.query_params.get("dropPending", "false")
    if said not in ("true", "false"):
        raise refused(HttpCode.FIELD_INVALID, "dropPending must be true or false", "/dropPending")
    return said == "true"


async def _pending(edge: Edge, batch_id: str) -> int:
    counts = (await from_store(edge, edge.store.batch_counts([batch_id]))).get(batch_id)
    return counts.pending if counts is not None else 0


LISTING_PARAMETERS: Final = (*PAGE_PARAMETERS, "workspaceId")
_LISTINGS: Final[Mapping[str, Listing]] = {
    "/api/admin/workspaces": _workspaces,
    "/api/admin/keys": _keys,
    "/api/admin/agents": _agents,
    "/api/admin/agents/{id}": _agent,
    "/api/admin/numbers": _numbers,
    "/api/admin/batches": _batches,
}
_CHANGES: Final[Mapping[tuple[str, str], Change]] = {
    ("POST", "/api/admin/workspaces"): _create_workspace,
    ("POST", "/api/admin/keys"): _create_key,
    ("DELETE", "/api/admin/keys/{id}"): _revoke_key,
    ("POST", "/api/admin/agents"): _create_agent,
    ("PUT", "/api/admin/agents/{id}"): _update_agent,
    ("POST", "/api/admin/numbers"): _create_number,
    ("POST", "/api/admin/batches"): _create_batch,
    ("PATCH", "/api/admin/workspaces/{id}"): _update_workspace,
    ("PATCH", "/api/admin/numbers/{id}"): _assign_number,
    ("PATCH", "/api/admin/batches/{id}"): _update_batch,
    ("DELETE", "/api/admin/workspaces/{id}"): _delete_workspace,
    ("DELETE", "/api/admin/agents/{id}"): _delete_agent,
    ("DELETE", "/api/admin/numbers/{id}"): _delete_number,
    ("DELETE", "/api/admin/batches/{id}"): _delete_batch,
}
_BODIES: Final[Mapping[Change, type[BaseModel]]] = {
    _create_workspace: bodies.NewWorkspace,
    _create_key: bodies.NewKey,
    _create_agent: bodies.NewAgent,
    _update_agent: bodies.NewVersion,
    _create_number: bodies.NewNumber,
    _create_batch: bodies.NewBatchOf,
    _update_workspace: bodies.WorkspaceChange,
    _assign_number: bodies.Assignment,
    _update_batch: NewBatch,
}
