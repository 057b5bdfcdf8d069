"""All that a campaign needs, made at once: workspace, key, agent, calling number and batch. Pure, as `registrations`.

What is there already is used: the workspace of that name, its agent with the same name and schema, its number. Key and
batch are new each time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from schemas import registrations
from schemas.records import Agent, Batch, CallingNumber, RegistryRecord, Workspace
from schemas.registrations import Campaign, Refusal, RegistrationRefusedError, Rules
from schemas.registry import Registry

FICTIONAL: Final = tuple(f"+1202555{last:04}" for last in range(100, 200))
"""Numbers that the North American plan keeps for fiction: nobody is called from them, and nobody owns them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a campaign is to be made of. `number` None: a free one of `FICTIONAL`. `campaign` names no numbers yet."""

    workspace: str
    schema: str
    number: str | None
    campaign: Campaign


@dataclass(frozen=True, slots=True)
class NewCampaign:
    """What the campaign consists of. `records` are those to be put into the registry, in this order."""

    workspace: Workspace
    agent: Agent
    number: CallingNumber
    batch: Batch
    api_key: str
    records: tuple[RegistryRecord, ...]


def new_campaign(state: Registry, rules: Rules, asked: Asked, now_ms: int) -> NewCampaign:
    """Return the campaign asked for; raise RegistrationRefusedError where any part of it is refused."""
    planned = state.copy()
    workspace = _workspace(planned, rules, asked, now_ms)
    planned.apply(workspace)
    agent = _agent(planned, workspace, asked, now_ms)
    planned.apply(agent)
    number = _number(planned, rules, agent, asked.number, now_ms)
    planned.apply(number)
    key, api_key = registrations.new_key(workspace, asked.campaign.name, now_ms)
    campaign = replace(asked.campaign, phone_ids=[number.phone_id])
    batch = registrations.new_batch(planned, rules, workspace, campaign, now_ms)
    there = (*state.workspaces.values(), *state.agents.values(), *state.numbers.values())
    records = tuple(one for one in (workspace, agent, number, key, batch) if not any(one is other for other in there))
    return NewCampaign(workspace, agent, number, batch, api_key, records)


def _workspace(state: Registry, rules: Rules, asked: Asked, now_ms: int) -> Workspace:
    there = asked.workspace in state.workspaces or any(asked.workspace == one.name for one in state.workspaces.values())
    if there:
        return registrations.find_workspace(state, asked.workspace)
    return registrations.new_workspace(state, rules, asked.workspace, asked.campaign.timezone, now_ms)


def _agent(state: Registry, workspace: Workspace, asked: Asked, now_ms: int) -> Agent:
    made = registrations.new_agent(workspace, asked.campaign.name, asked.schema, now_ms)
    same = (
        one
        for one in state.agents.values()
        if (one.workspace_id, one.name, one.versions[-1].schema) == (made.workspace_id, made.name, asked.schema)
    )
    return next(same, made)


def _number(state: Registry, rules: Rules, agent: Agent, number: str | None, now_ms: int) -> CallingNumber:
    mine = {one.number: one for one in state.numbers.values() if one.agent_id == agent.agent_id}
    if number is None:
        taken = {one.number for one in state.numbers.values()}
        free = next((each for each in FICTIONAL if each in mine or each not in taken), None)
        if free is None:
            sentence = "all made-up calling numbers are taken"
            raise RegistrationRefusedError(Refusal.TAKEN, "number", sentence, "Give one with --number.")
        number = free
    e164 = rules.normalise(number)
    if e164 in mine:
        return mine[e164]
    other = next((one for one in state.numbers.values() if one.number == e164), None)
    if other is not None:
        sentence = f"the number {e164} is there already, for another agent or another schema"
        remedy = "Leave --number out, give another, or delete it: its phone id is {}."
        raise RegistrationRefusedError(Refusal.TAKEN, "number", sentence, remedy.format(other.phone_id))
    return registrations.new_number(state, rules, agent, number, now_ms)
