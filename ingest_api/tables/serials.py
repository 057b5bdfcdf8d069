"""Dates as spreadsheets keep them: a number of days, shown as a date by the cell's number format.

ECMA-376 part 1: 18.8.30 (number formats), 18.17.4 (dates and times as serial values).
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

# Built-in formats of dates and times, those of East Asian versions among them; 46 is a length of time.
BUILT_IN_DATES: Final = frozenset(map(str, (*range(14, 23), *range(27, 37), 45, 47, *range(50, 59))))
_NOT_CODE: Final = re.compile(r'"[^"]*"|\\.|_.|\*.')
_ELAPSED: Final = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_BRACKETS: Final = re.compile(r"\[[^\]]*\]")
_DATE_SIGN: Final = re.compile(r"[dmyhs]", re.IGNORECASE)

_EPOCH: Final = dt.datetime(1899, 12, 30)  # noqa: DTZ001  a spreadsheet's dates have no zone
_EPOCH_BEFORE_MARCH: Final = dt.datetime(1899, 12, 31)  # noqa: DTZ001  spreadsheets count a 29 February 1900
_EPOCH_1904: Final = dt.datetime(1904, 1, 1)  # noqa: DTZ001  as above
_MARCH_1900: Final = 60
_LAST_DAY: Final = 2_958_466  # 10000-01-01
_MS_A_DAY: Final = 86_400_000


def is_date_format(code: str) -> bool:
    """Whether a format code shows a date or a time of day; `[h]:mm` shows a length of time."""
    code = _NOT_CODE.sub("", code.partition(";")[0])
    if code.lower() == "general" or _ELAPSED.search(code):
        return False
    return _DATE_SIGN.search(_BRACKETS.sub("", code)) is not None


def moment(serial: float, *, from_1904: bool) -> dt.datetime | dt.time | None:
    """Return the date with time of a serial, to the millisecond; a time alone where it is less than a day."""
    if not 0 <= serial < _LAST_DAY:
        return None
    ms = round(serial * _MS_A_DAY)
    if serial < 1:
        return (_EPOCH + dt.timedelta(milliseconds=min(ms, _MS_A_DAY - 1))).time()
    epoch = _EPOCH_1904 if from_1904 else _EPOCH if serial >= _MARCH_1900 else _EPOCH_BEFORE_MARCH
    try:
        return epoch + dt.timedelta(milliseconds=ms)
    except OverflowError:
        return None
