"""What stands behind the edge, in memory: registry, replays, store and receipts, with switches that tests turn."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ingest_api import openapi_replays
from ingest_api.waiting import WaitingReports
from schemas.consumer_lag import ConsumerLag
from schemas.dead_letter_query import (
    DeadLetterGroup,
    DeadLetterPage,
    DeadLetterQuery,
    GroupBy,
    KeptLetter,
    ResolvedBy,
    ResolvedWith,
)
from schemas.identity import uuid_texts
from schemas.messages import TryAgainError
from schemas.records import (
    Receipt,
    RegistryRecord,
    chunk_number,
)
from schemas.registry import Registry
from schemas.replay_board import ReplayBoard
from schemas.replay_jobs import ReplayJob
from schemas.stores import (
    RECORDS_REPORTED,
    BatchCounts,
    CallPlace,
    Contact,
    ContactPage,
    ContactQuery,
    Failure,
    Figures,
    Foreseen,
    SqlAnswer,
    SqlRefusedError,
    StoredSubmission,
)
from tests.support.contact_pages import counts_of, page_of
from tests.support.known import (
    NOW_MS,
)
from tests.support.letter_pages import groups_of, letters_page, selected

REHEARSAL: dict[str, Any] = openapi_replays.TRIED


class MemoryRegistry:
    """A registry whose topic is a list: what is in it is known after the next refresh."""

    def __init__(self) -> None:
        self.state = Registry()
        self.topic: list[RegistryRecord] = []
        self.down = False
        self.refreshes = 0
        self.held = asyncio.Event()
        self.held.set()

    async def refresh(self) -> None:
        self.refreshes += 1
        topic = list(self.topic)
        await self.held.wait()
        if self.down:
            raise TryAgainError("the registry cannot be read")
        for record in topic:
            self.state.apply(record)


class MemoryReplays:
    """A board whose topic is a list: what is in it is known after the next refresh."""

    def __init__(self) -> None:
        self.board = ReplayBoard()
        self.topic: list[bytes | None] = []
        self.down = False
        self.refreshes = 0
        self.held = asyncio.Event()
        self.held.set()
        self.rehearsed: list[ReplayJob] = []
        self.rehearsal: dict[str, Any] = REHEARSAL

    async def rehearse(self, job: ReplayJob) -> dict[str, Any]:
        """Answer as the rehearsal of a replay does; without an answer it takes for ever."""
        if self.down:
            raise TryAgainError("Kafka does not answer")
        self.rehearsed.append(job)
        if not self.rehearsal:
            await asyncio.Event().wait()
        return self.rehearsal

    async def refresh(self) -> None:
        self.refreshes += 1
        await self.held.wait()
        if self.down:
            raise TryAgainError("the replays cannot be read")
        for value in self.topic:
            self.board.apply(value, NOW_MS)
        self.topic.clear()


class MemoryLags:
    """A Kafka that tells of its consumer groups what it is told."""

    def __init__(self) -> None:
        self.told: list[ConsumerLag] = []
        self.down = False

    async def lags(self) -> list[ConsumerLag]:
        if self.down:
            raise TryAgainError("no broker answers")
        return self.told


class MemoryStore:
    """A store that knows what it is told."""

    def __init__(self) -> None:
        self.submissions: dict[str, StoredSubmission] = {}
        self.batches: dict[str, list[Contact]] = {}
        self.counts: dict[str, BatchCounts] = {}
        self.places: dict[str, CallPlace] = {}
        self.letters: list[KeptLetter] = []
        self.told = Figures()
        self.questions = 0
        self.down = False

    def _require_up(self) -> None:
        self.questions += 1
        if self.down:
            raise TryAgainError("the store is down")

    async def sql(self, statement: str) -> SqlAnswer:
        """Answer itself, but for what has no SELECT."""
        self._require_up()
        if not statement.upper().startswith("SELECT"):
            raise SqlRefusedError("only a question can be asked: begin with SELECT or WITH")
        return SqlAnswer([("count()", "UInt64")], [[7]], truncated=False)

    async def submission(self, submission_id: str) -> StoredSubmission | None:
        self._require_up()
        return self.submissions.get(submission_id)

    async def contacts(self, query: ContactQuery) -> ContactPage:
        self._require_up()
        return page_of(self.batches.get(query.batch_id, []), query)

    async def calls(self, call_ids: Sequence[str]) -> dict[str, CallPlace]:
        self._require_up()
        return {call_id: self.places[call_id] for call_id in call_ids if call_id in self.places}

    async def batch_counts(self, batch_ids: Sequence[str]) -> dict[str, BatchCounts]:
        self._require_up()
        counted = {batch_id: counts_of(self.batches[batch_id]) for batch_id in batch_ids if self.batches.get(batch_id)}
        return counted | {batch_id: self.counts[batch_id] for batch_id in batch_ids if batch_id in self.counts}

    async def dead_letters(self, query: DeadLetterQuery) -> DeadLetterPage:
        self._require_up()
        return letters_page(self.letters, query)

    async def dead_letter_groups(self, query: DeadLetterQuery, by: GroupBy) -> Sequence[DeadLetterGroup]:
        self._require_up()
        return groups_of(self.letters, query, by)

    async def dismiss_dead_letters(self, query: DeadLetterQuery, reason: str, at_ms: int) -> int:
        self._require_up()
        found = {one.place for one in selected(self.letters, query)}
        how = ResolvedBy(ResolvedWith.DISMISSAL, at_ms, reason=reason)
        self.letters = [replace(one, resolved_by=how) if one.place in found else one for one in self.letters]
        return len(found)

    async def replay_outcomes(self, batch_id: str, records: Sequence[tuple[str, int, int]]) -> list[Foreseen]:
        self._require_up()
        known = {contact.phone_number for contact in self.batches.get(batch_id, [])}
        return [Foreseen("updated" if number in known else "added", 0) for number, _, _ in records]

    async def figures(self) -> Figures:
        self._require_up()
        return self.told

    async def writable(self) -> None:
        self._require_up()

    def take(self, receipts: Sequence[Receipt], failures: Sequence[Failure]) -> None:
        """Keep a submission as ClickHouse would."""
        by_chunk: dict[int, list[Failure]] = {}
        for failure in failures:
            by_chunk.setdefault(chunk_number(failure.record_index), []).append(failure)
        kept = [failure for of_chunk in by_chunk.values() for failure in of_chunk[:RECORDS_REPORTED]]
        counts = {chunk: len(of_chunk) for chunk, of_chunk in by_chunk.items()}
        self.submissions[receipts[0].submission_id] = StoredSubmission(None, receipts, kept, counts)
        for receipt in receipts:
            place = CallPlace(receipt.workspace_id, receipt.batch_id or "", "", 0)
            self.places |= dict.fromkeys(uuid_texts(receipt.call_ids), place)


class LoopbackReceipts:
    """Feeds the reports at once; `partitions` are those read here."""

    def __init__(self) -> None:
        self.reports = WaitingReports()
        self.partitions: list[int] = [3]
        self.failing = False

    def choose_partition(self) -> int | None:
        return self.partitions[0] if self.partitions else None

    def reads(self, partition: int) -> bool:
        return partition in self.partitions

    async def check(self) -> None:
        if self.failing:
            raise TryAgainError("the consumer of receipts is not in its group yet")
