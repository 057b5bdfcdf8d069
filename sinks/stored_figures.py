"""What is asked of ClickHouse for the metrics: counts only."""

from __future__ import annotations

from itertools import chain
from typing import Final

from schemas.stores import FailedRecords, Figures, Mended
from schemas.topics import LETTERS_KEPT_DAYS
from sinks.dead_letter_states import NEWEST, NOT_REFUSED, OPEN
from sinks.query import Query

_COLUMNS: Final = """
SELECT table, name FROM system.columns WHERE database = currentDatabase() AND table IN ('dead_letters', 'resolved')
"""
_LETTERS: Final = f"""
SELECT code, class,
    multiIf(NOT WAITS, '{Mended.YES}', failed_at < now() - INTERVAL {LETTERS_KEPT_DAYS} DAY, '{Mended.EXPIRED}',
        '{Mended.NO}') AS mended,
    count(), toUnixTimestamp64Milli(min(first_failed_at)), countIf(PARKED)
FROM dead_letters FINAL WHERE NEWEST GROUP BY code, class, mended ORDER BY code, class, mended
"""  # noqa: S608  # constants only
_WENT_THROUGH: Final = """
SELECT outcome, uniqExact(submission_id, record_index, replay_id) FROM replayed WHERE outcome != 'failed'
GROUP BY outcome
"""
_FAILED_AGAIN: Final = """
SELECT if(PARKED, 'parked', 'failed') AS outcome, uniqExact(submission_id, record_index, attempt) FROM dead_letters
WHERE attempt > 1 GROUP BY outcome
"""
_RECEIPTS: Final = "SELECT uniqExact(submission_id), sum(added), sum(failed) FROM receipts FINAL"


def read_figures(query: Query) -> Figures:
    """Return the counts. Tables and columns that a migration has yet to make count as empty."""
    columns = set(query(_COLUMNS))
    migrated = {("dead_letters", "phone_number"), ("resolved", "by")} <= columns
    parked = "parked" if ("dead_letters", "parked") in columns else "false"
    waits = OPEN.format(these="true") if migrated else "true"
    newest = f"{NEWEST} AND {NOT_REFUSED}".format(these="true")
    letters = query(_LETTERS.replace("WAITS", waits).replace("NEWEST", newest).replace("PARKED", parked))
    outcomes = query(_FAILED_AGAIN.replace("PARKED", parked)), query(_WENT_THROUGH) if migrated else ()
    ((submissions, added, failed),) = query(_RECEIPTS)
    return Figures(
        dead_letters=[
            FailedRecords(code, kind, Mended(mended), count, at) for code, kind, mended, count, at, _ in letters
        ],
        parked=sum(parked for _, _, mended, _, _, parked in letters if mended == Mended.NO),
        replayed={outcome: int(count) for outcome, count in chain(*outcomes)},
        submissions=int(submissions),
        added=int(added),
        failed=int(failed),
    )
