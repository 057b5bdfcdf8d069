"""The two Faust agents: read one message, let its step do all its effects, then acknowledge by going on.

Each partition has an actor of its own: while one waits for Kafka's acknowledgement, another works. Within a partition
messages are done one by one, so that what is acknowledged is always all up to an offset.

An agent never raises: a step that meets a wrong world is tried again in place, for as long as it takes, and anything
unexpected ends the process without acknowledging, because Faust acknowledges an event whose agent raised.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import faust
import structlog

from schemas.codecs import UndecodableError, decode_message
from schemas.dead_letters import to_message
from schemas.identity import new_id
from schemas.messages import Message, MustStopError, Publisher, TryAgainError
from schemas.outcomes import Code, FieldError
from schemas.records import Chunk, Replay
from schemas.registry import RegistryReader
from schemas.topics import TopicName
from streams import pipeline, replaying
from streams.breaker import Breaker
from streams.campaigns import Campaigns, Part
from streams.chunking import RawMessage, uncut

log = structlog.get_logger(__name__)

AT_ONCE_CHUNKS: Final = 10
"""A worker that shares with nobody cleans a message of up to so many chunks itself, some 10 ms each."""

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 5.0
HOLD_SECONDS: Final = 3.0
"""How often a chunk that the breaker holds is looked at again, and the worker says on `calls.workers` that it waits."""

Step = Callable[[RawMessage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Steps:
    """`pipeline`'s steps with their effects: each returns once Kafka holds everything it made."""

    publisher: Publisher
    registry: RegistryReader
    campaigns: Campaigns
    limits: pipeline.Limits
    breaker: Breaker = field(default_factory=Breaker)
    worker_id: str = field(default_factory=new_id)
    at_work: set[str] = field(default_factory=set)
    alone: Callable[[], bool] = lambda: False

    @classmethod
    def with_effects(
        cls, publisher: Publisher, registry: RegistryReader, limits: pipeline.Limits, breaker: Breaker
    ) -> Steps:
        """Return the steps of a worker."""
        return cls(publisher, registry, Campaigns(registry.state), limits, breaker)

    async def cut(self, raw: RawMessage) -> None:
        """One message of `calls.raw`. The way over `calls.chunks` is for sharing; a worker that is alone saves it."""
        chunks = pipeline.cut(raw)
        if len(chunks) <= AT_ONCE_CHUNKS and self.alone():
            for chunk in chunks:
                await self.clean_chunk(chunk)
        else:
            await self.publisher.publish(pipeline.chunk_messages(chunks))

    async def clean(self, raw: RawMessage) -> None:
        """One message of `calls.chunks`."""
        await self.clean_chunk(_chunk_in(raw))

    async def clean_chunk(self, chunk: Chunk) -> None:
        """Part the good from the bad; dead letters first."""
        cleaned = await self._cleaned(chunk)
        letters = [to_message(letter) for one in cleaned for letter in one.dead_letters]
        if letters:
            await self.publisher.publish(letters)
        await self.publisher.publish([message for one in cleaned for message in pipeline.messages_of(one.phone_log)])
        log.info(
            "cleaned",
            submission_id=chunk.submission_id,
            first_index=chunk.first_index,
            records=len(chunk.records),
            failed=len(letters),
        )

    async def _cleaned(self, chunk: Chunk) -> list[pipeline.Cleaned]:
        if chunk.replay is not None:
            return [await self._cleaned_again(chunk, chunk.replay)]
        return await self._cleaned_for_the_first_time(chunk)

    async def _cleaned_again(self, chunk: Chunk, replay: Replay) -> pipeline.Cleaned:
        """Clean a slice of a replay. What the breaker would hold is left as it is: it need not wait here to be kept."""
        groups = await self._groups(chunk, replay)
        workspace_id = self.campaigns.registry.workspace_of(chunk.batch_id)
        cleaned = replaying.clean_replay(chunk, replay, groups, self.limits, _now(), workspace_id)
        reason = self.breaker.afresh().reason(len(chunk.records), cleaned.dead_letters)
        if reason is None:
            return cleaned
        log.error("replay_held", replay_id=replay.replay_id, part=replay.part, reason=reason)
        return replaying.left_as_it_is(cleaned, replay, reason)

    async def _groups(self, chunk: Chunk, replay: Replay) -> list[replaying.Group]:
        """Do as `_parts` does for a slice of a replay."""
        groups = replaying.groups_of(chunk, replay, self.campaigns)
        if any(isinstance(campaign, FieldError) for _, campaign in groups):
            await self.registry.refresh()
            groups = replaying.groups_of(chunk, replay, self.campaigns)
        return groups

    async def _cleaned_for_the_first_time(self, chunk: Chunk) -> list[pipeline.Cleaned]:
        """Clean, and wait here while the breaker holds the chunk: nothing of it has been published yet."""
        held = False
        while True:
            parts = await self._parts(chunk)
            workspace_id = self.campaigns.registry.workspace_of(chunk.batch_id)
            cleaned = [pipeline.clean(part, campaign, self.limits, _now(), workspace_id) for part, campaign in parts]
            letters = [letter for one in cleaned for letter in one.dead_letters]
            reason = self.breaker.reason(len(chunk.records), letters)
            if reason is None:
                break
            held = True
            await self._hold(reason)
        self.breaker.count(len(chunk.records), letters)
        if held:
            log.info("breaker_closed", submission_id=chunk.submission_id)
            self.breaker.reasons.clear()
        return cleaned

    async def _hold(self, reason: str) -> None:
        if reason not in self.breaker.reasons:
            self.breaker.reasons.add(reason)
            log.error("breaker_open", reason=reason, done="this worker waits until the cause is gone")
        with suppress(TryAgainError):  # who asks /readyz then hears of Kafka
            await self.publisher.publish(
                [Message(TopicName.WORKERS, reason.encode(), key=self.worker_id.encode(), partition=0)]
            )
        await asyncio.sleep(HOLD_SECONDS)

    async def _parts(self, chunk: Chunk) -> list[Part]:
        """Find the chunk's campaign; read the registry to its end before saying that there is none."""
        parts = self.campaigns.parts(chunk)
        if chunk.rejected_code is None and any(isinstance(campaign, FieldError) for _, campaign in parts):
            await self.registry.refresh()
            parts = self.campaigns.parts(chunk)
        return parts


def register(app: faust.App, steps: Steps, stop: Callable[[Exception], None]) -> None:
    """Add the agents to the app. `stop` ends the process without acknowledging; it does not return."""
    for topic, step in ((TopicName.RAW, steps.cut), (TopicName.CHUNKS, steps.clean)):
        _agent(app, topic, step, steps.at_work, stop)


def _agent(app: faust.App, topic: TopicName, step: Step, at_work: set[str], stop: Callable[[Exception], None]) -> None:
    source = app.topic(app.prefix + topic, key_serializer="raw", value_serializer="raw")
    name = step.__name__

    @app.agent(source, name=name, concurrency=1, isolated_partitions=True)  # type: ignore[untyped-decorator]  # Faust
    async def agent(stream: Any) -> None:
        async for event in stream.events():
            raw = _raw_message(event.message)
            place = f"{name}/{raw.partition}"
            at_work.add(place)
            await _until_done(step, raw, stop)
            at_work.discard(place)


async def _until_done(step: Step, raw: RawMessage, stop: Callable[[Exception], None]) -> None:
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            await step(raw)
        except TryAgainError as error:
            log.warning("waiting", step=step.__name__, partition=raw.partition, offset=raw.offset, reason=str(error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        except asyncio.CancelledError:  # Faust acknowledges what it cancels
            stop(MustStopError("a message was still in work when its partition had to go: it is done again"))
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, nothing may be acknowledged after it
            stop(error)
        else:
            return


def _raw_message(message: Any) -> RawMessage:
    return RawMessage(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp=round(message.timestamp * 1000),
        key=message.key,
        value=message.value,
        headers=_header_pairs(message.headers),
    )


def _header_pairs(headers: Any) -> list[tuple[str, bytes | None]]:
    return list(headers.items() if isinstance(headers, dict) else headers or ())


def _chunk_in(raw: RawMessage) -> Chunk:
    """Return the chunk; what somebody else put on the topic becomes a chunk that is dead-lettered whole.

    Raise NewerError: what a newer dialfeed wrote is none of that.
    """
    try:
        chunk = decode_message(raw, Chunk)
    except UndecodableError as error:
        return uncut(raw, FieldError(Code.UNDECODABLE, "", str(error)))
    if replaying.is_whole(chunk):
        return chunk
    return uncut(raw, FieldError(Code.UNDECODABLE, "", "the message is a replay without its records' history"))


def _now() -> int:
    return time.time_ns() // 1_000_000
