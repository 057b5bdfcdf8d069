"""Whole numbers that a cell format shows with leading zeros or separators: ZIP codes, account numbers. Pure.

ECMA-376 part 1, 18.8.30: `00000` shows 2134 as 02134, `000-00-0000` shows 12345678 as 012-34-5678.
"""

from __future__ import annotations

import re
from typing import Final

from ingest_api.tables.rows import Padded

_PARTS: Final = re.compile(r"""0|[-() +]|\\[-() ./+]|"[-() ./+]*\"""")
_LITERAL: Final = re.compile(r'\\|"')
_LEAST: Final = 2
"""Zeros of a format that pads: a single one is any whole number."""


def padding_of(code: str) -> str | None:
    """Return a format code as zeros and the signs between them; None where it shows numbers in another way."""
    if _PARTS.sub("", code) or code.count("0") < _LEAST:
        return None
    return _LITERAL.sub("", code)


def padded(value: int, padding: str) -> Padded:
    """Return a number of no sign as it is shown: digits fill the zeros from the right, more of them come first."""
    digits = str(value).rjust(padding.count("0"), "0")
    extra = len(digits) - padding.count("0")
    left = iter(digits[extra:])
    shown = "".join(next(left) if sign == "0" else sign for sign in padding)
    first = shown.find(digits[extra:][:1])
    return Padded(value, shown[:first] + digits[:extra] + shown[first:])
