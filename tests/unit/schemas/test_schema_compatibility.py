from __future__ import annotations

import copy
import datetime as dt
import io
import itertools
import json
from typing import Any

import fastavro
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from schemas.agent_schemas import SchemaRefused, parse_schema
from schemas.records import Agent, AgentVersion
from schemas.schema_compatibility import MAX_SCHEMAS_BYTES, differences, next_version

JSON = Any
NOW = 1_700_000_000_000

ENUM = {"type": "enum", "name": "Colour", "symbols": ["RED", "GREEN"]}
FIXED = {"type": "fixed", "name": "Mark", "size": 3}
DATE = {"type": "int", "logicalType": "date"}
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}
INNER = {"type": "record", "name": "Inner", "fields": [{"name": "a", "type": "int"}]}


def schema(*fields: JSON, name: str = "R") -> str:
    return json.dumps({"type": "record", "name": name, "fields": list(fields)})


def one(avro: JSON) -> str:
    return schema({"name": "v", "type": avro})


def agent(*schemas: str) -> Agent:
    versions = [AgentVersion(version=n, schema=text, created_at=NOW + n) for n, text in enumerate(schemas, 1)]
    return Agent(agent_id="a", workspace_id="w", name="n", versions=versions, created_at=NOW)


def refusal(*schemas: str) -> str:
    """Return why the last schema is refused after the others."""
    with pytest.raises(SchemaRefused) as caught:
        next_version(agent(*schemas[:-1]), schemas[-1], NOW)
    return caught.value.reason


WAYS_ON = [
    ("int", "long"),
    ("int", "double"),
    ("long", "float"),
    ("float", "double"),
    ("string", "bytes"),
    ("bytes", "string"),
    ("int", ["null", "int"]),
    ("int", ["string", "double"]),
    (["null", "int"], ["null", "long", "string"]),
    (["int"], "long"),
    (ENUM, {**ENUM, "symbols": ["BLUE", "GREEN", "RED"]}),
    (ENUM, {**ENUM, "symbols": ["GREEN"], "default": "GREEN"}),
    (ENUM, {**ENUM, "namespace": "elsewhere"}),
    (FIXED, FIXED),
    ({"type": "array", "items": "int"}, {"type": "array", "items": ["null", "long"]}),
    ({"type": "map", "values": "int"}, {"type": "map", "values": "double"}),
    (DATE, ["null", DATE]),
    (MONEY, {**MONEY}),
    ({"type": "string", "logicalType": "unheard-of"}, "string"),
    (INNER, {**INNER, "fields": [{"name": "b", "type": "string", "default": ""}]}),
]
WAYS_BACK = [
    ("long", "int", "was long and is now int"),
    ("double", "float", "was double and is now float"),
    ("boolean", "string", "was boolean and is now string"),
    (["null", "int"], "int", "was null and is now int"),
    (["null", "int"], ["null", "string"], "could be int and cannot any more"),
    (ENUM, {**ENUM, "symbols": ["RED"]}, "has lost the enum symbols GREEN"),
    (ENUM, {**ENUM, "name": "Color"}, "was enum Colour and is now enum Color"),
    (ENUM, "string", "was enum Colour and is now string"),
    (FIXED, {**FIXED, "size": 4}, "of 3 bytes and is now fixed Mark of 4 bytes"),
    ({"type": "array", "items": "long"}, {"type": "array", "items": "int"}, "an item of field v was long"),
    ({"type": "map", "values": "long"}, {"type": "map", "values": "int"}, "a value of field v was long"),
    ({"type": "array", "items": "int"}, {"type": "map", "values": "int"}, "was array and is now map"),
    (DATE, "int", "was int (date) and is now int"),
    ("int", DATE, "was int and is now int (date)"),
    ("int", ["null", {"type": "long", "logicalType": "timestamp-millis"}], "is now long (timestamp-millis)"),
    (MONEY, {**MONEY, "scale": 3}, "decimal of precision 6, scale 2"),
    (INNER, {**INNER, "name": "Other"}, "was record Inner and is now record Other"),
    (INNER, {**INNER, "fields": [{"name": "b", "type": "int"}]}, "field v.b is new and required"),
    (INNER, {**INNER, "fields": [{"name": "a", "type": "string"}]}, "field v.a was int and is now string"),
]


@pytest.mark.parametrize(("older", "newer"), WAYS_ON)
def test_a_type_may_become_one_that_reads_it(older: JSON, newer: JSON) -> None:
    assert next_version(agent(one(older)), one(newer), NOW).versions[0].schema == one(older)


@pytest.mark.parametrize(("older", "newer", "reason"), WAYS_BACK)
def test_a_type_may_not_become_one_that_cannot_read_it(older: JSON, newer: JSON, reason: str) -> None:
    assert reason in refusal(one(older), one(newer))


def test_a_new_field_needs_a_default_and_a_field_may_go() -> None:
    older = schema({"name": "a", "type": "int"})
    assert "field b is new and required" in refusal(older, schema({"name": "b", "type": "int"}))
    made = next_version(agent(older), schema({"name": "b", "type": "int", "default": 0}), NOW)
    assert [version.version for version in made.versions] == [1, 2]


def test_every_earlier_version_counts_not_only_the_newest() -> None:
    first = schema({"name": "a", "type": "string"})
    second = schema()
    third = schema({"name": "a", "type": "int", "default": 0})
    assert "field a was string and is now int" in refusal(first, second, third)
    assert "version 1)" in refusal(first, second, third)


def test_versions_with_the_same_fault_are_named_together() -> None:
    reason = refusal(one("long"), one("long"), one(["long"]), one("int"))
    assert reason.count("was long") == 1
    assert "versions 1, 2 and 3" in reason


def test_a_reason_names_the_field_the_version_and_what_to_do() -> None:
    assert refusal(one("string"), one("int")) == (
        "field v was string and is now int: keep string, or take another name for the new field "
        "(not compatible with version 1)"
    )


def test_many_reasons_are_told_in_part() -> None:
    newer = schema(*({"name": f"f{n}", "type": "int"} for n in range(9)))
    assert refusal(schema(), newer).endswith("(and 4 more)")


def test_the_record_itself_keeps_its_name() -> None:
    assert "the schema was record R and is now record S" in refusal(schema(), schema(name="S"))


def test_a_schema_that_cannot_be_used_is_refused_as_at_the_first_version() -> None:
    assert "not JSON" in refusal(one("int"), "{")


def test_the_newest_schema_again_makes_no_version() -> None:
    known = agent(one("int"), one("long"))
    assert next_version(known, json.dumps(json.loads(one("long")), indent=3), NOW) is known


def test_a_version_never_begins_before_its_predecessor() -> None:
    made = next_version(agent(one("int"), one("long")), one("double"), NOW - 1_000_000)
    assert made.versions[2].created_at == made.versions[1].created_at


def test_versions_are_bounded_by_what_the_registry_holds() -> None:
    long = schema({"name": "v", "type": "int", "doc": "x" * 60_000})
    many = agent(*[long] * (MAX_SCHEMAS_BYTES // len(long)))
    with pytest.raises(SchemaRefused, match="too many versions"):
        next_version(many, schema({"name": "v", "type": "long", "doc": "x" * 60_000}), NOW)


def test_types_that_refer_to_each_other_again_and_again_take_no_time() -> None:
    fields: list[JSON] = [{"name": "f0", "type": {"type": "record", "name": "T0", "fields": []}}]
    for level in range(1, 15):
        inner = [{"name": f"g{n}", "type": f"T{level - 1}"} for n in range(20)]
        fields.append({"name": f"f{level}", "type": {"type": "record", "name": f"T{level}", "fields": inner}})
    newer = [*fields, {"name": "more", "type": "int", "default": 0}]
    assert len(next_version(agent(schema(*fields)), schema(*newer), NOW).versions) == 2


# what is accepted, fastavro reads

quickly = settings(
    max_examples=300,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
scalars: list[tuple[JSON, st.SearchStrategy[JSON]]] = [
    ("null", st.none()),
    ("boolean", st.booleans()),
    ("int", st.integers(-(2**31), 2**31 - 1)),
    ("long", st.integers(-(2**63), 2**63 - 1)),
    ("float", st.floats(width=32, allow_nan=False)),
    ("double", st.floats(allow_nan=False)),
    ("string", st.text(st.characters(codec="utf-8"), max_size=4)),
    (DATE, st.dates()),
    ({**ENUM, "name": "?"}, st.sampled_from(["RED", "GREEN"])),
    ({**FIXED, "name": "?"}, st.binary(min_size=3, max_size=3)),
]
Typed = tuple[JSON, st.SearchStrategy[JSON]]


def _array(inner: Typed) -> Typed:
    return {"type": "array", "items": inner[0]}, st.lists(inner[1], max_size=3)


def _map(inner: Typed) -> Typed:
    return {"type": "map", "values": inner[0]}, st.dictionaries(st.just("k"), inner[1], max_size=1)


def _record(parts: list[Typed]) -> Typed:
    fields = [{"name": f"f{n}", "type": avro} for n, (avro, _) in enumerate(parts)]
    values = st.fixed_dictionaries({f"f{n}": values for n, (_, values) in enumerate(parts)})
    return {"type": "record", "name": "?", "fields": fields}, values


def _kind(avro: JSON) -> str:
    return str(avro["type"]) if isinstance(avro, dict) else str(avro)


def _union(parts: list[Typed]) -> Typed:
    return [avro for avro, _ in parts], st.one_of(*(values for _, values in parts))


def _larger(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    plain = inner.filter(lambda typed: not isinstance(typed[0], list))
    branches = st.lists(plain, min_size=1, max_size=3, unique_by=lambda typed: _kind(typed[0]))
    return inner.map(_array) | inner.map(_map) | st.lists(inner, max_size=3).map(_record) | branches.map(_union)


types = st.recursive(st.sampled_from(scalars), _larger, max_leaves=6)


def _named(avro: JSON, numbers: itertools.count[int]) -> JSON:
    """Give every named type a name of its own."""
    match avro:
        case list():
            return [_named(branch, numbers) for branch in avro]
        case dict():
            named = {**avro, "name": f"N{next(numbers)}"} if avro.get("name") == "?" else dict(avro)
            for part in {"items", "values"} & avro.keys():
                named[part] = _named(avro[part], numbers)
            if "fields" in avro:
                named["fields"] = [{**each, "type": _named(each["type"], numbers)} for each in avro["fields"]]
            return named
    return avro


@st.composite
def _later(draw: st.DrawFn, avro: JSON, fresh: itertools.count[int]) -> JSON:
    """The same type with some of the changes that people make, allowed or not."""
    change = draw(st.integers(0, 11))
    if change == 0:
        return _named(draw(types)[0], fresh)
    if change == 1 and not isinstance(avro, list) and avro != "null":
        return ["null", draw(_changed(avro, fresh))]
    return draw(_changed(avro, fresh))


@st.composite
def _changed(draw: st.DrawFn, avro: JSON, fresh: itertools.count[int]) -> JSON:
    later: JSON = avro
    match avro:
        case list():
            kept = [draw(_later(branch, fresh)) for branch in avro if draw(st.integers(0, 9)) > 0]
            flat = [branch for each in kept for branch in (each if isinstance(each, list) else [each])]
            later = list({_kind(branch): branch for branch in flat}.values()) or "null"
        case "int" | "long" | "float":
            later = draw(st.sampled_from([avro, avro, "long", "float", "double"]))
        case {"type": "enum"}:
            later = {**avro, "symbols": draw(st.permutations([*avro["symbols"], "BLUE"]))[: draw(st.integers(2, 3))]}
        case {"type": "array"}:
            later = {**avro, "items": draw(_later(avro["items"], fresh))}
        case {"type": "map"}:
            later = {**avro, "values": draw(_later(avro["values"], fresh))}
        case {"type": "record"}:
            kept = [each for each in avro["fields"] if draw(st.integers(0, 5)) > 0]
            fields = [{**each, "type": draw(_later(each["type"], fresh))} for each in kept]
            more = {"name": "more", "type": "int"} | ({"default": 7} if draw(st.integers(0, 5)) else {})
            later = {**avro, "fields": draw(st.permutations([*fields, more]))}
    return later


@st.composite
def histories(draw: st.DrawFn) -> tuple[JSON, JSON, JSON]:
    avro, values = _record(draw(st.lists(types, min_size=1, max_size=4)))
    older = _named(avro, itertools.count())
    return older, draw(_later(copy.deepcopy(older), itertools.count(100))), draw(values)


@given(histories())
@quickly
def test_what_is_accepted_fastavro_reads(history: tuple[JSON, JSON, JSON]) -> None:
    older, newer, value = history
    try:
        written, reading = parse_schema(json.dumps(older)).declared, parse_schema(json.dumps(newer)).declared
    except SchemaRefused:
        return
    out = io.BytesIO()
    try:
        fastavro.schemaless_writer(out, written, value)
    except ValueError:  # in a union of a date and text, fastavro tries to read any text as a date
        reject()
    out.seek(0)
    if not differences(written, reading):
        fastavro.schemaless_reader(out, written, reading)


def test_dates_are_read_back_as_dates_through_a_compatible_change() -> None:
    written, reading = parse_schema(one(DATE)).declared, parse_schema(one(["null", DATE])).declared
    out = io.BytesIO()
    fastavro.schemaless_writer(out, written, {"v": dt.date(2026, 1, 31)})
    out.seek(0)
    assert differences(written, reading) == []
    assert fastavro.schemaless_reader(out, written, reading) == {"v": dt.date(2026, 1, 31)}
