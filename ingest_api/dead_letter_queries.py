"""The parameters of GET /api/call/dead-letters, each checked and named when it is wrong. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from ingest_api.envelope import RefusedError, refused
from ingest_api.paging import MOST_CHARACTERS, page_of
from schemas.dead_letter_query import DeadLetterFilter, DeadLetterQuery, GroupBy, Place, moment
from schemas.dead_letters import STAGES
from schemas.outcomes import RECORD_CODES, FailureClass, HttpCode

MOST_INDEX: Final = 2**32 - 1
MOST_ATTEMPT: Final = 2**31 - 1
DEAD_LETTER_PARAMETERS: Final = (
    *("agent", "batch", "submission", "stage", "path", "index", "code", "class", "since", "until", "attempt", "parked"),
    *("groupBy", "page", "limit", "sortBy", "after", "records"),
)
SORTS: Final = {"failedAt": False, "record": True}
FLAGS: Final = {"false": False, "true": True}
CODES: Final = tuple(str(code) for code in RECORD_CODES)
CLASSES: Final = tuple(str(each) for each in FailureClass)


def dead_letter_query(query: Mapping[str, str], workspace_id: str | None, now_ms: int) -> DeadLetterQuery:
    """Return which dead letters are asked for; refuse (400) what is wrong. `workspace_id` None: everybody's."""
    page, limit = page_of(query)
    asked = DeadLetterQuery(
        filter=_filter(query, workspace_id, now_ms),
        parked=FLAGS[_one_of(query, "parked", FLAGS) or "false"],
        resolved=FLAGS[_one_of(query, "resolved", FLAGS) or "false"],
        page=page,
        limit=limit,
        by_place=SORTS[_one_of(query, "sortBy", SORTS) or "failedAt"],
        after=_after(query.get("after", "")),
        records=FLAGS[_one_of(query, "records", FLAGS) or "false"],
    )
    if not asked.by_place and (asked.after is not None or asked.records):
        raise _wrong("records" if asked.records else "after", "needs sortBy=record")
    return asked


def group_by_of(query: Mapping[str, str]) -> GroupBy | None:
    """Return what is to be counted by, None: nothing."""
    asked = _one_of(query, "groupBy", tuple(GroupBy))
    return GroupBy(asked) if asked else None


def _filter(query: Mapping[str, str], workspace_id: str | None, now_ms: int) -> DeadLetterFilter:
    index, attempt = query.get("index", ""), query.get("attempt", "")
    return DeadLetterFilter(
        agent=_text(query, "agent"),
        batch=_text(query, "batch"),
        submission=_text(query, "submission"),
        code=_one_of(query, "code", CODES),
        failure_class=_one_of(query, "class", CLASSES),
        stage=_one_of(query, "stage", STAGES),
        since=_moment(query, "since", now_ms),
        until=_moment(query, "until", now_ms),
        attempt=_number("attempt", attempt, 1, MOST_ATTEMPT) if attempt else None,
        workspace_id=workspace_id,
        path=_text(query, "path"),
        record_index=_number("index", index, 0, MOST_INDEX) if index else None,
    )


def _text(query: Mapping[str, str], name: str) -> str | None:
    text = query.get(name, "")
    if len(text) > MOST_CHARACTERS:
        raise _wrong(name, f"must be at most {MOST_CHARACTERS} characters")
    return text or None


def _one_of(query: Mapping[str, str], name: str, known: Collection[str]) -> str | None:
    text = query.get(name, "")
    if text and text not in known:
        raise _wrong(name, f"must be one of {', '.join(known)}")
    return text or None


def _moment(query: Mapping[str, str], name: str, now_ms: int) -> int | None:
    text = query.get(name, "")
    if "T" in text.upper():
        text = text.replace(" ", "+")  # a plus that was not encoded in the address
    try:
        return moment(text, now_ms) if text else None
    except ValueError as error:
        raise _wrong(name, str(error)) from None


def _number(name: str, text: str, least: int, most: int) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(most)) else -1
    if not least <= number <= most:
        raise _wrong(name, f"must be an integer from {least} to {most}")
    return number


def _after(text: str) -> Place | None:
    if not text:
        return None
    submission_id, slash, index = text.rpartition("/")
    if not slash or not submission_id or len(submission_id) > MOST_CHARACTERS:
        raise _wrong("after", "must be what an answer has in `next`")
    return Place(submission_id, _number("after", index, 0, MOST_INDEX))


def _wrong(name: str, rule: str) -> RefusedError:
    return refused(HttpCode.FIELD_INVALID, f"{name}: {rule}", name)
