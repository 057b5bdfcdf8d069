"""Dead letters for people: a table, counts with ages, or each in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from dialfeed.output import render_facts, render_rows, table
from dialfeed.plain_text import one_line
from ingest_api.dead_letters import bytes_of

RECORD_SHOWN: Final = 4000
_COLUMNS: Final = {
    "failedAt": "failed",
    "code": "code",
    "path": "path",
    "message": "message",
    "batchId": "batch",
    "submissionId": "submission",
    "recordIndex": "index",
    "attempt": "attempt",
}
_FACTS: Final = (
    "class",
    "stage",
    "batchId",
    "submissionId",
    "recordIndex",
    "attempt",
    "parked",
    "firstFailedAt",
    "failedAt",
    "replayId",
    "topic",
    "partition",
    "offset",
)
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


def render_list(rows: Sequence[Mapping[str, Any]], total: int) -> RenderableType:
    """Return the newest letters as a table, and how many more there are."""
    if not rows:
        return Text("no dead letters", style="dim")
    shown = table(list(_COLUMNS.values()), ([row[name] for name in _COLUMNS] for row in rows))
    rest = total - len(rows)
    more = [Text(f"... and {rest} more; --json lists all, --group-by counts them", style="dim")] if rest > 0 else []
    return Group(shown, *more)


def counts(groups: Sequence[Mapping[str, Any]], by: str, now_ms: int) -> list[dict[str, Any]]:
    """Return counts under the name that they are by; `oldestSeconds` is the age of the oldest."""
    return [
        {
            by: group["key"] or None,
            "count": group["count"],
            "oldest": group["oldest"],
            "newest": group["newest"],
            "oldestSeconds": _age(group["oldest"], now_ms),
            "message": group["message"],
        }
        for group in groups
    ]


def render_counts(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return counts as a table, with the age of the oldest as people say it."""
    shown = [{name: value for name, value in row.items() if name != "oldestSeconds"} for row in rows]
    for row, counted in zip(shown, rows, strict=True):
        row["oldest"] = f"{row['oldest']} ({spoken(counted['oldestSeconds'])})" if row["oldest"] else None
    return render_rows(shown, empty="no dead letters")


def spoken(seconds: int | None) -> str:
    """Return an age in its largest unit."""
    for size, unit in _UNITS:
        if seconds is not None and seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds or 0} s"


def render_in_full(row: Mapping[str, Any]) -> RenderableType:
    """Return one letter with all its errors and its record."""
    errors = table(("path", "code", "message"), ([one["path"], one["code"], one["message"]] for one in row["errors"]))
    parts: list[RenderableType] = [render_facts({name: row[name] for name in _FACTS}), errors]
    for name in ("record", "tried"):
        value = bytes_of(dict(row), name)
        if value is not None:
            text = one_line(value.decode(errors="backslashreplace"), RECORD_SHOWN)
            parts.append(Text(f"{name}: {text}"))
    if row.get("changes"):
        parts.append(Text(f"changes: {one_line(row['changes'])}"))
    return Group(*parts, Text(""))


def _age(at: str | None, now_ms: int) -> int | None:
    """Return how many seconds ago a time was; 0 for one that is to come by this machine's clock."""
    return max(0, now_ms // 1000 - int(datetime.fromisoformat(at).timestamp())) if at else None
