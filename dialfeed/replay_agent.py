"""Of which agent's schema `--agent-version` speaks where no filter says it: of the one whose all the letters are."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from dialfeed.exits import WrongUseError
from dialfeed.replay_reading import LetterReader, topics_of
from schemas.dead_letters import from_message
from schemas.registry import Registry
from schemas.replay_jobs import ReplayJob, filter_of

SHOWN: Final = 5


async def with_agent(job: ReplayJob, reader: LetterReader, registry: Registry) -> ReplayJob:
    """Return the job with the agent that its version needs; raise WrongUseError, and TryAgainError as the reader."""
    if not job.is_unclear:
        return job
    agents = registry.agents_of(await _batches(job, reader))
    if len(agents) == 1:
        return replace(job, agent=agents[0])
    whose = f"of {len(agents)} agents: {', '.join(agents[:SHOWN])}" if agents else "of no agent that is known"
    raise WrongUseError(
        f"version {job.agent_version} of which agent's schema? The letters are {whose}",
        "Add --agent (`dialfeed dead-letters --group-by agent` says whose they are), --batch or --submission.",
    )


async def _batches(job: ReplayJob, reader: LetterReader) -> set[str | None]:
    """Return the batches of all letters that the job would take."""
    wanted, (topic, _) = filter_of(job), topics_of(job)
    found: set[str | None] = set()
    async for read in reader.read(topic, *await reader.bounds(topic)):
        letters = (from_message(message.value, message.headers) for message in read.messages)
        found |= {letter.batch_id for letter in letters if letter is not None and wanted.matches(letter)}
    return found
