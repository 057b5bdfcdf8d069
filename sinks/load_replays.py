"""Slices of replays as `load` writes them: judged, remembered, stored, told.

What a slice comes to is remembered before its rows are written: delivered again, it would find its own rows and take
itself for superseded. The rows are then written again, which changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import structlog

from schemas import dead_letters
from schemas.messages import Publisher
from schemas.records import PhoneLogChunk, Replay
from sinks.batch_states import BatchStates
from sinks.facts import read_left_times
from sinks.load_rows import store
from sinks.refused import RefusedRow, dead_letter_of
from sinks.replay_facts import read_remembered, read_versions
from sinks.replays import Outcome, Place, RecordPlace, ReplaySlice, receipt_message, start_message
from sinks.rows import prepare
from sinks.sessions import Session, Store

log = structlog.get_logger(__name__)

Facts = tuple[dict[Place, int], dict[RecordPlace, Outcome]]


class ReplayLoad:
    """Writes the slices of replays, in a way that may be repeated; raises TryAgainError or MustStopError."""

    def __init__(self, clickhouse: Store, publisher: Publisher, app_version: str) -> None:
        self._clickhouse, self._publisher, self._app_version = clickhouse, publisher, app_version

    async def write(self, chunks: Sequence[PhoneLogChunk], states: BatchStates) -> None:
        """Store slices one after the other, so that each is judged by what those before it stored."""
        for chunk in chunks:
            if chunk.replay is not None:
                await self._write(await self._prepared(chunk, chunk.replay, states))

    async def _prepared(self, chunk: PhoneLogChunk, replay: Replay, states: BatchStates) -> ReplaySlice:
        batch_ids = [chunk.batch_id] if chunk.batch_id is not None and chunk.record_index else []
        unknown = states.unknown(batch_ids)
        if unknown:
            states.learn(await self._clickhouse.consult(lambda session: read_left_times(session, unknown)))
        left = states.take(batch_ids).get(chunk.batch_id or "")
        return ReplaySlice(await asyncio.to_thread(prepare, chunk, left), replay)

    async def _write(self, slice_of: ReplaySlice) -> None:
        outcomes, refused = await self._store(slice_of) if slice_of.rows else ([], [])
        now = _now()
        if refused:
            letters = [dead_letter_of(row, now, self._app_version) for row in refused]
            await self._publisher.publish([dead_letters.to_message(letter) for letter in letters])
        receipt = slice_of.receipt(outcomes, now)
        told = [receipt_message(receipt)]
        if receipt.added or receipt.updated:
            told.append(start_message(receipt, slice_of.chunk.workspace_id))
        await self._publisher.publish(told)
        log.info(
            "replay_stored",
            replay_id=receipt.replay_id,
            part=receipt.part,
            added=receipt.added,
            updated=receipt.updated,
            superseded=receipt.superseded,
            failed=receipt.failed,
            parked=receipt.parked,
        )

    async def _store(self, slice_of: ReplaySlice) -> tuple[list[Outcome], list[RefusedRow]]:
        """Write what is to be written; return every row's outcome, and the rows that ClickHouse refuses."""
        stored, remembered = await self._clickhouse.consult(lambda session: _facts(session, slice_of))
        outcomes = slice_of.outcomes(stored, remembered)
        history = slice_of.rows
        new = [row for row, one in enumerate(history) if (one.submission_id, one.record_index) not in remembered]
        if new:
            await self._clickhouse.insert(slice_of.replayed_insert(outcomes, new, _now()))
        refused = await store(self._clickhouse, [slice_of.written(outcomes)])
        if refused:
            lost = {index for row in refused for index in row.chunk.record_index}
            rows = [row for row, index in enumerate(slice_of.chunk.record_index) if index in lost]
            for row in rows:
                outcomes[row] = Outcome.FAILED
            await self._clickhouse.insert(slice_of.replayed_insert(outcomes, rows, _now()))
        return outcomes, refused


def _facts(session: Session, slice_of: ReplaySlice) -> Facts:
    chunk, replay_id = slice_of.chunk, slice_of.replay.replay_id
    stored = read_versions(session.query, chunk.batch_id or "", chunk.phone_number)
    return stored, read_remembered(session.query, replay_id, slice_of.rows)


def _now() -> int:
    return time.time_ns() // 1_000_000
