"""A page of a batch's contacts as the contract shows it. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from ingest_api.batches import calling_rules
from schemas.identity import call_ids, uuid_texts
from schemas.records import Batch
from schemas.stores import BatchCounts, Contact, ContactPage, ContactQuery, PhoneLogEntry

CREATED: Final = "created"
PENDING: Final = "pending"
IN_PROGRESS: Final = "in-progress"
COMPLETED: Final = "completed"
CANCELED: Final = "canceled"
ACTIVE: Final = "active"
PAUSED: Final = "paused"
BATCH_STATUSES: Final = {
    ACTIVE: "calls are made, or will be as soon as there are any",
    PAUSED: "no calls are made until the batch is resumed; no batch can be paused yet",
    COMPLETED: "every call has ended, whichever way",
}
"""What `batchStatus` says, in the words of the hosted service."""

QUEUE_STATUSES: Final = {
    CREATED: "no contact is stored yet",
    PENDING: "contacts are stored, and no call has begun",
    IN_PROGRESS: "some calls have begun, and not all have ended",
    COMPLETED: "every call has ended, whichever way",
    CANCELED: "every call was canceled",
}


def batch_status(counts: BatchCounts | None) -> str:
    """Return whether there is or may be anything left to call."""
    return COMPLETED if queue_status(counts) in (COMPLETED, CANCELED) else ACTIVE


def queue_status(counts: BatchCounts | None) -> str:
    """Return how far a batch is; None: nothing of it is stored."""
    if counts is None or not counts.total_calls:
        return CREATED
    if counts.finished >= counts.total_calls:
        return COMPLETED if counts.picked else CANCELED
    return IN_PROGRESS if counts.picked else PENDING


def details(batch: Batch, found: ContactPage, asked: ContactQuery, counts: BatchCounts | None) -> dict[str, Any]:
    """Return the `data` of batch-details."""
    return {
        "batchId": batch.batch_id,
        "batchName": batch.name,
        "batchStatus": batch_status(counts),
        **calling_rules(batch),
        "page": asked.page,
        "limit": asked.limit,
        "total": found.total,
        "totalPages": -(-found.total // asked.limit),
        "data": [row(batch.batch_id, contact) for contact in found.contacts],
    }


def row(batch_id: str, contact: Contact) -> dict[str, Any]:
    """Return one contact: variables flat beside the fixed fields, those of a fixed field's name under `variables`."""
    fixed = {
        "_id": contact_id(batch_id, contact.phone_number),
        "phoneNumber": contact.phone_number,
        "timezone": contact.timezone,
        "timezoneSource": contact.timezone_source,
        "timezoneConfidence": contact.timezone_confidence,
        "timezoneCandidates": list(contact.timezone_candidates),
        "phoneNumberReadAs": contact.phone_number_read_as,
        "callId": contact.entries[0].call_id if contact.entries else None,
        "phoneLogs": [_phone_log(entry) for entry in contact.entries],
        "createdAt": utc(contact.created_at),
    }
    hidden = {name: value for name, value in contact.variables.items() if name in fixed or name == "variables"}
    shown = {name: value for name, value in contact.variables.items() if name not in hidden}
    return {**fixed, **shown, **({"variables": hidden} if hidden else {})}


def contact_id(batch_id: str, phone_number: str) -> str:
    """Return the `_id` of a contact, the same for ever: the callId of its first entry."""
    return uuid_texts(call_ids(batch_id, [(phone_number, 0)]))[0]


def _phone_log(entry: PhoneLogEntry) -> dict[str, Any]:
    return {
        "callId": entry.call_id,
        "entry": entry.entry,
        "callStatus": entry.status,
        "callDuration": entry.call_duration,
        "recordingUrl": entry.recording_url,
        "transcript": entry.transcript,
        "at": None if entry.at is None else utc(entry.at),
        "createdAt": utc(entry.created_at),
    }


def utc(at_ms: int) -> str:
    """Return ms since the epoch as ISO 8601 in UTC, to the millisecond."""
    seconds, ms = divmod(at_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03d}Z"
