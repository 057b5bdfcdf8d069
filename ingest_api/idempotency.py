"""Idempotency-Key: the same request again gets the first answer again, and never causes a second call.

The submission id is a function of workspace and key, so that every process gives a key the same one; a hash of the
body travels along, and `load` stores each slice of a submission once. What is decided here: whether a request is the
first of its key, a repeat to be answered from what is stored, a repeat to be published again, or one to be refused.
A request that is refused before it was published leaves no trace: its key can be used again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from ingest_api.answers import REPORT_PATH
from ingest_api.edge import Edge
from ingest_api.envelope import RefusedError, refused
from ingest_api.report import Report
from ingest_api.settled_report import settled_report
from ingest_api.waiting import WaitingReports
from schemas.identity import keyed_submission_id, new_submission_id
from schemas.outcomes import HttpCode
from schemas.records import SubmissionAccepted

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = {"Idempotent-Replayed": "true"}
"""The header of an answer that the first request with this key was given before."""
MOST_CHARACTERS: Final = 255
_KEY: Final = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Identity:
    """What a submission is known by. Without an Idempotency-Key the id is a fresh one, and there is no hash."""

    submission_id: str
    body_hash: str | None = None


def key_of(values: Sequence[str]) -> str | None:
    """Return the key of a request with these `Idempotency-Key` headers, None if it has none; refuse (400) others.

    It is taken as it stands: quotes, which the IETF's draft wants around it, are part of it.
    """
    if not values:
        return None
    if len(values) == 1 and len(values[0]) <= MOST_CHARACTERS and _KEY.fullmatch(values[0]):
        return values[0]
    rule = f"send one {HEADER} of 1 to {MOST_CHARACTERS} visible ASCII characters, or none"
    raise refused(HttpCode.FIELD_INVALID, rule, HEADER)


def identity_of(workspace_id: str, key: str | None, *body: bytes) -> Identity:
    """Return the identity of a submission; `body` is everything that must be the same in a repeat, inflated."""
    if key is None:
        return Identity(new_submission_id())
    hashed = hashlib.sha256()
    for part in body:
        hashed.update(part)
    return Identity(keyed_submission_id(workspace_id, key), hashed.hexdigest())


@contextmanager
def claimed(reports: WaitingReports, identity: Identity) -> Iterator[None]:
    """Keep other requests with this key out of this process while in the `with`; refuse (409, 422) to be the second."""
    waiting = reports.find(identity.submission_id)
    if waiting is not None:
        _require_same_body(waiting.report.accepted, identity)
    if identity.submission_id in reports.claimed:
        raise _in_progress(identity, 1)
    reports.claimed.add(identity.submission_id)
    try:
        yield
    finally:
        reports.claimed.discard(identity.submission_id)


async def first_report(edge: Edge, identity: Identity) -> Report | None:
    """Return the complete report of the first request with this key; None if this one is to be published.

    Refuse it if the key came with another body (422) or the first is still being worked on (409). A submission that
    nobody publishes any more, and that is not complete, is published again: what of it is stored stays as it is. So is
    one that this process has not seen while the store cannot be asked: an outage of the store stops no sender.
    """
    if identity.body_hash is None:
        return None
    try:
        report = await settled_report(edge, identity.submission_id)
    except RefusedError:
        if _was_published_here(edge.receipts.reports, identity):
            raise
        return None
    if report is None:
        return None
    _require_same_body(report.accepted, identity)
    if report.complete:
        return report
    if edge.receipts.reports.doubtful(identity.submission_id) or _given_up(edge, report.accepted):
        return None
    raise _in_progress(identity, edge.settings.retry_after_seconds)


def other_body() -> RefusedError:
    """Return the refusal of a key that came with another body before."""
    return refused(HttpCode.IDEMPOTENCY_BODY_DIFFERS, path=HEADER)


def _was_published_here(reports: WaitingReports, identity: Identity) -> bool:
    """Return whether this process has published the submission lately, and whole; refuse (422) another body."""
    recent = reports.recent(identity.submission_id)
    if recent is None:
        return False
    _require_same_body(recent, identity)
    return not reports.doubtful(identity.submission_id)


def _given_up(edge: Edge, accepted: SubmissionAccepted) -> bool:
    recent = edge.receipts.reports.recent(accepted.submission_id)
    tried_at = max(accepted.accepted_at, recent.accepted_at if recent is not None else 0)
    return edge.now_ms() - tried_at >= edge.settings.publish_again_seconds * 1000


def _require_same_body(accepted: SubmissionAccepted, identity: Identity) -> None:
    if accepted.body_hash != identity.body_hash:
        raise other_body()


def _in_progress(identity: Identity, retry_after_seconds: int) -> RefusedError:
    headers = {"Retry-After": str(retry_after_seconds), "Location": REPORT_PATH + identity.submission_id}
    return refused(HttpCode.IDEMPOTENCY_IN_PROGRESS, path=HEADER, headers=headers)
