"""What a chunk is checked against: its batch, the batch's agent, that agent's compiled variable schema."""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas.agent_schemas import Validator, compile_validator, parse_schema
from schemas.outcomes import Code, FieldError
from schemas.records import Agent
from schemas.registry import Registry


@dataclass(frozen=True, slots=True)
class Campaign:
    """All that cleaning needs to know of a batch."""

    workspace_id: str
    batch_zone: str | None
    workspace_zone: str | None
    agent_id: str
    schema_version: int
    validator: Validator


@dataclass(slots=True)
class Campaigns:
    """Campaigns by batch, each version of each schema compiled once."""

    registry: Registry
    _validators: dict[tuple[str, int], Validator] = field(default_factory=dict)

    def find(self, batch_id: str) -> Campaign | FieldError:
        """Return the campaign, or why there is none.

        Raise SchemaRefused if the agent's schema, which was checked when it was written, cannot be compiled.
        """
        batch = self.registry.batches.get(batch_id)
        if batch is None:
            return FieldError(Code.BATCH_UNKNOWN, "/batchId", "no batch has this id: create it, then replay")
        agent = self.registry.agent_of_batch(batch)
        if agent is None:
            return FieldError(Code.AGENT_UNKNOWN, "/batchId", "no agent is assigned to any of the batch's numbers")
        workspace = self.registry.workspaces.get(batch.workspace_id)
        return Campaign(
            workspace_id=batch.workspace_id,
            batch_zone=batch.timezone,
            workspace_zone=workspace.timezone if workspace else None,
            agent_id=agent.agent_id,
            schema_version=agent.versions[-1].version,
            validator=self._validator(agent),
        )

    def _validator(self, agent: Agent) -> Validator:
        current = agent.versions[-1]
        key = (agent.agent_id, current.version)
        validator = self._validators.get(key)
        if validator is None:
            validator = self._validators[key] = compile_validator(parse_schema(current.schema))
        return validator
