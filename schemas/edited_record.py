"""A record that was shown as a row of texts and came back, edited: what was not changed keeps its very bytes. Pure."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

TEXT: Final = "_text"
RECORD: Final = "_record"
"""Members that stand for a record which is no JSON, and for one that is JSON but no object."""

MOST_LEVELS: Final = 256
"""Deeper than a record may be, and not so deep that it depends on the reader whether it can be decoded."""

_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]')
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_raw: Final = msgspec.json.Decoder(msgspec.Raw).decode
_text: Final = msgspec.json.Decoder(str).decode


def members_of(record: bytes) -> dict[str, bytes]:
    """Return a record's members, each as JSON text; of what is no object the one that stands for it."""
    if not is_json(record):
        return {TEXT: msgspec.json.encode(record.decode(errors="replace"))}
    if not _is_braced(record):
        return {RECORD: record}
    return {name: bytes(value) for name, value in _members(record).items()}


def is_json(record: bytes) -> bool:
    """Say whether a record is a JSON value in UTF-8, of at most MOST_LEVELS."""
    try:
        _raw(record)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return False
    return is_utf8(record) and _is_shallow(record)


def is_utf8(text: bytes) -> bool:
    """Say whether a text is UTF-8: msgspec does not look into what it passes over."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_object(record: bytes) -> bool:
    """Say whether a record is a JSON object."""
    return _is_braced(record) and is_json(record)


def is_same(before: dict[str, bytes], after: dict[str, bytes]) -> bool:
    """Say whether members, each as JSON text, have the same content: their order and white space do not matter."""
    return before.keys() == after.keys() and all(_same_json(value, after[name]) for name, value in before.items())


def shown(value: bytes | None) -> str:
    """Return a member as a cell: a text as it is, nothing for null and for what is not there, else its JSON."""
    if value is None or value == b"null":
        return ""
    if value[:1] == b'"':
        try:
            return _text(value)
        except ValueError:  # half of a surrogate pair
            pass
    return value.decode()


def is_unchanged(value: bytes | None, cell: str, *, decimal_comma: bool = False) -> bool:
    """Say whether a cell still shows what it showed, as a spreadsheet program may have written it again.

    Such programs change line breaks, write 12.50 as 12.5 and true as TRUE; where numbers have a comma, also as 12,5.
    """
    before = shown(value)
    if _lines(before) == _lines(cell):
        return True
    if value is None or value[:1] in b'"n':
        return False
    text = cell.strip()
    if value[:1] in b"tf":
        return text.lower() == before
    if value[:1] in b"[{":
        return _same_json(value, text.encode())
    return _same_number(before, text.replace(",", ".") if decimal_comma else text)


def put_together(record: bytes, members: dict[str, bytes]) -> bytes:
    """Return the record that members make, in their order; `record` is what it was before."""
    if not is_object(record):
        alone = [name for name in (TEXT, RECORD) if name in members]
        others = {name: value for name, value in members.items() if name not in alone}
        if not others and len(alone) == 1:
            only = members[alone[0]]
            return _text(only).encode() if alone[0] == TEXT and only[:1] == b'"' else only
        members = others
    return msgspec.json.encode({name: msgspec.Raw(value) for name, value in members.items()})


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _same_number(before: str, text: str) -> bool:
    try:
        return Decimal(before) == Decimal(text)
    except InvalidOperation:
        return False


def _same_json(value: bytes, other: bytes) -> bool:
    try:
        return value == other or bool(_content(value) == _content(other))
    except (ValueError, InvalidOperation, RecursionError):
        return False


def _content(value: bytes) -> Any:
    """Return a value in which 1, 1.0 and true differ, as a schema tells them apart, but 1.0 is 1.00."""
    return json.loads(
        value, parse_int=lambda text: (int, Decimal(text)), parse_float=lambda text: (float, Decimal(text))
    )


def _is_braced(record: bytes) -> bool:
    return record.lstrip()[:1] == b"{"


def _is_shallow(record: bytes) -> bool:
    return record.count(b"[") + record.count(b"{") <= MOST_LEVELS or _levels(record) <= MOST_LEVELS


def _levels(record: bytes) -> int:
    """Return how deeply a JSON value is nested."""
    level = deepest = 0
    for token in _TOKEN.finditer(record):
        level += (token[0] in b"[{") - (token[0] in b"]}")
        deepest = max(deepest, level)
    return deepest
