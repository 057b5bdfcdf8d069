"""`dialfeed workspace`: the tenants."""

from __future__ import annotations

import click

from dialfeed.clock import now_ms
from dialfeed.command_options import REGISTRY_SETTINGS, asynchronous, examples, json_option, settings_options
from dialfeed.help_layout import group
from dialfeed.output import answer, answer_rows, rfc3339
from dialfeed.registry_session import RULES, open_registry
from dialfeed.settings import Settings
from schemas import deletions, registrations


@group()
def workspace() -> None:
    """Make, list and delete workspaces, the tenants: each owns its keys, agents, numbers and batches."""


@workspace.command(
    epilog=examples("dialfeed workspace create Acme", "dialfeed workspace create Acme --timezone America/Chicago")
)
@click.option("--timezone", help="IANA name, used where neither the record, its number nor the batch gives one.")
@click.argument("name")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def create(settings: Settings, as_json: bool, name: str, timezone: str | None) -> None:
    """Make a workspace called NAME."""
    async with open_registry(settings) as registry:
        made = registrations.new_workspace(registry.state, RULES, name, timezone, now_ms())
        await registry.write(made)
    answer({"workspaceId": made.workspace_id, "name": made.name}, as_json)


@workspace.command("list", epilog=examples("dialfeed workspace list", "dialfeed workspace list --json"))
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def list_all(settings: Settings, as_json: bool) -> None:
    """List all workspaces, oldest first."""
    async with open_registry(settings) as registry:
        kept = sorted(registry.state.workspaces.values(), key=lambda one: one.created_at)
    rows = [{"workspaceId": one.workspace_id, "name": one.name, "timezone": one.timezone} for one in kept]
    answer_rows(rows, as_json, empty="no workspaces yet: make one with `dialfeed workspace create NAME`")


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
