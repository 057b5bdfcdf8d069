"""What replays are judged by: statements and their meaning. Lists go as `sinks.facts` has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Final

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
_REMEMBERED: Final = """
SELECT submission_id, record_index, outcome FROM replayed FINAL
WHERE submission_id IN (SELECT arrayJoin(splitByChar(',', {ids:String}))) AND replay_id = {replay:String}
    AND record_index BETWEEN {first:UInt32} AND {last:UInt32}
    AND outcome != {failed:String}
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


def read_remembered(query: Query, replay_id: str, records: Sequence[Replayed]) -> dict[RecordPlace, Outcome]:
    """Return the outcomes that a replay has had, of these records and maybe of some others of their submissions."""
    ids, indices = list(dict.fromkeys(one.submission_id for one in records)), [one.record_index for one in records]
    first, last = min(indices, default=0), max(indices, default=0)
    rows = [
        row
        for some in in_shares(ids)
        for row in query(
            _REMEMBERED, ids=",".join(some), replay=replay_id, first=first, last=last, failed=Outcome.FAILED.value
        )
    ]
    return {(submission_id, index): Outcome(outcome) for submission_id, index, outcome in rows}


def foresee(session: Session, batch_id: str, records: Sequence[tuple[str, int, int]]) -> list[Foreseen]:
    """Return what would become of records (number, accepted time in ms, index) of a batch, in this order."""
    numbers = [number for number, _, _ in records]
    entries = read_left_times(session, [batch_id])[batch_id].entries(numbers, [time for _, time, _ in records])
    candidates = candidates_of(numbers, [row_version(time, index) for _, time, index in records], entries)
    outcomes = judged(candidates, read_versions(session.query, batch_id, numbers))
    return [Foreseen(outcome.value, entry) for outcome, entry in zip(outcomes, entries.entry, strict=True)]
