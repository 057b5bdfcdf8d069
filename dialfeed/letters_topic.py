"""Dead letters straight from `calls.dead-letter` and `calls.parking`, from their beginning to the ends found at first.

Read twice: which attempt at a record is the newest is known at the end only. Between the two 16 bytes a record are
kept, whatever its size.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from dialfeed.replay_reading import LetterReader
from ingest_api.dead_letters import by_agent, group_shown, letter_shown
from schemas.dead_letter_query import (
    DeadLetterFilter,
    DeadLetterGroup,
    GroupBy,
    KeptLetter,
    by_count,
    group_key,
    group_of,
    merged,
)
from schemas.dead_letters import DeadLetter, from_message
from schemas.registry import Registry
from schemas.topics import TopicName

BOTH: Final = (TopicName.DEAD_LETTER, TopicName.PARKING)
Bounds = dict[TopicName, tuple[list[int], list[int]]]


class TopicLetters:
    """A `dialfeed.letters.Letters`; what dialfeed did not write is skipped. `registry` is asked for agents."""

    def __init__(
        self,
        reader: LetterReader,
        wanted: DeadLetterFilter,
        *,
        parked: bool,
        registry: Callable[[], Awaitable[Registry]],
    ) -> None:
        self._reader = reader
        self._wanted = wanted
        self._topics = (TopicName.PARKING,) if parked else BOTH
        self._registry = registry

    async def rows(self, *, records: bool) -> AsyncIterator[dict[str, Any]]:
        async for kept in self._selected():
            yield letter_shown(kept, records=records)

    async def newest(self, count: int, *, records: bool) -> tuple[list[dict[str, Any]], int]:
        found: list[tuple[int, int, KeptLetter]] = []
        total = 0
        async for kept in self._selected():
            total += 1
            entry = (kept.letter.failed_at, -total, kept)
            if len(found) < count:
                heapq.heappush(found, entry)
            elif found:
                heapq.heappushpop(found, entry)
        return [letter_shown(kept, records=records) for _, _, kept in sorted(found, reverse=True)], total

    async def groups(self, by: GroupBy) -> list[dict[str, Any]]:
        found: dict[str, DeadLetterGroup] = {}
        async for kept in self._selected():
            key, group = group_key(kept.letter, by), group_of(kept.letter, by)
            found[key] = merged(key, (found[key], group)) if key in found else group
        groups = by_agent(found.values(), await self._registry()) if by is GroupBy.AGENT else by_count(found.values())
        return [group_shown(group) for group in groups]

    async def _selected(self) -> AsyncIterator[KeptLetter]:
        bounds: Bounds = {topic: await self._reader.bounds(topic) for topic in BOTH}
        newest: dict[bytes, int] = {}
        async for kept in self._kept(BOTH, bounds):
            name = self._name(kept.letter)
            newest[name] = max(newest.get(name, 0), kept.letter.attempt)
        async for kept in self._kept(self._topics, bounds):
            if newest.get(self._name(kept.letter)) == kept.letter.attempt:
                del newest[self._name(kept.letter)]  # the same letter may be there twice
                if self._wanted.matches(kept.letter):
                    yield kept

    def _name(self, letter: DeadLetter) -> bytes:
        """Return what tells letters apart of which the newest attempt counts."""
        attempt = "" if self._wanted.attempt is None else letter.attempt
        text = f"{letter.submission_id}/{letter.record_index}/{attempt}"
        return hashlib.blake2b(text.encode(), digest_size=16).digest()

    async def _kept(self, topics: tuple[TopicName, ...], bounds: Bounds) -> AsyncIterator[KeptLetter]:
        for topic in topics:
            async for read in self._reader.read(topic, *bounds[topic]):
                for message in read.messages:
                    letter = from_message(message.value, message.headers)
                    if letter is not None:
                        yield KeptLetter(letter, parked=topic is TopicName.PARKING)
