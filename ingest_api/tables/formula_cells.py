"""Texts that a spreadsheet program takes for formulas, and runs: an export disarms them by a quote before them.

OWASP, "CSV Injection". The programs themselves mark a text so; who edits a cell may write the quote or leave it out.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from ingest_api.tables.rows import Cell, Row, Table

_RUNS: Final = re.compile(r"'*(?:[\t\r\n]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20])")
"""Also with quotes before it, so that taking one off gives back what was there; also in the width of Asian scripts."""


def disarmed(text: str) -> str:
    """Return a text as it can stand in a cell."""
    return f"'{text}" if _RUNS.match(text) else text


def rearmed(text: str) -> str:
    """Return what `disarmed` was given; a text that it would have left as it is comes back as it is."""
    return text[1:] if text[:1] == "'" and _RUNS.match(text) else text


def rearmed_table(table: Table) -> Table:
    """Return a table with every text, those of its header among them, as it was before the export."""
    return replace(table, header=_rearmed_row(table.header), rows=map(_rearmed_row, table.rows))


def _rearmed_row(row: Row) -> Row:
    return replace(row, cells=[_rearmed_cell(cell) for cell in row.cells])


def _rearmed_cell(cell: Cell) -> Cell:
    return rearmed(cell) if type(cell) is str else cell
