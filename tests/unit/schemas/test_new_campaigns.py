from __future__ import annotations

from dataclasses import replace

import pytest

from schemas import registrations
from schemas.new_campaigns import FICTIONAL, Asked, NewCampaign, new_campaign
from schemas.records import Agent, ApiKey, Batch, CallingNumber, Workspace
from schemas.registrations import Campaign, RegistrationRefusedError, Rules
from schemas.registry import Registry
from streams.phone_numbers import normalise
from streams.timezones import zone_names

NOW = 1_767_225_600_000
RULES = Rules(known_timezone=lambda name: name in zone_names(), normalise=normalise)
SCHEMA = '{"type": "record", "name": "R", "fields": [{"name": "firstName", "type": "string"}]}'
ASKED = Asked("Acme", SCHEMA, None, Campaign("spring", (), timezone="Europe/Berlin", retry=2))


def make(state: Registry, asked: Asked = ASKED) -> NewCampaign:
    made = new_campaign(state, RULES, asked, NOW)
    for record in made.records:
        state.apply(record)
    return made


def test_everything_is_made_and_belongs_together() -> None:
    state = Registry()
    made = make(state)
    assert [type(one) for one in made.records] == [Workspace, Agent, CallingNumber, ApiKey, Batch]
    assert state.workspace_of_key(made.api_key) == made.batch.workspace_id == made.workspace.workspace_id
    assert state.agent_of_batch(made.batch) == made.agent
    assert (made.batch.name, made.batch.retry, made.batch.timezone) == ("spring", 2, "Europe/Berlin")
    assert (made.number.number, made.workspace.timezone) == (FICTIONAL[0], "Europe/Berlin")


def test_what_is_there_is_used_and_key_and_batch_are_new() -> None:
    state = Registry()
    first, second = make(state), make(state)
    assert [type(one) for one in second.records] == [ApiKey, Batch]
    assert second.number == first.number
    assert second.api_key != first.api_key


def test_another_schema_is_another_agent_with_a_number_of_its_own() -> None:
    state = Registry()
    first, second = make(state), make(state, replace(ASKED, schema=SCHEMA.replace("firstName", "lastName")))
    assert second.workspace == first.workspace
    assert second.agent != first.agent
    assert second.number.number == FICTIONAL[1]


def test_a_workspace_is_named_by_its_id_too() -> None:
    state = Registry()
    first = make(state)
    assert make(state, replace(ASKED, workspace=first.workspace.workspace_id)).workspace == first.workspace


@pytest.mark.parametrize(
    "asked",
    [
        replace(ASKED, schema='"string"'),
        replace(ASKED, number="call me"),
        replace(ASKED, campaign=replace(ASKED.campaign, timezone="Mars")),
        replace(ASKED, campaign=replace(ASKED.campaign, calling_hours="9-5")),
        replace(ASKED, campaign=replace(ASKED.campaign, name=" ")),
    ],
)
def test_what_is_refused_makes_nothing(asked: Asked) -> None:
    state = Registry()
    with pytest.raises(RegistrationRefusedError):
        new_campaign(state, RULES, asked, NOW)
    assert state == Registry()


def test_a_number_of_another_agent_is_refused_with_its_id() -> None:
    state = Registry()
    first = make(state, replace(ASKED, number="+4915112345678"))
    asked = replace(ASKED, number="+49 151 12345678", workspace="Other")
    with pytest.raises(RegistrationRefusedError) as error:
        new_campaign(state, RULES, asked, NOW)
    assert first.number.phone_id in error.value.remedy


def test_made_up_numbers_run_out() -> None:
    state = Registry()
    owner = registrations.new_workspace(state, RULES, "Full", None, NOW)
    agent = registrations.new_agent(owner, "a", SCHEMA, NOW)
    for record in (owner, agent):
        state.apply(record)
    for number in FICTIONAL:
        state.apply(registrations.new_number(state, RULES, agent, number, NOW))
    with pytest.raises(RegistrationRefusedError, match="made-up") as error:
        new_campaign(state, RULES, ASKED, NOW)
    assert "--number" in error.value.remedy
