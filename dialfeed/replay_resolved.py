"""Which dead letters need no replay any more, as the store knows them: asked when a replay begins.

Where the store cannot be asked nothing is lost by it: the sink stores nothing of a resolved record either. Only those
are asked for that no replay has resolved: what a replay mended is tried again, and found superseded.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from dialfeed.api_access import key_and_url
from dialfeed.api_client import ApiClient
from dialfeed.exits import CommandError
from dialfeed.letters_api import ApiLetters
from dialfeed.settings import Settings
from ingest_api.dead_letters import letter_shown
from schemas.dead_letter_query import DeadLetterFilter, DeadLetterPage, DeadLetterQuery, ResolvedWith, with_batches
from schemas.messages import TryAgainError
from schemas.registry import Registry
from schemas.replay_changes import Place
from schemas.replay_jobs import ReplayJob, filter_of
from schemas.replay_selection import ResolvedPlaces
from sinks.clickhouse import connect

log = structlog.get_logger(__name__)

PAGE: Final = 1000


class LetterStore(Protocol):
    """What is asked of `schemas.stores.Store`."""

    async def dead_letters(self, query: DeadLetterQuery) -> DeadLetterPage:
        """Return a page of dead letters; raise TryAgainError."""
        ...


def _filter_in(job: ReplayJob, registry: Registry) -> DeadLetterFilter:
    """Return which dead letters a job asks for, with the batches of the agent it may name."""
    return with_batches(filter_of(job), registry.batches_of_agent)


async def resolved_in(store: LetterStore, job: ReplayJob, registry: Registry) -> ResolvedPlaces:
    """Return the resolved dead letters among those that a job asks for; none while the store cannot be asked."""
    found: ResolvedPlaces = {}
    query = DeadLetterQuery(_filter_in(job, registry), parked=job.parked, resolved=True, limit=PAGE, by_place=True)
    try:
        while (page := await store.dead_letters(query)).letters:
            for kept in page.letters:
                _add(found, letter_shown(kept, records=False))
            if not page.more:
                break
            query = replace(query, after=page.letters[-1].place)
    except TryAgainError as error:
        log.warning("resolved_not_asked", reason=str(error))
        return {}
    return found


async def resolved_by_api(key: str, url: str, job: ReplayJob, registry: Registry) -> ResolvedPlaces:
    """Do as `resolved_in` by asking the API."""
    found: ResolvedPlaces = {}
    try:
        async with ApiClient(url, key, give_up_seconds=0) as api:
            letters = ApiLetters(api, _filter_in(job, registry), parked=job.parked, resolved=True)
            async for row in letters.rows(records=False):
                _add(found, row)
    except CommandError as error:
        log.warning("resolved_not_asked", reason=error.sentence)
        return {}
    return found


def _add(found: ResolvedPlaces, row: dict[str, Any]) -> None:
    by = row.get("resolvedBy", {}).get("by", ResolvedWith.REPLAY)
    if by != ResolvedWith.REPLAY:
        place: Place = row["submissionId"], row["recordIndex"]
        found[place] = ResolvedWith(by)


async def resolved_for(settings: Settings, key_file: Path | None, job: ReplayJob, registry: Registry) -> ResolvedPlaces:
    """Return what a command's job need not take: a server is asked directly, an embedded engine through the API."""
    if not settings.embedded:
        clickhouse = connect(settings.clickhouse_url)
        try:
            return await resolved_in(clickhouse, job, registry)
        finally:
            await clickhouse.close()
    try:
        key, url = key_and_url(settings, key_file, None)
    except CommandError:  # without key or API the sink alone knows
        return {}
    return await resolved_by_api(key, url, job, registry)
