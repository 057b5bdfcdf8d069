from __future__ import annotations

import datetime as dt
import io
import json
from typing import Any

import pytest

from ingest_api.tables.cells import reader_of, text_of
from ingest_api.tables.reading import read_table, records_of
from ingest_api.tables.rows import Cell
from schemas.agent_schemas import compile_validator, parse_schema
from schemas.variable_shapes import Record


def variables(avro: Any, **field: Any) -> Record:
    fields = [{"name": "v", "type": avro, **field}]
    return parse_schema(json.dumps({"type": "record", "name": "V", "fields": fields})).variables


DATE = {"type": "int", "logicalType": "date"}
TIME = {"type": "int", "logicalType": "time-millis"}
INSTANT = {"type": "long", "logicalType": "timestamp-millis"}
LOCAL = {"type": "long", "logicalType": "local-timestamp-millis"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
ENUM = {"type": "enum", "name": "E", "symbols": ["GOLD", "SILVER"]}
INTS = {"type": "array", "items": "int"}
DAY = dt.datetime(2026, 1, 31)  # noqa: DTZ001  as spreadsheets have them
NOON = dt.datetime(2026, 1, 31, 12, 30)  # noqa: DTZ001  as above

ACCEPTED: list[tuple[Any, Cell, Any]] = [
    ("int", "3", 3),
    ("int", " -3 ", -3),
    ("int", "3.0", 3),
    ("int", 3, 3),
    ("long", "12125551001", 12125551001),
    ("double", "1.5", 1.5),
    ("double", "3", 3),
    ("double", "-1e3", -1000.0),
    ("double", 12, 12),
    ("double", 0.1, 0.1),
    ("boolean", "TRUE", True),
    ("boolean", "false", False),
    ("boolean", True, True),
    ("string", "007", "007"),
    ("string", " kept ", " kept "),
    ("string", 12125551001, "12125551001"),
    ("string", 12.5, "12.5"),
    ("string", True, "true"),
    ("string", DAY, "2026-01-31"),
    ("string", NOON, "2026-01-31T12:30:00"),
    (ENUM, "GOLD", "GOLD"),
    (DATE, DAY, "2026-01-31"),
    (DATE, "2026-01-31", "2026-01-31"),
    (TIME, dt.time(14, 30), "14:30:00"),
    (INSTANT, NOON, "2026-01-31T12:30:00Z"),
    (INSTANT, DAY, "2026-01-31T00:00:00Z"),
    (LOCAL, NOON, "2026-01-31T12:30:00"),
    (DECIMAL, "12.50", "12.50"),
    (DECIMAL, 12.5, "12.5"),
    (DECIMAL, 12, "12"),
    (INTS, "[1, 2]", [1, 2]),
    ({"type": "map", "values": "string"}, '{"a": "b"}', {"a": "b"}),
    (["null", "int"], "3", 3),
    (["null", "string"], "3", "3"),
    (["int", "string"], "3", 3),
    (["int", "string"], "three", "three"),
    (["null", "boolean", "double"], "1.5", 1.5),
    (["null", INTS], "[1]", [1]),
]


@pytest.mark.parametrize(("avro", "cell", "value"), ACCEPTED, ids=repr)
def test_a_cell_is_read_as_its_type(avro: Any, cell: Cell, value: Any) -> None:
    schema = variables(avro)
    read = reader_of(schema.fields[0].shape, decimal_comma=False)(cell)
    assert (read, type(read)) == (value, type(value))
    assert list(schema.errors({"v": read}, ())) == []


@pytest.mark.parametrize(
    ("avro", "cell"),
    [
        ("int", "three"),
        ("int", "3.5"),
        ("int", "1,000"),
        ("int", 3.5),
        ("int", True),
        ("double", "1,5"),
        ("double", "1e999"),
        ("double", "nan"),
        ("boolean", "yes"),
        ("boolean", 1),
        (ENUM, "gold"),
        (DATE, NOON),
        (INTS, "[1"),
        (INTS, "1"),
        (INTS, '{"a": 1}'),
        (INTS, '["\\ud800"]'),
        (["null", "int"], "x"),
    ],
    ids=repr,
)
def test_what_cannot_be_read_as_its_type_stays_as_it_is_and_fails_with_the_usual_error(avro: Any, cell: Cell) -> None:
    schema = variables(avro)
    read = reader_of(schema.fields[0].shape, decimal_comma=False)(cell)
    assert read == text_of(cell)
    assert list(schema.errors({"v": read}, ()))


@pytest.mark.parametrize(
    ("text", "value"), [("1,5", 1.5), ("-12,50", -12.5), ("1.5", 1.5), ("1,500", "1,500"), ("1.500,5", "1.500,5")]
)
def test_a_decimal_comma_is_read_where_semicolons_separate_unless_it_may_be_a_thousand(text: str, value: Any) -> None:
    file = io.BytesIO(f"phoneNumber;v\n1;{text}\n".encode())
    (record,) = records_of(read_table(file), variables("double"))
    assert json.loads(record.raw)["v"] == value


@pytest.mark.parametrize(
    ("header", "text", "value"),
    [
        ("phoneNumber;v", "12,50", "12.50"),
        ("phoneNumber;v", "12.50", "12.50"),
        ("phoneNumber;v", "1,500", "1,500"),
        ("phoneNumber\tv", "12,50", "12,50"),
    ],
)
def test_a_decimal_has_its_comma_where_a_double_has(header: str, text: str, value: str) -> None:
    file = io.BytesIO(f"{header}\n1{header[-2]}{text}\n".encode())
    (record,) = records_of(read_table(file), variables(["null", DECIMAL]))
    assert json.loads(record.raw)["v"] == value


@pytest.mark.parametrize(
    ("avro", "field", "members"),
    [
        ("int", {}, {}),
        ("int", {"default": 0}, {}),
        (["null", "int"], {"default": None}, {}),
        (["null", "int"], {}, {"v": None}),
    ],
)
def test_an_empty_cell_is_absent_or_null_where_null_is_all_that_the_schema_takes(
    avro: Any, field: dict[str, Any], members: dict[str, Any]
) -> None:
    file = io.BytesIO(b"phoneNumber,v\n1, \n")
    (record,) = records_of(read_table(file), variables(avro, **field))
    assert json.loads(record.raw) == {"phoneNumber": "1"} | members


def test_columns_that_the_schema_does_not_name_are_text() -> None:
    file = io.BytesIO(b"phoneNumber,v,other\n1,2,3\n")
    (record,) = records_of(read_table(file), variables("int"))
    assert json.loads(record.raw) == {"phoneNumber": "1", "v": 2, "other": "3"}


def test_what_the_validator_compiles_takes_what_is_read() -> None:
    schema = parse_schema(json.dumps({"type": "record", "name": "V", "fields": [{"name": "v", "type": "int"}]}))
    file = io.BytesIO(b"phoneNumber,v\n1,2\n2,x\n")
    records = [json.loads(record.raw) for record in records_of(read_table(file), schema.variables)]
    assert list(compile_validator(schema).errors(records)) == [1]
