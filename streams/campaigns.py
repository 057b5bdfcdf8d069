"""What a chunk is checked against: its batch, the batch's agent, that agent's compiled variable schema."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic_core import SchemaError

from schemas.agent_schemas import SchemaRefused, Validator, compile_validator, parse_schema
from schemas.outcomes import Code, FieldError
from schemas.records import Agent, AgentVersion, Batch, Chunk
from schemas.registry import Registry, version_at
from streams.gathering import parted


@dataclass(frozen=True, slots=True)
class Campaign:
    """All that cleaning needs to know of a batch."""

    workspace_id: str
    batch_zone: str | None
    workspace_zone: str | None
    agent_id: str
    schema_version: int
    validator: Validator


Part = tuple[Chunk, Campaign | FieldError]
"""Records, and what they are checked against, or why that cannot be known."""


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
        if batch is None:
            return FieldError(Code.BATCH_UNKNOWN, "/batchId", "no batch has this id: create it, then replay")
        return self.of(batch, accepted_at, version)

    def of(self, batch: Batch, accepted_at: int, named: int | None = None) -> Campaign | FieldError:
        """Do as `find` does for a batch that need not be registered yet."""
        agent = self.registry.agent_of_batch(batch)
        if agent is None:
            return FieldError(Code.AGENT_UNKNOWN, "/batchId", "no agent is assigned to any of the batch's numbers")
        version = version_at(agent, accepted_at) if named is None else _version(agent, named)
        if version is None:
            return FieldError(Code.SCHEMA_UNUSABLE, "", f"the batch's agent has no schema version {named}")
        validator = self._usable(agent, version)
        if isinstance(validator, FieldError):
            return validator
        workspace = self.registry.workspaces.get(batch.workspace_id)
        return Campaign(
            workspace_id=batch.workspace_id,
            batch_zone=batch.timezone,
            workspace_zone=workspace.timezone if workspace else None,
            agent_id=agent.agent_id,
            schema_version=version.version,
            validator=validator,
        )

    def parts(self, chunk: Chunk) -> list[Part]:
        """Return the chunk with its campaign; in parts where it was gathered across a change of the schema."""
        batch_id, origins = chunk.batch_id or "", chunk.origins
        found = self.find(batch_id, chunk.accepted_at)
        if origins is None or isinstance(found, FieldError):
            return [(chunk, found)]
        agent = self.registry.agents[found.agent_id]
        versions = {time: version_at(agent, time).version for time in set(origins.accepted_at)}
        parts = parted(chunk, origins, [versions[time] for time in origins.accepted_at])
        return [(part, self.find(batch_id, part.accepted_at)) for part in parts]

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
