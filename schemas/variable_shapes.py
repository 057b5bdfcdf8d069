"""What one value of an agent's variable schema may be. A shape is one Avro type seen from four sides.

- `core()`     the pydantic-core schema that says yes or no, fast, for whole chunks of good records;
- `errors()`   everything that is wrong with a value, slow, asked only after a no;
- `to_avro()`  the Python object that fastavro writes for an accepted value;
- `default()`  the same for the default of a field, which is in Avro's own JSON form, not in that of records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydantic_core import CoreSchema, core_schema

from schemas.outcomes import Code, FieldError
from schemas.variable_scalars import CORE_TEXT, Kind, MapKey, Misfit, Place, error_at, is_unicode, kind_of, not_this

_LONGEST_KEY_IN_PATH: Final = 256  # characters; a path is repeated by every error below it


class Shape(Protocol):
    """One Avro type."""

    @property
    def name(self) -> str: ...  # as fastavro names the branch of a union

    @property
    def expected(self) -> str: ...  # "must be ..."

    @property
    def kinds(self) -> frozenset[Kind]: ...

    def core(self, named: dict[str, CoreSchema]) -> CoreSchema:
        """Compile; the definitions of named types are added to `named`, so that each is compiled once."""

    def errors(self, value: object, place: Place) -> Iterator[FieldError]: ...

    def to_avro(self, value: Any) -> object:
        """Convert an accepted value."""

    def default(self, value: object) -> object:
        """Convert a default; raises Misfit."""


@dataclass(frozen=True, slots=True, eq=False)
class Array:
    """A list. Its core stops at the first wrong item: the verdict is clear, and a hostile array costs no memory."""

    items: Shape

    name = "array"
    expected = "an array"
    kinds = frozenset({Kind.ARRAY})

    def core(self, named: dict[str, CoreSchema]) -> CoreSchema:
        return core_schema.list_schema(self.items.core(named), strict=True, fail_fast=True)

    def errors(self, value: object, place: Place) -> Iterator[FieldError]:
        if not isinstance(value, list):
            yield error_at(place, Code.TYPE, not_this(self.expected, value))
            return
        for index, item in enumerate(value):
            yield from self.items.errors(item, (*place, index))

    def to_avro(self, value: Any) -> object:
        return [self.items.to_avro(item) for item in value]

    def default(self, value: object) -> object:
        if not isinstance(value, list):
            raise Misfit(Code.TYPE, not_this(self.expected, value))
        return [self.items.default(item) for item in value]


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    values: Shape

    name = "map"
    expected = "an object (Avro map)"
    kinds = frozenset({Kind.OBJECT})

    def core(self, named: dict[str, CoreSchema]) -> CoreSchema:
        return core_schema.dict_schema(CORE_TEXT, self.values.core(named), strict=True, fail_fast=True)

    def errors(self, value: object, place: Place) -> Iterator[FieldError]:
        if not isinstance(value, dict):
            yield error_at(place, Code.TYPE, not_this(self.expected, value))
            return
        for key, entry in value.items():
            if not is_unicode(key):  # such a key cannot be part of a path either
                yield error_at(place, Code.INVALID_TEXT, "has a key that is not valid Unicode (a lone surrogate)")
            elif len(key) <= _LONGEST_KEY_IN_PATH:
                yield from self.values.errors(entry, (*place, MapKey(key)))
            elif inner := next(self.values.errors(entry, place), None):
                yield error_at(place, inner.code, "has a wrong value under a key that is too long to be shown")

    def to_avro(self, value: Any) -> object:
        return {key: self.values.to_avro(entry) for key, entry in value.items()}

    def default(self, value: object) -> object:
        if not isinstance(value, dict):
            raise Misfit(Code.TYPE, not_this(self.expected, value))
        return {key: self.values.default(entry) for key, entry in value.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    name: str
    shape: Shape
    required: bool
    declared_default: object = None


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    name: str
    fields: tuple[Field, ...]

    kinds = frozenset({Kind.OBJECT})

    @property
    def expected(self) -> str:
        return f"an object (Avro record {self.name})"

    def core(self, named: dict[str, CoreSchema]) -> CoreSchema:
        if self.name not in named:
            fields = {
                field.name: core_schema.typed_dict_field(field.shape.core(named), required=field.required)
                for field in self.fields
            }
            named[self.name] = core_schema.typed_dict_schema(
                fields, strict=True, extra_behavior="ignore", ref=self.name
            )
        return core_schema.definition_reference_schema(self.name)

    def errors(self, value: object, place: Place) -> Iterator[FieldError]:
        if not isinstance(value, dict):
            yield error_at(place, Code.TYPE, not_this(self.expected, value))
            return
        for field in self.fields:
            if field.required and _is_missing(field, value, place):
                yield error_at((*place, field.name), Code.REQUIRED, f"is required; it must be {field.shape.expected}")
            elif field.name in value:
                yield from field.shape.errors(value[field.name], (*place, field.name))

    def to_avro(self, value: Any) -> dict[str, object]:
        return {
            field.name: field.shape.to_avro(value[field.name])
            if field.name in value
            else field.shape.default(field.declared_default)
            for field in self.fields
        }

    def default(self, value: object) -> object:
        if not isinstance(value, dict):
            raise Misfit(Code.TYPE, not_this(self.expected, value))
        if missing := next((field for field in self.fields if field.required and field.name not in value), None):
            raise Misfit(Code.REQUIRED, f"lacks {missing.name}")
        return {field.name: field.shape.default(value.get(field.name, field.declared_default)) for field in self.fields}


@dataclass(frozen=True, slots=True, eq=False)
class Union:
    branches: tuple[Shape, ...]

    name = "union"

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset[Kind]().union(*(branch.kinds for branch in self.branches))

    @property
    def expected(self) -> str:
        *others, last = sorted((branch.expected for branch in self.branches), key=lambda words: words == "null")
        return f"{', '.join(others)} or {last}" if others else last

    def core(self, named: dict[str, CoreSchema]) -> CoreSchema:
        choices = [branch.core(named) for branch in self.branches if Kind.NULL not in branch.kinds]
        if not choices:
            return core_schema.none_schema()
        one = choices[0] if len(choices) == 1 else core_schema.union_schema([*choices], mode="left_to_right")
        return core_schema.nullable_schema(one) if len(choices) < len(self.branches) else one

    def errors(self, value: object, place: Place) -> Iterator[FieldError]:
        match self._candidates(value):
            case []:
                yield error_at(place, Code.TYPE, not_this(self.expected, value))
            case [only]:
                yield from only.errors(value, place)
            case several:
                firsts = [next(branch.errors(value, place), None) for branch in several]
                yield from _agreed(place, self.expected, firsts)

    def to_avro(self, value: Any) -> object:
        for branch in self._candidates(value):
            if next(branch.errors(value, ()), None) is None:
                return _tagged(branch, branch.to_avro(value))
        raise Misfit(Code.TYPE, not_this(self.expected, value))

    def default(self, value: object) -> object:
        for branch in self.branches:
            try:
                return _tagged(branch, branch.default(value))
            except Misfit:
                continue
        raise Misfit(Code.TYPE, not_this(self.expected, value))

    def _candidates(self, value: object) -> list[Shape]:
        kind = kind_of(value)
        return [branch for branch in self.branches if kind in branch.kinds]


def _is_missing(field: Field, record: Mapping[str, object], place: Place) -> bool:
    """Say whether a required field is absent. Directly in the record, a null that the type does not have is absence."""
    if field.name not in record:
        return True
    return not place and record[field.name] is None and Kind.NULL not in field.shape.kinds


def _agreed(place: Place, expected: str, firsts: list[FieldError | None]) -> Iterator[FieldError]:
    """Say once why none of several branches takes a value; the code is theirs where all agree on it."""
    errors = [error for error in firsts if error is not None]
    if len(errors) < len(firsts):
        return
    here = error_at(place, Code.TYPE, f"must be {expected}; it is none of these")
    same = {(error.code, error.path) for error in errors} == {(errors[0].code, here.path)}
    yield FieldError(errors[0].code, here.path, here.message) if same else here


def _tagged(branch: Shape, datum: object) -> object:
    """Tell fastavro which branch to write, where it would guess (float or double) or validate everything again."""
    return None if Kind.NULL in branch.kinds else (branch.name, datum)
