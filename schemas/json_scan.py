"""Where the values of a JSON text begin and end, for texts that a decoder refuses as a whole.

Takes what the standard library's scanner takes (so also NaN and lone surrogates), and nesting of any depth: whether a
value is good is for whoever decodes it. A text is bytes read as latin-1, so that positions are byte positions. Time is
linear in its length, and memory stays below a megabyte or so whatever it holds: values are built only while they are
short, and brackets are counted a block at a time. Raises json.JSONDecodeError.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed lacks it
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Span = tuple[int, int]
_Bytes = npt.NDArray[np.uint8]

_decoder: Final[Any] = json.JSONDecoder(strict=True, parse_int=len, parse_float=len)  # Any: typeshed lacks scan_once
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_NUMBER: Final = re.compile(r"-?[0-9][0-9.eE+-]*")
_FIRST_LOOK: Final = 1024
"""A value that ends within so many characters is scanned by the standard library at once."""
_MOST_BUILT: Final = 256 * 1024
"""A longer value is not built to look whether it is well formed: no record is as long."""
_BLOCK: Final = 64 * 1024
_BACKSLASH, _QUOTE, _FIRST_PRINTABLE = b"\\"[0], b'"'[0], 0x20
_STEPS: Final = np.zeros(256, np.int32)
_STEPS[list(b"[{")], _STEPS[list(b"]}")] = 1, -1


def members(text: str, names: Collection[str] | None = None, others: int = 0) -> dict[str, Span] | None:
    """Return the spans of the values of these members (None: of all), the last of a repeated key.

    `others` is how many further members are returned at most. None if the text is not an object.
    """
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        _require_end(text, _end_of_value(text, at))
        return None
    found: dict[str, Span] = {}
    at = _skip(text, at + 1)
    while text[at : at + 1] != "}":
        key, at = _key(text, at)
        end = _end_of_bracketed(text, at) if text[at : at + 1] in ("[", "{") else _end_of_value(text, at)
        if names is None or key in names or len(found) < others:
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
    if text[at : at + 1] != '"':
        raise json.JSONDecodeError("a member name is missing", text, at)
    key, end = scanstring(text, at + 1, True)
    colon = _skip(text, end)
    if text[colon : colon + 1] != ":":
        raise json.JSONDecodeError("a colon is missing", text, colon)
    return key, _skip(text, colon + 1)


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
    """Return where a value ends. One that is too long to be built is only followed to its end."""
    stop = min(at + _FIRST_LOOK, len(text))
    try:
        end = _end_of_short(text, at, stop)
    except (json.JSONDecodeError, RecursionError):
        if text[at : at + 1] not in ("[", "{", '"'):
            raise
    else:
        if end < stop or stop == len(text):
            return end
    return _end_of_long(text, at)


def _end_of_long(text: str, at: int) -> int:
    match text[at : at + 1]:
        case "[" | "{":
            end = _end_of_bracketed(text, at)
            if end - at <= _MOST_BUILT:
                _require_well_formed(text, at, end)
            return end
        case '"':
            return int(scanstring(text, at + 1, True)[1])
        case _:
            number = _NUMBER.match(text, at)
            return number.end() if number else _end_of_short(text, at, len(text))


def _require_well_formed(text: str, at: int, end: int) -> None:
    with suppress(RecursionError):  # deeper than any record may be, which whoever decodes it says
        _end_of_short(text, at, end)


def _end_of_short(text: str, at: int, stop: int) -> int:
    """Return where the value at `at` ends, of which nothing lies behind `stop`."""
    part = text[at:stop]
    try:
        return at + int(_decoder.scan_once(part, 0)[1])
    except StopIteration as nothing:
        raise json.JSONDecodeError("a value is missing or malformed", text, at + (nothing.value or 0)) from None
    except json.JSONDecodeError as error:
        raise json.JSONDecodeError(error.msg, text, at + error.pos) from None


def _end_of_bracketed(text: str, at: int) -> int:
    """Return where an array or object ends, by counting the brackets outside of strings, a block at a time."""
    depth, within, escaped = 0, False, False
    for start in range(at, len(text), _BLOCK):
        block = np.frombuffer(text[start : start + _BLOCK].encode("latin-1"), np.uint8)
        quotes, escaped = _unescaped_quotes(block, first_is_escaped=escaped)
        in_string = (np.cumsum(quotes) + within) % 2 == 1
        depths = depth + np.cumsum(np.where(in_string, 0, _STEPS[block]))
        end = int(np.argmax(depths == 0)) if not depths.all() else None
        if (in_string & (block < _FIRST_PRINTABLE))[:end].any():
            raise json.JSONDecodeError("a string holds a control character", text, at)
        if end is not None:
            return start + end + 1
        depth, within = int(depths[-1]), bool(in_string[-1])
    raise json.JSONDecodeError("a string or bracket is not closed", text, at)


def _unescaped_quotes(block: _Bytes, *, first_is_escaped: bool) -> tuple[npt.NDArray[np.bool_], bool]:
    """Return which bytes are quotes without a backslash before them, and whether the byte behind the block has one.

    A backslash escapes what follows unless it is escaped itself: of a run of them every other one does.
    """
    quotes, slashes = block == _QUOTE, block == _BACKSLASH
    quotes[0] &= not first_is_escaped
    slashes[0] &= not first_is_escaped
    places = np.flatnonzero(slashes)
    if not places.size:
        return quotes, False
    starts = np.flatnonzero(np.diff(places, prepend=-2) != 1)
    lengths = np.diff(starts, append=places.size)
    behind = places[starts] + lengths
    behind = behind[lengths % 2 == 1]
    quotes[behind[behind < block.size]] = False
    return quotes, bool((behind == block.size).any())


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _require_end(text: str, at: int) -> None:
    if _skip(text, at) != len(text):
        raise json.JSONDecodeError("something follows the value", text, at)
