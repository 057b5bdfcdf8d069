"""The Avro types without parts: what JSON value each takes, and the words for what is wrong with others.

A type reads a decoded JSON value into the object that fastavro writes, or raises `Misfit`. Where pydantic-core has the
same type it stands beside the reader, for speed; both must agree on every value (a property test holds them to it).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from pydantic_core import CoreSchema, core_schema

from schemas.outcomes import Code, FieldError


class Kind(Enum):
    """The kinds of JSON values."""

    NULL = auto()
    BOOLEAN = auto()
    NUMBER = auto()
    TEXT = auto()
    ARRAY = auto()
    OBJECT = auto()


_KINDS: Final[dict[type, tuple[Kind, str]]] = {
    type(None): (Kind.NULL, "null"),
    bool: (Kind.BOOLEAN, "true or false"),
    int: (Kind.NUMBER, "an integer"),
    float: (Kind.NUMBER, "a number with a decimal point"),
    str: (Kind.TEXT, "text"),
    list: (Kind.ARRAY, "an array"),
    dict: (Kind.OBJECT, "an object"),
}

_FLOAT_MAX: Final = (2 - 2**-23) * 2.0**127
# Only a bounded string is looked into by pydantic-core, and so refused for a lone surrogate. No record is this long.
_LOOK_INTO_TEXT: Final = 1 << 30
_SYMBOLS_SHOWN: Final = 8


class MapKey(str):
    """A step into a map. Its text came with the record, so it is part of the path but never of a message."""

    __slots__ = ()


Place = tuple[str | int, ...]  # the way into a record: names of fields, indices of arrays, keys of maps


class Misfit(ValueError):  # noqa: N818  the record is wrong, not the program
    """A value that its type cannot hold. The text ends a sentence that begins with the field's name."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


Reader = Callable[[object], object]  # a decoded JSON value to what fastavro writes; raises Misfit


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A type without parts. `fast` may be missing where pydantic-core has no such type: `read` decides then, too."""

    name: str
    expected: str
    kinds: frozenset[Kind]
    read: Reader
    read_default: Reader
    fast: CoreSchema | None = None

    def core(self, named: dict[str, CoreSchema]) -> CoreSchema:  # noqa: ARG002  a Shape's signature
        return self.fast or core_schema.no_info_plain_validator_function(self.read)

    def errors(self, value: object, place: Place) -> Iterator[FieldError]:
        try:
            self.read(value)
        except Misfit as misfit:
            yield error_at(place, misfit.code, str(misfit))

    def to_avro(self, value: Any) -> object:
        return self.read(value)

    def default(self, value: object) -> object:
        return self.read_default(value)


@dataclass(frozen=True, slots=True, eq=False)
class Enumeration:
    name: str
    symbols: tuple[str, ...]

    kinds = frozenset({Kind.TEXT})

    @property
    def expected(self) -> str:
        shown = ", ".join(self.symbols[:_SYMBOLS_SHOWN])
        more = len(self.symbols) - _SYMBOLS_SHOWN
        return f"one of {shown}{f' and {more} more' if more > 0 else ''} (Avro enum)"

    def core(self, named: dict[str, CoreSchema]) -> CoreSchema:
        if self.name not in named:
            named[self.name] = core_schema.literal_schema(list(self.symbols), ref=self.name)
        return core_schema.definition_reference_schema(self.name)

    def errors(self, value: object, place: Place) -> Iterator[FieldError]:
        if not isinstance(value, str):
            yield error_at(place, Code.TYPE, not_this(self.expected, value))
        elif value not in self.symbols:
            yield error_at(place, Code.ENUM, f"must be {self.expected}")

    def to_avro(self, value: Any) -> object:
        return value

    def default(self, value: object) -> object:
        if value not in self.symbols:
            raise Misfit(Code.ENUM, f"must be {self.expected}")
        return value


def error_at(place: Place, code: Code, message: str) -> FieldError:
    """Name the place twice: as a JSON pointer, and as the subject of the sentence, which shows no key of a map."""
    pointer = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in place)
    subject = ""
    for step in place:
        match step:
            case int():
                subject = f"{subject}[{step}]"
            case MapKey():
                subject = f"an entry of {subject}"
            case _:
                subject = f"{subject}.{step}" if subject else step
    return FieldError(code, pointer, f"{subject or 'the record'} {message}")


def kind_of(value: object) -> Kind:
    """Tell the kind of a decoded JSON value; other objects never come here."""
    return _KINDS[type(value)][0]


def not_this(expected: str, value: object) -> str:
    return f"must be {expected}, not {_KINDS[type(value)][1]}"


def is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _scalar(name: str, expected: str, kind: Kind, read: Reader, fast: CoreSchema) -> Scalar:
    return Scalar(name, expected, frozenset({kind}), read, read, fast)


def _typed(expected: str, wanted: type) -> Reader:
    def read(value: object) -> object:
        if type(value) is not wanted:
            raise Misfit(Code.TYPE, not_this(expected, value))
        return value

    return read


def _integer(name: str, bits: int) -> Scalar:
    expected = f"an integer (Avro {name})"
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def read(value: object) -> object:
        if type(value) is not int:
            raise Misfit(Code.TYPE, not_this(expected, value))
        if not low <= value <= high:
            raise Misfit(Code.OUT_OF_RANGE, f"must be from {low} to {high} (Avro {name})")
        return value

    return _scalar(name, expected, Kind.NUMBER, read, core_schema.int_schema(strict=True, ge=low, le=high))


def _floating(name: str, most: float | None) -> Scalar:
    expected = f"a number (Avro {name})"
    least = None if most is None else -most

    def read(value: object) -> object:
        if type(value) is not float and type(value) is not int:
            raise Misfit(Code.TYPE, not_this(expected, value))
        if isinstance(value, float) and not math.isfinite(value):
            raise Misfit(Code.NOT_FINITE, "must be a finite number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if abs(number) > (most or 1.7976931348623157e308):
            raise Misfit(Code.OUT_OF_RANGE, f"is beyond the largest number of its type (Avro {name})")
        return number

    fast = core_schema.float_schema(strict=True, allow_inf_nan=False, ge=least, le=most)
    return _scalar(name, expected, Kind.NUMBER, read, fast)


def _read_text(value: object) -> str:
    if type(value) is not str:
        raise Misfit(Code.TYPE, not_this("text (Avro string)", value))
    if not is_unicode(value):
        raise Misfit(Code.INVALID_TEXT, "is not valid Unicode (a lone surrogate)")
    return value


CORE_TEXT: Final = core_schema.str_schema(strict=True, max_length=_LOOK_INTO_TEXT)

NULL: Final = _scalar("null", "null", Kind.NULL, _typed("null", type(None)), core_schema.none_schema())
BOOLEAN: Final = _scalar(
    "boolean", "true or false", Kind.BOOLEAN, _typed("true or false", bool), core_schema.bool_schema(strict=True)
)
INT: Final = _integer("int", 32)
LONG: Final = _integer("long", 64)
FLOAT: Final = _floating("float", _FLOAT_MAX)
DOUBLE: Final = _floating("double", None)
STRING: Final = _scalar("string", "text (Avro string)", Kind.TEXT, _read_text, CORE_TEXT)
