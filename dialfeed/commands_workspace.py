"""`dialfeed workspace`: the tenants."""

from __future__ import annotations

from typing import Any

import click

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
from schemas.records import Workspace


@group()
def workspace() -> None:
    """Make, update, list and delete workspaces, the tenants: each owns its keys, agents, numbers and batches."""


@workspace.command(
    epilog=examples("dialfeed workspace create Acme", "dialfeed workspace create Acme --timezone America/Chicago")
)
@click.option("--timezone", help="IANA name, used where neither the record, its number nor the batch gives one.")
@click.option("--country", metavar="CC", help=COUNTRY_HELP)
@click.argument("name")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def create(settings: Settings, as_json: bool, name: str, timezone: str | None, country: str | None) -> None:
    """Make a workspace called NAME."""
    async with open_registry(settings) as registry:
        made = registrations.new_workspace(registry.state, RULES, name, timezone, now_ms(), country)
        await registry.write(made)
    answer({"workspaceId": made.workspace_id, "name": made.name}, as_json)


@workspace.command(
    epilog=examples(
        "dialfeed workspace update Acme --country US", "dialfeed workspace update Acme --country ''     no country"
    )
)
@click.option("--timezone", help="IANA name, used where neither the record, its number nor the batch gives one.")
@click.option("--country", metavar="CC", help=COUNTRY_HELP)
@click.argument("workspace", metavar="W")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def update(settings: Settings, as_json: bool, workspace: str, timezone: str | None, country: str | None) -> None:
    """Change the workspace W (id or name): what is not given stays, an empty text takes a value away.

    Records accepted from then on are read by it, those before by what it was.
    """
    async with open_registry(settings) as registry:
        known = registrations.find_workspace(registry.state, workspace)
        made = registrations.changed_workspace(RULES, known, timezone, country, now_ms())
        if made is not known:
            await registry.write(made)
    answer(_row(made), as_json)


@workspace.command("list", epilog=examples("dialfeed workspace list", "dialfeed workspace list --json"))
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def list_all(settings: Settings, as_json: bool) -> None:
    """List all workspaces, oldest first."""
    async with open_registry(settings) as registry:
        kept = sorted(registry.state.workspaces.values(), key=lambda one: one.created_at)
    answer_rows(
        [_row(one) for one in kept], as_json, empty="no workspaces yet: make one with `dialfeed workspace create NAME`"
    )


@workspace.command(epilog=examples("dialfeed workspace delete Acme"))
@click.argument("workspace", metavar="W")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def delete(settings: Settings, as_json: bool, workspace: str) -> None:
    """Delete the workspace W (id or name), once its keys are revoked and nothing else is in it."""
    async with open_registry(settings) as registry:
        found = registrations.find_workspace(registry.state, workspace)
        deleted = deletions.deleted_workspace(registry.state, found, now_ms())
        await registry.write(deleted)
    answer({"workspaceId": deleted.workspace_id, "deletedAt": rfc3339(deleted.deleted_at)}, as_json)


def _row(one: Workspace) -> dict[str, Any]:
    return {
        "workspaceId": one.workspace_id,
        "name": one.name,
        "timezone": one.timezone,
        "country": one.country,
    }
