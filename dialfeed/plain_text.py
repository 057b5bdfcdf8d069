"""Text of others, made safe to print or to log: nobody's data may forge a line, colour a terminal or flood it."""

from __future__ import annotations

from typing import Final

ELLIPSIS: Final = "..."


def one_line(text: str, most: int = 500) -> str:
    """Return the text on one line and at most `most` characters long.

    What a terminal or a log viewer would not show as it is (control characters, line separators, marks that turn the
    direction of writing, lone surrogates) is written as Python escapes it.
    """
    if len(text) > most:
        text = text[: most - len(ELLIPSIS)] + ELLIPSIS
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
