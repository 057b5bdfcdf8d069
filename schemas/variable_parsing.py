"""Reads the JSON of an Avro record schema into shapes, and refuses what cannot be used, saying what to change.

Stricter than Avro in four things, so that a record is checked in bounded time and with one clear answer: a type does
not contain itself; nesting, fields and sizes are bounded; a union that lets choose between objects contains no other
such union; `duration` has no JSON form here. An unknown logical type, or one on the wrong type, is ignored, as the
Avro specification asks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from schemas.variable_logical_types import LOGICAL, PRIMITIVES, decimal_scalar, fixed_scalar
from schemas.variable_scalars import Enumeration, Kind, Misfit
from schemas.variable_shapes import Array, Field, Map, Record, Shape, Union

MAX_FIELDS: Final = 1000  # of all records of a schema together
MAX_LEVELS: Final = 16  # records, arrays and maps inside each other
MAX_BRANCHES: Final = 16  # types in one union
MAX_PRECISION: Final = 1000  # digits of a decimal
MAX_FULL_NAME: Final = 256  # characters of a type's name with its namespace
MAX_FIXED_BYTES: Final = 16 * 1024  # as much as a record may be long

# Names are part of paths and messages, so they are bounded too.
_NAME: Final = re.compile("[A-Za-z_][A-Za-z0-9_]{0,127}")
_FULL_NAME: Final = re.compile(rf"{_NAME.pattern}(?:\.{_NAME.pattern})*")


class SchemaRefused(Exception):  # noqa: N818  the caller's schema is refused; nothing of ours has failed
    """A variable schema that cannot be used; `reason` says where and what to change."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_record(declared: object) -> Record:
    """Read a whole schema, decoded from JSON; raises SchemaRefused. The result may be an empty record."""
    if not isinstance(declared, dict) or declared.get("type") != "record":
        raise SchemaRefused(
            'the schema must be an Avro record, {"type": "record", "name": ..., "fields": [...]}; '
            "declare other types as a field of one"
        )
    return _Reading().record(declared, "", "the schema")


@dataclass(frozen=True, slots=True)
class _Weight:
    levels: int = 0
    has_choice: bool = False  # somewhere inside is a union of several objects


@dataclass(slots=True)
class _Reading:
    """One pass over a schema, in the order in which Avro defines names."""

    named: dict[str, Shape | None] = field(default_factory=dict)  # None: being read, so a reference is a recursion
    weights: dict[Shape, _Weight] = field(default_factory=dict)
    fields_seen: int = 0

    def shape(self, declared: Any, namespace: str, where: str) -> Shape:
        match declared:
            case str():
                return self._reference(declared, namespace, where)
            case list():
                return self._union(declared, namespace, where)
            case {"type": str(type_name)}:
                return self._declared(type_name, declared, namespace, where)
        raise _refused(where, 'a type must be a name, an array (a union) or an object whose "type" is a name')

    def _reference(self, name: str, namespace: str, where: str) -> Shape:
        if name in PRIMITIVES:
            return PRIMITIVES[name]
        full_name = _qualified(name, namespace)
        if full_name not in self.named:
            known = ", ".join([*PRIMITIVES, "record", "enum", "array", "map", "fixed"])
            raise _refused(where, f"the type {name[:80]!r} is not known; use one of {known}, or a name defined before")
        shape = self.named[full_name]
        if shape is None:
            raise _refused(where, f"{full_name} contains itself, so it has no end; write the levels out")
        return shape

    def _declared(self, type_name: str, declared: dict[str, Any], namespace: str, where: str) -> Shape:
        match type_name:
            case "record":
                return self.record(declared, namespace, where)
            case "enum":
                return self._enumeration(declared, namespace, where)
            case "fixed":
                return self._fixed(declared, namespace, where)
            case "array":
                return self._array(declared, namespace, where)
            case "map":
                return self._map(declared, namespace, where)
            case _ if type_name in PRIMITIVES:
                return _primitive(type_name, declared, where)
        raise _refused(
            where, f'{{"type": {type_name[:80]!r}}} is not known; a named type is referred to by its bare name'
        )

    def record(self, declared: dict[str, Any], namespace: str, where: str) -> Record:
        full_name = self._define(declared, namespace, where)
        fields = declared.get("fields")
        if not isinstance(fields, list):
            raise _refused(where, f'the record {full_name} needs "fields", an array')
        self.fields_seen += len(fields)
        if self.fields_seen > MAX_FIELDS:
            raise _refused(where, f"the schema has more than {MAX_FIELDS} fields; leave out those that need no check")
        inner = full_name.rpartition(".")[0]
        read = tuple(self._field(one, inner, where if where != "the schema" else "") for one in fields)
        _refuse_repeats([one.name for one in read], "field", where)
        record = Record(full_name, read)
        self._weigh(record, tuple(one.shape for one in read), where, levels=1)
        self.named[full_name] = record
        return record

    def _field(self, declared: object, namespace: str, where: str) -> Field:
        if not isinstance(declared, dict) or "type" not in declared or not _is_name(declared.get("name")):
            raise _refused(
                where or "the schema", 'a field needs a "type", and a "name" of letters, digits and _ (at most 128)'
            )
        name: str = declared["name"]
        here = f"{where}.{name}" if where else f"field {name}"
        shape = self.shape(declared["type"], namespace, here)
        if "default" not in declared:
            return Field(name, shape, required=True)
        try:
            shape.default(declared["default"])
        except Misfit as misfit:
            raise _refused(here, f"the default {misfit}") from None
        return Field(name, shape, required=False, declared_default=declared["default"])

    def _enumeration(self, declared: dict[str, Any], namespace: str, where: str) -> Shape:
        full_name = self._define(declared, namespace, where)
        symbols = declared.get("symbols")
        if not isinstance(symbols, list) or not symbols or not all(map(_is_name, symbols)):
            raise _refused(where, 'an enum needs "symbols", names of letters, digits and _ (at most 128)')
        _refuse_repeats(symbols, "symbol", where)
        if declared.get("default", symbols[0]) not in symbols:
            raise _refused(where, "the default of the enum must be one of its symbols")
        return self._keep(full_name, Enumeration(full_name, tuple(symbols)))

    def _fixed(self, declared: dict[str, Any], namespace: str, where: str) -> Shape:
        full_name = self._define(declared, namespace, where)
        size = declared.get("size")
        if type(size) is not int or not 1 <= size <= MAX_FIXED_BYTES:
            raise _refused(where, f'a fixed needs "size", its bytes, an integer from 1 to {MAX_FIXED_BYTES}')
        match declared.get("logicalType"):
            case "duration":
                raise _refused(where, "duration has no JSON form here; use a long of milliseconds")
            case "decimal":
                return self._keep(full_name, _decimal(full_name, declared, where, size))
        return self._keep(full_name, fixed_scalar(full_name, size))

    def _array(self, declared: dict[str, Any], namespace: str, where: str) -> Shape:
        if "items" not in declared:
            raise _refused(where, 'an array needs "items", the type of its items')
        items = self.shape(declared["items"], namespace, f"items of {where}")
        array = Array(items)
        self._weigh(array, (items,), where, levels=1)
        return array

    def _map(self, declared: dict[str, Any], namespace: str, where: str) -> Shape:
        if "values" not in declared:
            raise _refused(where, 'a map needs "values", the type of its values')
        values = self.shape(declared["values"], namespace, f"values of {where}")
        entries = Map(values)
        self._weigh(entries, (values,), where, levels=1)
        return entries

    def _union(self, declared: list[object], namespace: str, where: str) -> Shape:
        if not 1 <= len(declared) <= MAX_BRANCHES:
            raise _refused(where, f"a union needs from 1 to {MAX_BRANCHES} types")
        branches = tuple(self.shape(branch, namespace, where) for branch in declared)
        if any(isinstance(branch, Union) for branch in branches):
            raise _refused(where, "a union must not contain a union; put all types into one array")
        _refuse_repeats([branch.name for branch in branches], "union's type", where)
        union = Union(branches)
        self._weigh(union, branches, where, levels=0)
        return union

    def _define(self, declared: dict[str, Any], namespace: str, where: str) -> str:
        name, own_namespace = declared.get("name"), declared.get("namespace", namespace) or ""
        if not isinstance(name, str) or not isinstance(own_namespace, str):
            raise _refused(where, 'a record, enum or fixed needs a "name", and its "namespace" must be text')
        full_name = _qualified(name, own_namespace)
        if not _FULL_NAME.fullmatch(full_name) or len(full_name) > MAX_FULL_NAME or full_name in PRIMITIVES:
            raise _refused(
                where,
                f"{full_name[:80]!r} cannot name a type; use letters, digits and _ (at most 128), none of Avro's",
            )
        if full_name in self.named:
            raise _refused(where, f"the name {full_name} is defined twice; define it once and refer to it by name")
        self.named[full_name] = None
        return full_name

    def _keep(self, full_name: str, shape: Shape) -> Shape:
        self.named[full_name] = shape
        return shape

    def _weigh(self, shape: Shape, parts: tuple[Shape, ...], where: str, *, levels: int) -> None:
        """Bound the work a record can cause: one level of choosing between objects, so many levels of nesting."""
        inner = [self.weights.get(part, _Weight()) for part in parts]
        chooses = isinstance(shape, Union) and sum(Kind.OBJECT in part.kinds for part in parts) > 1
        if chooses and any(weight.has_choice for weight in inner):
            raise _refused(
                where,
                "a union of several records or maps contains another one; JSON does not say which is meant: use fields",
            )
        weight = _Weight(
            levels + max((weight.levels for weight in inner), default=0),
            chooses or any(weight.has_choice for weight in inner),
        )
        if weight.levels > MAX_LEVELS:
            raise _refused(where, f"the schema is nested more than {MAX_LEVELS} levels deep; flatten it")
        self.weights[shape] = weight


def _primitive(type_name: str, declared: dict[str, Any], where: str) -> Shape:
    logical = declared.get("logicalType")
    if (type_name, logical) == ("bytes", "decimal"):
        return _decimal("bytes", declared, where, None)
    return LOGICAL.get((type_name, str(logical)), PRIMITIVES[type_name])


def _decimal(name: str, declared: dict[str, Any], where: str, size: int | None) -> Shape:
    precision, scale = declared.get("precision"), declared.get("scale", 0)
    if type(precision) is not int or not 1 <= precision <= MAX_PRECISION:
        raise _refused(where, f'a decimal needs "precision", its digits, an integer from 1 to {MAX_PRECISION}')
    if type(scale) is not int or not 0 <= scale <= precision:
        raise _refused(where, 'the "scale" of a decimal must be an integer from 0 to its precision')
    if size is not None and 10**precision > 2 ** (8 * size - 1):
        raise _refused(
            where, f"{precision} digits do not fit into a fixed of {size} bytes; use a larger size, or bytes"
        )
    return decimal_scalar(name, precision, scale, size)


def _qualified(name: str, namespace: str) -> str:
    return f"{namespace}.{name}" if namespace and "." not in name else name


def _is_name(symbol: object) -> bool:
    return isinstance(symbol, str) and _NAME.fullmatch(symbol) is not None


def _refuse_repeats(names: list[str], what: str, where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise _refused(where, f"the {what} {name} is there twice; keep one")
        seen.add(name)


def _refused(where: str, reason: str) -> SchemaRefused:
    return SchemaRefused(f"{where}: {reason}")
