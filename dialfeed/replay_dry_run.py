"""`dialfeed replay --dry-run`: what would become of the records, sending nothing.

Records are checked here. What is stored decides whether one that passes is new, an update or superseded: a server is
asked directly, an embedded ClickHouse, which only its own process can ask, through the API.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from dialfeed.api_access import key_and_url
from dialfeed.api_client import ApiClient
from dialfeed.api_judge import ApiJudge
from dialfeed.exits import CommandError
from dialfeed.installation import find_kafka, kafka_unreachable
from dialfeed.registry_topic import RegistryTopic
from dialfeed.replay_file import CorrectedFile
from dialfeed.replay_progress import readable
from dialfeed.replay_reading import letter_reader
from dialfeed.replay_rehearsal import Judge, Rehearsal
from dialfeed.replay_resolved import resolved_for
from dialfeed.settings import Settings
from schemas.messages import TryAgainError
from schemas.replay_jobs import ReplayJob
from schemas.topics import TopicName
from sinks.clickhouse import connect
from streams.pipeline import Limits

NOT_ASKED: Final = (
    "what is stored could not be asked; where ClickHouse is embedded, set DIALFEED_API_KEY to an administration key "
    "while the API runs"
)


async def tried(
    settings: Settings, job: ReplayJob, file: CorrectedFile | None, key_file: Path | None = None
) -> dict[str, Any]:
    """Return what would become of the records; raise CommandError."""
    kafka = find_kafka(settings)
    try:
        async with (
            RegistryTopic(kafka) as registry,
            letter_reader(kafka) as reader,
            _judge(settings, key_file) as judge,
        ):
            rehearsal = Rehearsal(
                job,
                registry.state,
                judge=judge,
                limits=Limits(settings.max_record_bytes),
                replacements=file.replacements_for(job, registry.state) if file is not None else None,
                status_topic=kafka.topic(TopicName.STATUS),
                resolved=await resolved_for(settings, key_file, job, registry.state),
            )
            return await rehearsal.run(reader)
    except TryAgainError as error:
        raise kafka_unreachable(kafka) from error


@asynccontextmanager
async def _judge(settings: Settings, key_file: Path | None) -> AsyncIterator[Judge | None]:
    """Yield whom to ask what is stored; None where an embedded ClickHouse is asked for and no API is to be found."""
    if not settings.embedded:
        clickhouse = connect(settings.clickhouse_url)
        try:
            yield clickhouse
        finally:
            await clickhouse.close()
        return
    try:
        key, url = key_and_url(settings, key_file, None)
    except CommandError:
        yield None
        return
    async with ApiClient(url, key, give_up_seconds=0) as api:
        yield ApiJudge(api)


def for_people(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts in lines, an example of each code."""
    shown = readable({name: value for name, value in facts.items() if name not in ("failedByCode", "examples")})
    for code, count in facts["failedByCode"].items():
        first = facts["examples"][code][0]
        shown[code] = f"{count}, such as {first['submissionId']} {first['recordIndex']}: {first['message']}"
    if facts["notAsked"]:
        shown["notAsked"] = f"{facts['notAsked']}: {NOT_ASKED}"
    return shown
