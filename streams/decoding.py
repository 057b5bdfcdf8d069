"""The JSON text of each record, decoded once.

Nearly every record decodes at once (0.8 us). One that does not is read again by the standard library, which takes NaN
and lone surrogates, so that the sender is told which field it is, along with everything else that is wrong.
"""

from __future__ import annotations

import json
import math
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from schemas.agent_schemas import PIPELINE_FIELDS
from schemas.invisible_characters import without_invisible
from schemas.outcomes import Code, FieldError
from schemas.variable_scalars import error_at, is_unicode

MAX_DEPTH: Final = 64
_decode: Final = msgspec.json.Decoder().decode
Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A row a record: the object (empty where there is none to look into), and the errors found so far, by row.

    A row in `closed` has no object to look into: its errors are all that can be said.
    """

    objects: list[dict[str, Any]] = field(default_factory=list)
    errors: dict[int, list[FieldError]] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)


def decode_records(records: Sequence[bytes], max_bytes: int) -> Decoded:
    """Return every record decoded. `max_bytes` is the record limit, as sent."""
    decoded = _decoded(records, max_bytes)
    together = b"".join(records)
    if not together.isascii() or b"\\u" in together:
        _show_names(decoded.objects)
    return decoded


def _decoded(records: Sequence[bytes], max_bytes: int) -> Decoded:
    objects = _all_at_once(records, max_bytes)
    if objects is not None:
        return Decoded(objects)
    decoded = Decoded()
    for row, text in enumerate(records):
        value, errors = _decode_record(text, max_bytes)
        if errors:
            decoded.errors[row] = errors
        if type(value) is dict:
            decoded.objects.append(value)
        else:
            decoded.objects.append({})
            decoded.closed.add(row)
    return decoded


def _show_names(objects: Sequence[dict[str, Any]]) -> None:
    """Give the pipeline's own fields their names where invisible characters came along; other names are kept."""
    for record in objects:
        for name in [name for name in record if not name.isascii()]:
            meant = without_invisible(name)
            if meant in PIPELINE_FIELDS and meant not in record:
                record[meant] = record.pop(name)


def _all_at_once(records: Sequence[bytes], max_bytes: int) -> list[dict[str, Any]] | None:
    """Return the objects of a chunk in which nothing is wrong or suspicious, as nearly every chunk; else None."""
    if max(map(len, records), default=0) > max_bytes or not _are_flat(records):
        return None
    try:
        objects = [_decode(text) for text in records]
    except (ValueError, RecursionError):
        return None
    return objects if all(type(one) is dict for one in objects) else None


def _are_flat(records: Sequence[bytes]) -> bool:
    """Return whether no record can be too deep: seen of all together where they hold little but themselves."""
    together = b"".join(records)
    openings = together.count(b"{") + together.count(b"[")
    return openings < len(records) + MAX_DEPTH or not any(map(_may_be_deep, records))


def _may_be_deep(text: bytes) -> bool:
    return len(text) > 2 * MAX_DEPTH and text.count(b"{") + text.count(b"[") > MAX_DEPTH


def _decode_record(text: bytes, max_bytes: int) -> tuple[Any, list[FieldError]]:
    if len(text) > max_bytes:
        return None, [_whole(Code.TOO_LARGE, f"the record has {len(text)} bytes, more than the limit of {max_bytes}")]
    try:
        value = _decode(text)
    except (ValueError, RecursionError):
        value, errors = _look_closer(text)
    else:
        errors = _found(value) if _may_be_deep(text) else []
    if not errors and type(value) is not dict:
        return None, [_whole(Code.NOT_AN_OBJECT, f"the record must be a JSON object, not {_kind(value)}")]
    return value, errors


def _whole(code: Code, message: str) -> FieldError:
    return FieldError(code, "", message)


def _kind(value: object) -> str:
    if value is None:
        return "null"
    kinds: dict[type, str] = {bool: "true or false", str: "text", list: "an array"}
    return kinds.get(type(value), "a number")


def _look_closer(text: bytes) -> tuple[Any, list[FieldError]]:
    """Return the value, if the standard library can make one, and what is wrong with it; one BOM is nothing wrong."""
    bare = text.removeprefix(BOM_UTF8)
    try:
        value = json.loads(bare.decode(), parse_int=_integer)
    except UnicodeDecodeError:
        return None, [_whole(Code.INVALID_TEXT, "the record is not valid UTF-8")]
    except RecursionError:
        return None, [_too_deep()]
    except ValueError:
        return None, [_whole(Code.UNDECODABLE, "the record is not JSON")]
    errors = _found(value)
    if not errors and len(bare) == len(text):
        errors = [_whole(Code.UNDECODABLE, "the record is not JSON")]
    return value, errors


def _integer(digits: str) -> float:
    """Return the integer; one of more digits than Python reads is as good as infinite."""
    try:
        return int(digits)
    except ValueError:
        return math.inf


def _found(value: object) -> list[FieldError]:
    try:
        return list(_flaws(value, ()))
    except RecursionError:
        return [_too_deep()]


def _too_deep() -> FieldError:
    return _whole(Code.TOO_DEEP, f"the record is nested more than {MAX_DEPTH} levels deep")


def _flaws(value: object, place: Place) -> Iterator[FieldError]:
    """Yield what no record may hold, wherever it stands."""
    if len(place) > MAX_DEPTH:
        raise RecursionError
    match value:
        case float() if not math.isfinite(value):
            yield error_at(place, Code.NOT_FINITE, "must be a finite number")
        case str() if not is_unicode(value):
            yield error_at(place, Code.INVALID_TEXT, "holds half a surrogate pair; send valid Unicode")
        case list():
            for index, item in enumerate(value):
                yield from _flaws(item, (*place, index))
        case dict():
            for name, item in value.items():
                if is_unicode(name):
                    yield from _flaws(item, (*place, name))
                else:
                    yield error_at(place, Code.INVALID_TEXT, "has a field name that holds half a surrogate pair")
