"""Slices of replays as `load` writes them: judged, remembered, stored, told.

What is to be written is remembered before it is: delivered again, it would find its own rows and take itself for
superseded. The rows are then written again, which changes nothing. What is superseded is remembered only once that
which supersedes it is stored: where ClickHouse refuses the later record of a contact, the earlier one counts.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain

import structlog

from schemas import dead_letters
from schemas.dead_letters import DeadLetter
from schemas.messages import Publisher
from schemas.records import PhoneLogChunk, Replay, Replayed, ReplayReceipt
from schemas.replay_board import OUTCOMES
from sinks import starts
from sinks.batch_states import BatchStates
from sinks.facts import read_left_times
from sinks.load_rows import store
from sinks.refused import RefusedRow, dead_letter_of
from sinks.replay_facts import read_bodies, read_remembered, read_resolved, read_versions
from sinks.replays import (
    WRITTEN,
    Outcome,
    Place,
    RecordPlace,
    ReplaySlice,
    joined,
    place_of,
    receipt_message,
)
from sinks.resolving import resolved_insert
from sinks.rows import prepare
from sinks.sessions import Session, Store

log = structlog.get_logger(__name__)

_Record = tuple[str, RecordPlace]
"""A record within a replay: (replay id, where it came first)."""


@dataclass(slots=True)
class _Facts:
    """What slices are judged by: stored versions by batch and outcomes by replay, kept up while slices are judged.

    `resolved` are records that need no replay any more, with the workspace that says so. `bodies` has the hash of the
    body that counts of each submission with an Idempotency-Key.
    """

    stored: dict[str, dict[Place, int]]
    given: defaultdict[str, dict[RecordPlace, Outcome]]
    resolved: set[tuple[RecordPlace, str]]
    bodies: dict[str, str]

    def is_stored(self, place: RecordPlace, by_others_than: str) -> bool:
        """Return whether another replay has stored the record: nothing may be stored of it twice."""
        return any(
            outcomes.get(place) in WRITTEN for replay_id, outcomes in self.given.items() if replay_id != by_others_than
        )

    def is_resolved(self, place: RecordPlace, workspace_id: str) -> bool:
        """Return whether the workspace, or whoever resolved what belongs to none, needs no replay of the record."""
        return (place, workspace_id) in self.resolved or (place, "") in self.resolved

    def is_refused(self, one: Replayed) -> bool:
        """Return whether the record came in a body whose Idempotency-Key belongs to another one."""
        return one.body_hash is not None and self.bodies.get(one.submission_id, one.body_hash) != one.body_hash


@dataclass(frozen=True, slots=True)
class _Judged:
    """A slice with the outcome of each of its rows; `unknown` are the rows whose outcome is to be remembered."""

    slice_of: ReplaySlice
    outcomes: list[Outcome]
    unknown: list[int]

    def new(self, outcomes: Collection[Outcome]) -> list[int]:
        """Return the rows that have one of these outcomes, and none that was remembered."""
        return [row for row in self.unknown if self.outcomes[row] in outcomes]


class ReplayLoad:
    """Writes the slices of replays, in a way that may be repeated; raises TryAgainError or MustStopError."""

    def __init__(self, clickhouse: Store, publisher: Publisher, app_version: str) -> None:
        self._clickhouse, self._publisher, self._app_version = clickhouse, publisher, app_version

    async def write(self, chunks: Sequence[PhoneLogChunk], states: BatchStates) -> None:
        """Store the slices of a flush, each judged by what those before it store."""
        slices = [await self._prepared(chunk, chunk.replay, states) for chunk in chunks if chunk.replay is not None]
        if slices:
            await self._write(slices)

    async def _prepared(self, chunk: PhoneLogChunk, replay: Replay, states: BatchStates) -> ReplaySlice:
        batch_ids = [chunk.batch_id] if chunk.batch_id is not None and chunk.record_index else []
        unknown = states.unknown(batch_ids)
        if unknown:
            states.learn(await self._clickhouse.consult(lambda session: read_left_times(session, unknown)))
        left = states.take(batch_ids).get(chunk.batch_id or "")
        return ReplaySlice(await asyncio.to_thread(prepare, chunk, left), replay)

    async def _write(self, slices: Sequence[ReplaySlice]) -> None:
        now, lost = _now(), set[_Record]()
        judged, refused = await self._stored(slices, lost, now)
        letters: list[DeadLetter] = []
        while refused:
            lost.update(chain.from_iterable(_records(row.chunk) for row in refused))
            letters += [dead_letter_of(row, now, self._app_version) for row in refused]
            judged, refused = await self._stored(slices, lost, now)
        await self._remember(judged, {Outcome.SUPERSEDED, Outcome.FAILED}, now)
        resolved = resolved_insert([each.slice_of.written(each.outcomes) for each in judged], (), now)
        if resolved is not None:
            await self._clickhouse.insert(resolved)
        if letters:
            await self._publisher.publish([dead_letters.to_message(letter) for letter in letters])
        await self._tell([each.slice_of.receipt(each.outcomes, now) for each in judged], slices)

    async def _stored(
        self, slices: Sequence[ReplaySlice], lost: Collection[_Record], now: int
    ) -> tuple[list[_Judged], list[RefusedRow]]:
        """Judge the slices without the records that are lost, and store them; return also what ClickHouse refuses."""
        facts = await self._clickhouse.consult(lambda session: _facts(session, slices))
        for replay_id, place in lost:
            facts.given[replay_id][place] = Outcome.FAILED
        judged = [_judged(slice_of, facts) for slice_of in slices]
        await self._remember(judged, {Outcome.ADDED, Outcome.UPDATED}, now)
        return judged, await store(self._clickhouse, [each.slice_of.written(each.outcomes) for each in judged])

    async def _remember(self, judged: Sequence[_Judged], outcomes: Collection[Outcome], now: int) -> None:
        """Write down which rows have one of these outcomes now."""
        inserts = [
            each.slice_of.replayed_insert(each.outcomes, rows, now) for each in judged if (rows := each.new(outcomes))
        ]
        if inserts:
            await self._clickhouse.insert(joined(inserts))

    async def _tell(self, receipts: Sequence[ReplayReceipt], slices: Sequence[ReplaySlice]) -> None:
        """Send the receipts, and one start for each batch of which something was stored."""
        stored = [
            starts.of_slice(receipt, slice_of.chunk.workspace_id)
            for receipt, slice_of in zip(receipts, slices, strict=True)
            if receipt.added or receipt.updated
        ]
        await self._publisher.publish([*map(receipt_message, receipts), *starts.messages(stored, _now())])
        totals = {name: sum(getattr(receipt, name) for receipt in receipts) for name in OUTCOMES}
        log.info("replays_stored", slices=len(receipts), **totals)


def _facts(session: Session, slices: Sequence[ReplaySlice]) -> _Facts:
    numbers: defaultdict[str, list[str]] = defaultdict(list)
    history: list[Replayed] = []
    for slice_of in slices:
        numbers[slice_of.chunk.batch_id or ""] += slice_of.chunk.phone_number
        history += slice_of.rows
    return _Facts(
        {batch_id: read_versions(session.query, batch_id, some) for batch_id, some in numbers.items()},
        defaultdict(dict, read_remembered(session.query, history)),
        read_resolved(session.query, history),
        read_bodies(session.query, [one.submission_id for one in history if one.body_hash is not None]),
    )


def _records(chunk: PhoneLogChunk) -> list[_Record]:
    replay = chunk.replay
    assert replay is not None
    return [(replay.replay_id, place_of(replay.records[index])) for index in chunk.record_index]


def _judged(slice_of: ReplaySlice, facts: _Facts) -> _Judged:
    stored, given = facts.stored[slice_of.chunk.batch_id or ""], facts.given[slice_of.replay.replay_id]
    places, refused = slice_of.places, _refused(slice_of, facts)
    found = slice_of.outcomes(stored, given, refused | _settled(slice_of, facts))
    outcomes = [Outcome.SUPERSEDED if row in refused else outcome for row, outcome in enumerate(found)]
    unknown = [
        row
        for row, place in enumerate(places)
        if row not in refused and given.get(place, Outcome.FAILED) is Outcome.FAILED
    ]
    given.update(
        (place, outcome)
        for row, (place, outcome) in enumerate(zip(places, outcomes, strict=True))
        if row not in refused
    )
    for place, version in slice_of.versions(outcomes):
        stored[place] = max(version, stored.get(place, version))
    return _Judged(slice_of, outcomes, unknown)


def _refused(slice_of: ReplaySlice, facts: _Facts) -> set[int]:
    """Return the rows of refused bodies. Nothing is remembered of them: their places are those of the other body."""
    return {row for row, one in enumerate(slice_of.rows) if facts.is_refused(one)}


def _settled(slice_of: ReplaySlice, facts: _Facts) -> set[int]:
    """Return the rows whose records need not be stored any more, whatever time they count from."""
    replay_id, workspace_id = slice_of.replay.replay_id, slice_of.chunk.workspace_id
    stored, as_new = facts.stored[slice_of.chunk.batch_id or ""], slice_of.replay.counts_from is not None
    return {
        row
        for row, place in enumerate(slice_of.places)
        if facts.is_resolved(place, workspace_id)
        or facts.is_stored(place, replay_id)
        or (as_new and slice_of.has_newer(row, stored))
    }


def _now() -> int:
    return time.time_ns() // 1_000_000
