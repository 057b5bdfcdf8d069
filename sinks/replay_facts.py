"""What replays are judged by: statements and their meaning. Lists go as `sinks.facts` has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any, Final

from schemas.records import Replayed
from schemas.stores import Foreseen
from sinks.facts import read_left_times
from sinks.query import Query, in_shares
from sinks.replays import Outcome, Place, RecordPlace, candidates_of, judged
from sinks.rows import row_version
from sinks.sessions import Session

NUMBERS_A_PARAMETER: Final = 4_000
"""Some 70 KB."""

_PARAMETERS: Final = tuple(f"numbers{place}" for place in range(9))
"""A question looks through the whole batch: the 36 slices of a flush are asked for in one."""

_NUMBERS: Final = ", ".join(f"{{{name}:String}}" for name in _PARAMETERS)
_VERSIONS: Final = f"""
SELECT phone_number, entry, max(version) FROM phone_log
WHERE batch_id = {{batch:String}} AND phone_number IN (SELECT arrayJoin(splitByChar(',', concat({_NUMBERS}))))
GROUP BY phone_number, entry
"""  # noqa: S608  # constants only
_THESE: Final = """submission_id IN (SELECT arrayJoin(splitByChar(',', {ids:String})))
    AND record_index BETWEEN {first:UInt32} AND {last:UInt32}"""
_REMEMBERED: Final = f"""
SELECT submission_id, record_index, replay_id, outcome FROM replayed FINAL
WHERE {_THESE} AND outcome != '{Outcome.FAILED.value}'
"""  # noqa: S608  # constants only
_RESOLVED: Final = f"SELECT submission_id, record_index, workspace_id FROM resolved WHERE {_THESE}"  # noqa: S608  # as above
_BODIES: Final = """
SELECT submission_id, any(body_hash) FROM receipts
WHERE submission_id IN (SELECT arrayJoin(splitByChar(',', {ids:String}))) AND body_hash != '' GROUP BY submission_id
"""


def read_versions(query: Query, batch_id: str, numbers: Iterable[str]) -> dict[Place, int]:
    """Return the highest stored version of each entry of these contacts of a batch."""
    distinct = list(dict.fromkeys(numbers))
    rows = [
        row
        for some in in_shares(distinct, NUMBERS_A_PARAMETER * len(_PARAMETERS))
        for row in query(_VERSIONS, batch=batch_id, **_in_parameters(some))
    ]
    return {(number, entry): version for number, entry, version in rows}


def _in_parameters(numbers: Sequence[str]) -> dict[str, str]:
    """Return numbers as the parameters of one question, each followed by a comma."""
    texts = [f"{','.join(some)}," for some in in_shares(numbers, NUMBERS_A_PARAMETER)]
    return dict(zip_longest(_PARAMETERS, texts, fillvalue=""))


def read_remembered(query: Query, records: Sequence[Replayed]) -> dict[str, dict[RecordPlace, Outcome]]:
    """Return the outcomes of each replay, of these records and maybe of some others of their submissions."""
    found: dict[str, dict[RecordPlace, Outcome]] = {}
    for submission_id, index, replay_id, outcome in _about(query, _REMEMBERED, records):
        found.setdefault(replay_id, {})[submission_id, index] = Outcome(outcome)
    return found


def read_resolved(query: Query, records: Sequence[Replayed]) -> set[tuple[RecordPlace, str]]:
    """Return which of these records need no replay any more, each with the workspace that has resolved it."""
    rows = _about(query, _RESOLVED, records)
    return {((submission_id, index), workspace_id) for submission_id, index, workspace_id in rows}


def read_bodies(query: Query, submission_ids: Iterable[str]) -> dict[str, str]:
    """Return the hash of the body that counts of each submission with an Idempotency-Key, where one is stored."""
    shares = in_shares(list(dict.fromkeys(submission_ids)))
    return {row[0]: row[1] for some in shares for row in query(_BODIES, ids=",".join(some))}


def _about(query: Query, statement: str, records: Sequence[Replayed]) -> list[tuple[Any, ...]]:
    """Return the rows about these records, and maybe about some others of their submissions."""
    ids, indices = list(dict.fromkeys(one.submission_id for one in records)), [one.record_index for one in records]
    first, last = min(indices, default=0), max(indices, default=0)
    shares = in_shares(ids)
    return [row for some in shares for row in query(statement, ids=",".join(some), first=first, last=last)]


def foresee(session: Session, batch_id: str, records: Sequence[tuple[str, int, int]]) -> list[Foreseen]:
    """Return what would become of records (number, accepted time in ms, index) of a batch, in this order."""
    numbers = [number for number, _, _ in records]
    entries = read_left_times(session, [batch_id])[batch_id].entries(numbers, [time for _, time, _ in records])
    candidates = candidates_of(numbers, [row_version(time, index) for _, time, index in records], entries)
    outcomes = judged(candidates, read_versions(session.query, batch_id, numbers))
    return [Foreseen(outcome.value, entry) for outcome, entry in zip(outcomes, entries.entry, strict=True)]
