"""`dialfeed replay --dry-run`: what would become of the records, sending nothing.

Records are checked here. What is stored decides whether one that passes is new, an update or superseded: a server is
asked directly, an embedded ClickHouse, which only its own process can ask, through the API.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from dialfeed.api_access import key_and_url
from dialfeed.api_client import ApiClient
from dialfeed.exits import CommandError
from dialfeed.installation import find_kafka, kafka_unreachable
from dialfeed.registry_topic import RegistryTopic
from dialfeed.replay_agent import with_agent
from dialfeed.replay_file import CorrectedFile
from dialfeed.replay_progress import readable
from dialfeed.replay_reading import letter_reader
from dialfeed.replay_rehearsal import Judge, Rehearsal
from dialfeed.settings import Settings
from ingest_api.batch_details import utc
from ingest_api.replays import PATH
from schemas.messages import TryAgainError
from schemas.replay_jobs import ReplayJob
from schemas.topics import TopicName
from sinks.clickhouse import connect
from streams.pipeline import Limits

NEEDS_A_KEY: Final = "to learn what is stored, set DIALFEED_API_KEY to an administration key while the API runs"
NEEDS_A_SERVER: Final = "what is stored can be asked about corrected records only where ClickHouse is a server"


async def tried(settings: Settings, job: ReplayJob, file: CorrectedFile | None) -> dict[str, Any]:
    """Return what would become of the records; raise CommandError."""
    kafka = find_kafka(settings)
    names = {topic: kafka.topic(topic) for topic in (TopicName.STATUS, TopicName.RECORDS)}
    try:
        async with RegistryTopic(kafka) as registry, letter_reader(kafka) as reader, _judge(settings) as judge:
            job = await with_agent(job, reader, registry.state)
            rehearsal = Rehearsal(
                job,
                registry.state,
                judge=judge,
                limits=Limits(settings.max_record_bytes),
                replacements=file.replacements_for(job, registry.state) if file is not None else None,
                full_name=names,
            )
            facts = await rehearsal.run(reader)
    except TryAgainError as error:
        raise kafka_unreachable(kafka) from error
    if not facts["notAsked"] or file is not None or settings.api_key is None:
        return facts
    theirs = await _asked_of_the_api(settings, job)
    # A key sees its own workspace: only if that is all there is to see does its answer stand for the replay's.
    return theirs if theirs is not None and theirs.get("selected") == facts["selected"] else facts


@asynccontextmanager
async def _judge(settings: Settings) -> AsyncIterator[Judge | None]:
    """Yield whom to ask what is stored: an embedded ClickHouse can be asked by its own process only."""
    if settings.embedded:
        yield None
        return
    clickhouse = connect(settings.clickhouse_url)
    try:
        yield clickhouse
    finally:
        await clickhouse.close()


async def _asked_of_the_api(settings: Settings, job: ReplayJob) -> dict[str, Any] | None:
    """Return what the API says would become of the same records; None where it does not."""
    try:
        key, url = key_and_url(settings, None, None)
        async with ApiClient(url, key, give_up_seconds=0) as api:
            response = await api.post(PATH, body_of(job))
        data: dict[str, Any] = msgspec.json.decode(response.content, type=dict[str, Any])["data"]
    except (CommandError, msgspec.MsgspecError, KeyError):
        return None
    return data


def body_of(job: ReplayJob) -> bytes:
    """Return a job as the API takes it."""
    asked = {
        "agent": job.agent,
        "batch": job.batch,
        "submission": job.submission,
        "code": job.code,
        "class": job.failure_class,
        "stage": job.stage,
        "path": job.path,
        "since": None if job.since is None else utc(job.since),
        "until": None if job.until is None else utc(job.until),
        "attempt": job.attempt,
        "parked": job.parked,
        "maxAttempts": job.max_attempts,
        "asNew": job.as_new,
        "agentVersion": job.agent_version,
        "map": {move.old: move.new for move in job.moves},
        "set": {value.name: msgspec.Raw(value.value) for value in job.values},
        "dryRun": True,
    }
    return msgspec.json.encode({name: value for name, value in asked.items() if value is not None})


def for_people(facts: Mapping[str, Any], *, from_file: bool) -> dict[str, Any]:
    """Return the facts in lines, an example of each code; `from_file`: the records are corrected ones."""
    shown = readable({name: value for name, value in facts.items() if name not in ("failedByCode", "examples")})
    for code, count in facts["failedByCode"].items():
        first = facts["examples"][code][0]
        shown[code] = f"{count}, such as {first['submissionId']} {first['recordIndex']}: {first['message']}"
    if facts["notAsked"]:
        shown["notAsked"] = f"{facts['notAsked']}: {NEEDS_A_SERVER if from_file else NEEDS_A_KEY}"
    return shown
