"""Cells that a spreadsheet program rewrote though nobody edited them. Pure.

`is_rewritten(before, cell)`: whether a cell is what a program makes of the text that was exported. A correction that
somebody typed may look just so; what cannot be told apart counts as rewritten.
"""

from __future__ import annotations

import re
from typing import Final

from ingest_api.tables.rewritten_dates import is_reformatted_day, is_rewritten_date
from ingest_api.tables.rewritten_numbers import is_rewritten_number

MAX_CHARACTERS: Final = 32_767
"""Characters that a spreadsheet program keeps of a cell."""

_TRUE: Final = re.compile(
    r"true|wahr|vrai|verdadero|verdadeiro|vero|waar|prawda|pravda|sant|sand|tosi|igaz|истина", re.IGNORECASE
)
_FALSE: Final = re.compile(
    r"false|falsch|faux|falso|onwaar|fałsz|nepravda|falskt|falsk|usann|epätosi|hamis|ложь", re.IGNORECASE
)
_ZEROS_BEFORE: Final = re.compile("0[0-9]+")
_DIGITS: Final = re.compile("[1-9][0-9]*")
_BREAKS: Final = re.compile(r"\r\n|\r")
_BLANKS: Final = re.compile("[\xa0\u202f\u2007]")
_ERRORS: Final = re.compile(r"##+|#(?:NAME\?|VALUE!|REF!|DIV/0!|N/A|NUM!|NULL!|WERT!|BEZUG!|ZAHL!|NOM\s?\?|VALEUR!)")
_CODE_PAGES: Final = ("cp1252", "latin-1")


def is_rewritten(before: str, cell: str) -> bool:
    """Say whether a cell that differs from what was exported is what a spreadsheet program makes of that."""
    if not before or not cell:
        return False
    return (
        _plain(before) == _plain(cell)
        or _is_rewritten_truth(before, cell)
        or _ERRORS.fullmatch(cell.strip()) is not None
        or is_rewritten_number(before, cell)
        or is_rewritten_date(before, cell)
        or _is_cut(before, cell)
        or _is_misencoded(before, cell)
    )


def has_lost_its_form(before: str, cell: str) -> bool:
    """Say whether a program may have rewritten what somebody typed: 8 over 007, 15/02/2026 over 2026-01-31."""
    zeros_lost = _ZEROS_BEFORE.fullmatch(before) and _DIGITS.fullmatch(cell) and len(cell) < len(before)
    return bool(zeros_lost) or is_reformatted_day(before, cell)


def _plain(text: str) -> str:
    return _BLANKS.sub(" ", _BREAKS.sub("\n", text))


def _is_rewritten_truth(before: str, cell: str) -> bool:
    return any(truth.fullmatch(before.strip()) and truth.fullmatch(cell.strip()) for truth in (_TRUE, _FALSE))


def _is_cut(before: str, cell: str) -> bool:
    """Say whether a cell is the part of a long text that a program keeps; it counts a break, or a quote, as well."""
    return (
        len(before) >= MAX_CHARACTERS - 1
        and len(cell) >= MAX_CHARACTERS // 2
        and _plain(before).startswith(_plain(cell))
    )


def _is_misencoded(before: str, cell: str) -> bool:
    """Say whether a code page had no place for some characters, or UTF-8 was read as one."""
    if before.isascii():
        return False
    return any(_in_code_page(before, page) == cell or _as_code_page(before, page) == cell for page in _CODE_PAGES) or (
        _questioned(before) == _questioned(cell) and "?" in cell
    )


def _in_code_page(text: str, page: str) -> str:
    return text.encode(page, "replace").decode(page)


def _as_code_page(text: str, page: str) -> str:
    return text.encode().decode(page, "replace")


def _questioned(text: str) -> str:
    return re.sub(r"[^\x00-\x7f]", lambda found: "?" * (1 + (found[0] > "\uffff")), text)
