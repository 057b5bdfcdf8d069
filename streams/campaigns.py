"""What a chunk is checked against: its batch, the batch's agent, that agent's compiled variable schema."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from pydantic_core import SchemaError

from schemas.agent_schemas import SchemaRefused, Validator, compile_validator, parse_schema
from schemas.outcomes import Code, FieldError
from schemas.records import Agent, AgentVersion, Batch, Chunk
from schemas.registry import Registry, as_of, version_at
from streams.gathering import parted


@dataclass(frozen=True, slots=True)
class Campaign:
    """All that cleaning needs to know of a batch."""

    workspace_id: str
    batch_zone: str | None
    workspace_zone: str | None
    country: str | None
    agent_id: str
    schema_version: int
    validator: Validator = field(compare=False)  # agent and version say which


Part = tuple[Chunk, Campaign | FieldError]
"""Records, and what they are checked against, or why that cannot be known."""

_UNKNOWN: Final = FieldError(
    Code.BATCH_UNKNOWN, "/batchId", "no batch has this id: replay to one that exists (toBatch)"
)
_DELETED: Final = FieldError(Code.BATCH_UNKNOWN, "/batchId", "the batch was deleted: replay to another one (toBatch)")

_NO_AGENT: Final = FieldError(
    Code.AGENT_UNKNOWN, "/batchId", "no agent is assigned to any of the batch's numbers: assign one, then replay"
)


@dataclass(slots=True)
class Campaigns:
    """Campaigns by batch, each version of each schema compiled once."""

    registry: Registry
    _validators: dict[tuple[str, int], Validator] = field(default_factory=dict)

    def find(self, batch_id: str, accepted_at: int, version: int | None = None) -> Campaign | FieldError:
        """Return the campaign as it was for a record accepted at that time (ms since the epoch), or why there is none.

        `version` names the schema's version where it is not the one of that time. The agent's schema was checked when
        it was written: that it cannot be compiled now is a fault of ours.
        """
        batch = self.registry.batches.get(batch_id)
        if batch is None:  # whenever it was deleted: nobody would make the call
            return _DELETED if batch_id in self.registry.ever.batches else _UNKNOWN
        then = as_of(batch, accepted_at)
        had_agent = self.registry.agent_of_batch(then, accepted_at) is not None
        return self.of(then if had_agent else batch, accepted_at, version)

    def of(self, batch: Batch, accepted_at: int, named: int | None = None) -> Campaign | FieldError:
        """Do as `find` does for a batch that need not be registered yet."""
        state = self.registry
        agent = state.agent_of_batch(batch, accepted_at) or state.agent_of_batch(batch)  # where none was assigned then
        if agent is None:
            return _NO_AGENT
        version = version_at(agent, accepted_at) if named is None else _version(agent, named)
        if version is None:
            return FieldError(Code.SCHEMA_UNUSABLE, "", f"the batch's agent has no schema version {named}")
        validator = self._usable(agent, version)
        if isinstance(validator, FieldError):
            return validator
        known = self.registry.ever.workspaces.get(batch.workspace_id)
        workspace = None if known is None else as_of(known, accepted_at)
        return Campaign(
            workspace_id=batch.workspace_id,
            batch_zone=batch.timezone,
            workspace_zone=workspace.timezone if workspace else None,
            country=batch.country or (workspace.country if workspace else None),
            agent_id=agent.agent_id,
            schema_version=version.version,
            validator=validator,
        )

    def parts(self, chunk: Chunk) -> list[Part]:
        """Return the chunk with its campaign; in parts where it was gathered across a change of any of it."""
        batch_id, origins = chunk.batch_id or "", chunk.origins
        if origins is None:
            return [(chunk, self.find(batch_id, chunk.accepted_at))]
        found = {time: self.find(batch_id, time) for time in set(origins.accepted_at)}
        places = {each: place for place, each in enumerate(dict.fromkeys(found.values()))}
        kinds = {time: places[each] for time, each in found.items()}
        parts = parted(chunk, origins, [kinds[time] for time in origins.accepted_at])
        return [(part, found[part.accepted_at]) for part in parts]

    def _usable(self, agent: Agent, version: AgentVersion) -> Validator | FieldError:
        try:
            return self._validator(agent, version)
        except (SchemaRefused, SchemaError, RecursionError) as error:
            reason = str(error) if isinstance(error, SchemaRefused) else type(error).__name__
            whose = f"the variable schema of agent {agent.agent_id}, version {version.version}"
            return FieldError(Code.SCHEMA_UNUSABLE, "", f"{whose}, cannot be used: {reason}")

    def _validator(self, agent: Agent, version: AgentVersion) -> Validator:
        key = (agent.agent_id, version.version)
        validator = self._validators.get(key)
        if validator is None:
            validator = self._validators[key] = compile_validator(parse_schema(version.schema))
        return validator


def _version(agent: Agent, number: int) -> AgentVersion | None:
    return next((each for each in agent.versions if each.version == number), None)
