"""What is asked of ClickHouse for the metrics: counts only."""

from __future__ import annotations

from typing import Final

from schemas.stores import Figures
from sinks.query import Query

_COLUMNS: Final = """
SELECT table, name FROM system.columns WHERE database = currentDatabase() AND table IN ('dead_letters', 'replayed')
"""
_RECORD: Final = "sipHash64(submission_id, record_index)"
_MENDED: Final = f"record IN (SELECT {_RECORD} FROM replayed)"  # noqa: S608  # constants only
_LETTERS: Final = f"""
SELECT newest_code, newest_class, MENDED AS mended, count(), toUnixTimestamp64Milli(min(first))
FROM (
    SELECT {_RECORD} AS record, argMax(code, attempt) AS newest_code, argMax(class, attempt) AS newest_class,
        min(first_failed_at) AS first
    FROM dead_letters GROUP BY record
)
GROUP BY newest_code, newest_class, mended ORDER BY newest_code, newest_class, mended
"""  # noqa: S608  # constants only
_PARKED: Final = f"SELECT uniqExact({_RECORD}) FROM dead_letters WHERE parked"  # noqa: S608  # constants only
_REPLAYED: Final = """
SELECT outcome, uniqExact(submission_id, record_index, replay_id) FROM replayed GROUP BY outcome
"""
_RECEIPTS: Final = "SELECT uniqExact(submission_id), sum(added), sum(failed) FROM receipts FINAL"


def read_figures(query: Query) -> Figures:
    """Return the counts. Tables and columns that a migration has yet to make count as empty."""
    columns = set(query(_COLUMNS))
    replays = ("replayed", "outcome") in columns
    letters = query(_LETTERS.replace("MENDED", _MENDED if replays else "0"))
    unmended = [first for _, _, mended, _, first in letters if not mended]
    ((submissions, added, failed),) = query(_RECEIPTS)
    return Figures(
        dead_letters=[(code, kind, bool(mended), int(count)) for code, kind, mended, count, _ in letters],
        oldest_unmended_at=min(unmended, default=None),
        parked=int(query(_PARKED)[0][0]) if ("dead_letters", "parked") in columns else 0,
        replayed={outcome: int(count) for outcome, count in query(_REPLAYED)} if replays else {},
        submissions=int(submissions),
        added=int(added),
        failed=int(failed),
    )
