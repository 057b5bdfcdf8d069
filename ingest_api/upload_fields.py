"""The fields of an upload, which come as text, as createBatch has them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ingest_api.envelope import RequestError
from ingest_api.field_errors import field_error

BATCH_TYPES: Final = ("outbound", "mixed")
"""What the hosted service has; both mean the same here."""

ENCODING: Final = "encoding"
_TEXTS: Final = ("batchName", "timezone", "country")
_NUMBERS: Final = ("retry", "delay")
_JSON: Final = ("callingNumbers", "callingHour", "allowedDays")
FIELDS: Final = frozenset({*_TEXTS, *_NUMBERS, *_JSON, ENCODING, "file", "type", "batchType"})
"""What a form has names for."""

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_ACCEPTS: Final = {"true": True, "false": False, "": False}


def batch_fields(fields: Mapping[str, str]) -> tuple[dict[str, Any], list[RequestError]]:
    """Return the body that createBatch would be sent, and what of the text cannot be read. Blank is not given."""
    given = {name: text.strip() for name, text in fields.items() if text.strip()}
    body: dict[str, Any] = {name: given[name] for name in _TEXTS if name in given}
    body |= {name: _number(given[name]) for name in _NUMBERS if name in given}
    errors: list[RequestError] = []
    for name in _JSON:
        if name in given:
            try:
                body[name] = msgspec.json.decode(given[name])
            except (ValueError, RecursionError):
                errors.append(field_error((name,), "must be JSON text, such as " + _EXAMPLES[name]))
    return body, errors


def accepts_invalid(fields: Mapping[str, str]) -> bool | RequestError:
    """Return whether valid rows are to be stored although others are not: the field `type`; "false" if not given."""
    accepts = _ACCEPTS.get(fields.get("type", "").strip().lower())
    return field_error(("type",), 'must be "true" or "false"') if accepts is None else accepts


def batch_type_error(fields: Mapping[str, str]) -> RequestError | None:
    """Return what is wrong with `batchType`, which is checked and means nothing here."""
    if fields.get("batchType", "").strip().lower() in ("", *BATCH_TYPES):
        return None
    return field_error(("batchType",), f"must be {' or '.join(BATCH_TYPES)}")


def named_encoding(fields: Mapping[str, str]) -> str | None:
    """Return the encoding that the sender names for a CSV file, None for none."""
    return fields.get(ENCODING, "").strip() or None


def _number(text: str) -> Any:
    return int(text) if _INTEGER.fullmatch(text) else text


_EXAMPLES: Final = {
    "callingNumbers": '["66f2a9c1d4e5b60718293a00"]',
    "callingHour": '{"start": "09:00", "end": "17:30"}',
    "allowedDays": "[1, 2, 3, 4, 5]",
}
