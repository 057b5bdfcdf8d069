"""`dialfeed batch`: the campaigns."""

from __future__ import annotations

from typing import Any

import click

from dialfeed.clock import now_ms
from dialfeed.command_options import REGISTRY_SETTINGS, asynchronous, examples, json_option, settings_options
from dialfeed.help_layout import group
from dialfeed.output import answer, answer_rows, rfc3339
from dialfeed.registry_session import RULES, open_registry
from dialfeed.settings import Settings
from schemas import registrations
from schemas.records import Batch

MOST_RETRIES = 10
MOST_SECONDS = 7 * 24 * 60 * 60


@group()
def batch() -> None:
    """Make, list and show batches, the campaigns: whom to call, from which numbers, and when."""


@batch.command(
    epilog=examples(
        "dialfeed batch create --workspace Acme --number 5f0c0a4f9be34d1c2a77f3d1 spring",
        "dialfeed batch create --workspace Acme --number 5f0c0a4f9be34d1c2a77f3d1 \\",
        "    --calling-hours 09:00-18:00 --day mon --day tue --retry 2 --delay 3600 spring",
    )
)
@click.option("--workspace", required=True, metavar="W", help="Id or name of the workspace that owns the batch.")
@click.option("--number", "phone_ids", required=True, multiple=True, metavar="PHONE_ID", help="May be repeated.")
@click.option("--timezone", help="IANA name, used where neither the record nor its number gives one.")
@click.option("--retry", type=click.IntRange(0, MOST_RETRIES), default=0, help="Further attempts without an answer.")
@click.option("--delay", type=click.IntRange(0, MOST_SECONDS), default=0, help="Seconds between attempts.")
@click.option("--calling-hours", metavar="HH:MM-HH:MM", help="When people may be called, by their own clock.")
@click.option("--day", "days", multiple=True, metavar="DAY", help="sun ... sat, or 0 ... 6; repeatable. Default: all.")
@click.argument("name")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def create(settings: Settings, /, as_json: bool, workspace: str, **given: Any) -> None:
    """Make a batch called NAME."""
    campaign = registrations.Campaign(**given)
    async with open_registry(settings) as registry:
        owner = registrations.find_workspace(registry.state, workspace)
        made = registrations.new_batch(registry.state, RULES, owner, campaign, now_ms())
        await registry.write(made)
    answer({"batchId": made.batch_id, "name": made.name}, as_json)


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
        "callingHours": hours,
        "allowedDays": found.allowed_days if as_json else [registrations.DAYS[day] for day in found.allowed_days],
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
