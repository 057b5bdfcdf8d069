"""`python -m tests.support.wrap_markdown FILE...`: wrap the prose of Markdown files where a line is too wide.

Tables, fenced blocks, headings and comments stay as they are. Code spans and links are not broken, but for those that
are wider than a line.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Final

WIDTH: Final = 120

_KEPT: Final = re.compile(r"\s*(?:\||#|<!--|>)|\s*$| {4}|\t")
_FENCE: Final = re.compile(r"\s*```")
_ITEM: Final = re.compile(r"\s*(?:[-*]|\d+\.)\s+")
_WHOLE: Final = re.compile(r"`[^`]+`|\[[^\]]*\]\([^)]*\)")
_BLANK: Final = "\x00"
"""Stands for a blank at which no line may end."""


def wrapped(text: str) -> str:
    """Return a document with its paragraphs and list items wrapped, those only that have a line that is too wide."""
    return "\n".join(line for block in _blocks(text.split("\n")) for line in block)


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    fenced = False
    at = 0
    while at < len(lines):
        line = lines[at]
        fenced ^= _FENCE.match(line) is not None
        if fenced or _FENCE.match(line) or _KEPT.match(line):
            yield [line]
            at += 1
            continue
        block = [line, *takewhile(_goes_on, lines[at + 1 :])]
        yield _wrapped_block(block)
        at += len(block)


def _goes_on(line: str) -> bool:
    kept = _KEPT.match(line.lstrip()) if line.strip() else True
    return not (kept or _FENCE.match(line) or _ITEM.match(line))


def _wrapped_block(block: list[str]) -> list[str]:
    if all(len(line) <= WIDTH for line in block):
        return block
    item = _ITEM.match(block[0]) or re.match(r"\s*", block[0])
    start = item[0] if item else ""
    text = " ".join([block[0][len(start) :], *(line.strip() for line in block[1:])])
    whole = _WHOLE.sub(_unbroken, text)
    lines = textwrap.wrap(
        whole,
        WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_BLANK, " ") for line in lines]


def _unbroken(found: re.Match[str]) -> str:
    return found[0] if len(found[0]) > WIDTH - len("- ") else found[0].replace(" ", _BLANK)


def main() -> None:
    for name in sys.argv[1:]:
        file = Path(name)
        text = file.read_text("utf-8")
        file.write_text(wrapped(text), "utf-8")


if __name__ == "__main__":
    main()
