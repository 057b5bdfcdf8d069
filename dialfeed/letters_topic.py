"""Dead letters straight from `calls.dead-letter` and `calls.parking`, from their beginning to the ends found at first.

Read twice: which attempt at a record is the newest is known at the end only. Between the two 16 bytes a record are
kept, whatever its size.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final

from msgspec import structs

from dialfeed.replay_reading import LetterReader
from ingest_api.dead_letters import by_agent, group_shown, letter_shown
from schemas.dead_letter_query import (
    DeadLetterFilter,
    DeadLetterGroup,
    GroupBy,
    KeptLetter,
    Place,
    by_count,
    group_key,
    group_of,
    merged,
    with_batches,
)
from schemas.dead_letters import DeadLetter, DeadLetterDecoder, is_ours
from schemas.messages import header, int_header, text_header
from schemas.registry import Registry
from schemas.topics import TopicName

BOTH: Final = (TopicName.DEAD_LETTER, TopicName.PARKING)
Bounds = dict[TopicName, tuple[list[int], list[int]]]


class TopicLetters:
    """A `dialfeed.letters.Letters`; what dialfeed did not write is skipped. `registry` knows the agents."""

    def __init__(
        self,
        reader: LetterReader,
        wanted: DeadLetterFilter,
        *,
        parked: bool,
        registry: Registry,
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
        groups = by_agent(found.values(), self._registry) if by is GroupBy.AGENT else by_count(found.values())
        return [group_shown(group) for group in groups]

    async def _selected(self) -> AsyncIterator[KeptLetter]:
        self._wanted = with_batches(self._wanted, self._registry.batches_of_agent)
        bounds: Bounds = {topic: await self._reader.bounds(topic) for topic in BOTH}
        newest: dict[bytes, int] = {}
        for topic in BOTH:
            async for read in self._reader.read(topic, *bounds[topic]):
                for message in read.messages:
                    self._note(message, newest)
        for topic in self._topics:
            async for read in self._reader.read(topic, *bounds[topic]):
                for letter in self._taken(read.messages, newest):
                    yield KeptLetter(letter, parked=topic is TopicName.PARKING)

    def _note(self, message: Any, newest: dict[bytes, int]) -> None:
        found = _attempt_in(message.headers)
        if found is not None:
            name, attempt = self._name(*found), found[1]
            newest[name] = max(newest.get(name, 0), attempt)

    def _taken(self, messages: Sequence[Any], newest: dict[bytes, int]) -> Iterator[DeadLetter]:
        """Yield what the filter lets through of the newest attempts, each once: a letter may be there twice."""
        decoder = DeadLetterDecoder()
        for message in messages:
            found = _attempt_in(message.headers)
            name = self._name(*found) if found is not None else b""
            if found is None or newest.get(name) != found[1]:
                continue
            letter = decoder.decode(message.value, message.headers)
            if letter is not None and not letter.workspace_id:
                letter = structs.replace(letter, workspace_id=self._registry.workspace_of(letter.batch_id))
            if letter is not None and self._wanted.matches(letter):
                yield letter
            del newest[name]

    def _name(self, place: Place, attempt: int) -> bytes:
        """Return what tells letters apart of which the newest attempt counts."""
        text = str(place) if self._wanted.attempt is None else f"{place}/{attempt}"
        return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _attempt_in(headers: Sequence[tuple[str, bytes | None]]) -> tuple[Place, int] | None:
    """Return which record a message of `calls.dead-letter` is about, and which attempt; None as `from_message`."""
    submission_id = text_header(headers, "submission-id")
    record_index = int_header(headers, "record-index")
    if submission_id is None or record_index is None or not is_ours(header(headers, "dlq.version")):
        return None
    return Place(submission_id, record_index), int_header(headers, "dlq.attempt") or 1
