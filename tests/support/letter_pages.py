"""Dead letters in plain Python: what pages and counts of them are, and how tests make and store them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from msgspec import structs

from schemas.dead_letter_query import (
    MOST_RECORD_BYTES,
    DeadLetterGroup,
    DeadLetterPage,
    DeadLetterQuery,
    GroupBy,
    KeptLetter,
    Place,
    by_count,
    group_key,
    group_of,
    merged,
)
from schemas.dead_letters import DeadLetter
from schemas.outcomes import Code, FieldError
from sinks.report_rows import dead_letters_insert
from sinks.rows import Insert

AT = 1_800_000_000_000


def a_letter(index: int = 0, code: Code = Code.TYPE, **fields: Any) -> DeadLetter:
    """Return a dead letter; what is not given is plain."""
    attempt = fields.get("attempt", 1)
    values: dict[str, Any] = {
        "record": b'{"phoneNumber":"+12125551001","n":%d}' % index,
        "errors": (FieldError(code, "/n", f"n is wrong in attempt {attempt}"),),
        "stage": "clean",
        "submission_id": "s",
        "batch_id": "batch-1",
        "record_index": index,
        "source_topic": "calls.raw",
        "source_partition": 3,
        "source_offset": 42,
        "accepted_at": AT,
        "attempt": attempt,
        "first_failed_at": AT + index,
        "failed_at": AT + 1000 * attempt + index,
        "app_version": "0.1.0",
        "workspace_id": "workspace-1",
    }
    return DeadLetter(**values | fields)


def newest(letters: Iterable[KeptLetter]) -> list[KeptLetter]:
    """Return the newest attempt at each record."""
    found: dict[Place, KeptLetter] = {}
    for kept in letters:
        if kept.place not in found or kept.letter.attempt > found[kept.place].letter.attempt:
            found[kept.place] = kept
    return list(found.values())


def selected(letters: Sequence[KeptLetter], query: DeadLetterQuery) -> list[KeptLetter]:
    considered = letters if query.filter.attempt is not None else newest(letters)
    if query.resolved or query.filter.attempt is None:
        considered = [one for one in considered if (one.resolved_by is not None) == query.resolved]
    found = [one for one in considered if query.filter.matches(one.letter) and (one.parked or not query.parked)]
    found = [one for one in found if query.after is None or one.place > query.after]
    found.sort(key=lambda one: one.place)
    if not query.by_place:
        found.sort(key=lambda one: one.letter.failed_at, reverse=True)
    return found


def letters_page(letters: Sequence[KeptLetter], query: DeadLetterQuery) -> DeadLetterPage:
    """Return what a store that holds these letters answers, by the rules of `DeadLetterQuery`."""
    found = selected(letters, query)
    first = 0 if query.after else (query.page - 1) * query.limit
    page, rest = found[first : first + query.limit], found[first + query.limit :]
    if query.records:
        while len(page) > 1 and sum(len(one.letter.record or b"") for one in page) > MOST_RECORD_BYTES:
            rest.insert(0, page.pop())
    else:
        page = [replace(one, letter=structs.replace(one.letter, record=None, tried=None)) for one in page]
    return DeadLetterPage(None if query.after else len(found), page, more=bool(rest))


def groups_of(letters: Sequence[KeptLetter], query: DeadLetterQuery, by: GroupBy) -> list[DeadLetterGroup]:
    """Return the counts of a store that holds these letters."""
    found: dict[str, list[DeadLetterGroup]] = {}
    for one in selected(letters, query):
        found.setdefault(group_key(one.letter, by), []).append(group_of(one.letter, by))
    return by_count(merged(key, groups) for key, groups in found.items())


def letters_insert(letters: Sequence[KeptLetter]) -> Insert:
    """Return the insert of letters, parked or not, one row each."""
    return dead_letters_insert([structs.replace(one.letter, parked=one.parked) for one in letters])
