"""Quoted cells that go on over several lines: an ordinary line break, or a quote that hides the rows below it. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_TELEPHONE: Final = re.compile(r"[\s'\"(+]*[0-9](?:[\s().\-/]*[0-9]){6,19}[\s'\"]*")


@dataclass(frozen=True, slots=True)
class Shape:
    """What a row of the table looks like: its delimiter, how many cells, and in which the telephone number stands."""

    delimiter: str
    width: int
    phone: int | None

    def fits(self, text: str) -> bool:
        """Return whether a text looks like a row of its own: enough cells, and a number in the number's place.

        Its quotes may be the broken ones, so it is looked at without them as well.
        """
        if self.phone is None or text.count(self.delimiter) < self.width - 1:
            return False
        return any(map(self._is_row, (_cells(text, self.delimiter), text.replace('"', "").split(self.delimiter))))

    def _is_row(self, cells: Sequence[str]) -> bool:
        phone = self.phone if self.phone is not None else 0
        return len(cells) >= self.width and _TELEPHONE.fullmatch(cells[phone].rstrip("\r\n")) is not None

    def hides_a_row(self, cells: Sequence[str], lines: Sequence[str]) -> bool:
        """Return whether a row of several lines holds one that looks like a row of its own, with another number."""
        if self.phone is None or self.phone >= len(cells):
            return False
        own = cells[self.phone]
        return any(self.fits(line) and not (own and own in line) for line in lines[1:])


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def first_cells(line: str, delimiter: str) -> list[str]:
    """Return the cells of one line, whatever its quotes."""
    return _cells(line.rstrip("\r\n"), delimiter)


def opening_line(lines: Sequence[str], delimiter: str) -> int:
    """Return in which of the lines, from 0, the quoted cell opens that never closes, or goes on after its quote."""
    text = "".join(lines)
    quoted = re.compile(rf'(?:\A|(?<=[{re.escape(delimiter)}\r\n]))"[^"]*+(?:""[^"]*+)*+("|\Z)')
    start = next((found.start() for found in quoted.finditer(text) if _is_broken(found, text, delimiter)), 0)
    return _line_at(lines, start)


def _is_broken(found: re.Match[str], text: str, delimiter: str) -> bool:
    return not found[1] or text[found.end() : found.end() + 1] not in ("", delimiter, "\r", "\n")


def _line_at(lines: Sequence[str], position: int) -> int:
    for index, end in enumerate(_ends(lines)):
        if position < end:
            return index
    return 0


def _ends(lines: Sequence[str]) -> Iterator[int]:
    end = 0
    for line in lines:
        end += len(line)
        yield end
