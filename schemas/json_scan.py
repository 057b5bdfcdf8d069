"""Where the values of a JSON text begin and end, for texts that a decoder refuses as a whole.

Takes what the standard library's scanner takes (so also NaN and lone surrogates), and nesting of any depth: whether a
value is good is for whoever decodes it. Positions are indices of `text`. Raises json.JSONDecodeError.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

Span = tuple[int, int]

_decoder: Final[Any] = json.JSONDecoder(strict=True)  # Any: typeshed does not know scan_once
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_TOKEN: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"|[\[\]{}]|[^"\[\]{}]+')


def members(text: str) -> dict[str, Span] | None:
    """Return the span of each member's value, the last of a repeated key; None if the text is not an object."""
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        _require_end(text, _end_of_value(text, at))
        return None
    found: dict[str, Span] = {}
    at = _skip(text, at + 1)
    while text[at : at + 1] != "}":
        key, at = _key(text, at)
        end = _end_of_bracketed(text, at) if text[at : at + 1] in ("[", "{") else _end_of_value(text, at)
        found[key] = (at, end)
        at = _next(text, end, "}")
    _require_end(text, at + 1)
    return found


def elements(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield the span of each element of the array at `text[start:end]`."""
    last = end - 1
    at = _skip(text, start + 1)
    while at < last:
        stop = _end_of_value(text, at)
        yield at, stop
        at = _next(text, stop, "]")


def _key(text: str, at: int) -> tuple[str, int]:
    match = _STRING.match(text, at)
    if match is None:
        raise json.JSONDecodeError("a member name is missing", text, at)
    colon = _skip(text, match.end())
    if text[colon : colon + 1] != ":":
        raise json.JSONDecodeError("a colon is missing", text, colon)
    return json.loads(match[0]), _skip(text, colon + 1)


def _next(text: str, at: int, closing: str) -> int:
    """Return where the next value or member begins, or where the closing bracket stands."""
    at = _skip(text, at)
    if text[at : at + 1] == closing:
        return at
    if text[at : at + 1] != ",":
        raise json.JSONDecodeError(f"a comma or {closing} is missing", text, at)
    at = _skip(text, at + 1)
    if text[at : at + 1] == closing:
        raise json.JSONDecodeError("a value is missing after the comma", text, at)
    return at


def _end_of_value(text: str, at: int) -> int:
    try:
        return int(_decoder.scan_once(text, at)[1])
    except StopIteration as stop:
        raise json.JSONDecodeError("a value is missing or malformed", text, stop.value or at) from None
    except RecursionError:
        return _end_of_bracketed(text, at)


def _end_of_bracketed(text: str, at: int) -> int:
    """Return where an array or object ends, by counting brackets."""
    depth = 0
    for token in _TOKEN.finditer(text, at):
        if token.start() != at:
            break
        at = token.end()
        depth += (token[0] in "[{") - (token[0] in "]}")
        if depth == 0:
            return at
    raise json.JSONDecodeError("a string or bracket is not closed", text, at)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _require_end(text: str, at: int) -> None:
    if _skip(text, at) != len(text):
        raise json.JSONDecodeError("something follows the value", text, at)
