"""Variable schemas: which are refused, which values each type takes, how errors are told, and that fastavro agrees."""

from __future__ import annotations

import base64
import datetime as dt
import io
import itertools
import json
import math
import struct
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import fastavro
import msgspec
import pytest
from fastavro.validation import validate as fastavro_validate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.agent_schemas import ParsedSchema, SchemaRefused, Validator, compile_validator, parse_schema
from schemas.outcomes import Code

JSON = Any  # a decoded JSON value

DATE = {"type": "int", "logicalType": "date"}
TIME_MILLIS = {"type": "int", "logicalType": "time-millis"}
TIME_MICROS = {"type": "long", "logicalType": "time-micros"}
STAMP_MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
STAMP_MICROS = {"type": "long", "logicalType": "timestamp-micros"}
LOCAL_MILLIS = {"type": "long", "logicalType": "local-timestamp-millis"}
LOCAL_MICROS = {"type": "long", "logicalType": "local-timestamp-micros"}
UUID = {"type": "string", "logicalType": "uuid"}
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}
FIXED_MONEY = {"type": "fixed", "name": "M", "size": 4, "logicalType": "decimal", "precision": 6, "scale": 2}
FIXED = {"type": "fixed", "name": "F", "size": 2}
COLOUR = {"type": "enum", "name": "Colour", "symbols": ["RED", "GREEN"]}
ADDRESS = {
    "type": "record",
    "name": "Address",
    "fields": [{"name": "street", "type": "string"}, {"name": "zip", "type": "int"}],
}


def a_field(avro: JSON, name: str = "v", **more: JSON) -> JSON:
    return {"name": name, "type": avro, **more}


def a_schema(*fields: JSON) -> str:
    return json.dumps({"type": "record", "name": "Variables", "fields": list(fields)})


def validator_of(*fields: JSON) -> Validator:
    return compile_validator(parse_schema(a_schema(*fields)))


def verdict(avro: JSON, value: JSON) -> list[tuple[Code, str]]:
    """Codes and paths for one record whose one field `v` has this type and value."""
    found = validator_of(a_field(avro)).errors([{"v": value}])
    return [(error.code, error.path) for error in found.get(0, ())]


def message(avro: JSON, value: JSON) -> str:
    (error,) = validator_of(a_field(avro)).errors([{"v": value}])[0]
    return error.message


def reread(schema: ParsedSchema, record: JSON) -> JSON:
    """Write a record as Avro and read it back."""
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, schema.written, compile_validator(schema).to_avro(record))
    stream.seek(0)
    read = fastavro.schemaless_reader(stream, schema.written)
    assert stream.read() == b""
    return read


# --- schemas that are refused -----------------------------------------------------------------------------------------


def nested_arrays(levels: int) -> JSON:
    avro: JSON = "int"
    for _ in range(levels):
        avro = {"type": "array", "items": avro}
    return avro


def a_chain(length: int) -> list[JSON]:
    """Records that each hold the one before by name, so that few levels of JSON are many of Avro."""
    first = a_field({"type": "record", "name": "R0", "fields": []}, "f0")
    return [
        first,
        *(
            a_field({"type": "record", "name": f"R{i}", "fields": [a_field(f"R{i - 1}")]}, f"f{i}")
            for i in range(1, length)
        ),
    ]


def a_choice(name: str, inner: JSON) -> JSON:
    """A union of two records, one of which holds `inner`."""
    return [
        {"type": "record", "name": f"{name}1", "fields": [a_field(inner)]},
        {"type": "record", "name": f"{name}2", "fields": [a_field("int", "w")]},
    ]


REFUSED = {
    "not JSON": ("{", "not JSON"),
    "not UTF-8": (b'"\xff"', "not JSON"),
    "not a record": ('"string"', "must be an Avro record"),
    "an array at the top": ("[]", "must be an Avro record"),
    "too long": (" " * (64 * 1024 + 1), "longer than 65536 bytes"),
    "nested beyond JSON": ("[" * 60_000, "nested too deeply"),
    "nested unions": (a_schema(a_field(0)).replace("0", "[" * 900 + "]" * 900), "nested too deeply"),
    "a long name": (a_schema(a_field("int", "f" * 129)), "at most 128"),
    "nested levels": (a_schema(a_field(nested_arrays(16))), "more than 16 levels"),
    "nested by name": (a_schema(*a_chain(17)), "more than 16 levels"),
    "too many fields": (a_schema(*(a_field("int", f"f{i}") for i in range(1001))), "more than 1000 fields"),
    "no name": ('{"type": "record", "fields": []}', '"name"'),
    "no fields": ('{"type": "record", "name": "V"}', '"fields"'),
    "a bad name": ('{"type": "record", "name": "V 1", "fields": []}', "'V 1' cannot name a type"),
    "fastavro's marks": (
        '{"type": "record", "name": "V", "fields": [], "__fastavro_parsed": true, "__named_schemas": {}}',
        "remove them",
    ),
    "a field without a type": (a_schema({"name": "v"}), '"type"'),
    "a field with a bad name": (a_schema(a_field("int", "first name")), '"name"'),
    "a field twice": (a_schema(a_field("int"), a_field("string")), "the field v is there twice"),
    "an unknown type": (a_schema(a_field("strng")), "field v: the type 'strng' is not known"),
    "an unknown type, deep": (a_schema(a_field({"type": "array", "items": "strng"})), "items of field v"),
    "a type that is no type": (a_schema(a_field(3)), "field v: a type must be"),
    "a reference in an object": (a_schema(a_field(COLOUR, "c"), a_field({"type": "Colour"})), "bare name"),
    "recursion": (
        a_schema(a_field({"type": "record", "name": "N", "fields": [a_field(["null", "N"], "next")]})),
        "field v.next: N contains itself",
    ),
    "a name twice": (a_schema(a_field(COLOUR, "a"), a_field(COLOUR, "b")), "defined twice"),
    "a name of Avro": (a_schema(a_field({"type": "enum", "name": "string", "symbols": ["A"]})), "none of Avro's"),
    "an empty union": (a_schema(a_field([])), "from 1 to 16 types"),
    "a long union": (a_schema(a_field(["null"] * 17)), "from 1 to 16 types"),
    "a union in a union": (a_schema(a_field([["int"]])), "must not contain a union"),
    "a branch twice": (a_schema(a_field(["long", STAMP_MILLIS])), "the union's type long is there twice"),
    "a choice in a choice": (a_schema(a_field(a_choice("A", a_choice("B", "int")))), "JSON does not say which"),
    "an enum without symbols": (a_schema(a_field({"type": "enum", "name": "E"})), '"symbols"'),
    "an enum with a bad symbol": (a_schema(a_field({"type": "enum", "name": "E", "symbols": ["a b"]})), '"symbols"'),
    "a symbol twice": (a_schema(a_field({"type": "enum", "name": "E", "symbols": ["A", "A"]})), "symbol A is there"),
    "an enum's default": (
        a_schema(a_field({"type": "enum", "name": "E", "symbols": ["A"], "default": "B"})),
        "one of its symbols",
    ),
    "an array without items": (a_schema(a_field({"type": "array"})), '"items"'),
    "a map without values": (a_schema(a_field({"type": "map"})), '"values"'),
    "a fixed without size": (a_schema(a_field({"type": "fixed", "name": "F"})), '"size"'),
    "a duration": (
        a_schema(a_field({"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"})),
        "use a long of milliseconds",
    ),
    "a decimal without precision": (a_schema(a_field({"type": "bytes", "logicalType": "decimal"})), '"precision"'),
    "a decimal's scale": (a_schema(a_field({**MONEY, "scale": 7})), '"scale"'),
    "a decimal too long": (a_schema(a_field({**FIXED_MONEY, "precision": 10})), "do not fit into a fixed of 4 bytes"),
    "a default of another type": (a_schema(a_field("int", default="3")), "field v: the default must be an integer"),
    "a default of no branch": (a_schema(a_field(["null", "int"], default="3")), "the default must be"),
    "a default that lacks a field": (a_schema(a_field(ADDRESS, default={"street": "x"})), "the default lacks zip"),
    "a default no calendar has": (a_schema(a_field(DATE, default=2**31 - 1)), "field v: the default must be from"),
    "phoneNumber as a number": (a_schema(a_field("long", "phoneNumber")), "field phoneNumber: dialfeed reads it"),
    "timezone as an enum": (a_schema(a_field(COLOUR, "timezone")), "field timezone: dialfeed reads it"),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_schema_that_cannot_be_used_is_refused_with_what_to_change(text: str | bytes, reason: str) -> None:
    with pytest.raises(SchemaRefused) as refused:
        parse_schema(text)
    assert reason in refused.value.reason


@pytest.mark.parametrize("levels", [1, 15])
def test_nesting_up_to_the_limit_is_accepted(levels: int) -> None:
    parse_schema(a_schema(a_field(nested_arrays(levels))))


@pytest.mark.parametrize("avro", ["string", ["null", "string"], ["string", "null"], {"type": "string"}])
def test_the_pipelines_own_fields_may_be_declared_as_text_and_are_not_looked_at(avro: JSON) -> None:
    validator = validator_of(a_field(avro, "phoneNumber"), a_field(avro, "timezone"), a_field("int"))
    assert validator.errors([{"v": 1}, {"v": 1, "phoneNumber": 12125551001, "timezone": None}]) == {}
    assert validator.to_avro({"v": 1, "phoneNumber": 12125551001}) == {"v": 1}


def test_what_was_declared_is_kept_whole_for_comparing_versions() -> None:
    schema = parse_schema(a_schema(a_field("string", "phoneNumber"), a_field("int")))
    assert [field["name"] for field in schema.declared["fields"]] == ["phoneNumber", "v"]
    assert [field["name"] for field in schema.written["fields"]] == ["v"]


def test_a_nested_field_may_be_called_timezone_and_have_any_type() -> None:
    inner = {"type": "record", "name": "Inner", "fields": [a_field("int", "timezone")]}
    assert verdict(inner, {"timezone": "UTC"}) == [(Code.TYPE, "/v/timezone")]


def test_names_are_resolved_in_the_namespace_they_are_used_in() -> None:
    inner = {"type": "record", "name": "In", "namespace": "a.b", "fields": [a_field(COLOUR, "c"), a_field("Colour")]}
    schema = parse_schema(a_schema(a_field(inner), a_field("a.b.Colour", "w")))
    record = {"v": {"c": "RED", "v": "GREEN"}, "w": "RED"}
    assert compile_validator(schema).errors([record]) == {}
    assert reread(schema, record) == record


def test_a_named_type_is_checked_wherever_it_is_referred_to() -> None:
    validator = validator_of(a_field(ADDRESS, "home"), a_field(["null", "Address"], "work"))
    record = {"home": {"street": "x", "zip": "1"}, "work": {"street": "y", "zip": "2"}}
    assert [error.path for error in validator.errors([record])[0]] == ["/home/zip", "/work/zip"]


# --- values -----------------------------------------------------------------------------------------------------------

NAN, INF, HUGE = math.nan, math.inf, 10**400
LONE = "\ud800"

TAKEN: list[tuple[JSON, JSON]] = [
    ("null", None),
    ("boolean", True),
    ("int", -(2**31)),
    ("long", 2**63 - 1),
    ("float", 3),
    ("float", 3.4028234663852886e38),
    ("double", -1.7976931348623157e308),
    ("double", 10**300),
    ("string", ""),
    ("string", "   "),
    ("string", "Zoë 😀"),
    ("bytes", ""),
    ("bytes", "AAH/"),
    (FIXED, "AAE="),
    (COLOUR, "GREEN"),
    (DATE, "2024-02-29"),
    (DATE, "0001-01-01"),
    (TIME_MILLIS, "23:59:59.999"),
    (TIME_MICROS, "00:00:00.000001"),
    (STAMP_MILLIS, "2026-01-31T14:30:00Z"),
    (STAMP_MILLIS, "2026-01-31t14:30:00.5z"),
    (STAMP_MICROS, "1969-12-31T23:59:59.123456-05:30"),
    (LOCAL_MILLIS, "2026-01-31T14:30:00.25"),
    (LOCAL_MICROS, "9999-12-31T23:59:59.999999"),
    (UUID, "123E4567-e89b-12d3-a456-426614174000"),
    (MONEY, "-9999.99"),
    (MONEY, "007.500"),
    (MONEY, "-0"),
    (MONEY, 9999),
    (FIXED_MONEY, "-0.00"),
    (FIXED_MONEY, "-9999.99"),
    (["null", "int"], None),
    (["int", "string"], "x"),
    (["float", "double"], 1e300),
    ({"type": "array", "items": "int"}, []),
    ({"type": "map", "values": "int"}, {"": 1, "a/b": 2}),
    (ADDRESS, {"street": "x", "zip": 1, "more": LONE}),
    ({"type": "string", "logicalType": "unheard-of"}, "x"),
    ({"type": "string", "logicalType": "date"}, "not a date"),
    ({"type": "long", "logicalType": "timestamp-nanos"}, 1),
]


@pytest.mark.parametrize(("avro", "value"), TAKEN)
def test_a_value_of_the_type_is_taken_and_can_be_written(avro: JSON, value: JSON) -> None:
    schema = parse_schema(a_schema(a_field(avro)))
    assert compile_validator(schema).errors([{"v": value}]) == {}
    reread(schema, {"v": value})


REFUSED_VALUES: list[tuple[JSON, Code, list[JSON]]] = [
    ("null", Code.TYPE, [0, False, ""]),
    ("boolean", Code.TYPE, [0, 1, "true", []]),
    ("int", Code.TYPE, [True, 3.0, "3", [], {}, NAN]),
    ("int", Code.OUT_OF_RANGE, [2**31, -(2**31) - 1, HUGE]),
    ("long", Code.TYPE, [False, 3.0, "3", 1e20]),
    ("long", Code.OUT_OF_RANGE, [2**63, -(2**63) - 1, -HUGE]),
    ("float", Code.TYPE, [True, "3.5", []]),
    ("float", Code.OUT_OF_RANGE, [3.5e38, -3.5e38, 10**39, HUGE]),
    ("float", Code.NOT_FINITE, [NAN, INF, -INF]),
    ("double", Code.TYPE, [True, "3.5", {}]),
    ("double", Code.OUT_OF_RANGE, [HUGE, -HUGE]),
    ("double", Code.NOT_FINITE, [NAN, INF, -INF]),
    ("string", Code.TYPE, [3, True, [], {}]),
    ("string", Code.INVALID_TEXT, [LONE, "a\udfff"]),
    ("bytes", Code.TYPE, [3, [1, 2]]),
    ("bytes", Code.FORMAT, ["AAH", "A?==", "ÿ", LONE, "AA==AA==", "AA\n=="]),
    (FIXED, Code.FORMAT, ["A"]),
    (FIXED, Code.OUT_OF_RANGE, ["", "AA==", "AAAA"]),
    (COLOUR, Code.TYPE, [0, True]),
    (COLOUR, Code.ENUM, ["red", "", LONE]),
    (DATE, Code.TYPE, [20000, 1.5]),
    (DATE, Code.FORMAT, ["2026-02-30", "2023-02-29", "2026-1-31", "31.01.2026", "2026-01-31T00:00:00", "20260131"]),
    (DATE, Code.FORMAT, ["\u0662\u0660\u0662\u0666-\u0660\u0661-\u0663\u0661", "2026-01-31\n", ""]),
    (DATE, Code.OUT_OF_RANGE, ["0000-01-01"]),
    (TIME_MILLIS, Code.TYPE, [0]),
    (TIME_MILLIS, Code.FORMAT, ["24:00:00", "23:59:60", "12:00", "12:00:00.1234", "12:00:00.", "12:00:00Z"]),
    (TIME_MICROS, Code.FORMAT, ["12:00:00.1234567", "12:00:00,5"]),
    (STAMP_MILLIS, Code.TYPE, [1700000000000]),
    (STAMP_MILLIS, Code.FORMAT, ["2026-01-31T14:30:00", "2026-01-31 14:30:00Z", "2026-01-31T14:30:00+0200"]),
    (STAMP_MILLIS, Code.FORMAT, ["2026-01-31T14:30:00.1234Z", "2026-02-30T14:30:00Z", "2026-01-31T24:00:00Z"]),
    (STAMP_MICROS, Code.OUT_OF_RANGE, ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"]),
    (STAMP_MICROS, Code.OUT_OF_RANGE, ["0000-01-01T00:00:00Z"]),
    (LOCAL_MILLIS, Code.FORMAT, ["2026-01-31T14:30:00Z", "2026-01-31"]),
    (LOCAL_MICROS, Code.OUT_OF_RANGE, ["0000-01-01T00:00:00"]),
    (UUID, Code.TYPE, [3]),
    (UUID, Code.FORMAT, ["123e4567e89b12d3a456426614174000", "{123e4567-e89b-12d3-a456-426614174000}", "x"]),
    (MONEY, Code.TYPE, [1.5, True, []]),
    (MONEY, Code.FORMAT, ["", "-", ".", ".5", "5.", "1e2", "+1", "1_0", "NaN", "Infinity", " 1", "\u0663"]),
    (MONEY, Code.OUT_OF_RANGE, ["10000", "0.001", "-12345.67", 10000, -10000, HUGE]),
    ({"type": "array", "items": "int"}, Code.TYPE, [{}, "x", 1]),
    ({"type": "map", "values": "int"}, Code.TYPE, [[], "x", 1]),
    ({"type": "map", "values": "int"}, Code.INVALID_TEXT, [{LONE: 1}]),
    (ADDRESS, Code.TYPE, [[], "x", 1]),
    (["null", "int"], Code.TYPE, ["3", 3.0, True, []]),
    (["null", "int"], Code.OUT_OF_RANGE, [2**31]),
    (["int", "string"], Code.TYPE, [True, 1.5, []]),
    (["int", "string"], Code.INVALID_TEXT, [LONE]),
    (["int", "double"], Code.OUT_OF_RANGE, [HUGE]),
    ([DATE, UUID], Code.FORMAT, ["x"]),
    ([COLOUR, UUID], Code.TYPE, ["x"]),
]


@pytest.mark.parametrize(
    ("avro", "code", "value"), [(avro, code, value) for avro, code, values in REFUSED_VALUES for value in values]
)
def test_any_other_value_is_refused_with_its_code(avro: JSON, code: Code, value: JSON) -> None:
    assert verdict(avro, value) == [(code, "/v")]


@pytest.mark.parametrize("avro", ["int", "string", COLOUR, ADDRESS, DATE, ["int", "string"]])
@pytest.mark.parametrize("record", [{}, {"v": None}])
def test_a_field_without_default_is_required_and_null_is_not_a_value_of_it(avro: JSON, record: JSON) -> None:
    (error,) = validator_of(a_field(avro)).errors([record])[0]
    assert (error.code, error.path) == (Code.REQUIRED, "/v")


def test_a_nullable_field_without_default_must_be_there_but_may_be_null() -> None:
    validator = validator_of(a_field(["null", "int"]))
    assert validator.errors([{"v": None}]) == {}
    assert [error.code for error in validator.errors([{}])[0]] == [Code.REQUIRED]


def test_a_field_with_default_may_be_absent_but_not_of_another_type() -> None:
    validator = validator_of(a_field("int", default=7))
    found = validator.errors([{}, {"v": "x"}, {"v": None}])
    assert {index: [error.code for error in errors] for index, errors in found.items()} == {
        1: [Code.TYPE],
        2: [Code.TYPE],
    }


def test_inside_an_object_a_missing_key_is_required_and_null_is_a_wrong_type() -> None:
    assert verdict(ADDRESS, {"zip": None}) == [(Code.REQUIRED, "/v/street"), (Code.TYPE, "/v/zip")]


def test_unknown_keys_are_not_looked_at() -> None:
    validator = validator_of(a_field("int"))
    assert validator.errors([{"v": 1, "other": LONE, "": {"deep": [NAN]}}]) == {}


def test_a_schema_without_fields_takes_every_object() -> None:
    assert validator_of().errors([{}, {"anything": 1}]) == {}


@pytest.mark.parametrize("record", ["x", 3, [], None])
def test_what_is_not_an_object_is_said_not_to_be_one(record: JSON) -> None:
    assert [error.code for error in validator_of(a_field("int")).errors([record])[0]] == [Code.NOT_AN_OBJECT]


# --- how errors are told ----------------------------------------------------------------------------------------------


def test_every_error_of_a_record_is_told_at_once_in_the_order_of_the_schema() -> None:
    validator = validator_of(
        a_field("string", "name"),
        a_field("int", "age"),
        a_field(["null", ADDRESS], "home", default=None),
        a_field({"type": "array", "items": COLOUR}, "colours"),
        a_field({"type": "map", "values": "double"}, "scores"),
        a_field(DATE, "born"),
    )
    record = {
        "age": 3.0,
        "home": {"street": 1, "zip": 2**40},
        "colours": ["RED", "BLUE", 3],
        "scores": {"a/b": "x", "~": 1, "m~/": NAN, "": HUGE},
        "born": "yesterday",
    }
    assert [(error.code, error.path) for error in validator.errors([record])[0]] == [
        (Code.REQUIRED, "/name"),
        (Code.TYPE, "/age"),
        (Code.TYPE, "/home/street"),
        (Code.OUT_OF_RANGE, "/home/zip"),
        (Code.ENUM, "/colours/1"),
        (Code.TYPE, "/colours/2"),
        (Code.TYPE, "/scores/a~1b"),
        (Code.NOT_FINITE, "/scores/m~0~1"),
        (Code.OUT_OF_RANGE, "/scores/"),
        (Code.FORMAT, "/born"),
    ]


def test_only_the_failing_records_of_a_chunk_are_named() -> None:
    validator = validator_of(a_field("int"))
    chunk: list[object] = [{"v": number} for number in range(1000)]
    chunk[17], chunk[999] = {"v": "x"}, {}
    assert {index: [error.code for error in errors] for index, errors in validator.errors(chunk).items()} == {
        17: [Code.TYPE],
        999: [Code.REQUIRED],
    }


def test_a_chunk_of_good_records_and_an_empty_one_have_no_errors() -> None:
    validator = validator_of(a_field("int"))
    assert validator.errors([{"v": 1}] * 1000) == {}
    assert validator.errors([]) == {}


def test_a_union_tells_the_errors_inside_the_only_branch_that_can_be_meant() -> None:
    avro = ["null", "string", {"type": "array", "items": "int"}, ADDRESS]
    assert verdict(avro, {"street": "x"}) == [(Code.REQUIRED, "/v/zip")]
    assert verdict(avro, [1, "2", None]) == [(Code.TYPE, "/v/1"), (Code.TYPE, "/v/2")]


def test_a_union_whose_branches_all_fail_inside_tells_one_error_of_its_own() -> None:
    avro = a_choice("A", "int")
    assert verdict(avro, {}) == [(Code.TYPE, "/v")]
    assert verdict(avro, {"w": 1}) == []


def test_an_array_with_very_many_wrong_items_tells_the_first_fifty() -> None:
    assert verdict({"type": "array", "items": "int"}, ["x"] * 10_000) == [(Code.TYPE, f"/v/{i}") for i in range(50)]


def test_a_very_long_key_of_a_map_is_not_repeated_in_the_path() -> None:
    avro = {"type": "map", "values": {"type": "array", "items": "int"}}
    assert verdict(avro, {"k" * 257: ["x", "y"], "k" * 256: [None]}) == [
        (Code.TYPE, "/v"),
        (Code.TYPE, f"/v/{'k' * 256}/0"),
    ]


@pytest.mark.parametrize(
    ("avro", "value", "sentence"),
    [
        ("long", "3", "v must be an integer (Avro long), not text"),
        ("int", 3.0, "v must be an integer (Avro int), not a number with a decimal point"),
        ("int", 2**31, "v must be from -2147483648 to 2147483647 (Avro int)"),
        (["null", "int"], [], "v must be an integer (Avro int) or null, not an array"),
        (["int", "string"], True, "v must be an integer (Avro int) or text (Avro string), not true or false"),
        (COLOUR, "BLUE", "v must be one of RED, GREEN (Avro enum)"),
        ({"type": "array", "items": "string"}, ["", 3], "v[1] must be text (Avro string), not an integer"),
        ({"type": "map", "values": "string"}, {"k": 3}, "an entry of v must be text (Avro string), not an integer"),
        (ADDRESS, {"street": "", "zip": ""}, "v.zip must be an integer (Avro int), not text"),
        ("string", None, "v is required; it must be text (Avro string)"),
    ],
)
def test_an_error_is_one_sentence_about_the_field(avro: JSON, value: JSON, sentence: str) -> None:
    assert message(avro, value) == sentence


@pytest.mark.parametrize(
    "avro", ["int", "bytes", FIXED, COLOUR, DATE, TIME_MICROS, STAMP_MILLIS, LOCAL_MICROS, UUID, MONEY, ADDRESS]
)
def test_a_message_never_repeats_the_value_or_a_key_of_a_map(avro: JSON) -> None:
    secret = "zq9-secret"  # no word of ours contains it
    assert secret not in message(avro, secret)
    assert secret not in message({"type": "map", "values": avro}, {secret: secret})


def test_a_long_enum_does_not_make_a_long_message() -> None:
    avro = {"type": "enum", "name": "E", "symbols": [f"SYMBOL_{i}" for i in range(1000)]}
    assert message(avro, "x").endswith("SYMBOL_7 and 992 more (Avro enum)")


def test_what_msgspec_decodes_is_judged_as_it_was_sent() -> None:
    validator = validator_of(a_field("int", "i"), a_field("double", "d"))
    sent = b'[{"i": 3.0, "d": 3}, {"i": 3, "d": 3.0}, {"i": 99999999999999999999999, "d": 1e308}]'
    found = validator.errors(msgspec.json.decode(sent))
    assert {index: [(e.code, e.path) for e in errors] for index, errors in found.items()} == {
        0: [(Code.TYPE, "/i")],
        2: [(Code.OUT_OF_RANGE, "/i")],
    }


# --- to Avro ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("avro", "value", "read"),
    [
        ("double", 3, 3.0),
        ("bytes", "AAH/", b"\x00\x01\xff"),
        (FIXED, "AAE=", b"\x00\x01"),
        (DATE, "2026-01-31", dt.date(2026, 1, 31)),
        (TIME_MILLIS, "14:30:00.25", dt.time(14, 30, 0, 250_000)),
        (STAMP_MILLIS, "2026-01-31T14:30:00+02:00", dt.datetime(2026, 1, 31, 12, 30, tzinfo=dt.UTC)),
        (LOCAL_MICROS, "2026-01-31T14:30:00.000001", dt.datetime(2026, 1, 31, 14, 30, 0, 1)),  # noqa: DTZ001  local
        (UUID, "123E4567-E89B-12D3-A456-426614174000", uuid.UUID("123e4567-e89b-12d3-a456-426614174000")),
        (MONEY, "007.50", Decimal("7.5")),
        (MONEY, 7, Decimal(7)),
        (FIXED_MONEY, "-0.01", Decimal("-0.01")),
        (["float", "double"], 1e300, 1e300),
        ([COLOUR, "string"], "x", "x"),
        (["string", DATE], "2026-01-31", "2026-01-31"),
        ([DATE, "string"], "2026-01-31", dt.date(2026, 1, 31)),
    ],
)
def test_a_record_is_read_back_from_avro_as_what_was_meant(avro: JSON, value: JSON, read: JSON) -> None:
    back = reread(parse_schema(a_schema(a_field(avro))), {"v": value})["v"]
    assert (back, type(back)) == (read, type(read))


@pytest.mark.parametrize(
    ("avro", "default", "read"),
    [
        ("int", 7, 7),
        ("bytes", "\u0000\u00ff", b"\x00\xff"),
        (FIXED, "ab", b"ab"),
        (DATE, 1, dt.date(1970, 1, 2)),
        (STAMP_MILLIS, 1500, dt.datetime(1970, 1, 1, 0, 0, 1, 500_000, dt.UTC)),
        (UUID, "123e4567-e89b-12d3-a456-426614174000", uuid.UUID("123e4567-e89b-12d3-a456-426614174000")),
        (COLOUR, "RED", "RED"),
        (["null", "bytes"], None, None),
        (["bytes", "null"], "a", b"a"),
        ({"type": "array", "items": "bytes"}, ["a"], [b"a"]),
        ({"type": "map", "values": FIXED}, {"k": "ab"}, {"k": b"ab"}),
        (ADDRESS, {"street": "x", "zip": 1}, {"street": "x", "zip": 1}),
    ],
)
def test_the_default_of_an_absent_field_is_written_in_its_place(avro: JSON, default: JSON, read: JSON) -> None:
    assert reread(parse_schema(a_schema(a_field(avro, default=default))), {}) == {"v": read}


# --- laws -------------------------------------------------------------------------------------------------------------

quickly = settings(
    max_examples=100,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

json_values: st.SearchStrategy[JSON] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**66), 2**66)
    | st.sampled_from([HUGE, 2**31 - 1, 2**31, 2**63, 3.5e38, "2026-01-31", "12:00:00", "1.5", "AA==", "RED", LONE])
    | st.floats()
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.just("v"), inner, max_size=3),
    max_leaves=5,
)


@dataclass(frozen=True)
class Typed:
    """An Avro type and the JSON values that it takes."""

    avro: JSON
    values: st.SearchStrategy[JSON]


def _offsets() -> st.SearchStrategy[dt.timezone]:
    return st.integers(-23 * 60, 23 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))


def _stamps(spec: str, *, local: bool = False) -> st.SearchStrategy[JSON]:
    zones = st.none() if local else _offsets()
    moments = st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 12, 31), timezones=zones)  # noqa: DTZ001  a bound
    return moments.map(lambda moment: moment.isoformat(timespec=spec))


def _base64(least: int, most: int) -> st.SearchStrategy[JSON]:
    return st.binary(min_size=least, max_size=most).map(lambda data: base64.b64encode(data).decode())


def _amounts(precision: int, scale: int) -> st.SearchStrategy[JSON]:
    unscaled = st.integers(-(10**precision) + 1, 10**precision - 1)
    whole = st.integers(-(10 ** (precision - scale)) + 1, 10 ** (precision - scale) - 1)
    return unscaled.map(lambda number: f"{Decimal(f'{number}e-{scale}'):f}") | whole


primitives = [
    Typed("null", st.none()),
    Typed("boolean", st.booleans()),
    Typed("int", st.integers(-(2**31), 2**31 - 1)),
    Typed("long", st.integers(-(2**63), 2**63 - 1)),
    Typed("float", st.floats(width=32, allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)),
    Typed("double", st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)),
    Typed("string", st.text(st.characters(codec="utf-8"), max_size=8)),
]
carried_as_text = [
    Typed("bytes", _base64(0, 5)),
    Typed({"type": "fixed", "name": "?", "size": 3}, _base64(3, 3)),
    Typed({"type": "enum", "name": "?", "symbols": ["RED", "GREEN"]}, st.sampled_from(["RED", "GREEN"])),
    Typed(DATE, st.dates().map(dt.date.isoformat)),
    Typed(TIME_MILLIS, st.times().map(lambda time: time.isoformat("milliseconds"))),
    Typed(TIME_MICROS, st.times().map(lambda time: time.isoformat("microseconds"))),
    Typed(STAMP_MILLIS, _stamps("milliseconds")),
    Typed(STAMP_MICROS, _stamps("microseconds")),
    Typed(LOCAL_MILLIS, _stamps("milliseconds", local=True)),
    Typed(LOCAL_MICROS, _stamps("microseconds", local=True)),
    Typed(UUID, st.uuids().map(str)),
    Typed(MONEY, _amounts(6, 2)),
    Typed({**FIXED_MONEY, "name": "?"}, _amounts(6, 2)),
    Typed({**MONEY, "precision": 40, "scale": 0}, _amounts(40, 0)),
    Typed({**FIXED_MONEY, "name": "?", "size": 9, "precision": 21, "scale": 21}, _amounts(21, 21)),
]


def _array(items: Typed) -> Typed:
    return Typed({"type": "array", "items": items.avro}, st.lists(items.values, max_size=3))


def _map(values: Typed) -> Typed:
    keys = st.text(st.characters(codec="utf-8"), max_size=4)
    return Typed({"type": "map", "values": values.avro}, st.dictionaries(keys, values.values, max_size=3))


def _record(types: list[Typed]) -> Typed:
    names = [f"f{index}" for index in range(len(types))]
    fields = [a_field(typed.avro, name) for name, typed in zip(names, types, strict=True)]
    values = st.fixed_dictionaries({name: typed.values for name, typed in zip(names, types, strict=True)})
    return Typed({"type": "record", "name": "?", "fields": fields}, values)


def _branch(avro: JSON) -> str:
    return str(avro["type"]) if isinstance(avro, dict) else str(avro)


def _union(types: list[Typed]) -> Typed:
    return Typed([typed.avro for typed in types], st.one_of(*(typed.values for typed in types)))


scalars = st.sampled_from([*primitives, *carried_as_text])


def _larger(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    branches = st.lists(
        inner.filter(lambda typed: not isinstance(typed.avro, list)),
        min_size=1,
        max_size=3,
        unique_by=lambda typed: _branch(typed.avro),
    )
    return inner.map(_array) | inner.map(_map) | st.lists(inner, max_size=3).map(_record) | branches.map(_union)


types = st.recursive(scalars, _larger, max_leaves=6)


def _numbered(avro: JSON, numbers: itertools.count[int]) -> JSON:
    """Give every named type of a schema a name of its own."""
    if isinstance(avro, list):
        return [_numbered(branch, numbers) for branch in avro]
    if not isinstance(avro, dict):
        return avro
    fresh = {"name": f"N{next(numbers)}"} if avro.get("name") == "?" else {}
    inner = {
        key: _numbered(value, numbers) for key, value in avro.items() if key in {"type", "items", "values", "fields"}
    }
    return {**avro, **inner, **fresh}


@dataclass(frozen=True)
class Case:
    schema: ParsedSchema
    record: JSON


@st.composite
def _spoilt(draw: st.DrawFn, value: JSON) -> JSON:
    """The same value with something else in one place."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(value)))
        return {**value, key: draw(_spoilt(value[key]))}
    if isinstance(value, list) and value and draw(st.booleans()):
        index = draw(st.integers(0, len(value) - 1))
        return [*value[:index], draw(_spoilt(value[index])), *value[index + 1 :]]
    return draw(json_values)


@st.composite
def cases(draw: st.DrawFn, *, spoilt: bool = False) -> Case:
    record = draw(st.lists(types, min_size=1, max_size=4).map(_record))
    value = draw(record.values)
    avro = _numbered(record.avro, itertools.count())
    return Case(parse_schema(json.dumps(avro)), draw(_spoilt(value)) if spoilt else value)


def _as_read(avro: JSON, datum: JSON) -> JSON:
    """What fastavro must read back for what it was given: no branch names, and a float rounded to 32 bits."""
    match avro:
        case [*branches] if datum is not None:
            name, inner = datum
            chosen = next(one for one in branches if name in (_branch(one), isinstance(one, dict) and one.get("name")))
            return _as_read(chosen, inner)
        case "float":
            return struct.unpack("f", struct.pack("f", datum))[0]
        case {"type": "record"}:
            return {field["name"]: _as_read(field["type"], datum[field["name"]]) for field in avro["fields"]}
        case {"type": "array"}:
            return [_as_read(avro["items"], item) for item in datum]
        case {"type": "map"}:
            return {key: _as_read(avro["values"], entry) for key, entry in datum.items()}
    return datum


def _is_read_back(case: Case) -> bool:
    expected = _as_read(case.schema.written, compile_validator(case.schema).to_avro(case.record))
    return bool(reread(case.schema, case.record) == expected)


@given(cases())
@quickly
def test_a_record_of_right_values_is_accepted_and_fastavro_writes_it_and_reads_it_back(case: Case) -> None:
    assert compile_validator(case.schema).errors([case.record]) == {}
    assert _is_read_back(case)


@given(cases(spoilt=True))
@quickly
def test_whatever_is_accepted_fastavro_writes_and_reads_back(case: Case) -> None:
    if not compile_validator(case.schema).errors([case.record]):
        assert _is_read_back(case)


@given(cases(spoilt=True))
@quickly
def test_the_fast_verdict_and_the_list_of_errors_agree(case: Case) -> None:
    validator = compile_validator(case.schema)
    refused = validator._core.validate_python([case.record]) == [None]
    assert refused == bool(validator.errors_of(case.record))


@given(cases(spoilt=True))
@quickly
def test_every_path_leads_into_the_record_or_to_what_it_lacks_and_is_valid_text(case: Case) -> None:
    for error in compile_validator(case.schema).errors_of(case.record):
        steps = [step.replace("~1", "/").replace("~0", "~") for step in error.path.encode().decode().split("/")[1:]]
        value = case.record
        for step in steps[:-1]:
            value = value[int(step)] if isinstance(value, list) else value[step]
        last = range(len(value)) if isinstance(value, list) else value
        there = not steps or (int(steps[-1]) if isinstance(value, list) else steps[-1]) in last
        assert there or error.code is Code.REQUIRED


@given(st.sampled_from(primitives), json_values)
@quickly
def test_of_primitives_fastavro_takes_what_we_take_and_refuses_what_we_refuse(typed: Typed, value: JSON) -> None:
    codes = {code for code, _ in verdict([typed.avro], value)}
    # fastavro takes any int or float for its floats, and any str for a string: then writing it fails, or loses it.
    ours_alone = {Code.NOT_FINITE, Code.INVALID_TEXT} | (
        {Code.OUT_OF_RANGE} if typed.avro in {"float", "double"} else set()
    )
    assert fastavro_validate(value, typed.avro, raise_errors=False) == (codes <= ours_alone)
