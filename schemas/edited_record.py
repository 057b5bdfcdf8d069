"""A record that was shown as a row of texts and came back, edited: what was not changed keeps its very bytes. Pure."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

TEXT: Final = "_text"
RECORD: Final = "_record"
"""Members that stand for a record which is no JSON, and for one that is JSON but no object."""

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_raw: Final = msgspec.json.Decoder(msgspec.Raw).decode
_text: Final = msgspec.json.Decoder(str).decode


def members_of(record: bytes) -> dict[str, bytes]:
    """Return a record's members, each as JSON text; of what is no object the one that stands for it."""
    if is_object(record):
        return {name: bytes(value) for name, value in _members(record).items()}
    try:
        _raw(record)
        record.decode()
    except (ValueError, RecursionError):
        return {TEXT: msgspec.json.encode(record.decode(errors="replace"))}
    return {RECORD: record}


def is_object(record: bytes) -> bool:
    """Say whether a record is a JSON object."""
    try:
        _members(record)
        record.decode()  # msgspec does not look into what it passes over
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors, as those of decoding are
        return False
    return True


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
        return _same_json(value, text)
    return _same_number(before, text.replace(",", ".") if decimal_comma else text)


def put_together(record: bytes, members: dict[str, bytes]) -> bytes:
    """Return the record that members make, in their order; `record` is what it was before."""
    if not is_object(record):
        alone = [name for name in (TEXT, RECORD) if name in members]
        others = {name: value for name, value in members.items() if name not in alone}
        if not others and len(alone) == 1:
            return _text(members[TEXT]).encode() if alone[0] == TEXT else members[RECORD]
        members = others
    return msgspec.json.encode({name: msgspec.Raw(value) for name, value in members.items()})


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _same_number(before: str, text: str) -> bool:
    try:
        return Decimal(before) == Decimal(text)
    except InvalidOperation:
        return False


def _same_json(value: bytes, text: str) -> bool:
    try:
        return bool(msgspec.json.decode(value) == msgspec.json.decode(text))
    except (ValueError, RecursionError):
        return False
