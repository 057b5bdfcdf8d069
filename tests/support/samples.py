"""Records as tests send them, and what surrounds them."""

from __future__ import annotations

import json
from typing import Any

from schemas.agent_schemas import compile_validator, parse_schema
from schemas.records import Chunk
from streams.campaigns import Campaign
from streams.chunking import RawMessage

SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "Variables",
        "fields": [
            {"name": "name", "type": "string"},
            {"name": "amount", "type": "double"},
            {"name": "visits", "type": "int", "default": 0},
        ],
    }
)


def record(number: int = 0, **fields: Any) -> dict[str, Any]:
    return {"phoneNumber": f"1212555{number:04d}", "name": "Ann Example", "amount": 12.5} | fields


def records(count: int) -> list[dict[str, Any]]:
    return [record(number) for number in range(count)]


def body(*call_data: Any, batch: Any = "b") -> bytes:
    return json.dumps({"batchId": batch, "call_data": list(call_data)}).encode()


def raw_message(value: bytes | None, *, key: bytes | None = b"b", **headers: str) -> RawMessage:
    pairs = [(name.replace("_", "-"), text.encode()) for name, text in headers.items()]
    return RawMessage("calls.raw", 3, 42, 1_700_000_000_000, key, value, pairs)


def chunk(*call_data: Any, first_index: int = 0, **fields: Any) -> Chunk:
    texts = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in call_data]
    values: dict[str, Any] = {
        "submission_id": "s",
        "batch_id": "b",
        "first_index": first_index,
        "total": first_index + len(texts),
        "accepted_at": 1_700_000_000_000,
        "source_topic": "calls.raw",
        "source_partition": 3,
        "source_offset": 42,
        "records": texts,
    }
    return Chunk(**values | fields)


def campaign(schema: str = SCHEMA, **fields: Any) -> Campaign:
    values: dict[str, Any] = {
        "workspace_id": "w",
        "batch_zone": None,
        "workspace_zone": None,
        "country": None,
        "agent_id": "a",
        "schema_version": 1,
        "validator": compile_validator(parse_schema(schema)),
    }
    return Campaign(**values | fields)
