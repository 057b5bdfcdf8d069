"""`dialfeed batch`: the campaigns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import click

from dialfeed.api_access import api_options, key_and_url
from dialfeed.api_client import ApiClient
from dialfeed.clock import now_ms
from dialfeed.command_options import (
    COUNTRY_HELP,
    REGISTRY_SETTINGS,
    asynchronous,
    examples,
    json_option,
    settings_options,
)
from dialfeed.help_layout import group
from dialfeed.output import answer, answer_rows, rfc3339
from dialfeed.registry_session import RULES, open_registry
from dialfeed.settings import Settings
from schemas import deletions, registrations
from schemas.records import Batch
from schemas.registration_rules import DAYS, MOST_DELAY_SECONDS, MOST_RETRIES

R = TypeVar("R")


def calling_rules(command: Callable[..., R]) -> Callable[..., R]:
    """Add when and how often people may be called; what is not given is None."""
    options = (
        click.option("--timezone", help="IANA name, used where neither the record nor its number gives one."),
        click.option("--country", metavar="CC", help=COUNTRY_HELP),
        click.option("--retry", type=click.IntRange(0, MOST_RETRIES), help="Further attempts without an answer. [0]"),
        click.option("--delay", type=click.IntRange(0, MOST_DELAY_SECONDS), help="Seconds between attempts. [0]"),
        click.option("--calling-hours", metavar="HH:MM-HH:MM", help="When people may be called, by their own clock."),
        click.option("--day", "days", multiple=True, metavar="DAY", help="sun ... sat, or 0 ... 6; repeatable. [all]"),
    )
    for option in reversed(options):
        command = option(command)
    return command


@group()
def batch() -> None:
    """Make, update, list, show and delete batches, the campaigns: whom to call, from which numbers, and when."""


@batch.command(
    epilog=examples(
        "dialfeed batch create --workspace Acme --number 5f0c0a4f9be34d1c2a77f3d1 spring",
        "dialfeed batch create --workspace Acme --number 5f0c0a4f9be34d1c2a77f3d1 \\",
        "    --calling-hours 09:00-18:00 --day mon --day tue --retry 2 --delay 3600 spring",
    )
)
@click.option("--workspace", required=True, metavar="W", help="Id or name of the workspace that owns the batch.")
@click.option("--number", "phone_ids", required=True, multiple=True, metavar="PHONE_ID", help="May be repeated.")
@calling_rules
@click.argument("name")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def create(settings: Settings, /, as_json: bool, workspace: str, **given: Any) -> None:
    """Make a batch called NAME."""
    campaign = registrations.Campaign(**given_options(given))
    async with open_registry(settings) as registry:
        owner = registrations.find_workspace(registry.state, workspace)
        made = registrations.new_batch(registry.state, RULES, owner, campaign, now_ms())
        await registry.write(made)
    answer({"batchId": made.batch_id, "name": made.name}, as_json)


@batch.command(
    epilog=examples(
        "dialfeed batch update 5f0c0a4f9be34d1c2a77f3d1 --number 66f2a9c1d4e5b60718293a4b",
        "dialfeed batch update 5f0c0a4f9be34d1c2a77f3d1 --retry 3 --calling-hours ''     at any hour",
    )
)
@click.option("--name", help="Another name for people.")
@click.option("--number", "phone_ids", multiple=True, metavar="PHONE_ID", help="These numbers instead; repeatable.")
@calling_rules
@click.argument("batch_id")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def update(settings: Settings, /, as_json: bool, batch_id: str, **given: Any) -> None:
    """Change the batch BATCH_ID: what is not given stays, an empty text takes a zone or hours away.

    Records accepted from then on are checked by it, those before by what it was; calls are made by what it is.
    """
    async with open_registry(settings) as registry:
        known = registrations.find_batch(registry.state, batch_id)
        campaign = replace(registrations.campaign_of(known), **given_options(given))
        made = registrations.changed_batch(registry.state, RULES, known, campaign, now_ms())
        if made is not known:
            await registry.write(made)
    answer(_row(made), as_json)


@batch.command(
    epilog=examples(
        "dialfeed batch delete 5f0c0a4f9be34d1c2a77f3d1",
        "dialfeed batch delete 5f0c0a4f9be34d1c2a77f3d1 --drop-pending     its pending calls are not made",
    )
)
@click.option("--drop-pending", is_flag=True, help="Pending calls are not made; the API is not asked for them.")
@click.argument("batch_id")
@json_option
@api_options
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def delete(settings: Settings, /, as_json: bool, batch_id: str, drop_pending: bool, **api: Any) -> None:
    """Delete the batch BATCH_ID, once none of its calls is pending.

    The API is asked for them, with a key of the batch's workspace. Nobody sees the batch any more or calls for it;
    records on their way to it become dead letters (batch_unknown). Reports and what was stored stay.
    """
    async with open_registry(settings) as registry:
        found = registrations.find_batch(registry.state, batch_id)
        pending = 0 if drop_pending else await _pending(settings, batch_id, api)
        deleted = deletions.deleted_batch(found, pending, now_ms())
        await registry.write(deleted)
    answer({"batchId": deleted.batch_id, "deletedAt": rfc3339(deleted.deleted_at)}, as_json)


async def _pending(settings: Settings, batch_id: str, api: dict[str, Any]) -> int:
    """Return how many calls of a batch are pending; raise CommandError where nobody can say."""
    key, url = key_and_url(settings, **api)
    async with ApiClient(url, key, give_up_seconds=0) as client:
        query: dict[str, str | int] = {"filter": '{"callStatus": "pending"}', "limit": 1}
        page = await client.get(f"/api/call/batch-details/{batch_id}", query)
    return int(page.json()["data"]["total"])


def given_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value not in (None, ())}


@batch.command("list", epilog=examples("dialfeed batch list", "dialfeed batch list --workspace Acme"))
@click.option("--workspace", metavar="W", help="Only those of this workspace (id or name).")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def list_all(settings: Settings, as_json: bool, workspace: str | None) -> None:
    """List batches, oldest first."""
    async with open_registry(settings) as registry:
        owner = registrations.find_workspace(registry.state, workspace).workspace_id if workspace else None
        kept = sorted(registry.state.batches.values(), key=lambda one: one.created_at)
    rows = [_row(one) for one in kept if owner in (None, one.workspace_id)]
    answer_rows(rows, as_json, empty="no batches yet: make one with `dialfeed batch create`")


@batch.command(epilog=examples("dialfeed batch show 5f0c0a4f9be34d1c2a77f3d1"))
@click.argument("batch_id")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def show(settings: Settings, as_json: bool, batch_id: str) -> None:
    """Show the batch BATCH_ID: its settings and the agent that speaks."""
    async with open_registry(settings) as registry:
        found = registrations.find_batch(registry.state, batch_id)
        speaker = registry.state.agent_of_batch(found)
    hours = f"{found.calling_hour_start}-{found.calling_hour_end}" if found.calling_hour_start else None
    facts = {
        **_row(found),
        "agentId": speaker.agent_id if speaker is not None else None,
        "retry": found.retry,
        "delay": found.delay,
        "timezone": found.timezone,
        "country": found.country,
        "callingHours": hours,
        "allowedDays": found.allowed_days if as_json else [DAYS[day][:3] for day in found.allowed_days],
    }
    answer(facts, as_json)


def _row(batch: Batch) -> dict[str, Any]:
    return {
        "batchId": batch.batch_id,
        "name": batch.name,
        "workspaceId": batch.workspace_id,
        "phoneIds": batch.phone_ids,
        "createdAt": rfc3339(batch.created_at),
    }
