"""All that is shown of a few contacts, out of ClickHouse: three questions, which can be asked at the same time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, Final

import msgspec

from schemas.statuses import CallStatus
from schemas.stores import Contact, ContactQuery, PhoneLogEntry
from sinks.query import Query

THESE: Final = "batch_id = {id:String} AND phone_number IN (SELECT arrayJoin(splitByChar(',', {numbers:String})))"
_CONTACTS: Final = f"""
SELECT phone_number, timezone, timezone_source, variables, phone_number_read_as, timezone_confidence,
    timezone_candidates, entry, status
FROM contacts WHERE {THESE}
ORDER BY write_version DESC LIMIT 1 BY phone_number
"""  # noqa: S608  # constants only
_ENTRIES: Final = f"""
SELECT phone_number, entry, toString(any(call_id)), toUnixTimestamp64Milli(min(accepted_at))
FROM phone_log WHERE {THESE} GROUP BY phone_number, entry ORDER BY phone_number, entry DESC
"""  # noqa: S608  # constants only
_STATUSES: Final = f"""
SELECT phone_number, entry, status, call_duration, recording_url, transcript, toUnixTimestamp64Milli(at)
FROM call_status FINAL PREWHERE {THESE}
"""  # noqa: S608  # constants only

Rows = Sequence[tuple[Any, ...]]
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


def questions(batch_id: str, numbers: Sequence[str]) -> list[Callable[[Query], Rows]]:
    """Return what is to be asked about contacts of a batch: the rows that `contacts_of` takes, in its order."""
    these = {"id": batch_id, "numbers": ",".join(numbers)}
    return [partial(_ask, statement, these) for statement in (_CONTACTS, _ENTRIES, _STATUSES)]


def _ask(statement: str, these: Mapping[str, str], query: Query) -> Rows:
    return query(statement, **these)


def contacts_of(numbers: Sequence[str], contacts: Rows, entries: Rows, statuses: Rows) -> list[Contact]:
    """Return the contacts in the order of these numbers, with all their entries."""
    newest = {row[0]: row for row in contacts}
    reported = {(row[0], row[1]): row[2:] for row in statuses}
    shown = {
        number: [_entry(row, reported) for row in rows] for number, rows in groupby(entries, key=lambda row: row[0])
    }
    return [_contact(newest[number], shown[number]) for number in numbers if number in newest and number in shown]


def _entry(row: Sequence[Any], statuses: Mapping[tuple[str, int], Sequence[Any]]) -> PhoneLogEntry:
    number, entry, call_id, created_at = row
    status, *details = statuses.get((number, entry), (CallStatus.PENDING.value,))
    return PhoneLogEntry(call_id, entry, status, created_at, *details)


def agrees(contacts: Sequence[Contact], asked: ContactQuery) -> bool:
    """Return whether the contacts still have the status asked for: it may have changed since they were found."""
    wanted = [value for name, value in asked.filters if name == "callStatus"]
    return all(contact.entries[0].status == status for contact in contacts for status in wanted)


def _agreed(entries: Sequence[PhoneLogEntry], entry: int, status: str) -> Sequence[PhoneLogEntry]:
    """Return the entries, the newest with the status that filters and orders see.

    `load` writes a status into `call_status` first, into `contacts` a moment later.
    """
    first = entries[0]
    if first.entry != entry or first.status == status:
        return entries
    return [PhoneLogEntry(first.call_id, entry, status, first.created_at), *entries[1:]]


def _contact(row: Sequence[Any], entries: Sequence[PhoneLogEntry]) -> Contact:
    number, timezone, timezone_source, variables, read_as, confidence, candidates, entry, status = row
    entries = _agreed(entries, entry, status)
    return Contact(
        phone_number=number,
        timezone=timezone,
        timezone_source=timezone_source,
        timezone_confidence=confidence,
        timezone_candidates=candidates.split(),
        phone_number_read_as=read_as,
        variables=_decode_object(variables),
        entries=entries,
        created_at=min(entry.created_at for entry in entries),
    )
