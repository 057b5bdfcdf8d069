"""Which contacts are on a page, out of ClickHouse: their numbers, from narrow columns.

To merge the versions of each row is what costs. Where a page is near the beginning of its order, rows are picked as
they are, and then confirmed: a row counts if it is the newest of its contact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from schemas.stores import ContactQuery
from sinks.contact_conditions import FIRST_ACCEPTED, Statement, order, reads_variables, where
from sinks.contact_details import THESE
from sinks.query import Query, in_shares
from sinks.stored_counts import Counts

FEW: Final = 2_000
"""Rows that are picked and then looked up by their numbers: 17 bytes each in a parameter, of which ClickHouse takes
128 KiB over HTTP.
"""

_SPARE: Final = 20
"""Rows that are picked beyond twice those wanted, for those that are not the newest."""

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
SELECT phone_number, write_version FROM contacts WHERE {where} ORDER BY {order} LIMIT {{limit:UInt64}}
"""
_CANDIDATES_BY_FIRST_ACCEPTED: Final = """
SELECT phone_number, toUnixTimestamp64Milli(accepted_at) FROM phone_log WHERE batch_id = {{id:String}}
ORDER BY accepted_at {direction}, phone_number LIMIT {{limit:UInt64}}
"""
_AMONG: Final = "WHERE phone_number IN (SELECT phone_number FROM contacts FINAL WHERE {where})"


class _TheOne(NamedTuple):
    """Which of a contact's rows counts: that with the greatest (`max`) or least (`min`) of `values`."""

    values: str
    which: Callable[[int, int], int]


_NEWEST: Final = _TheOne(f"SELECT phone_number, write_version FROM contacts PREWHERE {THESE}", max)  # noqa: S608
_OLDEST: Final = _TheOne(
    f"SELECT phone_number, toUnixTimestamp64Milli(accepted_at) FROM phone_log PREWHERE {THESE}",  # noqa: S608
    min,
)


def read_page(query: Query, asked: ContactQuery, counts: Counts) -> tuple[int, Sequence[str]]:
    """Return how many contacts there are to be paged through, and the numbers of those on the page."""
    if asked.filters or asked.search or asked.after is not None:
        return _matching_page(query, asked, counts)
    total = counts.contacts(query, asked.batch_id)
    return total, _page_of_all(query, asked, total)


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
    count = partial(counts.matching, query, asked.batch_id, condition, statement.parameters)
    if first.are_all:
        condition, statement = THESE, Statement({"id": asked.batch_id, "numbers": ",".join(first.numbers)})
        count = partial(len, first.numbers)
    if lowest_first and end <= len(first.numbers):
        return count(), first.numbers[offset:end]
    if asked.sort_by == FIRST_ACCEPTED:
        return count(), _by_first_accepted(query, asked, condition, statement)
    near = _near_the_beginning(query, asked, condition, statement)
    if near is not None:
        return count(), near
    rows = _sorted(query, _SORTED_AND_COUNTED, asked, condition, statement)
    if rows:
        return rows[0][1], [row[0] for row in rows]
    return (count() if offset else 0), []


def _first_matching(query: Query, batch_id: str, condition: str, statement: Statement, wanted: int) -> _First:
    """Return the lowest numbers that match. Where many match, so many as are wanted, if they are among the first few.

    A contact that matches has a row that does, and that row is its newest.
    """
    text = _CANDIDATES.format(where=condition, order="phone_number")
    rows = query(text, limit=FEW + 1, **statement.parameters)
    are_all = len(rows) <= FEW
    needed = len(rows) if are_all else wanted
    return _First(_confirmed(query, _NEWEST, batch_id, rows, needed), are_all)


def _confirmed(query: Query, one: _TheOne, batch_id: str, rows: Iterable[tuple[str, int]], needed: int) -> list[str]:
    """Return the numbers of the rows that are the one of their contact: so many as are needed, in this order."""
    confirmed: dict[str, None] = {}
    for some in in_shares(list(dict.fromkeys(rows)), 2 * needed + 1):
        if len(confirmed) >= needed:
            break
        numbers = dict.fromkeys(number for number, _ in some)
        stands: dict[str, int] = {}
        for number, value in query(one.values, id=batch_id, numbers=",".join(numbers)):
            stands[number] = one.which(value, stands.get(number, value))
        confirmed |= dict.fromkeys(number for number, value in some if stands.get(number) == value)
    return list(confirmed)


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
    near = _near_the_beginning(query, asked, condition, statement)
    if near is not None:
        return near
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


def _near_the_beginning(
    query: Query, asked: ContactQuery, condition: str, statement: Statement
) -> Sequence[str] | None:
    """Return the page's numbers if rows that are picked and confirmed suffice, else None."""
    text = _CANDIDATES.format(where=condition, order=order(asked, statement))
    return _picked(query, asked, text, statement, _NEWEST)


def _picked(query: Query, asked: ContactQuery, text: str, statement: Statement, one: _TheOne) -> Sequence[str] | None:
    offset, end = _offset(asked), _offset(asked) + asked.limit
    if end > FEW:
        return None
    limit = min(2 * end + _SPARE, FEW + 1)
    rows = query(text, limit=limit, **statement.parameters)
    found = _confirmed(query, one, asked.batch_id, rows, end)
    return found[offset:end] if len(found) >= end or len(rows) < limit else None


def _by_first_accepted(query: Query, asked: ContactQuery, condition: str, statement: Statement) -> Sequence[str]:
    direction = "DESC" if asked.descending else "ASC"
    if not condition:
        text = _CANDIDATES_BY_FIRST_ACCEPTED.format(direction=direction)
        near = _picked(query, asked, text, statement, _OLDEST)
        if near is not None:
            return near
    these = _AMONG.format(where=condition) if condition else ""
    text = _BY_FIRST_ACCEPTED.format(where=these, direction=direction)
    rows = query(text, limit=asked.limit, offset=_offset(asked), **statement.parameters)
    return [row[0] for row in rows]


def _offset(asked: ContactQuery) -> int:
    return (asked.page - 1) * asked.limit
