"""`dialfeed number`: calling numbers, each assigned to an agent."""

from __future__ import annotations

from typing import Any

import click

from dialfeed.clock import now_ms
from dialfeed.command_options import REGISTRY_SETTINGS, asynchronous, examples, json_option, settings_options
from dialfeed.help_layout import group
from dialfeed.output import answer, answer_rows, rfc3339
from dialfeed.registry_session import RULES, open_registry
from dialfeed.settings import Settings
from schemas import deletions, registrations
from schemas.records import CallingNumber


@group()
def number() -> None:
    """Make, assign, list and delete calling numbers: what people see when they are called, each with its agent."""


@number.command(
    epilog=examples("dialfeed number create --workspace Acme --agent 5f0c0a4f9be34d1c2a77f3d1 +12125551001")
)
@click.option("--workspace", required=True, metavar="W", help="Id or name of the workspace that owns the number.")
@click.option("--agent", required=True, metavar="AGENT_ID", help="Agent that speaks on it.")
@click.argument("number")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def create(settings: Settings, as_json: bool, workspace: str, agent: str, number: str) -> None:
    """Make the calling number NUMBER, given with its country code."""
    async with open_registry(settings) as registry:
        owner = registrations.find_workspace(registry.state, workspace)
        speaker = registrations.find_agent(registry.state, agent, owner)
        made = registrations.new_number(registry.state, RULES, speaker, number, now_ms())
        await registry.write(made)
    answer(_facts(made), as_json)


@number.command(
    epilog=examples("dialfeed number assign 5f0c0a4f9be34d1c2a77f3d1 --agent 66f2a9c1d4e5b60718293a4b"),
)
@click.option("--agent", required=True, metavar="AGENT_ID", help="Agent of the same workspace.")
@click.argument("phone_id")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def assign(settings: Settings, as_json: bool, phone_id: str, agent: str) -> None:
    """Let another agent speak on the calling number PHONE_ID.

    Records accepted from then on are checked against its schema, those before against that of the former agent.
    """
    async with open_registry(settings) as registry:
        state = registry.state
        known = registrations.find_number(state, phone_id)
        speaker = registrations.find_agent(state, agent, state.workspaces[known.workspace_id])
        made = registrations.assigned_number(known, speaker, now_ms())
        if made is not known:
            await registry.write(made)
    answer(_facts(made), as_json)


@number.command(epilog=examples("dialfeed number delete 5f0c0a4f9be34d1c2a77f3d1"))
@click.argument("phone_id")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def delete(settings: Settings, as_json: bool, phone_id: str) -> None:
    """Delete the calling number PHONE_ID, once no batch calls from it."""
    async with open_registry(settings) as registry:
        found = registrations.find_number(registry.state, phone_id)
        deleted = deletions.deleted_number(registry.state, found, now_ms())
        await registry.write(deleted)
    answer({"phoneId": deleted.phone_id, "deletedAt": rfc3339(deleted.deleted_at)}, as_json)


@number.command("list", epilog=examples("dialfeed number list", "dialfeed number list --workspace Acme"))
@click.option("--workspace", metavar="W", help="Only those of this workspace (id or name).")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def list_all(settings: Settings, as_json: bool, workspace: str | None) -> None:
    """List calling numbers, oldest first."""
    async with open_registry(settings) as registry:
        owner = registrations.find_workspace(registry.state, workspace).workspace_id if workspace else None
        kept = sorted(registry.state.numbers.values(), key=lambda one: one.created_at)
    rows = [_facts(one) for one in kept if owner in (None, one.workspace_id)]
    answer_rows(rows, as_json, empty="no numbers yet: make one with `dialfeed number create`")


def _facts(number: CallingNumber) -> dict[str, Any]:
    return {
        "phoneId": number.phone_id,
        "number": number.number,
        "agentId": number.agent_id,
        "workspaceId": number.workspace_id,
    }
