"""What is asked of ClickHouse about dead letters: pages and counts of the newest attempt at each failed record.

Few records fail again, so the newest attempts are found by leaving out what has a later one, not by grouping all: then
FINAL reads along the order key, and memory stays flat however many there are. Narrow columns decide which letters a
page has; only those are read whole.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from schemas.dead_letter_query import (
    MOST_RECORD_BYTES,
    DeadLetterFilter,
    DeadLetterGroup,
    DeadLetterPage,
    DeadLetterQuery,
    GroupBy,
    KeptLetter,
    ResolvedWith,
)
from schemas.dead_letters import DeadLetter, unpack_errors
from sinks.contact_conditions import Statement
from sinks.dead_letter_states import NEWEST, NOT_REFUSED, OPEN, RESOLUTIONS, with_resolutions
from sinks.query import Query, in_shares
from sinks.sessions import Session

MOST_GROUPS: Final = 100_000

_EQUAL: Final = {
    "batch": "batch_id",
    "submission": "submission_id",
    "code": "code",
    "failure_class": "class",
    "stage": "stage",
    "workspace_id": "workspace_id",
    "path": "path",
}
"""Fields of a filter that are texts, and their columns."""

_KEYS: Final = {
    GroupBy.CODE: "code",
    GroupBy.CLASS: "class",
    GroupBy.STAGE: "stage",
    GroupBy.BATCH: "batch_id",
    GroupBy.AGENT: "batch_id",
    GroupBy.PATH: "path",
}
_BY_PLACE: Final = "submission_id, record_index"
_NEWEST_FIRST: Final = "failed_at DESC, submission_id, record_index"
_COUNT: Final = "SELECT count() FROM dead_letters FINAL WHERE {where}"
_ROWS: Final = """
SELECT {columns} FROM dead_letters FINAL WHERE (submission_id, record_index, attempt, body_hash) IN (
    SELECT submission_id, record_index, attempt, body_hash FROM dead_letters FINAL WHERE {where}
    ORDER BY {order} LIMIT {{limit:UInt64}} OFFSET {{offset:UInt64}}
)
ORDER BY {order}
"""
_PLACES: Final = """(
    SELECT submission_id, record_index FROM dead_letters FINAL WHERE {where}
    ORDER BY {order} LIMIT {{limit:UInt64}} OFFSET {{offset:UInt64}}
)"""
_GROUPS: Final = """
SELECT {key} AS key, count() AS letters, toUnixTimestamp64Milli(min(first_failed_at)),
    toUnixTimestamp64Milli(max(failed_at)), argMax(message, (failed_at, submission_id, record_index))
FROM dead_letters FINAL WHERE {where} GROUP BY key ORDER BY letters DESC, key LIMIT {{most:UInt64}}
"""
_DISMISS: Final = """
INSERT INTO resolved (submission_id, record_index, workspace_id, by, reason, resolved_at)
SELECT submission_id, record_index, workspace_id, '{by}', {reason}, fromUnixTimestamp64Milli({{at:Int64}})
FROM dead_letters FINAL WHERE {where}
"""
_HISTORY: Final = """submission_id, record_index, attempt, batch_id, stage, errors, source_topic, source_partition,
    source_offset, toUnixTimestamp64Milli(accepted_at), toUnixTimestamp64Milli(first_failed_at),
    toUnixTimestamp64Milli(failed_at), replay_id, app_version, body_hash, workspace_id, changes, parked"""
_SIZES: Final = "length(record) + length(tried)"
_BYTES: Final = "submission_id, record_index, attempt, record, tried"


def read_dead_letters(query: Query, asked: DeadLetterQuery) -> DeadLetterPage:
    """Return one page of dead letters."""
    statement = Statement()
    where = _where(asked, statement)
    total = None
    if asked.after is None:
        ((total,),) = query(_COUNT.format(where=where), **statement.parameters)
    offset = 0 if asked.after is not None else (asked.page - 1) * asked.limit
    order = _BY_PLACE if asked.by_place else _NEWEST_FIRST
    columns = f"{_HISTORY}, {_SIZES}" if asked.records else f"{_HISTORY}, 0"
    text = _ROWS.format(columns=columns, where=where, order=order)
    rows = query(text, limit=asked.limit + 1, offset=offset, **statement.parameters)
    shown = rows[: _that_fit([row[-1] for row in rows[: asked.limit]])]
    kept: dict[tuple[str, int, int], Sequence[bytes]] = {}
    if asked.records and shown:
        text = _ROWS.format(columns=_BYTES, where=where, order=order)
        found = query(text, limit=len(shown), offset=offset, **statement.parameters)
        kept = {(row[0], row[1], row[2]): row[3:] for row in found}
    letters = [_letter(row, kept) for row in shown]
    if shown and (asked.resolved or asked.filter.attempt is not None):
        page = _PLACES.format(where=where, order=order)
        text = RESOLUTIONS.format(these=_these(asked.filter, statement)).replace("PAGE", page)
        letters = with_resolutions(letters, query(text, limit=len(shown), offset=offset, **statement.parameters))
    return DeadLetterPage(total, letters, more=len(rows) > len(shown))


def read_groups(query: Query, asked: DeadLetterQuery, by: GroupBy) -> list[DeadLetterGroup]:
    """Return the counts, largest first; for `agent` those by batch."""
    statement = Statement()
    text = _GROUPS.format(key=_KEYS[by], where=_where(asked, statement))
    return [DeadLetterGroup(*row) for row in query(text, most=MOST_GROUPS, **statement.parameters)]


def dismiss(session: Session, asked: DeadLetterQuery, reason: str, at_ms: int) -> int:
    """Write down that nobody mends these dead letters; return how many they are."""
    statement = Statement()
    where = _where(asked, statement)
    ((count,),) = session.query(_COUNT.format(where=where), **statement.parameters)
    if count:
        text = _DISMISS.format(where=where, by=ResolvedWith.DISMISSAL.value, reason=statement.text(reason))
        session.tell(text, at=at_ms, **statement.parameters)
    return int(count)


def _that_fit(sizes: Sequence[int]) -> int:
    """Return how many letters go into one page: the first in any case."""
    room = MOST_RECORD_BYTES
    for count, size in enumerate(sizes):
        room -= size
        if room < 0 and count:
            return count
    return len(sizes)


def _where(asked: DeadLetterQuery, statement: Statement) -> str:
    wanted = asked.filter
    conditions = [
        f"{column} = {statement.text(value)}"
        for name, column in _EQUAL.items()
        if (value := getattr(wanted, name)) is not None
    ]
    conditions += _numbers(wanted, statement)
    if wanted.agent is not None:
        conditions.append(_of_batches(wanted.batches, statement))
    if asked.parked:
        conditions.append("parked")
    if asked.after is not None:
        place = f"({statement.text(asked.after.submission_id)}, {{after:UInt32}})"
        statement.parameters["after"] = asked.after.record_index
        conditions.append(f"submission_id >= {statement.text(asked.after.submission_id)}")
        conditions.append(f"(submission_id, record_index) > {place}")
    these = _these(wanted, statement)
    conditions.append(NOT_REFUSED.format(these=these))
    if asked.resolved:
        conditions += [NEWEST.format(these=these), f"NOT {OPEN.format(these=these)}"]
    elif wanted.attempt is None:
        conditions += [NEWEST.format(these=these), OPEN.format(these=these)]
    return " AND ".join(conditions)


def _these(wanted: DeadLetterFilter, statement: Statement) -> str:
    """Return what holds of every dead letter that is asked for, so that others are not looked at."""
    return f"submission_id = {statement.text(wanted.submission)}" if wanted.submission is not None else "true"


def _of_batches(batch_ids: Collection[str], statement: Statement) -> str:
    """Return the condition for a letter to be of one of these batches, a share of which travels in each parameter."""
    found = []
    for number, some in enumerate(in_shares(sorted(batch_ids))):
        name = f"batches{number}"
        statement.parameters[name] = ",".join(each.encode().hex() for each in some)
        found.append(f"batch_id IN (SELECT unhex(arrayJoin(splitByChar(',', {{{name}:String}}))))")  # ours
    return f"({' OR '.join(found)})" if found else "false"


def _numbers(wanted: DeadLetterFilter, statement: Statement) -> list[str]:
    numbers = {
        "since": ("toUnixTimestamp64Milli(failed_at) >= {since:Int64}", wanted.since),
        "until": ("toUnixTimestamp64Milli(failed_at) < {until:Int64}", wanted.until),
        "attempt": ("attempt = {attempt:UInt32}", wanted.attempt),
        "index": ("record_index = {index:UInt32}", wanted.record_index),
    }
    given = {name: (condition, value) for name, (condition, value) in numbers.items() if value is not None}
    statement.parameters.update({name: value for name, (_, value) in given.items()})
    return [condition for condition, _ in given.values()]


def _letter(row: Sequence[Any], kept: dict[tuple[str, int, int], Sequence[bytes]]) -> KeptLetter:
    submission_id, record_index, attempt, batch_id, stage, errors, topic, partition, offset, *more = row
    accepted_at, first_failed_at, failed_at, replay_id, app_version, body_hash, workspace_id, changes, parked, _ = more
    record, tried = kept.get((submission_id, record_index, attempt), (b"", b""))
    letter = DeadLetter(
        record=record or None,
        errors=unpack_errors(errors),
        stage=stage,
        submission_id=submission_id,
        batch_id=batch_id or None,
        record_index=record_index,
        source_topic=topic,
        source_partition=partition,
        source_offset=offset,
        accepted_at=accepted_at,
        attempt=attempt,
        first_failed_at=first_failed_at,
        failed_at=failed_at,
        replay_id=replay_id or None,
        app_version=app_version,
        body_hash=body_hash or None,
        workspace_id=workspace_id,
        tried=tried or None,
        changes=changes,
    )
    return KeptLetter(letter, bool(parked))
