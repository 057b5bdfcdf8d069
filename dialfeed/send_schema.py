"""The schema that `dialfeed send` reads a table's cells by: the file given, else that of the batch's agent."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from dialfeed.exits import UnreachableError, WrongUseError
from dialfeed.installation import find_installation
from dialfeed.registry_session import open_registry
from dialfeed.settings import Settings
from schemas.agent_schemas import SchemaRefused, parse_schema
from schemas.messages import WorldError
from schemas.variable_shapes import Record

log = structlog.get_logger(__name__)


def variables_of(settings: Settings, schema: Path | None, batch_id: str) -> Record | None:
    """Return what is declared; None, with a warning, where it cannot be known. Raise WrongUseError for a wrong file."""
    if schema is not None:
        return _from_file(schema)
    found = asyncio.run(_registered(settings, batch_id)) if find_installation(settings).kafka else None
    if found is None:
        log.warning("schema_not_known", batch_id=batch_id, so="cells are sent as text", remedy="--schema FILE.avsc")
    return found


def _from_file(schema: Path) -> Record:
    try:
        return parse_schema(schema.read_bytes()).variables
    except OSError as error:
        raise WrongUseError(f"{schema} cannot be read: {error.strerror}", "Name another file.") from None
    except SchemaRefused as error:
        raise WrongUseError(
            f"{schema} is no schema of an agent: {error.reason}", "See docs/agent-schemas.md."
        ) from None


async def _registered(settings: Settings, batch_id: str) -> Record | None:
    try:
        async with open_registry(settings) as registry:
            batch = registry.state.batches.get(batch_id)
            agent = registry.state.agent_of_batch(batch) if batch is not None else None
            return parse_schema(agent.versions[-1].schema).variables if agent is not None else None
    except (UnreachableError, WorldError):
        return None
