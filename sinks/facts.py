"""What `load` asks ClickHouse before it writes, and what it has ClickHouse derive: statements and their meaning.

Lists go as one text with commas between ids: neither UUIDs, nor times, nor submission ids hold any.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from schemas.identity import uuid_texts
from schemas.records import Receipt
from schemas.statuses import CallStatus
from schemas.stores import CallPlace
from sinks.entries import LeftTimes
from sinks.query import CALLS_AT_A_TIME, in_shares
from sinks.report_rows import receipt_of
from sinks.sessions import Session
from sinks.statuses import Call, StatusRow, corrections, next_call_id

_THESE: Final = "call_id IN (SELECT toUUID(arrayJoin(splitByChar(',', {ids:String}))))"
_PLACES: Final = f"(SELECT batch_id, phone_number, entry FROM calls WHERE {_THESE})"  # noqa: S608  # constants only
_CALLS: Final = f"""
SELECT toString(call_id), workspace_id, batch_id, phone_number, entry,
    toUnixTimestamp64Milli(min(accepted_at)), toUnixTimestamp64Milli(max(accepted_at))
FROM phone_log WHERE (batch_id, phone_number, entry) IN {_PLACES}
GROUP BY call_id, workspace_id, batch_id, phone_number, entry
"""  # noqa: S608  # constants only
_STATUSES: Final = f"""
SELECT toString(call_id), status, toUnixTimestamp64Milli(at), left_at, call_duration, recording_url, transcript
FROM call_status FINAL WHERE (batch_id, phone_number, entry) IN {_PLACES}
"""  # noqa: S608  # constants only
_WITH_STATUSES: Final = """
SELECT DISTINCT batch_id FROM call_status
WHERE batch_id IN (SELECT unhex(arrayJoin(splitByChar(',', {ids:String}))))
"""
_WORKSPACES: Final = """
SELECT batch_id, any(workspace_id) FROM contacts
WHERE batch_id IN (SELECT unhex(arrayJoin(splitByChar(',', {ids:String})))) GROUP BY batch_id
"""
_LEFT_TIMES: Final = """
SELECT toInt64OrZero(substring(phone_number, 2)) AS number, left_at
FROM call_status FINAL WHERE batch_id = {id:String} AND left_at > 0 ORDER BY number, left_at
"""
_RECEIPTS: Final = """
SELECT submission_id, workspace_id, batch_id, first_index, size, total, added, failed,
    toUnixTimestamp64Milli(accepted_at), call_ids, body_hash
FROM receipts FINAL WHERE submission_id IN (SELECT arrayJoin(splitByChar(',', {ids:String})))
"""
_RECORD: Final = """version, workspace_id, submission_id, record_index, accepted_at, phone_number_sent, timezone,
    timezone_source, variables, agent_id, schema_version, tz_database, phone_number_read_as, timezone_confidence,
    timezone_candidates"""
_PLACE_OF_ROW: Final = "indexOf(splitByChar(',', {ids:String}), toString(call_id))"
_MOVE: Final = f"""
INSERT INTO phone_log (batch_id, phone_number, entry, call_id, {_RECORD})
SELECT batch_id, phone_number, entry + 1, toUUIDOrZero(splitByChar(',', {{new_ids:String}})[{_PLACE_OF_ROW}]), {_RECORD}
FROM phone_log WHERE (batch_id, phone_number, entry) IN {_PLACES}
    AND toUnixTimestamp64Milli(accepted_at) > toInt64OrZero(splitByChar(',', {{left:String}})[{_PLACE_OF_ROW}])
"""  # noqa: S608  # constants only
_MOVED: Final = f"""
SELECT DISTINCT submission_id FROM phone_log WHERE (batch_id, phone_number, entry) IN {_PLACES}
    AND toUnixTimestamp64Milli(accepted_at) > toInt64OrZero(splitByChar(',', {{left:String}})[{_PLACE_OF_ROW}])
"""  # noqa: S608  # constants only
_REFRESH: Final = f"""
INSERT INTO contacts (batch_id, phone_number, write_version, entry, call_id, workspace_id, status, variables, timezone,
    timezone_source, submission_id, accepted_at, phone_number_read_as, timezone_confidence, timezone_candidates)
WITH contacts_of AS (SELECT batch_id, phone_number FROM calls WHERE {_THESE})
SELECT p.batch_id, p.phone_number,
    bitOr(bitShiftLeft(toUInt128(p.entry), 111),
        bitOr(bitShiftLeft(toUInt128(if(s.left_at = 0, 0, s.version)), 64), toUInt128(p.version))) AS write_version,
    p.entry, p.call_id, p.workspace_id, if(s.left_at = 0, 'pending', s.status), p.variables, p.timezone,
    p.timezone_source, p.submission_id, p.accepted_at, p.phone_number_read_as, p.timezone_confidence,
    p.timezone_candidates
FROM phone_log AS p
LEFT JOIN (
    SELECT batch_id, phone_number, entry, version, status, left_at FROM call_status FINAL
    WHERE (batch_id, phone_number) IN contacts_of
) AS s ON p.batch_id = s.batch_id AND p.phone_number = s.phone_number AND p.entry = s.entry
WHERE (p.batch_id, p.phone_number) IN contacts_of
    AND (s.left_at = 0 OR toUnixTimestamp64Milli(p.accepted_at) <= s.left_at)
ORDER BY p.entry DESC, p.version DESC LIMIT 1 BY p.batch_id, p.phone_number
"""  # noqa: S608  # constants only


def read_calls(session: Session, ids: Sequence[str]) -> dict[str, Call]:
    """Return what is stored of each known call."""
    found: dict[str, Call] = {}
    for some in in_shares(ids, CALLS_AT_A_TIME):
        calls = list(session.query(_CALLS, ids=",".join(some)))
        places = {row[0]: CallPlace(row[1], row[2], row[3], row[4]) for row in calls}
        statuses = {row[0]: _status(places[row[0]], row) for row in session.query(_STATUSES, ids=",".join(some))}
        for call_id, *_, first, last in calls:
            found[call_id] = Call(call_id, places[call_id], first, last, statuses.get(call_id))
    return found


def _status(place: CallPlace, row: Sequence[Any]) -> StatusRow:
    call_id, status, at, left_at, duration, url, transcript = row
    return StatusRow(call_id, place, CallStatus(status), at, left_at or None, duration, url, transcript)


def read_workspaces(session: Session, batch_ids: Iterable[str]) -> dict[str, str]:
    """Return whose each of these batches is that has contacts."""
    ids = [batch_id.encode().hex() for batch_id in batch_ids]
    return {row[0]: row[1] for some in in_shares(ids) for row in session.query(_WORKSPACES, ids=",".join(some))}


def read_left_times(session: Session, batch_ids: Iterable[str]) -> dict[str, LeftTimes]:
    """Return the state of each batch: nothing has left in nearly all that are asked for."""
    states = {batch_id: LeftTimes() for batch_id in batch_ids}
    for some in in_shares([batch_id.encode().hex() for batch_id in states]):
        for (batch_id,) in session.query(_WITH_STATUSES, ids=",".join(some)):
            states[batch_id] = LeftTimes(session.packed(_LEFT_TIMES, id=batch_id))
    return states


def read_receipts(session: Session, submission_ids: Sequence[str]) -> list[Receipt]:
    """Return the receipts given of these submissions."""
    rows = [row for some in in_shares(submission_ids) for row in session.query(_RECEIPTS, ids=",".join(some))]
    return [receipt_of(row) for row in rows]


def move_late(session: Session, rows: Sequence[StatusRow]) -> list[Receipt]:
    """Write again, one entry on, what was accepted after these calls left pending; return the receipts to correct.

    One entry on is right: the next entry's call began later still, or has not begun.
    """
    corrected: list[Receipt] = []
    for some in in_shares(rows, CALLS_AT_A_TIME):
        ids = ",".join(row.call_id for row in some)
        left = ",".join(str(row.left_at) for row in some)
        new_ids = uuid_texts(b"".join(map(next_call_id, some)))
        session.tell(_MOVE, ids=ids, new_ids=",".join(new_ids), left=left)
        submissions = [row[0] for row in session.query(_MOVED, ids=ids, left=left)]
        corrected += corrections(read_receipts(session, submissions), some)
    return corrected


def refresh_contacts(session: Session, ids: Sequence[str]) -> None:
    """Write the rows of these calls' contacts anew, from everything that is stored of them."""
    for some in in_shares(ids, CALLS_AT_A_TIME):
        session.tell(_REFRESH, ids=",".join(some))
