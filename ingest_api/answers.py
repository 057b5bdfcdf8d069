"""A submission's report as the answer of addCallsToBatch: 200, 207, 202 or 400. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ingest_api.envelope import Answer, RequestError, failure, success, unfinished
from ingest_api.report import Report
from schemas.outcomes import HTTP_CODES, HttpCode

ENQUEUED: Final = "Calls enqueued successfully"
PARTLY: Final = "Some calls were not enqueued"
PENDING: Final = "Calls accepted; ask for the report"
REPORT_PATH: Final = "/api/call/submissions/"


def answer_of(report: Report, applied: str) -> Answer:
    """Return the answer; `applied` is the value of `Preference-Applied`, "" for none."""
    headers = {"Preference-Applied": applied} if applied else {}
    if not report.complete:
        return pending(report.accepted.submission_id, headers)
    if not report.failed:
        data = {"added": report.added, "callIds": report.call_ids(), "submissionId": report.accepted.submission_id}
        return success(ENQUEUED, data, headers=headers)
    return _with_failures(report, headers)


def pending(submission_id: str, headers: Mapping[str, str]) -> Answer:
    """Return the 202 of a report that is not known yet."""
    location = REPORT_PATH + submission_id
    data = {"submissionId": submission_id}
    return unfinished(202, PENDING, "", data, {**headers, "Location": location})


def _with_failures(report: Report, headers: Mapping[str, str]) -> Answer:
    submission_id, failed_chunks = report.accepted.submission_id, report.failed_chunks()
    if not report.added:
        error = RequestError(HttpCode.NO_VALID_RECORD, HTTP_CODES[HttpCode.NO_VALID_RECORD][1])
        return failure([error], headers, submissionId=submission_id, failedChunks=failed_chunks)
    data = {
        "added": report.added,
        "callIds": report.call_ids(),
        "submissionId": submission_id,
        "failedChunks": failed_chunks,
    }
    return unfinished(207, PARTLY, f"{report.failed} of {report.total} records failed", data, headers)
