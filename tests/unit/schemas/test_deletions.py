"""What may be deleted, what may not, and how what was accepted before is judged."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import pytest

from schemas import deletions, registrations
from schemas.records import Agent, Batch, CallingNumber, Workspace
from schemas.registrations import Campaign, Refusal, RegistrationRefusedError, Rules
from schemas.registry import MOST_EARLIER, Registry, as_of
from streams.phone_numbers import normalise
from streams.timezones import zone_names

NOW = 1_767_225_600_000
LATER = NOW + 1000
RULES = Rules(known_timezone=lambda name: name in zone_names(), normalise=normalise)
SCHEMA = '{"type": "record", "name": "R", "fields": [{"name": "firstName", "type": "string"}]}'

R = TypeVar("R", Workspace, Agent, CallingNumber, Batch)


class World:
    """A workspace with two agents, a number of each, and a batch on the first."""

    def __init__(self) -> None:
        self.state = Registry()
        self.workspace = self.put(registrations.new_workspace(self.state, RULES, "Acme", None, NOW))
        self.agent, self.other = (
            self.put(registrations.new_agent(self.workspace, name, SCHEMA, NOW)) for name in ("one", "two")
        )
        self.number = self.put(registrations.new_number(self.state, RULES, self.agent, "+12125550123", NOW))
        self.second = self.put(registrations.new_number(self.state, RULES, self.other, "+12125550124", NOW))
        asked = Campaign("spring", [self.number.phone_id])
        self.batch = self.put(registrations.new_batch(self.state, RULES, self.workspace, asked, NOW))

    def put(self, record: R) -> R:
        self.state.apply(record)
        return record


@pytest.fixture
def world() -> World:
    return World()


def refused(error: pytest.ExceptionInfo[RegistrationRefusedError]) -> tuple[Refusal, str]:
    return error.value.kind, error.value.sentence


def test_a_workspace_with_anything_in_it_is_kept_with_counts(world: World) -> None:
    key, _ = registrations.new_key(world.workspace, "crm", NOW)
    world.state.apply(key)
    with pytest.raises(RegistrationRefusedError) as error:
        deletions.deleted_workspace(world.state, world.workspace, LATER)
    assert refused(error) == (
        Refusal.USED,
        'the workspace "Acme" still has 1 key, 2 agents, 2 calling numbers, 1 batch',
    )


def test_an_agent_that_speaks_on_a_number_is_kept(world: World) -> None:
    with pytest.raises(RegistrationRefusedError, match="still speaks on 1 calling number") as error:
        deletions.deleted_agent(world.state, world.agent, LATER)
    assert world.number.phone_id in error.value.remedy


def test_a_number_that_a_batch_calls_from_is_kept(world: World) -> None:
    with pytest.raises(RegistrationRefusedError, match="still used by 1 batch") as error:
        deletions.deleted_number(world.state, world.number, LATER)
    assert world.batch.batch_id in error.value.remedy


def test_a_batch_with_pending_calls_is_kept(world: World) -> None:
    with pytest.raises(RegistrationRefusedError, match='"spring" still has 2 pending calls'):
        deletions.deleted_batch(world.batch, 2, LATER)


def test_everything_can_be_deleted_from_the_batch_upwards(world: World) -> None:
    world.put(deletions.deleted_batch(world.batch, 0, LATER))
    for number in (world.number, world.second):
        world.put(deletions.deleted_number(world.state, number, LATER))
    for agent in (world.agent, world.other):
        world.put(deletions.deleted_agent(world.state, agent, LATER))
    world.put(deletions.deleted_workspace(world.state, world.workspace, LATER))
    state = world.state
    assert [state.workspaces, state.agents, state.numbers, state.batches] == [{}] * 4


def test_what_was_deleted_does_not_come_back_by_a_change_that_was_late(world: World) -> None:
    world.put(deletions.deleted_batch(world.batch, 0, LATER))
    world.put(world.batch)
    assert world.batch.batch_id not in world.state.batches


def test_a_deleted_workspaces_key_opens_nothing() -> None:
    state = Registry()
    owner = registrations.new_workspace(state, RULES, "Gone", None, NOW)
    record, api_key = registrations.new_key(owner, "crm", NOW)
    state.apply(owner)
    deleted = deletions.deleted_workspace(state, owner, LATER)  # a key is made at the same moment, by somebody else
    state.apply(record)
    assert state.workspace_of_key(api_key) == owner.workspace_id
    state.apply(deleted)
    assert state.workspace_of_key(api_key) is None


def test_dead_letters_of_a_deleted_batch_keep_their_workspace_and_agent(world: World) -> None:
    world.put(deletions.deleted_batch(world.batch, 0, LATER))
    assert world.state.workspace_of(world.batch.batch_id) == world.workspace.workspace_id
    assert world.state.agent_id_of(world.batch.batch_id) == world.agent.agent_id
    assert world.state.batches_of_agent(world.agent.agent_id) == {world.batch.batch_id}


def test_a_number_speaks_with_the_agent_of_its_time(world: World) -> None:
    assigned = world.put(registrations.assigned_number(world.number, world.other, LATER))
    assert [as_of(assigned, at).agent_id for at in (0, NOW, LATER - 1, LATER)] == [
        *[world.agent.agent_id] * 3,
        world.other.agent_id,
    ]
    world.put(deletions.deleted_agent(world.state, world.agent, LATER + 1))  # nothing is assigned to it any more
    then, now = (world.state.agent_of_batch(world.batch, at) for at in (LATER - 1, LATER + 1))
    assert (then and then.agent_id, now and now.agent_id) == (world.agent.agent_id, world.other.agent_id)


def test_assigning_what_is_assigned_changes_nothing(world: World) -> None:
    assert registrations.assigned_number(world.number, world.agent, LATER) is world.number


def test_a_batch_is_changed_under_its_id_and_keeps_what_it_was(world: World) -> None:
    asked = replace(
        registrations.campaign_of(world.batch),
        phone_ids=[world.second.phone_id],
        timezone="Europe/Berlin",
        calling_hours="09:00-18:00",
        days=["mon"],
    )
    made = world.put(registrations.changed_batch(world.state, RULES, world.batch, asked, LATER))
    assert (made.batch_id, made.created_at, made.name) == (world.batch.batch_id, NOW, "spring")
    assert as_of(made, LATER - 1) == world.batch
    assert as_of(made, LATER).timezone == "Europe/Berlin"
    assert registrations.campaign_of(made) == replace(asked, days=["1"])


def test_a_change_that_changes_nothing_is_none(world: World) -> None:
    same = registrations.campaign_of(world.batch)
    assert registrations.changed_batch(world.state, RULES, world.batch, same, LATER) is world.batch


def test_the_changes_that_are_remembered_are_bounded(world: World) -> None:
    number = world.number
    for turn in range(MOST_EARLIER + 10):
        number = registrations.assigned_number(number, (world.other, world.agent)[turn % 2], LATER + turn)
    assert len(number.earlier) == MOST_EARLIER
    assert all(not each.earlier for each in number.earlier)
