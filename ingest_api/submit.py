"""addCallsToBatch from its body to its answer: check, slice, publish, wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog

from ingest_api.admission import Place
from ingest_api.answers import answer_of, pending
from ingest_api.edge import Edge
from ingest_api.envelope import Answer, refused
from ingest_api.headers import Wait
from ingest_api.off_loop import THREAD_RECORDS, off_loop
from ingest_api.publish import published
from ingest_api.slicing import slices
from ingest_api.waiting import Waiting, wait_for_report
from schemas.codecs import encode
from schemas.identity import new_submission_id
from schemas.messages import Headers, Message
from schemas.outcomes import Code, FieldError, HttpCode
from schemas.records import SubmissionAccepted
from schemas.submission_body import SubmissionBody, parse_body
from schemas.topics import TopicName

log = structlog.get_logger(__name__)

THREAD_BYTES: Final = 1_000_000
"""A body longer than this is taken apart in a thread."""


async def submit(edge: Edge, workspace_id: str, body: bytes, place: Place, wait: Wait) -> Answer:
    """Return the answer to a body. Until it is published every refusal leaves no trace."""
    began = asyncio.get_running_loop().time()
    large = len(body) > THREAD_BYTES
    batch_id, records = _checked(await off_loop(large, partial(parse_body, body)))
    del body
    await edge.access.sendable(workspace_id, batch_id)
    await edge.bus.require()
    accepted = SubmissionAccepted(
        submission_id=new_submission_id(),
        workspace_id=workspace_id,
        batch_id=batch_id,
        total=len(records),
        accepted_at=edge.now_ms(),
    )
    partition = edge.receipts.choose_partition()
    messages = await off_loop(large, partial(messages_of, accepted, records, partition))
    del records
    with edge.receipts.reports.expect(accepted, partition) as waiting:
        publishing = edge.bus.begin(messages, then=place.keep_bytes().release)
        del messages
        return await _answer(edge, waiting, publishing, began, wait)


async def _answer(edge: Edge, waiting: Waiting, publishing: asyncio.Task[None], began: float, wait: Wait) -> Answer:
    accepted = waiting.report.accepted
    if not await published(publishing, edge.settings.wait_seconds):
        return pending(accepted.submission_id, {})
    left = began + wait.seconds - asyncio.get_running_loop().time()
    await wait_for_report(waiting, left, edge.receipts, edge.store)
    answer = await off_loop(accepted.total > THREAD_RECORDS, partial(answer_of, waiting.report, wait.applied))
    log.info(
        "submission_answered",
        submission_id=accepted.submission_id,
        batch_id=accepted.batch_id,
        total=accepted.total,
        added=waiting.report.added,
        failed=waiting.report.failed,
        status=answer.status,
    )
    return answer


def _checked(parsed: SubmissionBody | FieldError) -> tuple[str, list[bytes]]:
    if isinstance(parsed, FieldError):
        whole = parsed.path == "" and parsed.code in (Code.UNDECODABLE, Code.EMPTY_VALUE)
        code = HttpCode.INVALID_JSON if whole else HttpCode.FIELD_INVALID
        raise refused(code, parsed.message, parsed.path)
    if parsed.batch_id is None:
        raise refused(HttpCode.FIELD_INVALID, "batchId is missing: name the batch", "/batchId")
    return parsed.batch_id, parsed.records


def messages_of(accepted: SubmissionAccepted, records: Sequence[bytes], partition: int | None) -> list[Message]:
    """Return everything that is published for a submission: that it was accepted, and its records."""
    announcement = Message(TopicName.RECEIPTS, encode(accepted), accepted.submission_id.encode(), partition=partition)
    raw = [
        Message(
            TopicName.RAW,
            piece.value,
            accepted.batch_id.encode(),
            headers=_headers(accepted, piece.first_index, partition),
        )
        for piece in slices(accepted.batch_id, records)
    ]
    return [announcement, *raw]


def _headers(accepted: SubmissionAccepted, first_index: int, partition: int | None) -> Headers:
    headers = (
        ("submission-id", accepted.submission_id.encode()),
        ("first-index", str(first_index).encode()),
        ("total", str(accepted.total).encode()),
        ("workspace-id", accepted.workspace_id.encode()),
    )
    return headers if partition is None else (*headers, ("report-partition", str(partition).encode()))
