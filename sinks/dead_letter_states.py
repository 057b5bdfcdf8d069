"""Which dead letters count: the newest attempt of each record that came in a body which was not refused, and is open.

Conditions on rows of `dead_letters`, in each of which `{these}` narrows what is looked at. A dead letter is open until
something makes a replay of it pointless; what that was is told by `RESOLUTIONS`, of the places in `PAGE`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from schemas.dead_letter_query import KeptLetter, ResolvedBy, ResolvedWith

NEWEST: Final = """(
    attempt = 1 AND (submission_id, record_index, body_hash) NOT IN
        (SELECT submission_id, record_index, body_hash FROM dead_letters WHERE attempt > 1 AND {these})
    OR attempt > 1 AND (submission_id, record_index, body_hash, attempt) IN
        (SELECT submission_id, record_index, body_hash, max(attempt) FROM dead_letters WHERE attempt > 1 AND {these}
         GROUP BY submission_id, record_index, body_hash)
)"""
NOT_REFUSED: Final = """(body_hash = '' OR (submission_id, body_hash) NOT IN (
    SELECT d.submission_id, d.body_hash
    FROM (SELECT DISTINCT submission_id, body_hash FROM dead_letters WHERE body_hash != '' AND {these}) AS d
    INNER JOIN (
        SELECT submission_id, any(body_hash) AS counts FROM receipts WHERE body_hash != ''
            AND submission_id IN (SELECT submission_id FROM dead_letters WHERE body_hash != '' AND {these})
        GROUP BY submission_id
    ) AS r ON d.submission_id = r.submission_id WHERE d.body_hash != r.counts
))"""
"""Of two bodies that came with one Idempotency-Key one was refused as a whole (422): its dead letters do not count."""
NOT_MENDED: Final = """(submission_id, record_index) NOT IN
    (SELECT submission_id, record_index FROM replayed WHERE outcome != 'failed' AND {these})"""
"""What a replay has stored, or found superseded, stays mended, though a later replay of its old bytes fails."""
NOT_RESOLVED: Final = """((submission_id, record_index, workspace_id) NOT IN
        (SELECT submission_id, record_index, workspace_id FROM resolved WHERE {these})
    AND (workspace_id != '' OR (submission_id, record_index) NOT IN
        (SELECT submission_id, record_index FROM resolved WHERE {these})))"""
_STORED_SINCE: Final = """
SELECT d.submission_id AS submission_id, d.record_index AS record_index, c.newest AS by_submission_id, c.at AS at
FROM (
    SELECT submission_id, record_index, batch_id, phone_number, accepted_at FROM dead_letters
    WHERE phone_number != '' AND {these}
) AS d
INNER JOIN (
    SELECT batch_id, phone_number, argMax(submission_id, accepted_at) AS newest, max(accepted_at) AS at
    FROM contacts WHERE (batch_id, phone_number) IN
        (SELECT batch_id, phone_number FROM dead_letters WHERE phone_number != '' AND {these})
    GROUP BY batch_id, phone_number
) AS c ON d.batch_id = c.batch_id AND d.phone_number = c.phone_number
WHERE c.at > d.accepted_at AND c.newest != d.submission_id
"""
"""Of whose number something is stored in the batch that was accepted later, of another submission."""
NOT_STORED_SINCE: Final = f"""(submission_id, record_index) NOT IN
    (SELECT submission_id, record_index FROM ({_STORED_SINCE}))"""  # noqa: S608  # constants only
OPEN: Final = f"({NOT_MENDED} AND {NOT_RESOLVED} AND {NOT_STORED_SINCE})"
"""What a replay may still mend: nothing else is listed or counted."""
RESOLUTIONS: Final = f"""
SELECT submission_id, record_index, workspace, by, toUnixTimestamp64Milli(at), replay_id, by_submission_id, which,
    reason
FROM (
    SELECT submission_id, record_index, CAST(NULL, 'Nullable(String)') AS workspace, 'replay' AS by, done_at AS at,
        replay_id, '' AS by_submission_id, toUInt32(0) AS which, '' AS reason
    FROM replayed WHERE outcome != 'failed' AND (submission_id, record_index) IN PAGE
    UNION ALL
    SELECT submission_id, record_index, toString(workspace_id), toString(by), resolved_at, '', by_submission_id,
        by_record_index, reason
    FROM resolved WHERE (submission_id, record_index) IN PAGE
    UNION ALL
    SELECT submission_id, record_index, NULL, 'contact', at, '', by_submission_id, toUInt32(0), ''
    FROM ({_STORED_SINCE}) WHERE (submission_id, record_index) IN PAGE
) ORDER BY at
"""  # noqa: S608  # constants only

_Place = tuple[str, int]


def with_resolutions(letters: Sequence[KeptLetter], rows: Sequence[Sequence[Any]]) -> list[KeptLetter]:
    """Return dead letters with what resolved each of them first; `rows` are those of `RESOLUTIONS`."""
    found: dict[_Place, list[tuple[str | None, ResolvedBy]]] = {}
    for submission_id, index, workspace_id, *how in rows:
        found.setdefault((submission_id, index), []).append((workspace_id, _resolved_by(*how)))
    return [replace(kept, resolved_by=_of(kept, found)) for kept in letters]


def _of(kept: KeptLetter, found: Mapping[_Place, Sequence[tuple[str | None, ResolvedBy]]]) -> ResolvedBy | None:
    """Return what resolved a dead letter; where a workspace said so it counts for its own dead letters only."""
    whose = kept.letter.workspace_id
    return next((how for who, how in found.get(kept.place, ()) if not whose or who is None or who == whose), None)


def _resolved_by(by: str, at: int, replay_id: str, submission_id: str, record_index: int, reason: str) -> ResolvedBy:
    return ResolvedBy(
        by=ResolvedWith(by),
        at=at,
        replay_id=replay_id or None,
        submission_id=submission_id or None,
        record_index=record_index if by == ResolvedWith.RECORD else None,
        reason=reason or None,
    )
