"""Dead letters as the API and the command line show them. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ingest_api.batch_details import utc
from schemas.dead_letter_query import (
    DeadLetterGroup,
    DeadLetterPage,
    DeadLetterQuery,
    GroupBy,
    KeptLetter,
    ResolvedBy,
    by_count,
)
from schemas.dead_letter_query import merged as merged_group
from schemas.outcomes import RECORD_CODES
from schemas.registry import Registry

GROUPS_SHOWN: Final = 1000
_LAST_MS: Final = 253_402_300_799_999
"""The end of the year 9999: headers may say anything."""


def letters_shown(page: DeadLetterPage, asked: DeadLetterQuery) -> dict[str, Any]:
    """Return the `data` of a page of dead letters; `next` is what goes on in `after`."""
    shown = {
        "deadLetters": [letter_shown(kept, records=asked.records) for kept in page.letters],
        "page": asked.page,
        "limit": asked.limit,
        "total": page.total,
    }
    if asked.by_place:
        shown["next"] = str(page.letters[-1].place) if page.more else None
    return shown


def letter_shown(kept: KeptLetter, *, records: bool) -> dict[str, Any]:
    """Return one dead letter; `topic`, `partition` and `offset` are those of the message that the record came in."""
    letter = kept.letter
    first = letter.errors[0]
    shown: dict[str, Any] = {
        "code": str(first.code),
        "class": str(RECORD_CODES[first.code].failure_class),
        "stage": letter.stage,
        "path": first.path,
        "message": first.message,
        "batchId": letter.batch_id,
        "submissionId": letter.submission_id,
        "recordIndex": letter.record_index,
        "attempt": letter.attempt,
        "failedAt": _time(letter.failed_at),
        "topic": letter.source_topic,
        "partition": letter.source_partition,
        "offset": letter.source_offset,
        "firstFailedAt": _time(letter.first_failed_at),
        "acceptedAt": _time(letter.accepted_at),
        "replayId": letter.replay_id,
        "parked": kept.parked,
        "changes": letter.changes,
        "errors": [{"path": error.path, "code": str(error.code), "message": error.message} for error in letter.errors],
    }
    if kept.resolved_by is not None:
        shown["resolvedBy"] = _resolution_shown(kept.resolved_by)
    if records:
        shown |= _bytes_shown("record", letter.record) | _bytes_shown("tried", letter.tried)
    return shown


def _resolution_shown(resolved: ResolvedBy) -> dict[str, Any]:
    """Return how a dead letter was resolved, with what belongs to that only."""
    shown = {
        "by": str(resolved.by),
        "at": _time(resolved.at),
        "replayId": resolved.replay_id,
        "submissionId": resolved.submission_id,
        "recordIndex": resolved.record_index,
        "reason": resolved.reason,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _bytes_shown(name: str, value: bytes | None) -> dict[str, Any]:
    """Return bytes as text where they are UTF-8, else in base64 under a name that says so."""
    try:
        return {name: value.decode() if value is not None else None}
    except UnicodeDecodeError:
        return {name: None, f"{name}Base64": base64.b64encode(value or b"").decode()}


def bytes_of(shown: dict[str, Any], name: str) -> bytes | None:
    """Return the bytes that were shown under a name."""
    packed, text = shown.get(f"{name}Base64"), shown.get(name)
    return base64.b64decode(packed) if packed is not None else text.encode() if text is not None else None


def groups_shown(groups: Sequence[DeadLetterGroup], by: GroupBy, registry: Registry) -> dict[str, Any]:
    """Return the `data` of counts, largest first."""
    known = by_agent(groups, registry) if by is GroupBy.AGENT else groups
    return {
        "groupBy": str(by),
        "total": sum(group.count for group in known),
        "groups": [group_shown(group) for group in known[:GROUPS_SHOWN]],
        "groupsOmitted": max(0, len(known) - GROUPS_SHOWN),
    }


def group_shown(group: DeadLetterGroup) -> dict[str, Any]:
    """Return one count."""
    return {
        "key": group.key,
        "count": group.count,
        "oldest": _time(group.oldest),
        "newest": _time(group.newest),
        "message": group.message,
    }


def by_agent(batches: Iterable[DeadLetterGroup], registry: Registry) -> list[DeadLetterGroup]:
    """Return counts by batch as counts by the agent that speaks for it now, "" where there is none."""
    found: dict[str, list[DeadLetterGroup]] = {}
    for group in batches:
        found.setdefault(registry.agent_id_of(group.key), []).append(group)
    return by_count(merged_group(key, groups) for key, groups in found.items())


def _time(at_ms: int) -> str | None:
    return utc(at_ms) if 0 <= at_ms <= _LAST_MS else None
