"""The Markdown files of the project, taken apart: prose, headings, links, fenced blocks, command lines."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from tests.support.wrap_markdown import WIDTH

ROOT: Final = Path(__file__).parents[3]

_FENCE: Final = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\[[^\]\n]*(?:\n[^\]\n]*)?\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_CODE: Final = re.compile(r"`([^`\n]+)`")
_OPERATORS: Final = frozenset("();<>|&")


@dataclass(frozen=True)
class Document:
    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    @cached_property
    def prose(self) -> str:
        """The text without its fenced blocks, each of whose lines is empty here."""
        return _FENCE.sub(lambda block: "\n" * block[0].count("\n"), self.text)

    @property
    def blocks(self) -> list[tuple[str, str]]:
        """Language and content of each fenced block."""
        return [(block[2], block[3]) for block in _FENCE.finditer(self.text)]

    @property
    def links(self) -> list[str]:
        return _LINK.findall(self.prose)

    @property
    def code(self) -> list[str]:
        """What stands in backticks in the prose."""
        return _CODE.findall(self.prose)

    @property
    def anchors(self) -> set[str]:
        """Anchors as GitHub makes them of headings; a heading's second use gets `-1`."""
        found: set[str] = set()
        for heading in _HEADING.findall(self.prose):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
            slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
            number = sum(1 for each in found if each == slug or re.fullmatch(rf"{re.escape(slug)}-\d+", each))
            found.add(f"{slug}-{number}" if number else slug)
        return found

    @property
    def wide_lines(self) -> list[int]:
        """Numbers of the lines of prose that are wider than they should be: no table, no heading, no lone long word."""
        lines = enumerate(self.prose.splitlines(), start=1)
        return [
            at for at, line in lines if len(line) > WIDTH and not line.startswith(("|", "#")) and " " in line.strip()
        ]

    @property
    def commands(self) -> Iterator[list[str]]:
        """The arguments of each `dialfeed` that a fenced block of shell types."""
        for language, block in self.blocks:
            if language in ("sh", "bash", "console"):
                yield from commands_of(block)


def documents() -> list[Document]:
    paths = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/**/*.md")]
    return [Document(path) for path in sorted(paths)]


def commands_of(shell: str) -> Iterator[list[str]]:
    """Yield the arguments of each `dialfeed` in a piece of shell, those of substitutions too."""
    shell = re.sub(r"<<'?(\w+)'?\n.*?^\1$", "", shell.replace("\\\n", " "), flags=re.DOTALL | re.MULTILINE)
    line = ""
    for each in shell.splitlines():
        line += each
        try:
            yield from list(_commands_of_line(line))
        except ValueError:  # a quotation goes on in the next line
            line += " "
        else:
            line = ""


def _commands_of_line(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found: list[str] | None = None
    for token in lexer:
        if set(token) <= _OPERATORS:
            if found is not None:
                yield found
            found = None
        elif found is None and token == "dialfeed":
            found = []
        elif "$(dialfeed " in token:
            yield from _commands_of_line(token.partition("$(")[2].rpartition(")")[0])
        elif found is not None:
            found.append(token)
    if found is not None:
        yield found
