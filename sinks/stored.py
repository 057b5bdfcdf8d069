"""The questions that are asked of ClickHouse, and what their answers mean.

`Query` runs one statement and returns its rows; who calls it, and what happens when it fails, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final, Protocol

import msgspec

from schemas.dead_letters import phone_number_sent, unpack_errors
from schemas.records import CHUNK_RECORDS, Receipt, SubmissionAccepted
from schemas.stores import RECORDS_REPORTED, Contact, ContactPage, Failure, PhoneLogEntry, StoredSubmission

BYTES: Final = ("call_ids", "record", "errors", "variables")
"""Columns of bytes: they are not to be read as text."""

_RECEIPTS: Final = """
SELECT workspace_id, batch_id, first_index, size, total, added, failed, toUnixTimestamp64Milli(accepted_at), call_ids
FROM receipts FINAL WHERE submission_id = {id:String} ORDER BY first_index
"""
_ACCEPTED: Final = """
SELECT workspace_id, batch_id, total, toUnixTimestamp64Milli(accepted_at)
FROM submissions FINAL WHERE submission_id = {id:String}
"""
_FAILED: Final = """
SELECT intDiv(record_index, {chunk:UInt32}) + 1 AS number, uniqExact(record_index)
FROM dead_letters WHERE submission_id = {id:String} GROUP BY number
"""
_FAILURES: Final = """
SELECT record_index, record, errors FROM dead_letters
WHERE submission_id = {id:String} AND (record_index, attempt) IN (
    SELECT record_index, max(attempt) FROM dead_letters WHERE submission_id = {id:String}
    GROUP BY record_index ORDER BY record_index LIMIT {shown:UInt32} BY intDiv(record_index, {chunk:UInt32})
)
ORDER BY record_index, version DESC LIMIT 1 BY record_index
"""
_CONTACTS: Final = """
SELECT count() FROM phone_log FINAL WHERE batch_id = {id:String} AND entry = 0
"""
_NUMBERS: Final = """
SELECT phone_number FROM phone_log WHERE batch_id = {id:String}
GROUP BY phone_number ORDER BY phone_number LIMIT {limit:UInt64} OFFSET {offset:UInt64}
SETTINGS optimize_aggregation_in_order = 1
"""
_ENTRIES: Final = """
SELECT phone_number, entry, toString(call_id), toUnixTimestamp64Milli(accepted_at), timezone, timezone_source, variables
FROM phone_log FINAL
WHERE batch_id = {id:String} AND phone_number BETWEEN {first:String} AND {last:String}
ORDER BY phone_number, entry DESC
"""
_WRITABLE: Final = """
SELECT getSetting('readonly'), count() FROM system.tables WHERE database = currentDatabase() AND name = 'phone_log'
"""
_PENDING: Final = "pending"
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


class Query(Protocol):
    """Runs one statement with parameters bound on ClickHouse's side."""

    def __call__(self, statement: str, **parameters: str | int) -> Sequence[tuple[Any, ...]]: ...


def read_submission(query: Query, submission_id: str) -> StoredSubmission | None:
    """Return what is stored of a submission, or None. Dead letters are read before receipts: never more than due."""
    failed = dict[int, int](query(_FAILED, id=submission_id, chunk=CHUNK_RECORDS))
    failures = query(_FAILURES, id=submission_id, chunk=CHUNK_RECORDS, shown=RECORDS_REPORTED) if failed else []
    receipts = [_receipt(submission_id, row) for row in query(_RECEIPTS, id=submission_id)]
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
    )


def _receipt(submission_id: str, row: Sequence[Any]) -> Receipt:
    workspace_id, batch_id, first_index, size, total, added, failed, accepted_at, call_ids = row
    return Receipt(
        submission_id=submission_id,
        workspace_id=workspace_id,
        batch_id=batch_id or None,
        first_index=first_index,
        size=size,
        total=total,
        added=added,
        failed=failed,
        accepted_at=accepted_at,
        call_ids=call_ids,
    )


def _accepted(submission_id: str, row: Sequence[Any]) -> SubmissionAccepted:
    workspace_id, batch_id, total, accepted_at = row
    return SubmissionAccepted(
        submission_id=submission_id, workspace_id=workspace_id, batch_id=batch_id, total=total, accepted_at=accepted_at
    )


def read_contacts(query: Query, batch_id: str, page: int, limit: int) -> ContactPage:
    """Return one page (from 1) of a batch's contacts by phone number, all read along the order key."""
    ((total,),) = query(_CONTACTS, id=batch_id)
    numbers = [row[0] for row in query(_NUMBERS, id=batch_id, limit=limit, offset=(page - 1) * limit)]
    if not numbers:
        return ContactPage(total, [])
    rows = query(_ENTRIES, id=batch_id, first=numbers[0], last=numbers[-1])
    return ContactPage(total, [_contact(list(of_one)) for _, of_one in groupby(rows, key=lambda row: row[0])])


def _contact(rows: Sequence[Sequence[Any]]) -> Contact:
    """Return a contact from its entries' rows, newest first."""
    number, _, _, _, timezone, timezone_source, variables = rows[0]
    return Contact(
        phone_number=number,
        timezone=timezone,
        timezone_source=timezone_source,
        variables=_decode_object(variables),
        entries=[PhoneLogEntry(call_id, entry, _PENDING, at) for _, entry, call_id, at, _, _, _ in rows],
        created_at=min(row[3] for row in rows),
    )


def why_not_writable(query: Query) -> str | None:
    """Return why rows cannot be written now, as far as a cheap question shows it, or None."""
    ((readonly, tables),) = query(_WRITABLE)
    if int(readonly):
        return "ClickHouse lets this user read only: set readonly = 0 in the user's profile"
    return None if tables else "ClickHouse has no table phone_log yet: start dialfeed load, which makes it"
