"""Avro on the wire: single-object encoding, so that a reader always knows the writer's schema.

A value is `C3 01`, the little-endian CRC-64-AVRO fingerprint of the writer's schema in Parsing Canonical Form,
then the Avro binary encoding (Avro specification 1.12, "Single-object encoding"). What an earlier version wrote is
read by its own schema, kept in `schemas/avro/former`, as the record of today. A fingerprint that is not known is that
of a newer version: on topics that dialfeed alone writes such a message is never passed over (`NewerError`).

Columns with an item a record are of a logical type of ours, `json-array` over `bytes`: a JSON array, which costs a
sixth of an Avro array, item by item, to write and to read. Its attribute `of` names the items: `int`, `string`,
`replayed` for a record's history, or `json` for any value, which is passed on as it is written.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from io import BytesIO
from typing import Any, Final, NamedTuple, TypeVar

import fastavro
import fastavro.read
import fastavro.write
import msgspec
from fastavro.schema import fingerprint, to_parsing_canonical_form

from schemas import records, replay_jobs
from schemas.messages import NewerError, ReadMessage

MARKER: Final = b"\xc3\x01"
PREFIX_BYTES: Final = 10
FORMER: Final = resources.files("schemas.avro.former")
WIRE_RECORDS: Final[tuple[type[records.Record], ...]] = (
    records.Chunk,
    records.PhoneLogChunk,
    records.Receipt,
    records.ReplayReceipt,
    records.SubmissionAccepted,
    records.DialerCommand,
    records.Workspace,
    records.ApiKey,
    records.Agent,
    records.CallingNumber,
    records.Batch,
    replay_jobs.ReplayJob,
    replay_jobs.ReplayProgress,
)

R = TypeVar("R", bound=records.Record)


class UndecodableError(ValueError):
    """The bytes are not a record that dialfeed knows; the text says why, without repeating them."""


class _Codec(NamedTuple):
    """A schema that values are written with; `reader` is today's where that is another one."""

    kind: type[records.Record]
    prefix: bytes
    schema: dict[str, Any]
    reader: dict[str, Any] | None = None


@cache
def _codecs() -> dict[type[records.Record], _Codec]:
    folder = resources.files("schemas.avro")
    return {kind: _load(kind, folder / f"{kind.__name__}.avsc") for kind in WIRE_RECORDS}


@cache
def _codecs_by_prefix() -> dict[bytes, _Codec]:
    today = _codecs()
    kinds = {kind.__name__: kind for kind in today}
    former = [
        _load(kinds[file.name.partition("-")[0]], file) for file in FORMER.iterdir() if file.name.endswith(".avsc")
    ]
    of_former = {codec.prefix: codec._replace(reader=today[codec.kind].schema) for codec in former}
    return of_former | {codec.prefix: codec for codec in today.values()}


def _load(kind: type[records.Record], file: Traversable) -> _Codec:
    schema = json.loads(file.read_text("utf-8"))
    crc = bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))
    parsed = fastavro.parse_schema(schema)
    return _Codec(kind, MARKER + crc, parsed)


_encode_json: Final = msgspec.json.Encoder().encode
_ITEMS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    "int": msgspec.json.Decoder(list[int]),
    "string": msgspec.json.Decoder(list[str]),
    "replayed": msgspec.json.Decoder(list[records.Replayed]),
    "json": msgspec.json.Decoder(list[msgspec.Raw]),
}


def _write_json_array(items: list[Any], schema: dict[str, Any]) -> bytes:
    return b"[" + b",".join(items) + b"]" if schema["of"] == "json" else _encode_json(items)


def _read_json_array(data: bytes, schema: dict[str, Any], _: object = None) -> list[Any]:
    items: list[Any] = _ITEMS[schema["of"]].decode(data)
    return [bytes(item) for item in items] if schema["of"] == "json" else items


fastavro.write.LOGICAL_WRITERS["bytes-json-array"] = _write_json_array
fastavro.read.LOGICAL_READERS["bytes-json-array"] = _read_json_array


def encode(record: records.Record) -> bytes:
    """Return the record in single-object encoding."""
    codec = _codecs()[type(record)]
    out = BytesIO()
    out.write(codec.prefix)
    fastavro.schemaless_writer(out, codec.schema, _fields_of(record))
    return out.getvalue()


def _fields_of(record: records.Record) -> dict[str, Any]:
    """Return a record as fastavro takes it; columns stay the lists that they are."""
    values = zip(record.__struct_encode_fields__, msgspec.structs.astuple(record), strict=True)
    return {name: _avro_value(value) for name, value in values}


def _avro_value(value: Any) -> Any:
    if isinstance(value, records.Record):
        return _fields_of(value)
    if isinstance(value, list) and value and isinstance(value[0], records.Record):
        return value if value[0].__struct_config__.array_like else [_fields_of(each) for each in value]
    return value


def refuse_newer(value: bytes | None) -> None:
    """Raise NewerError if `value` is in single-object encoding by a schema that this version does not know."""
    if value and value.startswith(MARKER):
        prefix = value[:PREFIX_BYTES]
        if len(prefix) == PREFIX_BYTES and prefix not in _codecs_by_prefix():
            raise NewerError(f"by a schema that this one does not know (fingerprint {prefix[len(MARKER) :].hex()})")


def decode_any(value: bytes | None) -> records.Record:
    """Return the record in `value`, of whichever known kind it is; raise UndecodableError or NewerError."""
    if not value:
        raise UndecodableError("the message is empty")
    codec = _codecs_by_prefix().get(value[:PREFIX_BYTES])
    if codec is None:
        refuse_newer(value)
        raise UndecodableError("the message does not start with the fingerprint of a known schema")
    source = BytesIO(value)
    source.seek(PREFIX_BYTES)
    try:
        fields = fastavro.schemaless_reader(source, codec.schema, codec.reader)
        record = msgspec.convert(fields, codec.kind)
    except Exception as error:  # fastavro raises many kinds on damaged bytes
        raise UndecodableError(f"the message is a damaged {codec.kind.__name__}") from error
    if source.read(1):
        raise UndecodableError(f"bytes follow the {codec.kind.__name__}")
    return record


def decode(value: bytes | None, kind: type[R]) -> R:
    """Return the record in `value`, which must be of this kind; raise UndecodableError or NewerError."""
    record = decode_any(value)
    if not isinstance(record, kind):
        raise UndecodableError(f"the message is a {type(record).__name__}, not a {kind.__name__}")
    return record


def decode_message(message: ReadMessage, kind: type[R]) -> R:
    """Do as `decode` with a message's value; a NewerError says where the message is."""
    try:
        return decode(message.value, kind)
    except NewerError as newer:
        raise newer.at(message) from None
