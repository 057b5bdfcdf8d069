"""The registry's state: who may send, for which batch, checked against which schema.

A fold over the compacted topic `calls.registry`. Pure: whoever reads the topic calls `apply`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, Protocol, TypeVar

import msgspec

from schemas.codecs import encode
from schemas.identity import hash_api_key
from schemas.messages import Message
from schemas.records import Agent, AgentVersion, ApiKey, Batch, CallingNumber, RegistryRecord, Workspace
from schemas.topics import TopicName

ADMINISTRATION: Final = ""
"""Stands where a key names its workspace: it opens the administration, and no workspace."""

NOW: Final = 2**63
"""A time after all others."""

MOST_EARLIER: Final = 100
"""Changes of a workspace, a number or a batch that are remembered: more than happen while a record waits in Kafka."""

Changing = TypeVar("Changing", Workspace, CallingNumber, Batch)
Deletable = TypeVar("Deletable", Workspace, Agent, CallingNumber, Batch)


def version_at(agent: Agent, accepted_at: int) -> AgentVersion:
    """Return the version of the schema that was current at a time, the first for a time before all of them.

    So a record is judged alike whenever it is looked at. The versions' times are by the clock of whoever wrote them,
    `accepted_at` is by the brokers': where the two differ, so does the moment at which a version begins to count.
    """
    current = (version for version in reversed(agent.versions) if version.created_at <= accepted_at)
    return next(current, agent.versions[0])


def as_of(record: Changing, at: int) -> Changing:
    """Return a workspace, number or batch as it was at a time, ms since the epoch, the first version before all.

    So a record is judged alike whenever it is looked at, as with `version_at`.
    """
    versions: list[Changing] = [*record.earlier, record]
    return next((each for each in reversed(versions) if each.changed_at <= at), versions[0])


def changed(old: Changing, new: Changing, now_ms: int) -> Changing:
    """Return `new` as what the record is from now on, with what it was before; `old` itself if nothing differs."""
    if new == old:
        return old
    before = msgspec.structs.replace(old, earlier=[])
    return msgspec.structs.replace(new, earlier=[*old.earlier, before][-MOST_EARLIER:], changed_at=now_ms)


def registry_key(record: RegistryRecord) -> str:
    """Return the topic key, `kind/id`."""
    match record:
        case Workspace():
            return f"workspace/{record.workspace_id}"
        case ApiKey():
            return f"key/{record.key_id}"
        case Agent():
            return f"agent/{record.agent_id}"
        case CallingNumber():
            return f"number/{record.phone_id}"
        case Batch():
            return f"batch/{record.batch_id}"


def registry_message(record: RegistryRecord) -> Message:
    """Return the message that puts a record into the registry. It goes to the partition that is followed."""
    return Message(TopicName.REGISTRY, encode(record), key=registry_key(record).encode(), partition=0)


@dataclass(slots=True)
class Ever:
    """What was ever registered, by id, deleted or not: what was accepted before a change is judged by what was then."""

    workspaces: dict[str, Workspace] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    numbers: dict[str, CallingNumber] = field(default_factory=dict)
    batches: dict[str, Batch] = field(default_factory=dict)


def _gone(record: Agent | CallingNumber, at: int) -> bool:
    return record.deleted_at is not None and record.deleted_at <= at


def _keep(there: dict[str, Deletable], ever: dict[str, Deletable], which: str, record: Deletable) -> None:
    known = ever.get(which)
    if known is not None and known.deleted_at is not None and record.deleted_at is None:
        return  # a change that was made before the deletion was heard of
    ever[which] = record
    if record.deleted_at is None:
        there[which] = record
    else:
        there.pop(which, None)


@dataclass(slots=True)
class Registry:
    """Everything known, by id: what is there, and in `ever` what was deleted too. Changed by `apply` only."""

    workspaces: dict[str, Workspace] = field(default_factory=dict)
    keys: dict[str, ApiKey] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    numbers: dict[str, CallingNumber] = field(default_factory=dict)
    batches: dict[str, Batch] = field(default_factory=dict)
    ever: Ever = field(default_factory=Ever)
    _key_by_hash: dict[bytes, ApiKey] = field(default_factory=dict)

    def copy(self) -> Registry:
        """Return a registry of its own that knows the same."""
        made = Registry()
        ever = self.ever
        known: list[Iterable[RegistryRecord]] = [ever.workspaces.values(), self.keys.values(), ever.agents.values()]
        for record in chain(*known, ever.numbers.values(), ever.batches.values()):
            made.apply(record)
        return made

    def apply(self, record: RegistryRecord) -> None:
        """Take one record of the topic; the newest of an id wins, and what was deleted stays so."""
        match record:
            case Workspace():
                _keep(self.workspaces, self.ever.workspaces, record.workspace_id, record)
            case ApiKey():
                self.keys[record.key_id] = record
                self._key_by_hash[record.key_hash] = record
            case Agent():
                _keep(self.agents, self.ever.agents, record.agent_id, record)
            case CallingNumber():
                _keep(self.numbers, self.ever.numbers, record.phone_id, record)
            case Batch():
                _keep(self.batches, self.ever.batches, record.batch_id, record)

    def workspace_of_key(self, api_key: str) -> str | None:
        """Return the workspace that an API key opens, or None.

        Looked up by its SHA-256: how long that takes says nothing about the key.
        """
        return self._opened_by(api_key) or None

    def is_admin_key(self, api_key: str) -> bool:
        """Return whether an API key opens the administration."""
        return self._opened_by(api_key) == ADMINISTRATION

    def _opened_by(self, api_key: str) -> str | None:
        key = self._key_by_hash.get(hash_api_key(api_key))
        if key is None or key.revoked_at is not None:
            return None
        owner = self.ever.workspaces.get(key.workspace_id)
        return key.workspace_id if owner is None or owner.deleted_at is None else None

    def agent_of_batch(self, batch: Batch, at: int = NOW) -> Agent | None:
        """Return the agent of the batch's first calling number that has one, as they were at a time."""
        for phone_id in batch.phone_ids:
            number = self.ever.numbers.get(phone_id)
            if number is None or _gone(number, at):
                continue
            agent = self.ever.agents.get(as_of(number, at).agent_id or "")
            if agent is not None and not _gone(agent, at) and agent.workspace_id == batch.workspace_id:
                return agent
        return None

    def agent_id_of(self, batch_id: str | None) -> str:
        """Return the id of the agent that speaks for a batch, "" where there is none; once deleted, of its last."""
        batch = self.ever.batches.get(batch_id or "")
        if batch is None:
            return ""
        agent = self.agent_of_batch(batch, NOW if batch.deleted_at is None else batch.deleted_at - 1)
        return agent.agent_id if agent is not None else ""

    def agents_of(self, batch_ids: Iterable[str | None]) -> list[str]:
        """Return the ids of the agents that speak for these batches, each once, in order."""
        return sorted({self.agent_id_of(batch_id) for batch_id in batch_ids} - {""})

    def workspace_of(self, batch_id: str | None) -> str:
        """Return the workspace of a batch, deleted or not; "" where there never was such a batch."""
        batch = self.ever.batches.get(batch_id or "")
        return batch.workspace_id if batch is not None else ""

    def batches_of_agent(self, agent_id: str) -> frozenset[str]:
        """Return the ids of the batches that an agent speaks for."""
        return frozenset(batch_id for batch_id in self.ever.batches if self.agent_id_of(batch_id) == agent_id)


class RegistryReader(Protocol):
    """A registry that somebody keeps up with the topic."""

    @property
    def state(self) -> Registry:
        """What is known so far."""
        ...

    async def refresh(self) -> None:
        """Read the topic to its present end: do so before saying "not found". Raise TryAgainError."""
        ...
