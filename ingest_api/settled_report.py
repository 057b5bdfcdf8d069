"""The report of a submission that no request waits for: what the store knows of it, and what it is about to know."""

from __future__ import annotations

import asyncio
from typing import Final

from ingest_api.edge import Edge
from ingest_api.from_store import from_store
from ingest_api.report import Report, report_of
from schemas.stores import StoredSubmission

NOTHING_STORED: Final = StoredSubmission(None, (), (), {})
SETTLING_SECONDS: Final = 5.0
"""How long dead letters are waited for that receipts count and the store has not shown yet."""

_PAUSE_SECONDS: Final = 0.1


async def settled_report(edge: Edge, submission_id: str) -> Report | None:
    """Return what is known of a submission, None if that is nothing; refuse (503) if the store is silent.

    Where only dead letters are missing they are waited for: an answer may have told them already.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLING_SECONDS
    while True:
        stored = await from_store(edge, edge.store.submission(submission_id))
        report = report_of(stored or NOTHING_STORED, edge.receipts.reports.recent(submission_id))
        if report is None or not report.explaining or loop.time() >= deadline:
            return report
        await asyncio.sleep(_PAUSE_SECONDS)
