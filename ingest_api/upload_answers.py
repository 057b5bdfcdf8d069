"""What an upload is answered: 201, 202, or 422 and 400 with the rows that refused it. Pure.

Beside the envelope stand `success`, whether the batch was made, and `batch`: what the hosted service answers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from ingest_api.answers import PENDING, REPORT_PATH
from ingest_api.envelope import Answer, RequestError, failure, success, unfinished
from ingest_api.report import Report
from ingest_api.upload_rows import UploadedRows
from schemas.outcomes import HTTP_CODES, HttpCode
from schemas.records import Batch

UPLOADED: Final = "Calls uploaded successfully"


def answer_of(report: Report | None, batch: Batch, submission_id: str, rows: UploadedRows, applied: str) -> Answer:
    """Return the answer once rows were published; `applied` is the value of `Preference-Applied`, "" for none."""
    answer = _answer_of(report, batch.batch_id, submission_id, rows, applied)
    made = {"_id": batch.batch_id, "batchName": batch.name, "totalCalls": rows.total}
    return replace(answer, body={**answer.body, "success": True, "batch": made})


def _answer_of(report: Report | None, batch_id: str, submission_id: str, rows: UploadedRows, applied: str) -> Answer:
    headers = {"Preference-Applied": applied} if applied else {}
    data = {"batchId": batch_id, "submissionId": submission_id, "totalCalls": rows.total, **rows.notes.as_json()}
    if report is None or not report.complete:
        return unfinished(202, PENDING, "", data | _failed(rows), {**headers, "Location": REPORT_PATH + submission_id})
    data |= {"added": report.added} | _failed(rows, report)
    if not report.failed:
        return success(UPLOADED, data, 201, headers)
    return unfinished(201, UPLOADED, f"{report.failed} valid rows could not be stored", data, headers)


def refusal_of(rows: UploadedRows, *, accepts: bool) -> Answer:
    """Return the refusal of a table of which nothing is stored: 422, or 400 if that is not for `type` to decide."""
    code = HttpCode.NO_VALID_RECORD if accepts else HttpCode.INVALID_ROWS
    error = RequestError(code, HTTP_CODES[code][1], None if accepts else "/type")
    answer = failure([error], totalCalls=rows.total, added=0, **rows.notes.as_json(), **_failed(rows))
    return replace(answer, body={**answer.body, "success": False})


def _failed(rows: UploadedRows, report: Report | None = None) -> dict[str, Any]:
    """Return the failed rows: those found here, and those that the report of the others adds."""
    shown = rows.failed.as_json()
    count = rows.failed.count
    if report is not None and report.failed:
        records = [record for chunk in report.failed_chunks() for record in chunk["records"]]
        shown += [{"row": rows.rows[record["index"]], "errors": record["errors"]} for record in records]
        shown.sort(key=lambda failed: int(failed["row"]))
        count += report.failed
    return {"failedRows": shown, "failedRowsOmitted": count - len(shown)}
