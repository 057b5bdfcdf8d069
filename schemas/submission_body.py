"""The JSON body of the contract, `{"batchId": ..., "call_data": [...]}`, cut into raw records without decoding them.

Read by the edge and by `cut`. msgspec finds where records begin and end; where it stops at something that is wrong
inside one record only (NaN, a lone surrogate, extreme nesting), a slower scan of the standard library goes on, so that
the other records of the body are not lost with it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec

from schemas import json_scan
from schemas.outcomes import Code, FieldError

MAX_BATCH_ID_BYTES: Final = 256
MAX_RECORDS: Final = 1_000_000
_BOM: Final = b"\xef\xbb\xbf"
_SMALLEST_RECORD: Final = 16
"""Bytes a comma, below which a body of more commas than records are allowed is not held in pieces."""
_ABSENT: Final = msgspec.Raw(b"")
_NOTHING: Final = (b"", b"n")
"""How a value begins that is not there, or null."""


class _Envelope(msgspec.Struct):
    """Of a repeated key the last wins; of the two spellings `call_data` does, unless it is null."""

    batchId: msgspec.Raw = _ABSENT  # noqa: N815  # the contract's name
    call_data: msgspec.Raw = _ABSENT
    callData: msgspec.Raw = _ABSENT  # noqa: N815  # the contract's other spelling


_envelope: Final = msgspec.json.Decoder(_Envelope).decode
_elements: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class SubmissionBody:
    """A body in pieces: the batch id as sent (None where there is none), and the JSON text of each record."""

    batch_id: str | None
    records: list[bytes]


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


def _assemble(batch: bytes, records: list[bytes] | None, data_start: bytes) -> SubmissionBody | FieldError:
    batch_id = _batch_id(batch)
    if isinstance(batch_id, FieldError):
        return batch_id
    if records is None:
        return _no_records(data_start)
    if not records:
        return FieldError(Code.EMPTY_VALUE, "/call_data", "call_data is empty: send at least one record")
    if len(records) > MAX_RECORDS:
        return FieldError(Code.TOO_LARGE, "/call_data", f"call_data has more than {MAX_RECORDS} records: send fewer")
    return SubmissionBody(batch_id, records)


def _no_records(data_start: bytes) -> FieldError:
    if data_start in _NOTHING:
        return FieldError(Code.REQUIRED, "/call_data", "call_data is missing: send an array of records")
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


_Parts = tuple[bytes, list[bytes] | None, bytes]


def _split(body: bytes) -> _Parts | None:
    """Return (batch id, records or None, first byte of call_data), or None if the body is not an object."""
    commas = body.count(b",")
    if commas > MAX_RECORDS and len(body) < _SMALLEST_RECORD * commas:  # many more than may be: stop at the limit
        return _scan(body)
    try:
        envelope = _envelope(body)
        data = bytes(envelope.call_data)
        if data[:1] in _NOTHING:
            data = bytes(envelope.callData)
        if data[:1] != b"[":
            return bytes(envelope.batchId), None, data[:1]
        return bytes(envelope.batchId), [bytes(raw) for raw in _elements(data)], b"["
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, RecursionError):
        return _scan(body)


def _reason(error: ValueError) -> str:
    return f"{error.msg} at byte {error.pos}" if isinstance(error, json.JSONDecodeError) else "malformed"


def _scan(body: bytes) -> _Parts | None:
    """Do as `_split` does, but look at no more than JSON's brackets, strings and commas."""
    text = body.decode("latin-1")  # so that positions are byte positions; JSON's own signs are ASCII
    members = json_scan.members(text, _Envelope.__struct_fields__)
    if members is None:
        return None
    batch = _slice(body, members.get("batchId"))
    span = members.get("call_data")
    if _slice(body, span)[:1] in _NOTHING:
        span = members.get("callData")
    data_start = _slice(body, span)[:1]
    if span is None or data_start != b"[":
        return batch, None, data_start
    elements = json_scan.elements(text, *span)
    records = [body[start:end] for start, end in islice(elements, MAX_RECORDS + 1)]
    return batch, records, data_start


def _slice(body: bytes, span: tuple[int, int] | None) -> bytes:
    return body[span[0] : span[1]] if span else b""
