"""A replay before it begins: whose dead letters it takes, where they go, a yes where it reaches several workspaces."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from msgspec.structs import replace

from dialfeed.exits import WrongUseError
from dialfeed.installation import find_kafka, kafka_unreachable
from dialfeed.registry_topic import RegistryTopic
from dialfeed.replay_agent import with_agent
from dialfeed.replay_reading import LetterReader, letter_reader, topics_of
from dialfeed.scope import ALL, names_of, require_consent, workspace_in
from dialfeed.settings import Settings
from schemas.dead_letter_query import Place, with_batches
from schemas.dead_letters import DeadLetterDecoder
from schemas.messages import TryAgainError
from schemas.registry import Registry
from schemas.replay_jobs import ReplayJob, filter_of


async def workspace_of_key(settings: Settings, key_file: Path | None) -> str:
    """Return the workspace whose replays may be resumed, ALL for all; raise CommandError."""
    kafka = find_kafka(settings)
    try:
        async with RegistryTopic(kafka) as registry:
            return workspace_in(settings, key_file, registry.state)
    except TryAgainError as error:
        raise kafka_unreachable(kafka) from error


async def prepared(settings: Settings, asked: ReplayJob, key_file: Path | None, *, ask: bool, yes: bool) -> ReplayJob:
    """Return the job of what is asked for; raise CommandError. With `ask` a yes is needed where it reaches many."""
    kafka = find_kafka(settings)
    try:
        async with RegistryTopic(kafka) as registry, letter_reader(kafka) as reader:
            job = replace(asked, workspace_id=workspace_in(settings, key_file, registry.state))
            _require_target(job, registry.state)
            job = await with_agent(job, reader, registry.state)
            if ask and job.workspace_id == ALL and len(registry.state.workspaces) > 1:
                counts = await _by_workspace(job, reader, registry.state)
                require_consent(f"Dead letters to be replayed: {names_of(counts, registry.state)}.", yes=yes)
            return job
    except TryAgainError as error:
        raise kafka_unreachable(kafka) from error


def _require_target(job: ReplayJob, registry: Registry) -> None:
    """Raise WrongUseError where the batch that all go to is not there, or belongs to another workspace."""
    batch = registry.batches.get(job.to_batch or "")
    if job.to_batch is not None and (batch is None or job.workspace_id not in (ALL, batch.workspace_id)):
        raise WrongUseError(
            f"there is no batch {job.to_batch} to replay to",
            "Name one that is there, or create one with `dialfeed batch create`.",
        )


async def _by_workspace(job: ReplayJob, reader: LetterReader, registry: Registry) -> Counter[str]:
    """Return how many records the job would take, by workspace; of each several attempts count once."""
    wanted, (topic, _) = with_batches(filter_of(job), registry.batches_of_agent), topics_of(job)
    target = registry.workspace_of(job.to_batch) if job.to_batch is not None else None
    decoder, counts, seen = DeadLetterDecoder(), Counter[str](), set[int]()
    async for read in reader.read(topic, *await reader.bounds(topic)):
        for letter in (decoder.decode(message.value, message.headers) for message in read.messages):
            if letter is None or not wanted.matches(letter):
                continue
            owner = letter.workspace_id or registry.workspace_of(letter.batch_id)
            identity = hash((Place(letter.submission_id, letter.record_index), letter.body_hash))
            if identity not in seen and (target is None or owner in ("", target)):
                seen.add(identity)
                counts[owner] += 1
    return counts
