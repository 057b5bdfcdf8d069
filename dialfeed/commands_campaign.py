"""`dialfeed campaign`: all that a campaign needs, in one go."""

from __future__ import annotations

import shlex
from typing import Any

import click

from dialfeed.clock import now_ms
from dialfeed.command_options import REGISTRY_SETTINGS, asynchronous, examples, json_option, settings_options
from dialfeed.commands_agent import read_schema
from dialfeed.commands_batch import calling_rules, given_options
from dialfeed.exits import WrongUseError
from dialfeed.help_layout import group
from dialfeed.installation import find_installation
from dialfeed.output import answer
from dialfeed.registry_session import RULES, open_registry
from dialfeed.settings import Settings
from schemas.new_campaigns import Asked, NewCampaign, new_campaign
from schemas.registrations import Campaign


@group()
def campaign() -> None:
    """Make a campaign with all that it needs: workspace, API key, agent, calling number and batch."""


@campaign.command(
    epilog=examples(
        "dialfeed campaign create --schema reminder.avsc reminders",
        'eval "$(dialfeed campaign create --schema reminder.avsc --export-env reminders)"',
        "dialfeed campaign create --schema reminder.avsc --workspace Acme --number +12125550123 \\",
        "    --timezone America/New_York --calling-hours 09:00-18:00 --day mon --day tue --json reminders",
    )
)
@click.option("--schema", required=True, metavar="FILE.avsc", help="Avro record schema of its variables; - is stdin.")
@click.option("--workspace", metavar="W", help="Workspace, by id or name; made if there is none. [NAME]")
@click.option("--number", help="Calling number. [a made-up one: nobody can be called from it]")
@calling_rules
@click.option(
    "--export-env", is_flag=True, help="Print export DIALFEED_API_KEY=... BATCH_ID=... DIALFEED_URL=..., for eval."
)
@click.argument("name")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def create(
    settings: Settings,
    /,
    as_json: bool,
    export_env: bool,
    schema: str,
    workspace: str | None,
    number: str | None,
    **given: Any,
) -> None:
    """Make a campaign called NAME, and show its ids and an API key, this once.

    The workspace of that name is used if there is one, and so are its agent with the same name and schema and its
    number. Key and batch are new each time.
    """
    if export_env and as_json:
        raise WrongUseError("one answer at a time", "Give either --export-env or --json.")
    rules = Campaign(phone_ids=(), **given_options(given))
    asked = Asked(workspace or rules.name, read_schema(schema), number, rules)
    async with open_registry(settings) as registry:
        made = new_campaign(registry.state, RULES, asked, now_ms())
        for record in made.records:
            await registry.write(record)
    facts = _facts(made, find_installation(settings).http)
    if export_env:
        click.echo(_exports(facts))
        return
    if not as_json:
        click.echo("Keep the key: it is shown this once.", err=True)
    answer(facts, as_json)


def _facts(made: NewCampaign, url: str | None) -> dict[str, Any]:
    return {
        "batchId": made.batch.batch_id,
        "apiKey": made.api_key,
        "url": url,
        "workspaceId": made.workspace.workspace_id,
        "agentId": made.agent.agent_id,
        "phoneId": made.number.phone_id,
        "number": made.number.number,
    }


def _exports(facts: dict[str, Any]) -> str:
    """Return the line that a shell sets its variables by; where the API is stays out where nobody knows."""
    names = {"DIALFEED_API_KEY": "apiKey", "BATCH_ID": "batchId", "DIALFEED_URL": "url"}
    known = {name: facts[fact] for name, fact in names.items() if facts[fact]}
    return "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in known.items())
