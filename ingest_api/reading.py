"""The calls that read back: the batches of a workspace, the contacts of a batch, and what failed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from starlette.requests import Request

from ingest_api.batch_details import details
from ingest_api.batches_list import listed, listing, page_of_batches
from ingest_api.dead_letter_queries import DEAD_LETTER_PARAMETERS, dead_letter_query, group_by_of
from ingest_api.dead_letters import groups_shown, letters_shown
from ingest_api.edge import Edge
from ingest_api.envelope import Answer, RefusedError, success, with_warnings
from ingest_api.from_store import from_store
from ingest_api.headers import api_key_of
from ingest_api.off_loop import off_loop
from ingest_api.paging import DETAILS_PARAMETERS, LIST_PARAMETERS, contact_query, near_names, page_of, search_of
from ingest_api.requested import beside
from schemas.dead_letter_query import GroupBy, with_batches


async def read_batch(edge: Edge, request: Request) -> Answer:
    """Answer with a page of a batch's contacts."""
    workspace_id = await edge.access.workspace(api_key_of(request.headers))
    warnings = beside(request, DETAILS_PARAMETERS)
    batch_id = request.path_params["id"]
    asked = contact_query(batch_id, request.query_params, edge.known_timezone)
    batch = await edge.access.visible(workspace_id, batch_id, path=None)
    counts = await from_store(edge, edge.store.batch_counts([batch_id]))
    found = await from_store(edge, edge.store.contacts(asked))
    warnings += near_names(asked, found.contacts)
    return with_warnings(success("Batch details", details(batch, found, asked, counts.get(batch_id))), warnings)


async def list_batches(edge: Edge, request: Request) -> Answer:
    """Answer with a page of the workspace's batches, newest first."""
    workspace_id = await edge.access.workspace(api_key_of(request.headers))
    warnings = beside(request, LIST_PARAMETERS)
    page, limit = page_of(request.query_params)
    search = search_of(request.query_params)
    with suppress(RefusedError):  # without Kafka those are listed that are known
        await edge.access.catch_up()
    found = listed(edge.access.known.batches.values(), workspace_id, search)
    shown = page_of_batches(found, page, limit)
    counts = await from_store(edge, edge.store.batch_counts([batch.batch_id for batch in shown])) if shown else {}
    return with_warnings(success("Batches", listing(shown, counts, page, limit, len(found))), warnings)


async def list_dead_letters(edge: Edge, request: Request) -> Answer:
    """Answer with a page of the workspace's dead letters, or with counts; an admin key sees everybody's."""
    workspace_id = await edge.access.reader(api_key_of(request.headers))
    warnings = beside(request, DEAD_LETTER_PARAMETERS)
    asked = dead_letter_query(request.query_params, workspace_id, edge.now_ms())
    by = group_by_of(request.query_params)
    with suppress(RefusedError):  # without Kafka those batches are known that are known
        if by is GroupBy.AGENT or asked.filter.agent is not None:
            await edge.access.catch_up()
    asked = replace(asked, filter=with_batches(asked.filter, edge.access.known.batches_of_agent))
    if by is None:
        page = await from_store(edge, edge.store.dead_letters(asked))
        shown = await off_loop(asked.records, lambda: letters_shown(page, asked))
        return with_warnings(success("Dead letters", shown), warnings)
    groups = await from_store(edge, edge.store.dead_letter_groups(asked, by))
    counts = groups_shown(groups, by, edge.access.known)
    return with_warnings(success("Dead letters by " + by, counts), warnings)
