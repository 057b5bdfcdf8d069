"""Runs one replay: reads dead letters, publishes slices, writes down how far it is, and waits for the receipts.

May be stopped anywhere and run again: it goes on at its last checkpoint, where no slice is half full. What is published
a second time has the same numbers, and every record's outcome is remembered by the replay's id.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog

from dialfeed.clock import now_ms
from dialfeed.patience import NothingMovesError, Patience
from dialfeed.replay_checkpoints import by_checkpoint, checkpoint_offsets
from dialfeed.replay_reading import LetterReader, newest_of, topics_of
from dialfeed.replays_topic import ReplaysTopic
from schemas.dead_letter_query import with_batches
from schemas.messages import Message, Publisher
from schemas.records import Chunk
from schemas.registry import Registry
from schemas.replay_board import ReplayState, forgotten, progress_message
from schemas.replay_changes import Attempt, Changes, Replacements
from schemas.replay_jobs import DONE, RUNNING, ReplayJob, ReplayProgress, filter_of
from schemas.replay_selection import Newest, ResolvedPlaces, Selection
from schemas.replay_slices import Slicer, slice_message
from schemas.replayed_status import status_message
from schemas.topics import TopicName

log = structlog.get_logger(__name__)

MOST_UNANSWERED: Final = 100
"""Slices on their way at most, so that what is sent now does not have to wait behind a million old records.

Replays that one process runs side by side share them.
"""

MOST_SENDING: Final = 4
"""Slices at most that Kafka has not acknowledged."""

STATUSES_AT_ONCE: Final = 500
MOST_FORGOTTEN: Final = 10_000


@dataclass(frozen=True, slots=True)
class Sight:
    """How far a replay is: messages read, of how many; records sent, of those waited for; outcomes so far, by name."""

    read: int
    to_read: int
    pending: int
    outcomes: dict[str, int]


Watch = Callable[[Sight], None]


class Replay:
    """One replay while it runs. `state` is kept up by the topic of replays."""

    def __init__(
        self,
        state: ReplayState,
        *,
        reader: LetterReader,
        publisher: Publisher,
        topic: ReplaysTopic,
        registry: Registry,
        replacements: Replacements | None = None,
        patience: Patience | None = None,
        status_topic: str = TopicName.STATUS,
        most_unanswered: Callable[[], int] = lambda: MOST_UNANSWERED,
        watch: Watch = lambda _: None,
        resolved: ResolvedPlaces | None = None,
    ) -> None:
        self._state = state
        self._job: ReplayJob = state.job
        self._reader = reader
        self._publisher = publisher
        self._topic = topic
        self._patience = patience or Patience()
        self._status_topic = status_topic
        self._most_unanswered = most_unanswered
        self._watch = watch
        self._source, self._other = topics_of(self._job)
        self._newest = Newest()
        self._selection = Selection(
            with_batches(filter_of(self._job), registry.batches_of_agent),
            self._newest,
            Changes.of(self._job, replacements),
            lambda one: registry.workspace_of(one.batch_id),
            registry.workspace_of(self._job.to_batch) if self._job.to_batch is not None else None,
            resolved,
        )
        self._slicer = Slicer(self._job, counts_from=state.accepted_at)
        self._statuses: list[Message] = []
        self._counts: Counter[str] = Counter()
        self._pace_at = 0.0
        self._sending: deque[asyncio.Task[None]] = deque()
        self._read = self._sent = 0
        self._has_read_all = False

    @property
    def map_not_found(self) -> list[str]:
        """The fields to be renamed that no record had, as far as is known: to who has read all of them."""
        return self._selection.map_not_found if self._has_read_all else []

    async def run(self) -> None:
        """Run to the end, or on to it. Raise TryAgainError, MustStopError or NothingMovesError."""
        if self._state.ended:
            return
        try:
            await self._run()
        finally:
            for sending in self._sending:
                sending.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)

    async def _run(self) -> None:
        progress = self._state.progress or await self._begun()
        self._slicer.part = progress.parts
        self._read, self._sent = progress.read, progress.selected - progress.statuses
        for topic, ends in ((self._source, progress.ends), (self._other, progress.other_ends)):
            parked = topic is TopicName.PARKING
            begin = self._topic.board.repeats_begin(self._job.replay_id, parked=parked)
            if begin is not None:
                await newest_of(self._reader, topic, ends, self._newest, begin)
        progress = await self._publish_all(progress)
        await self._answered(progress.parts, allowed=0)
        await self._finish(progress)

    async def _begun(self) -> ReplayProgress:
        starts, ends = await self._reader.bounds(self._source)
        _, other_ends = await self._reader.bounds(self._other)
        progress = ReplayProgress(
            replay_id=self._job.replay_id,
            state=RUNNING,
            updated_at=now_ms(),
            starts=starts,
            positions=starts,
            ends=ends,
            other_ends=other_ends,
            parts=0,
        )
        await self._write(progress)
        log.info("replay_begun", replay_id=self._job.replay_id, messages=progress.to_read)
        return progress

    async def _publish_all(self, progress: ReplayProgress) -> ReplayProgress:
        every, read_since, place = checkpoint_offsets(self._job.rate), 0, (0, 0)
        from_the_start = progress.read == 0
        async for read in self._reader.read(self._source, progress.positions, progress.ends):
            if self._state.ended:  # by another process that ran it too
                break
            for mark, messages in by_checkpoint(read.messages, every):
                if read_since and (read.partition, mark) != place:
                    progress, read_since = await self._checkpoint(progress, read.partition, mark), 0
                place = read.partition, mark
                await self._take(messages)
                read_since += len(messages)
                self._read += len(messages)
            if read.position >= progress.ends[read.partition]:
                if read_since:
                    progress, read_since = await self._checkpoint(progress, read.partition, read.position), 0
                self._selection.next_partition()
        else:
            self._has_read_all = from_the_start
        return progress

    async def _take(self, messages: Sequence[Any]) -> None:
        for message in messages:
            attempt = self._selection.take(message.value, message.headers)
            if attempt is None:
                continue
            if attempt.letter.source_topic == self._status_topic:
                await self._status(attempt)
            else:
                for chunk in self._slicer.add(attempt):
                    await self._send(chunk)

    async def _status(self, attempt: Attempt) -> None:
        self._counts["statuses"] += 1
        self._statuses.append(status_message(attempt, self._job))
        if len(self._statuses) >= STATUSES_AT_ONCE:
            await self._send_statuses()

    async def _send_statuses(self) -> None:
        messages, self._statuses = self._statuses, []
        if messages:
            await self._patience.published(self._publisher, messages)
            await self._pace(len(messages))

    async def _send(self, chunk: Chunk) -> None:
        """Have a slice published while the next is read."""
        await self._published(MOST_SENDING - 1)
        publishing = self._patience.published(self._publisher, [slice_message(chunk)])
        self._sending.append(asyncio.create_task(publishing, name="replayed slice"))
        self._sent += len(chunk.records)
        await self._pace(len(chunk.records))
        await self._answered(self._slicer.part, allowed=self._most_unanswered())
        self._show()

    async def _published(self, under_way: int) -> None:
        """Return when no more slices than these wait for Kafka; raise TryAgainError or MustStopError."""
        while len(self._sending) > under_way:
            await self._sending[0]
            self._sending.popleft()

    async def _pace(self, records: int) -> None:
        """Wait so long that no more records a second go out than the job allows."""
        if self._job.rate is not None:
            self._pace_at = max(self._pace_at, time.monotonic()) + records / self._job.rate
            await asyncio.sleep(self._pace_at - time.monotonic())

    async def _checkpoint(self, progress: ReplayProgress, partition: int, position: int) -> ReplayProgress:
        """Publish what is gathered, and only then write down the place after it."""
        for chunk in self._slicer.flush():
            await self._send(chunk)
        await self._send_statuses()
        await self._published(0)
        positions = list(progress.positions)
        positions[partition] = position
        counts, self._counts = self._counts + self._selection.counts, Counter()
        self._selection.counts.clear()
        written = msgspec.structs.replace(
            progress,
            updated_at=now_ms(),
            positions=positions,
            parts=self._slicer.part,
            **{name: getattr(progress, name) + count for name, count in counts.items()},
        )
        await self._write(written)
        return written

    async def _answered(self, parts: int, *, allowed: int) -> None:
        """Return when all but so many of the slices have their receipts; raise NothingMovesError."""
        before = -1
        while not self._state.ended and (done := self._state.answered(parts)) < parts - allowed:
            if done == before:
                raise NothingMovesError(
                    f"{parts - done} slices have no receipt, and none has come for {self._patience.seconds:.0f} s",
                    "Do workers and sink run (`dialfeed doctor`)? Nothing is lost: "
                    f"`dialfeed replay --resume {self._job.replay_id}` goes on.",
                )
            before = done
            self._show()
            await self._moved(parts, done)

    async def _moved(self, parts: int, done: int) -> None:
        try:
            async with asyncio.timeout(self._patience.seconds), self._topic.changed:
                await self._topic.changed.wait_for(lambda: self._state.ended or self._state.answered(parts) > done)
        except TimeoutError:
            return

    async def _finish(self, progress: ReplayProgress) -> None:
        ended = msgspec.structs.replace(
            progress,
            state=DONE,
            reason=self._state.reason,
            positions=progress.ends,
            updated_at=now_ms(),
            **self._state.outcomes(),
        )
        await self._write(ended)
        await self._say_again_that_it_has_ended(ended)
        for first in range(0, progress.parts, MOST_FORGOTTEN):
            messages = forgotten(self._job.replay_id, first, min(first + MOST_FORGOTTEN, progress.parts))
            await self._patience.published(self._publisher, messages)
        log.info("replay_done", replay_id=self._job.replay_id, parts=progress.parts)

    async def _say_again_that_it_has_ended(self, written: ReplayProgress) -> None:
        """Let the end that another process wrote stand last on the topic: what was written here may have come after."""
        stands = self._state.progress
        if stands is not None and stands != written:
            await self._patience.published(self._publisher, [progress_message(stands)])

    async def _write(self, progress: ReplayProgress) -> None:
        if not self._state.ended:
            await self._patience.published(self._publisher, [progress_message(progress)])
            self._state.advance(progress)
        self._show()

    def _show(self) -> None:
        outcomes, progress = self._state.outcomes(), self._state.progress
        to_read = progress.to_read if progress is not None else 0
        self._watch(Sight(self._read, to_read, self._sent - sum(outcomes.values()), outcomes))
