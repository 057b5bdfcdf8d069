"""How far batches are, counted in ClickHouse; what was counted once is kept as long as the rows are the same.

A batch's rows are the same while they lie in the same parts: parts never change, and their names do not come again.
Which parts may hold a batch is known from the table's primary index, in a millisecond or two: it says whether a count
is still exact.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

from schemas.statuses import FINAL_RANK, RANKS, CallStatus
from schemas.stores import BatchCounts
from sinks.query import Query, in_shares

MOST_KEPT: Final = 10_000
"""Counts of each kind that are remembered."""

_THESE: Final = "batch_id IN (SELECT unhex(arrayJoin(splitByChar(',', {ids:String}))))"
_PARTS: Final = """
SELECT part_name, min(batch_id), max(batch_id) FROM mergeTreeIndex(currentDatabase(), {table}) GROUP BY part_name
"""
_CONTACTS: Final = f"""
SELECT batch_id, count(), sum(entry + 1), sum(entry + (status != '{CallStatus.PENDING}')),
    toUnixTimestamp64Milli(max(stored_at))
FROM contacts FINAL WHERE {_THESE} GROUP BY batch_id
"""  # noqa: S608  # constants only
_FINISHED: Final = ", ".join(f"'{status}'" for status, rank in RANKS.items() if rank == FINAL_RANK)
_STATUSES: Final = f"""
SELECT batch_id, countIf(status = '{CallStatus.COMPLETED}'), countIf(status IN ({_FINISHED})),
    countIf(status = '{CallStatus.CANCELED}'),
    toUnixTimestamp64Milli(max(stored_at))
FROM call_status FINAL WHERE {_THESE} GROUP BY batch_id
"""  # noqa: S608  # constants only


_MATCHING: Final = "SELECT count() FROM contacts FINAL WHERE {where}"

Parts = frozenset[str]


class _Contacts(NamedTuple):
    contacts: int
    entries: int
    picked: int
    stored_at: int


class _Statuses(NamedTuple):
    completed: int
    finished: int
    canceled: int
    stored_at: int


class _Kept:
    """What was counted, by what was asked, each with the parts that the batch's rows lay in."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[Parts, Any]] = OrderedDict()

    def recall(self, asked: Hashable, parts: Parts) -> Any | None:
        """Return what was counted in these very parts, or None."""
        kept = self._kept.get(asked)
        return kept[1] if kept and kept[0] == parts else None

    def keep(self, asked: Hashable, parts: Parts, counted: Any) -> None:
        """Several threads do so at once: each step is whole in itself, and the last to keep something wins."""
        if parts:
            self._kept[asked] = parts, counted
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)


class _Counted:
    """What one statement counts in one table, by batch."""

    def __init__(self, table: str, statement: str, row: Callable[..., Any]) -> None:
        self._table = table
        self._statement, self._row = statement, row
        self._kept = _Kept()

    def of(self, query: Query, batch_ids: Sequence[str]) -> dict[str, Any]:
        """Return the counts of those batches that have rows."""
        where = _parts(query, self._table, batch_ids)
        kept = {batch_id: self._kept.recall(batch_id, where[batch_id]) for batch_id in batch_ids}
        known = {batch_id: row for batch_id, row in kept.items() if row is not None}
        counted = self._count(query, [batch_id for batch_id in batch_ids if batch_id not in known])
        for batch_id, row in counted.items():
            self._kept.keep(batch_id, where[batch_id], row)
        return known | counted

    def _count(self, query: Query, batch_ids: Sequence[str]) -> dict[str, Any]:
        if not batch_ids:
            return {}
        return {row[0]: self._row(*row[1:]) for row in query(self._statement, ids=_listed(batch_ids))}


class Counts:
    """The counts of batches. One for all readers of a store."""

    def __init__(self) -> None:
        self._contacts = _Counted("contacts", _CONTACTS, _Contacts)
        self._statuses = _Counted("call_status", _STATUSES, _Statuses)
        self._matching = _Kept()

    def contacts(self, query: Query, batch_id: str) -> int:
        """Return how many contacts a batch has."""
        found = self._contacts.of(query, [batch_id]).get(batch_id)
        return found.contacts if found else 0

    def matching(self, query: Query, batch_id: str, condition: str, parameters: Mapping[str, str | int]) -> int:
        """Return how many contacts of a batch match a condition on `contacts`."""
        where = _parts(query, "contacts", [batch_id])[batch_id]
        asked = sha256(repr((condition, sorted(parameters.items()))).encode()).digest()
        counted: int | None = self._matching.recall(asked, where)
        if counted is None:
            ((counted,),) = query(_MATCHING.format(where=condition), **parameters)
            self._matching.keep(asked, where, counted)
        return counted

    def batches(self, query: Query, batch_ids: Sequence[str]) -> dict[str, BatchCounts]:
        """Return the counts of each batch that has entries. Statuses are read first: never more than entries."""
        found: dict[str, BatchCounts] = {}
        for some in in_shares(list(dict.fromkeys(batch_ids))):
            statuses = self._statuses.of(query, some)
            for batch_id, of_contacts in self._contacts.of(query, some).items():
                found[batch_id] = _counts(of_contacts, statuses.get(batch_id, _Statuses(0, 0, 0, 0)))
        return found


def _counts(contacts: _Contacts, statuses: _Statuses) -> BatchCounts:
    return BatchCounts(
        total_calls=contacts.entries,
        picked=max(contacts.picked, statuses.finished) - statuses.canceled,
        completed=statuses.completed,
        updated_at=max(contacts.stored_at, statuses.stored_at),
        finished=statuses.finished,
        canceled=statuses.canceled,
    )


def _parts(query: Query, table: str, batch_ids: Sequence[str]) -> dict[str, Parts]:
    """Return by batch which parts may hold rows of it: the table says the first and last batch of each."""
    rows = query(_PARTS.format(table=table))
    return {
        batch_id: frozenset(name for name, first, last in rows if first <= batch_id <= last) for batch_id in batch_ids
    }


def _listed(batch_ids: Iterable[str]) -> str:
    return ",".join(batch_id.encode().hex() for batch_id in batch_ids)
