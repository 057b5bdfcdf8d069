"""What is asked of ClickHouse about submissions, calls and itself, and what the answers mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from schemas.dead_letters import phone_number_sent, unpack_errors
from schemas.records import CHUNK_RECORDS, SubmissionAccepted
from schemas.stores import (
    RECORDS_REPORTED,
    REPLAYED_REPORTED,
    CallPlace,
    Failure,
    ReplayedRecord,
    ReplayedRecords,
    StoredSubmission,
)
from sinks.query import CALLS_AT_A_TIME, Query, in_shares
from sinks.report_rows import receipt_of

BYTES: Final = ("call_ids", "record", "tried", "errors", "variables")
"""Columns of bytes: they are not to be read as text."""

_RECEIPTS: Final = """
SELECT submission_id, workspace_id, batch_id, first_index, size, total, added, failed,
    toUnixTimestamp64Milli(accepted_at), call_ids, body_hash
FROM receipts FINAL WHERE submission_id = {id:String} ORDER BY first_index
"""
_ACCEPTED: Final = """
SELECT workspace_id, batch_id, total, toUnixTimestamp64Milli(accepted_at), body_hash
FROM submissions FINAL WHERE submission_id = {id:String}
"""
_ITS_OWN: Final = (
    "(body_hash = '' OR body_hash = (SELECT any(body_hash) FROM receipts WHERE submission_id = {id:String}))"
)
"""Of two bodies that came with one Idempotency-Key at once, one is stored; the other's dead letters do not count."""
_FAILED: Final = """
SELECT intDiv(record_index, {chunk:UInt32}) + 1 AS number, uniqExact(record_index)
FROM dead_letters WHERE submission_id = {id:String} AND _ITS_OWN GROUP BY number
""".replace("_ITS_OWN", _ITS_OWN)
_FAILURES: Final = """
SELECT record_index, record, errors FROM dead_letters
WHERE submission_id = {id:String} AND (record_index, attempt) IN (
    SELECT record_index, max(attempt) FROM dead_letters WHERE submission_id = {id:String} AND _ITS_OWN
    GROUP BY record_index ORDER BY record_index LIMIT {shown:UInt32} BY intDiv(record_index, {chunk:UInt32})
)
AND _ITS_OWN ORDER BY record_index, version DESC LIMIT 1 BY record_index
""".replace("_ITS_OWN", _ITS_OWN)
_REPLAYED: Final = """
SELECT record_index, outcome, toUnixTimestamp64Milli(done_at), replay_id, count() OVER ()
FROM replayed FINAL WHERE submission_id = {id:String} AND outcome != 'failed'
ORDER BY done_at DESC, record_index, replay_id LIMIT {shown:UInt32}
"""
_CALLS: Final = """
SELECT toString(call_id), workspace_id, batch_id, phone_number, entry FROM calls
WHERE call_id IN (SELECT toUUIDOrZero(arrayJoin(splitByChar(',', {ids:String}))))
"""
_WRITABLE: Final = """
SELECT getSetting('readonly'), count() FROM system.tables WHERE database = currentDatabase() AND name = 'phone_log'
"""


def read_submission(query: Query, submission_id: str) -> StoredSubmission | None:
    """Return what is stored of a submission, or None. Dead letters are read before receipts: never more than due."""
    failed = dict[int, int](query(_FAILED, id=submission_id, chunk=CHUNK_RECORDS))
    failures = query(_FAILURES, id=submission_id, chunk=CHUNK_RECORDS, shown=RECORDS_REPORTED) if failed else []
    receipts = [receipt_of(row) for row in query(_RECEIPTS, id=submission_id)]
    accepted = [_accepted(submission_id, row) for row in query(_ACCEPTED, id=submission_id)]
    if not (failed or receipts or accepted):
        return None
    return StoredSubmission(
        accepted=accepted[0] if accepted else None,
        receipts=receipts,
        failures=[
            Failure(index, phone_number_sent(record), unpack_errors(errors)) for index, record, errors in failures
        ],
        failed=failed,
        replayed=_replayed(query(_REPLAYED, id=submission_id, shown=REPLAYED_REPORTED)),
    )


def _replayed(rows: Sequence[Sequence[Any]]) -> ReplayedRecords:
    if not rows:
        return ReplayedRecords()
    return ReplayedRecords(rows[0][4], [ReplayedRecord(index, outcome, at, of) for index, outcome, at, of, _ in rows])


def _accepted(submission_id: str, row: Sequence[Any]) -> SubmissionAccepted:
    workspace_id, batch_id, total, accepted_at, body_hash = row
    return SubmissionAccepted(
        submission_id=submission_id,
        workspace_id=workspace_id,
        batch_id=batch_id,
        total=total,
        accepted_at=accepted_at,
        body_hash=body_hash or None,
    )


def read_calls(query: Query, call_ids: Sequence[str]) -> dict[str, CallPlace]:
    """Return where each known callId belongs."""
    found: dict[str, CallPlace] = {}
    for some in in_shares(call_ids, CALLS_AT_A_TIME):
        for call_id, *place in query(_CALLS, ids=",".join(some)):
            found[call_id] = CallPlace(*place)
    return found


def why_not_writable(query: Query) -> str | None:
    """Return why rows cannot be written now, as far as a cheap question shows it, or None."""
    ((readonly, tables),) = query(_WRITABLE)
    if int(readonly):
        return "ClickHouse lets this user read only: set readonly = 0 in the user's profile"
    return None if tables else "ClickHouse has no table phone_log yet: start dialfeed load, which makes it"
