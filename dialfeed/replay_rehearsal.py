"""A replay that sends nothing: what would become of the dead letters that are there now.

Records are checked as `clean` would check them; what is stored is asked for their outcome where it can be reached.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from dialfeed.clock import now_ms
from dialfeed.replay_reading import LetterReader, newest_of, topics_of
from schemas.dead_letter_query import with_batches
from schemas.messages import TryAgainError
from schemas.outcomes import FieldError
from schemas.records import Chunk, Replayed
from schemas.registry import Registry
from schemas.replay_board import map_not_found, skipped_because
from schemas.replay_changes import Changes, Replacements
from schemas.replay_jobs import ReplayJob, filter_of
from schemas.replay_selection import Newest, ResolvedPlaces, Selection
from schemas.replay_slices import Slicer
from schemas.stores import Foreseen
from schemas.topics import TopicName
from sinks.replays import Outcome
from sinks.rows import replayed_index, replayed_time
from streams import pipeline
from streams.campaigns import Campaigns
from streams.replaying import groups_of

EXAMPLES: Final = 5
"""Of each code."""

_Version = tuple[int, int]
"""When a record was accepted, ms since the epoch, and its index: the later counts."""


@runtime_checkable
class Judge(Protocol):
    """Says what a replay of records would do, writing nothing; raises TryAgainError while that cannot be known."""

    async def replay_outcomes(
        self, batch_id: str, records: Sequence[tuple[str, int, int]]
    ) -> Sequence[Foreseen] | None:
        """Return what would become of each (E.164 number, accepted time in ms, index); None where it may not say."""
        ...


class Rehearsal:
    """One dry run. `now` is the time that records would count from where they are to count as new, ms."""

    def __init__(
        self,
        job: ReplayJob,
        registry: Registry,
        *,
        judge: Judge | None = None,
        limits: pipeline.Limits | None = None,
        replacements: Replacements | None = None,
        status_topic: str = TopicName.STATUS,
        resolved: ResolvedPlaces | None = None,
    ) -> None:
        self._job = job
        self._campaigns = Campaigns(registry)
        self._judge = judge
        self._limits = limits or pipeline.Limits()
        self._status_topic = status_topic
        self._now = now_ms()
        self._newest = Newest()
        self._selection = Selection(
            with_batches(filter_of(job), registry.batches_of_agent),
            self._newest,
            Changes.of(job, replacements),
            lambda one: registry.workspace_of(one.batch_id),
            registry.workspace_of(self._job.to_batch) if self._job.to_batch is not None else None,
            resolved,
        )
        self._slicer = Slicer(job, counts_from=self._now)
        self._written: dict[int, _Version] = {}
        """The version that records so far would give each entry."""
        self._outcomes: Counter[str] = Counter()
        self._codes: Counter[str] = Counter()
        self._examples: dict[str, list[dict[str, Any]]] = {}

    async def run(self, reader: LetterReader) -> dict[str, Any]:
        """Return what would become of the records; raise TryAgainError or MustStopError."""
        source, other = topics_of(self._job)
        starts, ends = await reader.bounds(source)
        await newest_of(reader, source, ends, self._newest)
        await newest_of(reader, other, (await reader.bounds(other))[1], self._newest)
        async for read in reader.read(source, starts, ends):
            for message in read.messages:
                await self._take(message)
            if read.position >= ends[read.partition]:
                self._selection.next_partition()
        for chunk in self._slicer.flush():
            await self._check(chunk)
        return self._facts()

    async def _take(self, message: Any) -> None:
        attempt = self._selection.take(message.value, message.headers)
        if attempt is None:
            return
        if attempt.letter.source_topic == self._status_topic:
            self._outcomes["statuses"] += 1
            return
        for chunk in self._slicer.add(attempt):
            await self._check(chunk)

    async def _check(self, chunk: Chunk) -> None:
        assert chunk.replay is not None
        replay, history = chunk.replay, chunk.replay.records
        for places, campaign in groups_of(chunk, replay, self._campaigns):
            part = msgspec.structs.replace(
                chunk, records=[chunk.records[place] for place in places], total=len(places), replay=None
            )
            cleaned = pipeline.clean(part, campaign, self._limits, self._now)
            for letter in cleaned.dead_letters:
                self._failed(history[places[letter.record_index]], letter.errors)
            log = cleaned.phone_log
            rows = [history[places[index]] for index in log.record_index]
            versions = [(replayed_time(replay, one), replayed_index(one)) for one in rows]
            await self._passed(chunk.batch_id or "", log.phone_number, versions)

    def _failed(self, record: Replayed, errors: Sequence[FieldError]) -> None:
        if record.settled:
            self._outcomes["superseded"] += 1
            return
        code = str(errors[0].code)
        self._outcomes["parked" if record.attempt + 1 > self._job.max_attempts else "failed"] += 1
        self._codes[code] += 1
        examples = self._examples.setdefault(code, [])
        if len(examples) < EXAMPLES:
            place = {"submissionId": record.submission_id, "recordIndex": record.record_index}
            examples.append({**place, "path": errors[0].path, "message": errors[0].message})

    async def _passed(self, batch_id: str, numbers: Sequence[str], versions: Sequence[_Version]) -> None:
        """Count records that pass: by what is stored where that is known, else as what would be replayed."""
        asked = [(number, *version) for number, version in zip(numbers, versions, strict=True)]
        foreseen = await self._foreseen(batch_id, asked) if asked else None
        if foreseen is None:
            self._outcomes["passed"] += len(asked)
            return
        for number, version, one in zip(numbers, versions, foreseen, strict=True):
            self._outcomes[self._after_others(one, hash((batch_id, number, one.entry)), version)] += 1

    async def _foreseen(self, batch_id: str, asked: Sequence[tuple[str, int, int]]) -> Sequence[Foreseen] | None:
        """Return what the judge says, or None; one that cannot say now is not asked again."""
        if self._judge is None:
            return None
        try:
            return await self._judge.replay_outcomes(batch_id, asked)
        except TryAgainError:
            self._judge = None
            return None

    def _after_others(self, foreseen: Foreseen, entry: int, version: _Version) -> str:
        """Return what becomes of a record after those before it; `entry` identifies its entry, in 64 bits."""
        if foreseen.outcome == Outcome.SUPERSEDED:
            return foreseen.outcome
        before = self._written.get(entry)
        if before is not None and before >= version:
            return Outcome.SUPERSEDED
        self._written[entry] = version
        return foreseen.outcome if before is None else Outcome.UPDATED

    def _facts(self) -> dict[str, Any]:
        counts, done = self._selection.counts, self._outcomes
        went = done["added"] + done["updated"] + done["passed"]
        return {
            "dryRun": True,
            "selected": counts["selected"],
            "replayed": went,
            **{name: done[name] for name in ("added", "updated", "superseded", "failed", "parked", "statuses")},
            "notAsked": done["passed"],
            "skipped": sum(counts.values()) - counts["selected"],
            "skippedBecause": skipped_because(counts),
            "failedByCode": dict(self._codes.most_common()),
            "examples": self._examples,
        } | map_not_found(self._selection.map_not_found, counts["selected"])
