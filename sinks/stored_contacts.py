"""Pages of contacts out of ClickHouse: first which numbers, from narrow columns, then all of those few contacts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec

from schemas.statuses import CallStatus
from schemas.stores import Contact, ContactPage, ContactQuery, PhoneLogEntry
from sinks.contact_conditions import FIRST_ACCEPTED, Statement, order, reads_variables, where
from sinks.query import Query

MOST_IN_ONE_PASS: Final = 20_000
"""Up to this depth the numbers of a page are picked while the matching ones are counted."""

FEW: Final = 1_000
"""Contacts that are looked up by their numbers rather than by reading the whole batch."""

_MATCHING: Final = "SELECT count() FROM contacts FINAL WHERE {where}"
_FIRST: Final = """
SELECT count(), arraySlice(groupArraySorted({depth})(phone_number), {{offset:UInt64}} + 1)
FROM contacts FINAL WHERE {where}
"""
_SORTED: Final = """
SELECT phone_number FROM contacts FINAL WHERE {where}
ORDER BY {order} LIMIT {{limit:UInt64}} OFFSET {{offset:UInt64}}
"""
_SORTED_AND_COUNTED: Final = """
SELECT phone_number, count() OVER () FROM contacts FINAL WHERE {where}
ORDER BY {order} LIMIT {{limit:UInt64}} OFFSET {{offset:UInt64}}
"""
_ALONG_THE_KEY: Final = """
SELECT phone_number FROM contacts WHERE {where}
ORDER BY phone_number {direction} LIMIT 1 BY phone_number LIMIT {{limit:UInt64}} OFFSET {{offset:UInt64}}
{settings}
"""
_NEAR: Final = "SETTINGS max_block_size = 1024"
"""A page near an end is found without reading whole blocks of every part."""

_NEAR_ROWS: Final = 5_000
_BY_FIRST_ACCEPTED: Final = """
SELECT phone_number FROM (
    SELECT phone_number, accepted_at FROM phone_log WHERE batch_id = {{id:String}}
    ORDER BY phone_number, entry, version LIMIT 1 BY phone_number
)
{where}
ORDER BY accepted_at {direction}, phone_number LIMIT {{limit:UInt64}} OFFSET {{offset:UInt64}}
"""
_CANDIDATES: Final = "SELECT DISTINCT phone_number FROM contacts WHERE {where} LIMIT {{limit:UInt64}}"
_AMONG: Final = "WHERE phone_number IN (SELECT phone_number FROM contacts FINAL WHERE {where})"
_THESE: Final = "batch_id = {id:String} AND phone_number IN (SELECT arrayJoin(splitByChar(',', {numbers:String})))"
_CONTACTS: Final = f"""
SELECT phone_number, entry, timezone, timezone_source, variables FROM contacts FINAL WHERE {_THESE}
"""  # noqa: S608  # constants only
_ENTRIES: Final = f"""
SELECT phone_number, entry, toString(any(call_id)), toUnixTimestamp64Milli(min(accepted_at))
FROM phone_log WHERE {_THESE} GROUP BY phone_number, entry ORDER BY phone_number, entry DESC
"""  # noqa: S608  # constants only
_STATUSES: Final = f"""
SELECT phone_number, entry, status, call_duration, recording_url, transcript FROM call_status FINAL WHERE {_THESE}
"""  # noqa: S608  # constants only
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


def read_contacts(query: Query, asked: ContactQuery, contacts_of: Callable[[Query, str], int]) -> ContactPage:
    """Return one page of a batch's contacts. `contacts_of` gives the number of all contacts of a batch."""
    if asked.filters or asked.search or asked.after is not None:
        total, numbers = _matching_page(query, asked)
    else:
        total = contacts_of(query, asked.batch_id)
        numbers = _page_of_all(query, asked, total)
    return ContactPage(total, _contacts(query, asked.batch_id, numbers))


def _matching_page(query: Query, asked: ContactQuery) -> tuple[int, Sequence[str]]:
    statement = Statement()
    condition = where(asked, statement)
    if reads_variables(asked):
        condition = _narrowed(query, condition, statement)
    offset = _offset(asked)
    if asked.sort_by == FIRST_ACCEPTED:
        return _count(query, condition, statement), _by_first_accepted(query, asked, condition, statement)
    if asked.sort_by == "phoneNumber" and not asked.descending and offset + asked.limit <= MOST_IN_ONE_PASS:
        text = _FIRST.format(depth=offset + asked.limit, where=condition)
        ((total, numbers),) = query(text, offset=offset, **statement.parameters)
        return total, numbers
    text = _SORTED_AND_COUNTED.format(where=condition, order=order(asked, statement))
    rows = query(text, limit=asked.limit, offset=offset, **statement.parameters)
    if rows:
        return rows[0][1], [row[0] for row in rows]
    return (_count(query, condition, statement) if offset else 0), []


def _narrowed(query: Query, condition: str, statement: Statement) -> str:
    """Return the condition for few contacts if few have ever matched, which is found without merging versions of rows.

    A contact that matches now has a row that does. The search for such rows ends early where there are many.
    """
    text = _CANDIDATES.format(where=condition)
    rows = query(text, limit=FEW + 1, **statement.parameters)
    if len(rows) > FEW:
        return condition
    statement.parameters["numbers"] = ",".join(row[0] for row in rows)
    return f"{_THESE} AND {condition}"


def _page_of_all(query: Query, asked: ContactQuery, total: int) -> Sequence[str]:
    statement = Statement()
    condition = where(asked, statement)
    offset = _offset(asked)
    if offset >= total:
        return []
    if asked.sort_by == FIRST_ACCEPTED:
        return _by_first_accepted(query, asked, "", statement)
    if asked.sort_by == "phoneNumber":
        return _from_the_nearer_end(query, asked, condition, total)
    text = _SORTED.format(where=condition, order=order(asked, statement))
    rows = query(text, limit=asked.limit, offset=offset, **statement.parameters)
    return [row[0] for row in rows]


def _from_the_nearer_end(query: Query, asked: ContactQuery, condition: str, total: int) -> Sequence[str]:
    """Return the page's numbers, read along the order key from the end that is nearer."""
    offset = _offset(asked)
    limit = min(asked.limit, total - offset)
    turned = offset > total // 2
    if turned:
        offset = total - offset - limit
    direction = "DESC" if turned != asked.descending else "ASC"
    settings = _NEAR if offset + limit <= _NEAR_ROWS else ""
    text = _ALONG_THE_KEY.format(where=condition, direction=direction, settings=settings)
    rows = query(text, limit=limit, offset=offset, id=asked.batch_id)
    numbers = [row[0] for row in rows]
    return numbers[::-1] if turned else numbers


def _by_first_accepted(query: Query, asked: ContactQuery, condition: str, statement: Statement) -> Sequence[str]:
    these = _AMONG.format(where=condition) if condition else ""
    text = _BY_FIRST_ACCEPTED.format(where=these, direction="DESC" if asked.descending else "ASC")
    rows = query(text, limit=asked.limit, offset=_offset(asked), **statement.parameters)
    return [row[0] for row in rows]


def _count(query: Query, condition: str, statement: Statement) -> int:
    ((count,),) = query(_MATCHING.format(where=condition), **statement.parameters)
    return int(count)


def _offset(asked: ContactQuery) -> int:
    return (asked.page - 1) * asked.limit


def _contacts(query: Query, batch_id: str, numbers: Sequence[str]) -> list[Contact]:
    """Return these contacts in this order, with all their entries."""
    if not numbers:
        return []
    these = {"id": batch_id, "numbers": ",".join(numbers)}
    newest = {row[0]: row for row in query(_CONTACTS, **these)}
    statuses = {(row[0], row[1]): row[2:] for row in query(_STATUSES, **these)}
    entries = {
        number: [_entry(row, statuses) for row in rows]
        for number, rows in groupby(query(_ENTRIES, **these), key=lambda row: row[0])
    }
    return [_contact(newest[number], entries[number]) for number in numbers if number in newest and number in entries]


def _entry(row: Sequence[Any], statuses: Mapping[tuple[str, int], Sequence[Any]]) -> PhoneLogEntry:
    number, entry, call_id, created_at = row
    status, duration, url, transcript = statuses.get((number, entry), (CallStatus.PENDING.value, None, None, None))
    return PhoneLogEntry(call_id, entry, status, created_at, duration, url, transcript)


def _contact(row: Sequence[Any], entries: Sequence[PhoneLogEntry]) -> Contact:
    number, _, timezone, timezone_source, variables = row
    return Contact(
        phone_number=number,
        timezone=timezone,
        timezone_source=timezone_source,
        variables=_decode_object(variables),
        entries=entries,
        created_at=min(entry.created_at for entry in entries),
    )
