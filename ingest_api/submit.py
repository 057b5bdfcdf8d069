"""addCallsToBatch from its body to its answer: check, slice, publish, wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from ingest_api.admission import Place
from ingest_api.answers import answer_of, pending
from ingest_api.edge import Edge
from ingest_api.envelope import Answer, refused, with_headers, with_warnings
from ingest_api.headers import Wait
from ingest_api.idempotency import REPLAYED, Identity, claimed, first_report, identity_of, other_body
from ingest_api.off_loop import THREAD_RECORDS, off_loop
from ingest_api.publish import published
from ingest_api.report import Report
from ingest_api.requested import Warnings, refuse
from ingest_api.slicing import slices
from ingest_api.waiting import WaitingReports, wait_for_report
from schemas.codecs import encode
from schemas.messages import Headers, Message
from schemas.options import unknown
from schemas.outcomes import Code, FieldError, HttpCode
from schemas.records import SubmissionAccepted
from schemas.submission_body import FIELDS, SubmissionBody, parse_body
from schemas.topics import TopicName

log = structlog.get_logger(__name__)

THREAD_BYTES: Final = 1_000_000
"""A body longer than this is taken apart in a thread."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request's headers ask for: how long its answer may wait, its Idempotency-Key, what has no effect."""

    wait: Wait
    key: str | None = None
    warnings: Warnings = field(default_factory=list)


async def submit(edge: Edge, workspace_id: str, body: bytes, place: Place, asked: Asked) -> Answer:
    """Return the answer to a body. Until it is published every refusal leaves no trace."""
    until = asyncio.get_running_loop().time() + asked.wait.seconds
    large = len(body) > THREAD_BYTES
    batch_id, records, beside = _checked(await off_loop(large, partial(parse_body, body)))
    warnings = [*asked.warnings, *beside]
    identity = await off_loop(large, partial(identity_of, workspace_id, asked.key, body))
    del body
    with claimed(edge.receipts.reports, identity):
        report = await first_report(edge, identity)
        replayed = report is not None
        if report is None:
            await edge.access.sendable(workspace_id, batch_id)
            await edge.bus.require()
            accepted = accepted_of(edge, identity, workspace_id, batch_id, len(records))
            report = await deliver(edge, accepted, records, place, until)
    if report is None:
        return with_warnings(pending(identity.submission_id, {}), warnings)
    return with_warnings(await _answer(report, asked.wait, replayed=replayed), warnings)


async def _answer(report: Report, wait: Wait, *, replayed: bool) -> Answer:
    answer = await off_loop(report.total > THREAD_RECORDS, partial(answer_of, report, wait.applied))
    log.info(
        "submission_answered",
        submission_id=report.accepted.submission_id,
        batch_id=report.accepted.batch_id,
        total=report.total,
        added=report.added,
        failed=report.failed,
        status=answer.status,
    )
    return with_headers(answer, REPLAYED) if replayed else answer


def accepted_of(edge: Edge, identity: Identity, workspace_id: str, batch_id: str, total: int) -> SubmissionAccepted:
    """Return what is announced of a submission accepted now."""
    return SubmissionAccepted(
        submission_id=identity.submission_id,
        workspace_id=workspace_id,
        batch_id=batch_id,
        total=total,
        accepted_at=edge.now_ms(),
        body_hash=identity.body_hash,
    )


async def deliver(
    edge: Edge, accepted: SubmissionAccepted, records: list[bytes], place: Place, until: float
) -> Report | None:
    """Publish a submission and wait for its report, to the loop's time `until`. `records` is emptied.

    Return the report, complete or not; None if it cannot be known whether Kafka has all of it. Refuse (422) what lost
    against another body with the same Idempotency-Key, of which nothing is stored.
    """
    reports = edge.receipts.reports
    partition = edge.receipts.choose_partition()
    large = len(records) > THREAD_RECORDS or sum(map(len, records)) > THREAD_BYTES
    messages = await off_loop(large, partial(messages_of, accepted, records, partition))
    records.clear()  # whoever waits for a report holds no bytes of its records
    with reports.expect(accepted, partition) as waiting:
        publishing = edge.bus.begin(messages, then=place.keep_bytes().release)
        publishing.add_done_callback(partial(doubt_unless_done, reports, accepted.submission_id))
        del messages
        if not await published(publishing, edge.settings.wait_seconds):
            return None
        left = until - asyncio.get_running_loop().time()
        await wait_for_report(waiting, left, edge.receipts, edge.store)
        if waiting.other_body:
            raise other_body()
        return waiting.report


def doubt_unless_done(reports: WaitingReports, submission_id: str, publishing: asyncio.Task[None]) -> None:
    """Remember that nobody knows which part of a submission Kafka has, if publishing it failed."""
    if publishing.cancelled() or publishing.exception() is not None:
        reports.doubt(submission_id)


def _checked(parsed: SubmissionBody | FieldError) -> tuple[str, list[bytes], Warnings]:
    """Return the batch, the records, and warnings about other fields; refuse what is wrong."""
    if isinstance(parsed, FieldError):
        whole = parsed.path == "" and parsed.code in (Code.UNDECODABLE, Code.EMPTY_VALUE)
        code = HttpCode.INVALID_JSON if whole else HttpCode.FIELD_INVALID
        raise refused(code, parsed.message, parsed.path)
    refuse(parsed.unsupported())
    if parsed.batch_id is None:
        raise refused(HttpCode.FIELD_INVALID, "batchId is missing: name the batch", "/batchId")
    return parsed.batch_id, parsed.records, unknown(parsed.others, FIELDS)


def messages_of(accepted: SubmissionAccepted, records: Sequence[bytes], partition: int | None) -> list[Message]:
    """Return everything that is published for a submission: that it was accepted, and its records."""
    return [announcement(accepted, partition), *raw_messages(accepted, records, partition)]


def announcement(accepted: SubmissionAccepted, partition: int | None) -> Message:
    """Return the message that says that a submission was accepted."""
    return Message(TopicName.RECEIPTS, encode(accepted), accepted.submission_id.encode(), partition=partition)


def raw_messages(
    accepted: SubmissionAccepted, records: Sequence[bytes], partition: int | None, first_index: int = 0
) -> list[Message]:
    """Return the messages of a run of a submission's records, which begins with a chunk at `first_index`."""
    return [
        Message(
            TopicName.RAW,
            piece.value,
            accepted.batch_id.encode(),
            headers=_headers(accepted, first_index + piece.first_index, partition),
        )
        for piece in slices(accepted.batch_id, records)
    ]


def _headers(accepted: SubmissionAccepted, first_index: int, partition: int | None) -> Headers:
    headers: Headers = (
        ("submission-id", accepted.submission_id.encode()),
        ("first-index", str(first_index).encode()),
        ("total", str(accepted.total).encode()),
        ("workspace-id", accepted.workspace_id.encode()),
    )
    if partition is not None:
        headers = (*headers, ("report-partition", str(partition).encode()))
    if accepted.body_hash is not None:
        headers = (*headers, ("body-hash", accepted.body_hash.encode()))
    return headers
