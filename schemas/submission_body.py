"""The JSON body of the contract, `{"batchId": ..., "call_data": [...]}`, cut into raw records without decoding them.

Read by the edge and by `cut`. msgspec finds where records begin and end; where it stops at something that is wrong
inside one record only (NaN, a lone surrogate, extreme nesting), a slower scan of the standard library goes on, so that
the other records of the body are not lost with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import msgspec

from schemas import json_scan
from schemas.options import MOST_VALUE_BYTES, OPTIONS, decoded, nearest_field, unsupported
from schemas.outcomes import Code, FieldError

MAX_BATCH_ID_BYTES: Final = 256
MAX_RECORDS: Final = 1_000_000
_BOM: Final = b"\xef\xbb\xbf"
_SMALLEST_RECORD: Final = 16
"""Bytes a comma, below which a body of more commas than records are allowed is not held in pieces."""
_ABSENT: Final = msgspec.Raw(b"")
_NOTHING: Final = (b"", b"n")
"""How a value begins that is not there, or null."""


MOST_BESIDE: Final = 50_000
"""Fields beside the records that are looked at, and options; a body with more colons than that is scanned."""

FIELDS: Final = frozenset({"batchId", "call_data", "callData"})
"""What a body has names for."""


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    """Of a repeated key the last wins; of the two spellings `call_data` does, unless it is null."""

    batchId: msgspec.Raw = _ABSENT  # noqa: N815  # the contract's name
    call_data: msgspec.Raw = _ABSENT
    callData: msgspec.Raw = _ABSENT  # noqa: N815  # the contract's other spelling


class _AnyEnvelope(_Envelope, forbid_unknown_fields=False):
    """One that has other keys too."""


_envelope: Final = msgspec.json.Decoder(_Envelope).decode
_any_envelope: Final = msgspec.json.Decoder(_AnyEnvelope).decode
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_elements: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class SubmissionBody:
    """A body in pieces: the batch id as sent (None where there is none), and the JSON text of each record.

    `others` has the fields that are none of the body's own, by name, with the beginning of their JSON text.
    """

    batch_id: str | None
    records: list[bytes]
    others: Mapping[str, bytes] = field(default_factory=dict)

    def unsupported(self) -> list[FieldError]:
        """Return an error for each option that the body asks for and nobody supports."""
        return unsupported(decoded(self.others), FIELDS) if self.others else []


def parse_body(body: bytes) -> SubmissionBody | FieldError:
    """Return the body in pieces, or what is wrong with it as a whole.

    About 0.3 us a record. One byte order mark is skipped (RFC 8259, section 8.1, allows it).
    """
    body = body.removeprefix(_BOM)
    if not body.strip():
        return FieldError(Code.EMPTY_VALUE, "", "the body is empty")
    try:
        parts = _split(body)
    except ValueError as error:
        return FieldError(Code.UNDECODABLE, "", f"the body is not JSON in UTF-8: {_reason(error)}")
    if parts is None:
        return FieldError(Code.TYPE, "", "the body must be a JSON object with batchId and call_data")
    return _assemble(*parts)


def batch_named(body: bytes) -> str | None:
    """Return the batch that a body names although something else is wrong with it, None if that cannot be read."""
    try:
        parts = _split(body.removeprefix(_BOM))
    except ValueError:
        return None
    named = _batch_id(parts[0]) if parts is not None else None
    return named if isinstance(named, str) else None


def _assemble(
    batch: bytes, records: list[bytes] | None, data_start: bytes, others: Mapping[str, bytes]
) -> SubmissionBody | FieldError:
    batch_id = _batch_id(batch)
    if isinstance(batch_id, FieldError):
        return batch_id
    if records is None:
        return _no_records(data_start, others)
    if not records:
        return FieldError(Code.EMPTY_VALUE, "/call_data", "call_data is empty: send at least one record")
    if len(records) > MAX_RECORDS:
        return FieldError(Code.TOO_LARGE, "/call_data", f"call_data has more than {MAX_RECORDS} records: send fewer")
    return SubmissionBody(batch_id, records, others)


def _no_records(data_start: bytes, others: Mapping[str, bytes]) -> FieldError:
    if data_start in _NOTHING:
        near = next((name for name in others if nearest_field(name, FIELDS | OPTIONS.keys()) in _SPELLINGS), None)
        hint = "" if near is None else "; did you mean call_data by the field of nearly this name?"
        return FieldError(Code.REQUIRED, "/call_data", f"call_data is missing: send an array of records{hint}")
    return FieldError(Code.TYPE, "/call_data", "call_data must be an array of records")


def _batch_id(raw: bytes) -> str | FieldError | None:
    if raw in (b"", b"null"):
        return None
    try:
        value: Any = msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return FieldError(Code.INVALID_TEXT, "/batchId", "batchId must be valid Unicode text")
    if not isinstance(value, str):
        return FieldError(Code.TYPE, "/batchId", "batchId must be text")
    if len(value.encode()) > MAX_BATCH_ID_BYTES:
        return FieldError(Code.TOO_LARGE, "/batchId", f"batchId is longer than {MAX_BATCH_ID_BYTES} bytes")
    return value.strip() or None


_SPELLINGS: Final = ("call_data", "callData")
_Parts = tuple[bytes, list[bytes] | None, bytes, Mapping[str, bytes]]


def _split(body: bytes) -> _Parts | None:
    """Return (batch id, records or None, first byte of call_data, others), or None if the body is not an object."""
    commas = body.count(b",")
    if commas > MAX_RECORDS and len(body) < _SMALLEST_RECORD * commas:  # many more than may be: stop at the limit
        return _scan(body)
    try:
        return _parts(_envelope(body), {})
    except msgspec.ValidationError:  # other fields, or no object
        return _split_with_others(body)
    except (msgspec.DecodeError, RecursionError):
        return _scan(body)


def _split_with_others(body: bytes) -> _Parts | None:
    try:
        envelope = _any_envelope(body)
        beside = body.replace(bytes(envelope.call_data), b"", 1).replace(bytes(envelope.callData), b"", 1)
        if beside.count(b":") > MOST_BESIDE:
            return _scan(body)
        others = {name: raw for name, raw in _members(body).items() if name not in FIELDS}
        return _parts(envelope, {name: bytes(raw)[:MOST_VALUE_BYTES] for name, raw in others.items()})
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, RecursionError):
        return _scan(body)


def _parts(envelope: _Envelope, others: Mapping[str, bytes]) -> _Parts:
    data = bytes(envelope.call_data)
    if data[:1] in _NOTHING:
        data = bytes(envelope.callData)
    records = [bytes(raw) for raw in _elements(data)] if data[:1] == b"[" else None
    return bytes(envelope.batchId), records, data[:1], others


def _reason(error: ValueError) -> str:
    return f"{error.msg} at byte {error.pos}" if isinstance(error, json.JSONDecodeError) else "malformed"


def _scan(body: bytes) -> _Parts | None:
    """Do as `_split` does, but look at no more than JSON's brackets, strings and commas."""
    text = body.decode("latin-1")  # so that positions are byte positions; JSON's own signs are ASCII
    members = json_scan.members(text, FIELDS | OPTIONS.keys(), MOST_BESIDE)
    if members is None:
        return None
    batch = _slice(body, members.get("batchId"))
    span = members.get("call_data")
    if _slice(body, span)[:1] in _NOTHING:
        span = members.get("callData")
    data_start = _slice(body, span)[:1]
    others = {
        _utf8(name): body[start : min(end, start + MOST_VALUE_BYTES)]
        for name, (start, end) in members.items()
        if name not in FIELDS
    }
    if span is None or data_start != b"[":
        return batch, None, data_start, others
    elements = json_scan.elements(text, *span)
    records = [body[start:end] for start, end in islice(elements, MAX_RECORDS + 1)]
    return batch, records, data_start, others


def _slice(body: bytes, span: tuple[int, int] | None) -> bytes:
    return body[span[0] : span[1]] if span else b""


def _utf8(name: str) -> str:
    """Return a name that was read as Latin-1 as the text it is."""
    try:
        return name.encode("latin-1").decode()
    except UnicodeError:  # it has escapes, or is no UTF-8
        return name
