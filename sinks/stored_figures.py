"""What is asked of ClickHouse for the metrics: counts only."""

from __future__ import annotations

from itertools import chain
from typing import Final

from schemas.stores import Figures
from sinks.query import Query

_COLUMNS: Final = """
SELECT table, name FROM system.columns WHERE database = currentDatabase() AND table IN ('dead_letters', 'replayed')
"""
_RECORD: Final = "sipHash64(submission_id, record_index)"
_MENDED: Final = f"record IN (SELECT {_RECORD} FROM replayed WHERE outcome != 'failed')"  # noqa: S608  # constants only
"""As lists of dead letters have it: what a replay has stored, or found superseded, stays mended."""

_LETTERS: Final = f"""
SELECT newest_code, newest_class, MENDED AS mended, count(), toUnixTimestamp64Milli(min(first)), countIf(newest_parked)
FROM (
    SELECT {_RECORD} AS record, argMax(code, attempt) AS newest_code, argMax(class, attempt) AS newest_class,
        min(first_failed_at) AS first, argMax(PARKED, attempt) AS newest_parked
    FROM dead_letters GROUP BY record
)
GROUP BY newest_code, newest_class, mended ORDER BY newest_code, newest_class, mended
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
    replays = ("replayed", "outcome") in columns
    parked = "parked" if ("dead_letters", "parked") in columns else "false"
    letters = query(_LETTERS.replace("MENDED", _MENDED if replays else "false").replace("PARKED", parked))
    unmended = [row for row in letters if not row[2]]
    outcomes = query(_FAILED_AGAIN.replace("PARKED", parked)), query(_WENT_THROUGH) if replays else ()
    ((submissions, added, failed),) = query(_RECEIPTS)
    return Figures(
        dead_letters=[(code, kind, bool(mended), int(count)) for code, kind, mended, count, _, _ in letters],
        oldest_unmended_at=min((first for *_, first, _ in unmended), default=None),
        parked=sum(int(count) for *_, count in unmended),
        replayed={outcome: int(count) for outcome, count in chain(*outcomes)},
        submissions=int(submissions),
        added=int(added),
        failed=int(failed),
    )
