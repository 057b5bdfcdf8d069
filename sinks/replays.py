"""What becomes of replayed records: judged against what is stored, counted for the receipt. Pure.

A record counts as of the time at which it was first accepted, so that whatever came later for its contact stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final, NamedTuple

from schemas.codecs import encode
from schemas.dead_letters import is_parked
from schemas.messages import Message
from schemas.phone_log_columns import rows_of
from schemas.records import INDEX_BITS, PhoneLogChunk, Replay, Replayed, ReplayReceipt
from schemas.topics import TopicName
from sinks import native
from sinks.entries import Entries
from sinks.rows import Insert, PreparedChunk, prepare_as, replayed_index, replayed_versions, row_version


class Outcome(StrEnum):
    """What became of one replayed record; `failed` where ClickHouse refused its row."""

    ADDED = "added"
    UPDATED = "updated"
    SUPERSEDED = "superseded"
    FAILED = "failed"


WRITTEN: Final = frozenset({Outcome.ADDED, Outcome.UPDATED})

Place = tuple[str, int]
"""A contact's number and its entry."""

RecordPlace = tuple[str, int]
"""A record's own submission and its index there."""


class Remembered(NamedTuple):
    """What became of a record: where it came first, which attempt of its dead letter was tried again."""

    place: RecordPlace
    attempt: int
    outcome: Outcome


class Candidate(NamedTuple):
    """A record as it would be stored. `left`: its entry has left pending."""

    place: Place
    version: int
    left: bool


def judged(candidates: Iterable[Candidate], stored: Mapping[Place, int]) -> list[Outcome]:
    """Return what becomes of records stored in this order; `stored` has the highest version of each stored entry."""
    known = dict(stored)
    outcomes = []
    for each in candidates:
        version = known.get(each.place)
        if each.left or (version is not None and version >= each.version):
            outcomes.append(Outcome.SUPERSEDED)
            continue
        outcomes.append(Outcome.ADDED if version is None else Outcome.UPDATED)
        known[each.place] = each.version
    return outcomes


def candidates_of(numbers: Sequence[str], versions: Sequence[int], entries: Entries) -> list[Candidate]:
    """Return the records of these numbers as they would be stored."""
    left = set(entries.left)
    rows = zip(numbers, entries.entry, versions, strict=True)
    return [Candidate((number, entry), version, place in left) for place, (number, entry, version) in enumerate(rows)]


@dataclass(frozen=True)
class ReplaySlice:
    """A slice of a replay with its entries and callIds computed; `prepared.chunk.replay` is `replay`."""

    prepared: PreparedChunk
    replay: Replay

    @property
    def chunk(self) -> PhoneLogChunk:
        return self.prepared.chunk

    @cached_property
    def rows(self) -> list[Replayed]:
        """The history of each record that passed, in the order of the rows."""
        return [self.replay.records[index] for index in self.chunk.record_index]

    @cached_property
    def places(self) -> list[RecordPlace]:
        """Where each record that passed came first, in the order of the rows."""
        return [place_of(one) for one in self.rows]

    @cached_property
    def contacts(self) -> list[Place]:
        """The number and the entry of each record that passed, in the order of the rows."""
        return list(zip(self.chunk.phone_number, self.prepared.entries.entry, strict=True))

    @cached_property
    def row_versions(self) -> list[int]:
        """The version of each record that passed, in the order of the rows."""
        return replayed_versions(self.replay, self.rows)

    def outcomes(
        self,
        stored: Mapping[Place, int],
        remembered: Mapping[RecordPlace, Outcome],
        settled: Collection[int] = frozenset(),
    ) -> list[Outcome]:
        """Return what becomes of each row: what was remembered when the slice was here before, else the judgement.

        A row that is remembered as failed supersedes nothing. The rows in `settled` need not be stored any more.
        """
        if not settled and self._is_all_new(stored, remembered):
            return [Outcome.ADDED] * len(self.rows)
        candidates = candidates_of(self.chunk.phone_number, self.row_versions, self.prepared.entries)
        for row, place in enumerate(self.places):
            if row in settled or remembered.get(place) is Outcome.FAILED:
                candidates[row] = candidates[row]._replace(left=True)
        found = judged(candidates, stored)
        return [remembered.get(place, outcome) for place, outcome in zip(self.places, found, strict=True)]

    def _is_all_new(self, stored: Mapping[Place, int], remembered: Mapping[RecordPlace, Outcome]) -> bool:
        """Return whether nothing is known of any row, as of most that failed when they first came."""
        contacts = set(self.contacts)
        known = self.prepared.entries.left or len(contacts) < len(self.rows) or not contacts.isdisjoint(stored)
        return not known and remembered.keys().isdisjoint(self.places)

    def has_newer(self, row: int, stored: Mapping[Place, int]) -> bool:
        """Return whether something is stored of the row's contact that was accepted after its record was at first.

        What this replay has stored does not count.
        """
        number, newest = self.contacts[row]
        first = row_version(self.rows[row].accepted_at, replayed_index(self.rows[row]))
        own = self.row_versions[row] >> INDEX_BITS
        versions = [stored.get((number, entry), 0) for entry in range(newest + 1)]
        return any(version > first and version >> INDEX_BITS != own for version in versions)

    def versions(self, outcomes: Sequence[Outcome]) -> Iterator[tuple[Place, int]]:
        """Yield the entry and the version of each row that is written."""
        for place, version, outcome in zip(self.contacts, self.row_versions, outcomes, strict=True):
            if outcome in WRITTEN:
                yield place, version

    def written(self, outcomes: Sequence[Outcome]) -> PreparedChunk:
        """Return the rows that are to be written."""
        kept = [row for row, outcome in enumerate(outcomes) if outcome in WRITTEN]
        if len(kept) == len(outcomes):
            return self.prepared
        return prepare_as(rows_of(self.chunk, kept), Entries([self.prepared.entries.entry[row] for row in kept], []))

    def receipt(self, outcomes: Sequence[Outcome], done_at: int) -> ReplayReceipt:
        """Return how many ended how; `outcomes` has one a row, every other record failed when it was cleaned."""
        indices = zip(self.chunk.record_index, outcomes, strict=True)
        passed = {index for index, outcome in indices if outcome is not Outcome.FAILED}
        others = [one for index, one in enumerate(self.replay.records) if index not in passed]
        failed = [one for one in others if not one.settled]
        parked = 0 if self.replay.held else sum(is_parked(self.replay, one) for one in failed)
        counts = Counter(outcomes)
        return ReplayReceipt(
            replay_id=self.replay.replay_id,
            part=self.replay.part,
            batch_id=self.chunk.batch_id,
            size=self.chunk.size,
            added=counts[Outcome.ADDED],
            updated=counts[Outcome.UPDATED],
            superseded=counts[Outcome.SUPERSEDED] + len(others) - len(failed),
            failed=len(failed) - parked,
            parked=parked,
            reason=self.replay.held,
            done_at=done_at,
        )

    def replayed_insert(self, outcomes: Sequence[Outcome], rows: Collection[int], done_at: int) -> Insert:
        """Return the insert that remembers the outcomes of these rows, at least one."""
        kept = sorted(rows)
        ids = self.prepared.call_ids
        if len(kept) < len(self.rows):
            ids = b"".join(ids[16 * row : 16 * row + 16] for row in kept)
        remembered = [Remembered(self.places[row], self.rows[row].attempt, outcomes[row]) for row in kept]
        replay_id, batch_id, workspace_id = self.replay.replay_id, self.chunk.batch_id or "", self.chunk.workspace_id
        return replayed_insert(replay_id, batch_id, workspace_id, remembered, ids, done_at)


def replayed_insert(
    replay_id: str, batch_id: str, workspace_id: str, rows: Sequence[Remembered], call_ids: bytes, done_at: int
) -> Insert:
    """Return the insert that remembers what a replay made of some records of a batch; `call_ids` has 16 bytes a row."""
    count = len(rows)
    columns = [
        native.texts("submission_id", [row.place[0] for row in rows]),
        native.integers("record_index", "UInt32", [row.place[1] for row in rows]),
        native.same_text("replay_id", replay_id, count),
        native.few_texts("outcome", [row.outcome.value for row in rows]),
        native.same_text("batch_id", batch_id, count),
        native.same_text("workspace_id", workspace_id, count),
        native.uuids("call_id", call_ids),
        native.integers("attempt", "UInt32", [row.attempt for row in rows]),
        native.same_integer("done_at", native.MILLISECONDS, done_at, count),
    ]
    return Insert("replayed", tuple(each.name for each in columns), native.block(count, columns), count)


def place_of(one: Replayed) -> RecordPlace:
    """Return where a replayed record came first."""
    return one.submission_id, one.record_index


def joined(inserts: Sequence[Insert]) -> Insert:
    """Return several inserts into the same columns, at least one, as one."""
    first = inserts[0]
    return Insert(first.table, first.columns, b"".join(one.blocks for one in inserts), sum(one.rows for one in inserts))


def receipt_message(receipt: ReplayReceipt) -> Message:
    """Return the message that tells of a slice."""
    key = f"receipt/{receipt.replay_id}/{receipt.part}".encode()
    return Message(TopicName.REPLAYS, encode(receipt), key=key, partition=0)
