from __future__ import annotations

import pytest

from schemas.identity import hash_api_key
from schemas.records import Agent, AgentVersion, ApiKey, Batch, CallingNumber, Workspace
from schemas.registry import Registry, registry_message

WORKSPACE = Workspace(workspace_id="w", name="Acme", created_at=1)
AGENT = Agent(
    agent_id="a",
    workspace_id="w",
    name="n",
    versions=[AgentVersion(version=1, schema="{}", created_at=1)],
    created_at=1,
)
NUMBER = CallingNumber(phone_id="p", workspace_id="w", number="+12125550100", agent_id="a", created_at=1)
BATCH = Batch(batch_id="b", workspace_id="w", name="n", phone_ids=["gone", "p"], created_at=1)
KEY = ApiKey(key_id="k", workspace_id="w", name="n", key_hash=hash_api_key("secret"), created_at=1)


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    for record in (WORKSPACE, AGENT, NUMBER, BATCH, KEY):
        registry.apply(record)
    return registry


def test_a_key_opens_its_workspace(registry: Registry) -> None:
    assert registry.workspace_of_key("secret") == "w"


@pytest.mark.parametrize("key", ["", "Secret", "secret ", "\ud800"])
def test_another_key_opens_nothing(registry: Registry, key: str) -> None:
    assert registry.workspace_of_key(key) is None


def test_a_revoked_key_opens_nothing(registry: Registry) -> None:
    registry.apply(ApiKey(key_id="k", workspace_id="w", name="n", key_hash=KEY.key_hash, created_at=1, revoked_at=2))
    assert registry.workspace_of_key("secret") is None


def test_the_agent_is_that_of_the_first_number_that_has_one(registry: Registry) -> None:
    assert registry.agent_of_batch(BATCH) == AGENT


def test_the_batches_of_an_agent_are_those_it_speaks_for(registry: Registry) -> None:
    registry.apply(Batch(batch_id="b2", workspace_id="w", name="n", phone_ids=["gone"], created_at=1))
    registry.apply(Batch(batch_id="b3", workspace_id="other", name="n", phone_ids=["p"], created_at=1))
    assert registry.batches_of_agent("a") == {"b"}
    assert registry.batches_of_agent("nobody") == frozenset()


def test_without_a_number_with_an_agent_there_is_none(registry: Registry) -> None:
    registry.apply(CallingNumber(phone_id="p", workspace_id="w", number="+12125550100", created_at=1))
    assert registry.agent_of_batch(BATCH) is None


def test_another_workspaces_agent_does_not_speak(registry: Registry) -> None:
    batch = Batch(batch_id="x", workspace_id="other", name="n", phone_ids=["p"], created_at=1)
    assert registry.agent_of_batch(batch) is None


def test_the_newest_of_an_id_wins(registry: Registry) -> None:
    registry.apply(Workspace(workspace_id="w", name="Renamed", created_at=2))
    assert registry.workspaces["w"].name == "Renamed"


def test_every_kind_has_its_own_keys() -> None:
    keys = [registry_message(record).key for record in (WORKSPACE, AGENT, NUMBER, BATCH, KEY)]
    assert keys == [b"workspace/w", b"agent/a", b"number/p", b"batch/b", b"key/k"]
