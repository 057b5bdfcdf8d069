"""An agent's variable schema: an Avro record schema, compiled once into a strict validator of decoded JSON records.

    schema = parse_schema(text)                 # raises SchemaRefused, whose reason says what to change
    validator = compile_validator(schema)
    failed = validator.errors(records)          # {index: every error of this record}, good records are not in it

JSON has fewer types than Avro, so these are carried as text: bytes and fixed (base64), dates, times and timestamps
(RFC 3339), uuid, and decimal (digits, or a JSON integer). Nothing is coerced: `true` is no integer, `3.0` is no
integer, `"3"` is no number. A field without default is required. Keys that the schema does not name are not looked at.
`phoneNumber` and `timezone` belong to the pipeline: a schema may declare them, as text; they are not looked at here.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import fastavro
import msgspec
from fastavro.schema import SchemaParseException, UnknownType
from pydantic_core import SchemaValidator, core_schema

from schemas.outcomes import Code, FieldError
from schemas.variable_parsing import SchemaRefused, read_record
from schemas.variable_scalars import NULL, STRING
from schemas.variable_shapes import Record, Shape, Union

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic_core import CoreSchema

__all__ = ["ParsedSchema", "SchemaRefused", "Validator", "compile_validator", "parse_schema"]

PIPELINE_FIELDS: Final = frozenset({"phoneNumber", "timezone"})
MAX_SCHEMA_BYTES: Final = 64 * 1024
MAX_ERRORS_PER_RECORD: Final = 50


@dataclass(frozen=True, slots=True)
class ParsedSchema:
    """A usable variable schema. Both dicts are as `fastavro.parse_schema` gives them; do not change them."""

    declared: dict[str, Any]  # all that was declared: what versions are compared by
    written: dict[str, Any]  # the same without the pipeline's fields: what `Validator.to_avro` makes data for
    variables: Record  # the shape of `written`


@dataclass(frozen=True, slots=True)
class Validator:
    """Judges records, decoded from JSON by msgspec (exact integers, finite floats), by one schema."""

    _variables: Record
    _core: SchemaValidator

    @property
    def variables(self) -> Record:
        """The shape of what the schema declares."""
        return self._variables

    def errors(self, records: Sequence[object]) -> dict[int, tuple[FieldError, ...]]:
        """Give every error of each failing record by its index. One call into pydantic-core for all of them."""
        verdicts: list[object] = self._core.validate_python(records)
        if None not in verdicts:
            return {}
        suspects = [index for index, good in enumerate(verdicts) if good is None]
        return {index: found for index in suspects if (found := self.errors_of(records[index]))}

    def errors_of(self, record: object) -> tuple[FieldError, ...]:
        """Give all errors of one record, in the order of the schema, at most 50."""
        if not isinstance(record, dict):
            return (FieldError(Code.NOT_AN_OBJECT, "", "the record must be a JSON object"),)
        return tuple(islice(self._variables.errors(record, ()), MAX_ERRORS_PER_RECORD))

    def to_avro(self, record: Mapping[str, object]) -> dict[str, object]:
        """Convert one accepted record to what fastavro writes with `ParsedSchema.written`, defaults filled in."""
        return self._variables.to_avro(record)


def parse_schema(text: str | bytes) -> ParsedSchema:
    """Read the text of an `.avsc` file, at most 64 KiB; raises SchemaRefused."""
    if len(text) > MAX_SCHEMA_BYTES:
        raise SchemaRefused(f"the schema is longer than {MAX_SCHEMA_BYTES} bytes; shorten it")
    try:
        declared = _decoded(text)
        record = read_record(declared)
    except RecursionError:
        raise SchemaRefused("the schema is nested too deeply; flatten it") from None
    for field in record.fields:
        if field.name in PIPELINE_FIELDS and not _is_text(field.shape):
            raise SchemaRefused(
                f'field {field.name}: dialfeed reads it itself, as text; declare it "string" or ["null", "string"]'
            )
    kept = [field for field in declared["fields"] if field["name"] not in PIPELINE_FIELDS]
    variables = Record(record.name, tuple(field for field in record.fields if field.name not in PIPELINE_FIELDS))
    return ParsedSchema(_checked(declared), _checked({**declared, "fields": kept}), variables)


def compile_validator(schema: ParsedSchema) -> Validator:
    """Compile once, use for every chunk: this takes milliseconds, a record well under a microsecond."""
    named: dict[str, CoreSchema] = {}
    # A failing record becomes None: an exception would carry the errors of the whole chunk, and they can be millions.
    one = core_schema.with_default_schema(schema.variables.core(named), default=None, on_error="default")
    core = core_schema.definitions_schema(core_schema.list_schema(one), list(named.values()))
    return Validator(schema.variables, SchemaValidator(core))


def _decoded(text: str | bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError) as error:
        raise SchemaRefused(f"the schema is not JSON: {error}") from None


def _checked(declared: dict[str, Any]) -> dict[str, Any]:
    """Let fastavro have the last word, for it will write and read by this schema."""
    if declared.keys() & {"__fastavro_parsed", "__named_schemas"}:
        raise SchemaRefused("the schema: keys beginning with __ are fastavro's own; remove them")
    try:
        parsed: dict[str, Any] = fastavro.parse_schema(declared)
    except (SchemaParseException, UnknownType, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SchemaRefused(f"the schema is refused by fastavro: {str(error)[:300]}") from None
    return parsed


def _is_text(shape: Shape) -> bool:
    return shape is STRING or (isinstance(shape, Union) and set(shape.branches) in ({STRING}, {NULL, STRING}))
