"""`dialfeed key`: API keys, of which only a hash is kept."""

from __future__ import annotations

from typing import Any

import click

from dialfeed.clock import now_ms
from dialfeed.command_options import REGISTRY_SETTINGS, asynchronous, examples, json_option, settings_options
from dialfeed.exits import WrongUseError
from dialfeed.help_layout import group
from dialfeed.output import answer, answer_rows, rfc3339
from dialfeed.registry_session import open_registry
from dialfeed.settings import Settings
from schemas import registrations
from schemas.records import ApiKey
from schemas.registry import ADMINISTRATION, Registry


@group()
def key() -> None:
    """Make, list and revoke API keys: each opens a workspace over HTTP, in the header x-api-key."""


@key.command(
    epilog=examples(
        "dialfeed key create --workspace Acme --name crm",
        "export DIALFEED_API_KEY=$(dialfeed key create --workspace Acme --json | jq -r .apiKey)",
        "dialfeed key create --admin            for /api/admin, see docs/admin.md",
    )
)
@click.option("--workspace", metavar="W", help="Id or name of the workspace that the key opens.")
@click.option("--admin", is_flag=True, help="A key for /api/admin instead, which opens no workspace.")
@click.option("--name", default="key", show_default=True, help="Name for people.")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def create(settings: Settings, as_json: bool, workspace: str | None, admin: bool, name: str) -> None:
    """Make a key. It is shown now, and never again."""
    if (workspace is None) != admin:
        raise WrongUseError("a key opens a workspace or the administration", "Give either --workspace or --admin.")
    async with open_registry(settings) as registry:
        if workspace is None:
            made, api_key = registrations.new_admin_key(name, now_ms())
        else:
            owner = registrations.find_workspace(registry.state, workspace)
            made, api_key = registrations.new_key(owner, name, now_ms())
        await registry.write(made)
    if not as_json:
        click.echo("Keep the key: it is shown this once.", err=True)
    answer({"keyId": made.key_id, "apiKey": api_key, "workspaceId": made.workspace_id or None}, as_json)


@key.command("list", epilog=examples("dialfeed key list", "dialfeed key list --workspace Acme --json"))
@click.option("--workspace", metavar="W", help="Only those of this workspace (id or name).")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def list_all(settings: Settings, as_json: bool, workspace: str | None) -> None:
    """List keys, oldest first; never the keys themselves."""
    async with open_registry(settings) as registry:
        owner = registrations.find_workspace(registry.state, workspace).workspace_id if workspace else None
        kept = sorted(registry.state.keys.values(), key=lambda one: one.created_at)
        rows = [_row(one, registry.state) for one in kept if owner in (None, one.workspace_id)]
    answer_rows(rows, as_json, empty="no keys yet: make one with `dialfeed key create --workspace W`")


@key.command(epilog=examples("dialfeed key revoke 5f0c0a4f9be34d1c2a77f3d1"))
@click.argument("key_id")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def revoke(settings: Settings, as_json: bool, key_id: str) -> None:
    """Revoke the key KEY_ID: it stops working within seconds."""
    async with open_registry(settings) as registry:
        revoked = registrations.revoked_key(registry.state, key_id, now_ms())
        await registry.write(revoked)
    answer({"keyId": revoked.key_id, "revokedAt": rfc3339(revoked.revoked_at)}, as_json)


def _row(key: ApiKey, state: Registry) -> dict[str, Any]:
    owner = state.workspaces.get(key.workspace_id)
    return {
        "keyId": key.key_id,
        "name": key.name,
        "workspaceId": key.workspace_id or None,
        "workspace": owner.name if owner is not None else None,
        "admin": key.workspace_id == ADMINISTRATION,
        "createdAt": rfc3339(key.created_at),
        "revokedAt": rfc3339(key.revoked_at),
    }
