"""A page of a batch's contacts as the contract shows it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ingest_api.envelope import refused
from schemas.identity import call_ids, uuid_texts
from schemas.outcomes import HttpCode
from schemas.records import Batch
from schemas.stores import Contact, ContactPage, PhoneLogEntry

DEFAULT_LIMIT: Final = 10
MOST_LIMIT: Final = 1000
MOST_PAGE: Final = 1_000_000_000
CREATED: Final = "created"
PENDING: Final = "pending"
BATCH_STATUSES: Final = {CREATED: "no contact is stored yet", PENDING: "contacts are stored"}


def page_of(query: Mapping[str, str]) -> tuple[int, int]:
    """Return (page, limit) of a query; refuse (400) the one that is wrong."""
    return _number(query, "page", 1, MOST_PAGE), _number(query, "limit", DEFAULT_LIMIT, MOST_LIMIT)


def _number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = query.get(name, "") or str(default)
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(most)) else 0
    if not 1 <= number <= most:
        raise refused(HttpCode.FIELD_INVALID, f"{name} must be an integer from 1 to {most}", name)
    return number


def details(batch: Batch, found: ContactPage, page: int, limit: int) -> dict[str, Any]:
    """Return the `data` of batch-details."""
    return {
        "batchId": batch.batch_id,
        "batchName": batch.name,
        "batchStatus": PENDING if found.total else CREATED,
        "page": page,
        "limit": limit,
        "total": found.total,
        "totalPages": -(-found.total // limit),
        "data": [row(batch.batch_id, contact) for contact in found.contacts],
    }


def row(batch_id: str, contact: Contact) -> dict[str, Any]:
    """Return one contact: variables flat beside the fixed fields, those of a fixed field's name under `variables`."""
    fixed = {
        "_id": contact_id(batch_id, contact.phone_number),
        "phoneNumber": contact.phone_number,
        "timezone": contact.timezone,
        "timezoneSource": contact.timezone_source,
        "callId": contact.entries[0].call_id if contact.entries else None,
        "phoneLogs": [_phone_log(entry) for entry in contact.entries],
        "createdAt": utc(contact.created_at),
    }
    hidden = {name: value for name, value in contact.variables.items() if name in fixed or name == "variables"}
    shown = {name: value for name, value in contact.variables.items() if name not in hidden}
    return {**fixed, **shown, **({"variables": hidden} if hidden else {})}


def contact_id(batch_id: str, phone_number: str) -> str:
    """Return the `_id` of a contact, the same for ever: the callId of its first entry."""
    return uuid_texts(call_ids(batch_id, [(phone_number, 0)])[0])[0]


def _phone_log(entry: PhoneLogEntry) -> dict[str, Any]:
    return {
        "callId": entry.call_id,
        "entry": entry.entry,
        "callStatus": entry.status,
        "callDuration": None,
        "recordingUrl": None,
        "transcript": None,
        "createdAt": utc(entry.created_at),
    }


def utc(at_ms: int) -> str:
    """Return ms since the epoch as ISO 8601 in UTC, to the millisecond."""
    seconds, ms = divmod(at_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03d}Z"
