"""Replays over HTTP: asked for here, run by the API process that holds their topic, shown by all of them."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog
from msgspec.structs import replace
from starlette.requests import Request

from ingest_api.batches import read_object
from ingest_api.edge import Edge
from ingest_api.envelope import Answer, RefusedError, refused, success, with_warnings
from ingest_api.field_errors import field_error
from ingest_api.from_store import from_store
from ingest_api.headers import api_key_of
from ingest_api.idempotency import identity_of, other_body
from ingest_api.paging import PAGE_PARAMETERS, page_of
from ingest_api.publish import published
from ingest_api.replay_bodies import NewReplay, asked_of
from ingest_api.requested import beside, names_of, refuse
from schemas.dead_letter_query import DeadLetterQuery, GroupBy
from schemas.messages import TryAgainError
from schemas.options import unsupported
from schemas.outcomes import HttpCode
from schemas.replay_board import ReplayState, job_message, shown
from schemas.replay_jobs import ReplayJob, filter_of

log = structlog.get_logger(__name__)

PATH: Final = "/api/call/replays"
OF_WHICH_AGENT: Final = "must be of one agent's schema: name agent, batch or submission too"


async def ask_for_replay(edge: Edge, workspace_id: str | None, body: bytes, key: str | None) -> Answer:
    """Return the answer to a body: 202 once Kafka holds the job, 200 for a dry run.

    `workspace_id` None: of all workspaces. With an Idempotency-Key asking again is asking once, and another body is
    refused (422). A dry run leaves no trace, so it does not use up its key.
    """
    owner = workspace_id or ""
    identity = identity_of(owner, f"replay {key}" if key is not None else None, body)
    fields = read_object(body)
    refuse(unsupported(fields, names_of(NewReplay)))
    asked = asked_of(fields, identity, owner, edge.now_ms())
    await edge.bus.require()
    if asked.job.to_batch is not None:
        await edge.access.visible(workspace_id, asked.job.to_batch, "/toBatch")
    if asked.dry_run:
        return success("Replay tried", await _rehearsed(edge, await _with_agent(edge, asked.job)))
    await _catch_up(edge)
    if identity.submission_id not in edge.replays.board.replays:
        await _begin(edge, await _with_agent(edge, asked.job))
    state = edge.replays.board.replays.get(identity.submission_id)
    if state is not None and state.job.body_hash != identity.body_hash:
        raise other_body()
    location = f"{PATH}/{identity.submission_id}"
    return success("Replay accepted", {"replayId": identity.submission_id}, 202, {"Location": location})


async def _with_agent(edge: Edge, job: ReplayJob) -> ReplayJob:
    """Return the job with the agent that its version needs: that of all the letters; refuse (400) if there is none."""
    if not job.is_unclear:
        return job
    await edge.access.catch_up()
    asked = DeadLetterQuery(filter=filter_of(job), parked=job.parked)
    groups = await from_store(edge, edge.store.dead_letter_groups(asked, GroupBy.BATCH))
    agents = edge.access.known.agents_of(group.key for group in groups)
    if len(agents) != 1:
        raise RefusedError(field_error(("agentVersion",), OF_WHICH_AGENT))
    return replace(job, agent=agents[0])


async def _begin(edge: Edge, job: ReplayJob) -> None:
    """Publish a job. With an Idempotency-Key, read back whose stands: another process may have been first."""
    if not await published(edge.bus.begin([job_message(job)]), edge.settings.wait_seconds):
        raise _unknown_outcome()
    log.info("replay_asked_for", replay_id=job.replay_id, workspace_id=job.workspace_id)
    if job.body_hash is not None:
        try:
            await edge.replays.refresh()
        except TryAgainError:
            raise _unknown_outcome() from None


async def read_replay(edge: Edge, request: Request) -> Answer:
    """Answer with one replay of the key's workspace; an admin key sees all."""
    workspace_id = await edge.access.reader(api_key_of(request.headers))
    warnings = beside(request)
    state = edge.replays.board.replays.get(request.path_params["id"])
    if state is None:
        await _catch_up(edge)
        state = edge.replays.board.replays.get(request.path_params["id"])
    if state is None or not _visible(state, workspace_id):
        raise refused(HttpCode.NOT_FOUND, "there is no replay with this id")
    return with_warnings(success("Replay", shown(state)), warnings)


async def list_replays(edge: Edge, request: Request) -> Answer:
    """Answer with a page of the replays of the key's workspace, newest first; an admin key sees all."""
    workspace_id = await edge.access.reader(api_key_of(request.headers))
    warnings = beside(request, PAGE_PARAMETERS)
    page, limit = page_of(request.query_params)
    await _catch_up(edge)
    found = [state for state in edge.replays.board.replays.values() if _visible(state, workspace_id)]
    found.sort(key=lambda state: (-state.accepted_at, state.job.replay_id))
    listed: list[dict[str, Any]] = [shown(state) for state in found[(page - 1) * limit : page * limit]]
    data = {"replays": listed, "page": page, "limit": limit, "total": len(found)}
    return with_warnings(success("Replays", data), warnings)


def _unknown_outcome() -> RefusedError:
    sentence = "Kafka failed in the middle: look at the list of replays before asking again"
    return refused(HttpCode.INTERNAL, sentence)


async def _rehearsed(edge: Edge, job: ReplayJob) -> dict[str, Any]:
    try:
        async with asyncio.timeout(edge.settings.rehearse_seconds):
            return await edge.rehearse(job)
    except TryAgainError as error:
        raise refused(HttpCode.BUS_UNAVAILABLE, headers=edge.retry_later) from error
    except TimeoutError:
        sentence = "there are too many dead letters to be tried within the time: narrow the filter, or use the command"
        raise refused(HttpCode.OVERLOADED, sentence, headers=edge.retry_later) from None


def _visible(state: ReplayState, workspace_id: str | None) -> bool:
    return workspace_id is None or state.job.workspace_id == workspace_id


async def _catch_up(edge: Edge) -> None:
    """Read the replays to their end; refuse (503) if that cannot be done now."""
    try:
        async with asyncio.timeout(edge.settings.bus_seconds):
            await edge.replays.refresh()
    except (TryAgainError, TimeoutError) as error:
        raise refused(HttpCode.BUS_UNAVAILABLE, headers=edge.retry_later) from error
