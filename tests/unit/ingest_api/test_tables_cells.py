from __future__ import annotations

import datetime as dt
import io
import json
from typing import Any

import pytest

from ingest_api.tables.cells import MisreadError, reader_of, text_if_misread, text_of
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
UUID = {"type": "string", "logicalType": "uuid"}
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
    read = reader_of(schema.fields[0].shape)(cell)
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
    read = text_if_misread(reader_of(schema.fields[0].shape), cell)
    assert read == text_of(cell)
    assert list(schema.errors({"v": read}, ()))


def read_cell(header: str, avro: Any, text: str, *others: str) -> tuple[Any, list[str]]:
    """Return the value of a cell, in a table with other cells below it, and what is said against it."""
    rows = "".join(f"1{header[-2]}{cell}\n" for cell in (text, *others))
    first, *_ = records_of(read_table(io.BytesIO(f"{header}\n{rows}".encode())), variables(avro))
    return json.loads(first.raw)["v"], [error.message for error in first.errors]


EITHER = ["phoneNumber;v", "phoneNumber\tv", "phoneNumber|v"]


@pytest.mark.parametrize("header", EITHER)
@pytest.mark.parametrize(
    ("avro", "text", "value"),
    [
        ("double", "1,5", 1.5),
        ("double", "-12,50", -12.5),
        ("double", "1.5", 1.5),
        ("double", "0.500", 0.5),
        ("double", "0,125", 0.125),
        ("double", "1234.500", 1234.5),
        ("double", "1.234,56", 1234.56),
        ("double", "1,234.56", 1234.56),
        ("double", "1.234.567", 1234567),
        ("float", "-1.234.567,5", -1234567.5),
        ("int", "1.234.567", 1234567),
        ("int", "3,0", 3),
        ("long", "3.00", 3),
        (["null", "double"], "12,5", 12.5),
        (DECIMAL, "12,50", "12.50"),
        (DECIMAL, "1.234,50", "1234.50"),
        (["null", DECIMAL], "12.50", "12.50"),
    ],
)
def test_a_number_that_says_itself_what_begins_its_fraction_is_read_where_commas_do_not_separate(
    header: str, avro: Any, text: str, value: Any
) -> None:
    assert read_cell(header, avro, text) == (value, [])


@pytest.mark.parametrize("header", EITHER)
@pytest.mark.parametrize("avro", ["double", "float", "int", "long", DECIMAL, ["null", "double"], ["int", "double"]])
@pytest.mark.parametrize("text", ["1.500", "1,500", "1.000", "-12.345", " 999.000 "])
def test_what_may_be_a_thousand_or_a_fraction_fails_and_says_how_to_write_it(header: str, avro: Any, text: str) -> None:
    value, (said,) = read_cell(header, avro, text, "7")
    assert value == text.strip()
    assert said.startswith(f"v {text.strip()!r} is ambiguous, it may be ")


@pytest.mark.parametrize(
    ("avro", "text", "advice"),
    [
        ("double", "1.500", "may be 1500 or 1.5; write 1500, or 1.5"),
        ("double", "1.234", "may be 1234 or 1.234; write 1234, or 1.2340"),
        ("int", "1.500", "may be 1500 or 1.5; write 1500"),
        ("int", "1.000", "may be 1000 or 1; write 1000, or 1"),
        (DECIMAL, "1,500", "may be 1500 or 1.5; write 1500, or 1.5"),
    ],
)
def test_what_is_advised_is_read(avro: Any, text: str, advice: str) -> None:
    _, (said,) = read_cell("phoneNumber;v", avro, text)
    assert said.endswith(advice)
    for written in said.partition("write ")[2].split(", or "):
        assert read_cell("phoneNumber;v", avro, written)[1] == []


@pytest.mark.parametrize(
    ("text", "others", "value"),
    [
        ("25.000", ["0,5"], 25000),
        ("1.500", ["1.234,56"], 1500),
        ("1,500", ["1.234,56"], 1.5),
        ("1.500", ["12.5"], 1.5),
        ("1,500", ["7", "1,234,567"], 1500),
    ],
)
def test_the_other_cells_of_a_file_may_settle_what_begins_a_fraction(text: str, others: list[str], value: Any) -> None:
    assert read_cell("phoneNumber;v", "double", text, *others) == (value, [])


@pytest.mark.parametrize("others", [["1,5", "1.5"], ["1.5", "2.500", "1.234,5"], ["2.500"], []])
def test_cells_that_disagree_settle_nothing(others: list[str]) -> None:
    value, (said,) = read_cell("phoneNumber;v", "double", "1.500", *others)
    assert (value, "ambiguous" in said) == ("1.500", True)


def test_only_columns_of_numbers_settle_it() -> None:
    content = "phoneNumber;note;v\n1;12,5;1.500\n2;1,5;2.500\n"
    records = list(records_of(read_table(io.BytesIO(content.encode())), variables("double")))
    assert [bool(record.errors) for record in records] == [True, True]


@pytest.mark.parametrize(
    ("avro", "text", "said"),
    [
        ("double", "1,500", "'1,500' is no number; write 1500"),
        ("double", "12,50", "'12,50' is no number; write 12.50"),
        ("double", "1,234.56", "'1,234.56' is no number; write 1234.56"),
        ("double", "1.234,56", "'1.234,56' is no number; write 1234.56"),
        ("int", "1,500", "'1,500' is no number; write 1500"),
        ("int", "3.5", "'3.5' is no whole number; write digits alone, such as 3"),
        ("double", "1 500", "'1 500' is no number; write 1500"),
        ("double", "1'500.25", '"1\'500.25" is no number; write 1500.25'),
        ("double", "$12.50", "'$12.50' is no number; write 12.50"),
        ("double", "12 %", "'12 %' is no number; write digits, such as 1500 or 12.5"),
        ("double", "1e999", "is beyond the largest number of its type"),
        (DECIMAL, "1,500", "'1,500' is no number; write 1500"),
        (["null", "double"], "1,500", "'1,500' is no number; write 1500"),
        (DATE, "2026-01-31 12:30", "has a time of day beside its date; write the date alone, such as 2026-01-31"),
    ],
)
def test_a_cell_that_is_nearly_a_value_says_what_to_write(avro: Any, text: str, said: str) -> None:
    quoted = text.replace('"', '""')
    assert read_cell("phoneNumber,v", avro, f'"{quoted}"') == (text, [f"v {said}"])


@pytest.mark.parametrize(("text", "value"), [("1.500", 1.5), ("1.000", 1.0), ("3.0", 3.0), ("1234.567", 1234.567)])
def test_a_point_begins_a_fraction_where_commas_separate(text: str, value: float) -> None:
    assert read_cell("phoneNumber,v", "double", text) == (value, [])


def test_a_spreadsheets_date_with_a_time_is_no_date() -> None:
    with pytest.raises(MisreadError, match="time of day"):
        reader_of(variables(DATE).fields[0].shape)(NOON)


@pytest.mark.parametrize(
    "blank", [" ", "\t", "\u00a0", "\u202f", "\u3000", "\u2007", "\u200b", "\u200e", "\ufeff"], ids=ascii
)
@pytest.mark.parametrize(
    ("avro", "text"),
    [
        ("int", "3"),
        ("double", "1.5"),
        ("boolean", "TRUE"),
        (ENUM, "GOLD"),
        (DATE, "2026-01-31"),
        (TIME, "14:30:00"),
        (INSTANT, "2026-01-31T12:30:00Z"),
        (LOCAL, "2026-01-31T12:30:00"),
        (DECIMAL, "12.50"),
        (UUID, "123e4567-e89b-12d3-a456-426614174000"),
        ("bytes", "YQ=="),
        (INTS, "[1, 2]"),
        (["null", DATE], "2026-01-31"),
    ],
)
def test_every_type_but_text_is_trimmed(avro: Any, text: str, blank: str) -> None:
    schema = variables(avro)
    read = reader_of(schema.fields[0].shape)
    assert read(f"{blank}{text}{blank}") == read(text)
    assert list(schema.errors({"v": read(f"{blank}{text}{blank}")}, ())) == []


@pytest.mark.parametrize("avro", ["string", ["null", "string"]])
def test_text_keeps_its_blanks(avro: Any) -> None:
    assert reader_of(variables(avro).fields[0].shape)(" kept ") == " kept "


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
