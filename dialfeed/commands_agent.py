"""`dialfeed agent`: voice-AI agents, each with its variable schema."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from dialfeed.clock import now_ms
from dialfeed.command_options import REGISTRY_SETTINGS, asynchronous, examples, json_option, settings_options
from dialfeed.exits import WrongUseError
from dialfeed.help_layout import group
from dialfeed.output import answer, answer_rows, rfc3339
from dialfeed.registry_session import open_registry
from dialfeed.settings import Settings
from schemas import deletions, registrations
from schemas.records import Agent, AgentVersion


@group()
def agent() -> None:
    """Make, update, list, show and delete voice-AI agents: a schema says what one has to know of whom it calls."""


@agent.command(
    epilog=examples(
        "dialfeed agent create --workspace Acme --schema reminder.avsc --name reminder",
        """echo '{"type": "record", "name": "Reminder", "fields": [{"name": "firstName", "type": "string"}]}' \\""",
        "  | dialfeed agent create --workspace Acme --schema -",
    )
)
@click.option("--workspace", required=True, metavar="W", help="Id or name of the workspace that owns the agent.")
@click.option("--schema", required=True, metavar="FILE.avsc", help="Avro record schema of its variables; - is stdin.")
@click.option("--name", default="agent", show_default=True, help="Name for people.")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def create(settings: Settings, as_json: bool, workspace: str, schema: str, name: str) -> None:
    """Make an agent. A schema that cannot be used is refused, with the reason."""
    text = read_schema(schema)
    async with open_registry(settings) as registry:
        owner = registrations.find_workspace(registry.state, workspace)
        made = registrations.new_agent(owner, name, text, now_ms())
        await registry.write(made)
    answer({"agentId": made.agent_id, "schemaVersion": 1, "name": made.name}, as_json)


@agent.command(
    epilog=examples("dialfeed agent update 5f0c0a4f9be34d1c2a77f3d1 --schema reminder-2.avsc"),
)
@click.argument("agent_id")
@click.option("--schema", required=True, metavar="FILE.avsc", help="Its new variable schema; - is stdin.")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def update(settings: Settings, as_json: bool, agent_id: str, schema: str) -> None:
    """Give the agent AGENT_ID a new version of its variable schema.

    Records accepted from then on are checked against it. It must be able to read what was written by every earlier
    version: fields may be left out, new ones need a default. Else it is refused, with the reason.
    """
    text = read_schema(schema)
    async with open_registry(settings) as registry:
        known = registrations.find_agent(registry.state, agent_id)
        made = registrations.new_agent_version(known, text, now_ms())
        if made is not known:
            await registry.write(made)
    answer({"agentId": made.agent_id, "schemaVersion": made.versions[-1].version, "name": made.name}, as_json)


@agent.command("list", epilog=examples("dialfeed agent list", "dialfeed agent list --workspace Acme"))
@click.option("--workspace", metavar="W", help="Only those of this workspace (id or name).")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def list_all(settings: Settings, as_json: bool, workspace: str | None) -> None:
    """List agents, oldest first."""
    async with open_registry(settings) as registry:
        owner = registrations.find_workspace(registry.state, workspace).workspace_id if workspace else None
        kept = sorted(registry.state.agents.values(), key=lambda one: one.created_at)
    rows = [_facts(one) for one in kept if owner in (None, one.workspace_id)]
    answer_rows(rows, as_json, empty="no agents yet: make one with `dialfeed agent create`")


@agent.command(epilog=examples("dialfeed agent show 5f0c0a4f9be34d1c2a77f3d1 --json"))
@click.argument("agent_id")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def show(settings: Settings, as_json: bool, agent_id: str) -> None:
    """Show the agent AGENT_ID with every version of its variable schema."""
    async with open_registry(settings) as registry:
        found = registrations.find_agent(registry.state, agent_id)
    facts = _facts(found)
    if as_json:
        return answer({**facts, "versions": [_version(one) for one in found.versions]}, as_json)
    answer(facts, as_json)
    for version in found.versions:
        click.echo(f"\nversion {version.version}, {rfc3339(version.created_at)}:\n{version.schema}")
    return None


@agent.command(epilog=examples("dialfeed agent delete 5f0c0a4f9be34d1c2a77f3d1"))
@click.argument("agent_id")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def delete(settings: Settings, as_json: bool, agent_id: str) -> None:
    """Delete the agent AGENT_ID, once it speaks on no calling number."""
    async with open_registry(settings) as registry:
        found = registrations.find_agent(registry.state, agent_id)
        deleted = deletions.deleted_agent(registry.state, found, now_ms())
        await registry.write(deleted)
    answer({"agentId": deleted.agent_id, "deletedAt": rfc3339(deleted.deleted_at)}, as_json)


def read_schema(schema: str) -> str:
    """Return the text of a schema's file, stdin for `-`; raise WrongUseError."""
    try:
        with click.open_file(schema, "rb") as file:
            return bytes(file.read()).decode()
    except OSError as error:
        raise WrongUseError(f"{schema} cannot be read: {error.strerror}", "Name another file.") from None
    except UnicodeDecodeError:
        raise WrongUseError(f"{schema} is not text in UTF-8", "Save it as UTF-8.") from None


def _facts(agent: Agent) -> dict[str, Any]:
    return {
        "agentId": agent.agent_id,
        "name": agent.name,
        "workspaceId": agent.workspace_id,
        "schemaVersion": agent.versions[-1].version,
        "createdAt": rfc3339(agent.created_at),
    }


def _version(version: AgentVersion) -> dict[str, Any]:
    schema = msgspec.Raw(version.schema.encode())
    return {"version": version.version, "createdAt": rfc3339(version.created_at), "schema": schema}
