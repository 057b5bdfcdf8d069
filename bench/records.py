"""The records everything is measured with: 150 bytes each, every number a different one, and every record good."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

RECORD_BYTES: Final = 150
CALLING_NUMBER: Final = "+12125550199"
BATCH_ZONE: Final = "America/New_York"
MOST_RECORDS: Final = 1_000_000
"""Further records would repeat numbers."""

SCHEMA: Final = json.dumps(
    {
        "type": "record",
        "name": "OverdueInvoice",
        "fields": [
            {"name": "name", "type": "string"},
            {"name": "account_id", "type": "long"},
            {"name": "amount_due", "type": "double"},
            {"name": "due_date", "type": {"type": "int", "logicalType": "date"}},
        ],
    }
)
"""`note`, the record's last field, is not in it: an unknown key, to be kept."""

_AREA_CODES: Final = (212, 312, 415, 617, 713, 303, 602, 206, 305, 214)
_NAMES: Final = ("Ada Moreau", "Ben Okafor", "Chloe Lindqvist", "Dev Ranganathan", "Elif Kaya", "Farid Haddad")
_NOTE: Final = "second reminder, prefers to be called in the afternoon"


def record_texts(count: int, first: int = 0) -> list[bytes]:
    """Return the JSON text of `count` records, beginning with the one of this index."""
    return [_text(index) for index in range(first, first + count)]


def body(batch_id: str, records: Sequence[bytes]) -> bytes:
    """Return the body of the contract: what is posted, and what is put on `calls.raw`."""
    return b'{"batchId":%b,"call_data":[%b]}' % (json.dumps(batch_id).encode(), b",".join(records))


def bodies(batch_id: str, records: Sequence[bytes], size: int = 1000) -> list[bytes]:
    """Return one body after the other, of `size` records each."""
    return [body(batch_id, records[start : start + size]) for start in range(0, len(records), size)]


def _text(index: int) -> bytes:
    record = {
        "phoneNumber": _phone_number(index),
        "name": _NAMES[index % len(_NAMES)],
        "account_id": 700_000 + index,
        "amount_due": round(19.9 + (index * 7919 % 50_000) / 100, 2),
        "due_date": f"2026-{1 + index % 12:02d}-{1 + index % 28:02d}",
        "note": "",
    }
    empty = json.dumps(record, separators=(",", ":"))
    note = _NOTE[: RECORD_BYTES - len(empty)]
    return f'{empty[:-2]}{note}"}}'.encode()


def _phone_number(index: int) -> str:
    """Return three plain North American numbers of four, as most callers send; one of twenty is formatted."""
    if index % 4 == 3:
        return _elsewhere(index)
    area, local = _AREA_CODES[index % len(_AREA_CODES)], f"{2_000_000 + index}"
    return f"+1 ({area}) {local[:3]}-{local[3:]}" if index % 20 == 0 else f"1{area}{local}"


def _elsewhere(index: int) -> str:
    match index // 4 % 4:
        case 0:
            return f"447400{index:06d}"
        case 1:
            return f"+49151{20_000_000 + index}"
        case 2:
            return f"9198{10_000_000 + index}"
        case _:
            return f"+614{10_000_000 + index}"
