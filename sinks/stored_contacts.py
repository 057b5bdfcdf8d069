"""Pages of contacts out of ClickHouse: first which numbers, from narrow columns, then all of those few contacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, Final, NamedTuple

import msgspec

from schemas.statuses import CallStatus
from schemas.stores import Contact, ContactPage, ContactQuery, PhoneLogEntry
from sinks.contact_conditions import FIRST_ACCEPTED, Statement, order, reads_variables, where
from sinks.query import Query, in_shares
from sinks.stored_counts import Counts

FEW: Final = 2_000
"""Matching rows that are picked along the order key, and then looked up by their numbers: 17 bytes each in a parameter,
of which ClickHouse takes 128 KiB over HTTP.
"""

_SORTED: Final = """
SELECT phone_number FROM contacts FINAL WHERE {where}
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
_SORTED_AND_COUNTED: Final = """
SELECT phone_number, count() OVER () FROM contacts FINAL WHERE {where}
ORDER BY {order} LIMIT {{limit:UInt64}} OFFSET {{offset:UInt64}}
"""
_BY_FIRST_ACCEPTED: Final = """
SELECT phone_number FROM (
    SELECT phone_number, accepted_at FROM phone_log WHERE batch_id = {{id:String}}
    ORDER BY phone_number, entry, version LIMIT 1 BY phone_number
)
{where}
ORDER BY accepted_at {direction}, phone_number LIMIT {{limit:UInt64}} OFFSET {{offset:UInt64}}
"""
_CANDIDATES: Final = """
SELECT phone_number, write_version FROM contacts WHERE {where} ORDER BY phone_number LIMIT {{limit:UInt64}}
"""
_AMONG: Final = "WHERE phone_number IN (SELECT phone_number FROM contacts FINAL WHERE {where})"
_THESE: Final = "batch_id = {id:String} AND phone_number IN (SELECT arrayJoin(splitByChar(',', {numbers:String})))"
_NEWEST: Final = f"""
SELECT phone_number, max(write_version) FROM contacts WHERE {_THESE} GROUP BY phone_number
"""  # noqa: S608  # constants only
_CONTACTS: Final = f"""
SELECT phone_number, timezone, timezone_source, variables FROM contacts WHERE {_THESE}
ORDER BY write_version DESC LIMIT 1 BY phone_number
"""  # noqa: S608  # constants only
_ENTRIES: Final = f"""
SELECT phone_number, entry, toString(any(call_id)), toUnixTimestamp64Milli(min(accepted_at))
FROM phone_log WHERE {_THESE} GROUP BY phone_number, entry ORDER BY phone_number, entry DESC
"""  # noqa: S608  # constants only
_STATUSES: Final = f"""
SELECT phone_number, entry, status, call_duration, recording_url, transcript FROM call_status FINAL PREWHERE {_THESE}
"""  # noqa: S608  # constants only
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


def read_contacts(query: Query, asked: ContactQuery, counts: Counts) -> ContactPage:
    """Return one page of a batch's contacts."""
    if asked.filters or asked.search or asked.after is not None:
        total, numbers = _matching_page(query, asked, counts)
    else:
        total = counts.contacts(query, asked.batch_id)
        numbers = _page_of_all(query, asked, total)
    return ContactPage(total, _contacts(query, asked.batch_id, numbers))


class _First(NamedTuple):
    """The lowest numbers of contacts that match. `are_all`: there are no others."""

    numbers: Sequence[str]
    are_all: bool


_NOT_ALL: Final = _First((), are_all=False)


def _matching_page(query: Query, asked: ContactQuery, counts: Counts) -> tuple[int, Sequence[str]]:
    statement = Statement()
    condition = where(asked, statement)
    offset, end = _offset(asked), _offset(asked) + asked.limit
    lowest_first = asked.sort_by == "phoneNumber" and not asked.descending
    first = _NOT_ALL
    if end <= FEW or reads_variables(asked):
        first = _first_matching(query, asked.batch_id, condition, statement, end if lowest_first else 0)
    if first.are_all and lowest_first:
        return len(first.numbers), first.numbers[offset:end]
    if first.are_all:
        condition, statement = _THESE, Statement({"id": asked.batch_id, "numbers": ",".join(first.numbers)})
    count = partial(counts.matching, query, asked.batch_id, condition, statement.parameters)
    if lowest_first and end <= len(first.numbers):
        return count(), first.numbers[offset:end]
    if asked.sort_by == FIRST_ACCEPTED:
        return count(), _by_first_accepted(query, asked, condition, statement)
    rows = _sorted(query, _SORTED_AND_COUNTED, asked, condition, statement)
    if rows:
        return rows[0][1], [row[0] for row in rows]
    return (count() if offset else 0), []


def _first_matching(query: Query, batch_id: str, condition: str, statement: Statement, wanted: int) -> _First:
    """Return the lowest numbers that match, found without merging the versions of each row, which is what costs.

    A contact that matches has a row that does, and that row is its newest. Where many match, the search ends early: so
    many as are wanted are found, if they are among the first few.
    """
    rows = query(_CANDIDATES.format(where=condition), limit=FEW + 1, **statement.parameters)
    are_all = len(rows) <= FEW
    last = None if are_all else rows[-1][0]  # which may have rows beyond
    candidates: dict[str, int] = {}
    for number, version in rows:
        if number != last:
            candidates[number] = max(version, candidates.get(number, 0))
    found: list[str] = []
    needed = len(candidates) if are_all else wanted
    for some in in_shares(list(candidates), 2 * needed + 1):
        if len(found) >= needed:
            break
        newest = dict(query(_NEWEST, id=batch_id, numbers=",".join(some)))
        found += [number for number in some if newest.get(number) == candidates[number]]
    return _First(found, are_all)


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
    return [row[0] for row in _sorted(query, _SORTED, asked, condition, statement)]


def _sorted(
    query: Query, text: str, asked: ContactQuery, condition: str, statement: Statement
) -> Sequence[tuple[Any, ...]]:
    text = text.format(where=condition, order=order(asked, statement))
    return query(text, limit=asked.limit, offset=_offset(asked), **statement.parameters)


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
    number, timezone, timezone_source, variables = row
    return Contact(
        phone_number=number,
        timezone=timezone,
        timezone_source=timezone_source,
        variables=_decode_object(variables),
        entries=entries,
        created_at=min(entry.created_at for entry in entries),
    )
