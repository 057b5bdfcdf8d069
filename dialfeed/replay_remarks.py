"""What a spreadsheet program did to a file of corrected records: columns and rows, never what stands in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

_MOST_ROWS: Final = 20
_Columns = dict[str, dict[int, None]]


class Remarks:
    """Gathers cells, each once, while records are laid over dead letters."""

    def __init__(self) -> None:
        self._rewritten: _Columns = defaultdict(dict)
        self._left_out: _Columns = defaultdict(dict)

    def add_rewritten(self, column: str, row: int) -> None:
        """Take a cell that kept its exported value."""
        self._rewritten[column][row] = None

    def add_left_out(self, column: str, row: int) -> None:
        """Take a cell because of which its record is not sent."""
        self._left_out[column][row] = None

    @property
    def left_out(self) -> int:
        """How many records are not sent."""
        return len({row for rows in self._left_out.values() for row in rows})

    def facts(self) -> dict[str, Any]:
        """Return both kinds by column, with the first rows; what is empty is left out."""
        kinds = {"rewrittenCells": self._rewritten, "leftOut": self._left_out}
        return {kind: {name: _counted(rows) for name, rows in found.items()} for kind, found in kinds.items() if found}


def said(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return facts with remarks among them as sentences for people."""
    sentences = {}
    if rewritten := facts.get("rewrittenCells"):
        sentences["rewrittenCells"] = (
            f"{_sum(rewritten)} cells that a spreadsheet program rewrote kept their exported value: "
            f"{_listed(rewritten)}; to change one of them, edit an .ndjson export, or use --set"
        )
    if left_out := facts.get("leftOut"):
        sentences["leftOut"] = (
            f"not sent, because a spreadsheet program rewrote a cell that was edited: {_listed(left_out)}; "
            "format the column as text, write the whole value, and replay them again"
        )
    return sentences


def _counted(rows: Mapping[int, None]) -> dict[str, Any]:
    return {"cells": len(rows), "rows": sorted(rows)[:_MOST_ROWS]}


def _sum(columns: Mapping[str, Any]) -> int:
    return sum(one["cells"] for one in columns.values())


def _listed(columns: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} ({one['cells']}: {_rows(one)})" for name, one in columns.items())


def _rows(one: Mapping[str, Any]) -> str:
    more = ", ..." if one["cells"] > len(one["rows"]) else ""
    return f"{'row' if one['cells'] == 1 else 'rows'} {', '.join(map(str, one['rows']))}{more}"
