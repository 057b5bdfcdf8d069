"""What a page of contacts is, in plain Python: the model that stores are compared with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from schemas.statuses import FINAL_RANK, RANKS, CallStatus
from schemas.stores import BatchCounts, Contact, ContactPage, ContactQuery

_encode = msgspec.json.encode


def page_of(contacts: list[Contact], query: ContactQuery) -> ContactPage:
    """Return what a store that holds these contacts answers, by the rules of `ContactQuery`."""
    found = [contact for contact in contacts if _matches(contact, query)]
    found.sort(key=lambda contact: contact.phone_number)
    found.sort(key=lambda contact: _sort_key(contact, query.sort_by), reverse=query.descending)
    first = (query.page - 1) * query.limit
    return ContactPage(len(found), found[first : first + query.limit])


def counts_of(contacts: Iterable[Contact]) -> BatchCounts:
    """Return the counts of these contacts' entries; the last change is their newest entry's beginning."""
    entries = [entry for contact in contacts for entry in contact.entries]
    ranks = [RANKS[CallStatus(entry.status)] for entry in entries]
    canceled = sum(entry.status == CallStatus.CANCELED for entry in entries)
    return BatchCounts(
        total_calls=len(entries),
        picked=sum(rank > 0 for rank in ranks) - canceled,
        completed=sum(entry.status == CallStatus.COMPLETED for entry in entries),
        updated_at=max(entry.created_at for entry in entries),
        finished=sum(rank == FINAL_RANK for rank in ranks),
        canceled=canceled,
    )


def _matches(contact: Contact, query: ContactQuery) -> bool:
    if query.after is not None and contact.phone_number <= query.after:
        return False
    wanted = all(_same(_field(contact, name), value) for name, value in query.filters)
    return wanted and (not query.search or _holds(contact, query.search))


def _field(contact: Contact, name: str) -> Any:
    fixed = {
        "phoneNumber": contact.phone_number,
        "callStatus": contact.entries[0].status,
        "timezone": contact.timezone,
        "timezoneSource": contact.timezone_source,
        "timezoneConfidence": contact.timezone_confidence,
        "phoneNumberReadAs": contact.phone_number_read_as,
        "callId": contact.entries[0].call_id,
    }
    return fixed[name] if name in fixed else contact.variables.get(name)


def _same(value: Any, wanted: Any) -> bool:
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def _holds(contact: Contact, search: str) -> bool:
    encoded = _encode(search).decode()[1:-1]
    return search.replace(" ", "+") in contact.phone_number or any(
        search in value if isinstance(value, str) else value is not None and encoded in _encode(value).decode()
        for value in contact.variables.values()
    )


def _sort_key(contact: Contact, name: str) -> tuple[Any, ...]:  # noqa: PLR0911  # one a kind of value
    """Nothing or null, numbers, texts, objects, arrays, false, true."""
    if name == "createdAt":
        return (contact.created_at,)
    match _field(contact, name):
        case None:
            return (0,)
        case bool(value):
            return (5, 0, _encode(value).decode())
        case int(value) | float(value):
            return (1, value)
        case str(value):
            return (2, 0, value)
        case dict(value):
            return (3, 0, _encode(value).decode())
        case value:
            return (4, 0, _encode(value).decode())
