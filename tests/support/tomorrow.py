"""Messages of a version to come: by today's schemas, each with a field more."""

from __future__ import annotations

import json
from importlib import resources
from io import BytesIO
from typing import Any

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

from schemas import codecs
from schemas.records import Record


def schema_of_tomorrow(kind: type[Record]) -> dict[str, Any]:
    """Return today's schema of a wire record with a field added, as CONTRIBUTING.md tells to add one."""
    file = resources.files("schemas.avro") / f"{kind.__name__}.avsc"
    schema: dict[str, Any] = json.loads(file.read_text("utf-8"))
    added = {"name": "ofTomorrow", "type": "string", "default": ""}
    return schema | {"fields": [*schema["fields"], added]}


def fingerprint_of_tomorrow(kind: type[Record]) -> str:
    """Return its fingerprint, in hexadecimal digits."""
    return str(fingerprint(to_parsing_canonical_form(schema_of_tomorrow(kind)), "CRC-64-AVRO"))


def of_tomorrow(record: Record) -> bytes:
    """Return a record as tomorrow's version writes it."""
    kind = type(record)
    out = BytesIO(codecs.MARKER + bytes.fromhex(fingerprint_of_tomorrow(kind)))
    out.seek(0, 2)
    fields = codecs._fields_of(record) | {"ofTomorrow": "new"}
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema_of_tomorrow(kind)), fields)
    return out.getvalue()
