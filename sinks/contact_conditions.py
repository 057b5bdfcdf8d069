"""Filters, search and orders of contacts as ClickHouse's SQL. Pure.

Whatever comes from outside travels as a parameter, in hex, so that any text arrives as it is; nothing of it becomes
part of a statement. `variables` is compact JSON as `clean` writes it. In a row that is `flat` (no nested object, no
escape) every quote begins or ends a text, so that a variable is found by its name in quotes, at a fraction of the cost
of parsing the JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from os.path import commonprefix
from typing import Any, Final

import msgspec

from schemas.stores import ContactQuery

COLUMNS: Final = {
    "phoneNumber": "phone_number",
    "callStatus": "status",
    "timezone": "timezone",
    "timezoneSource": "timezone_source",
    "timezoneConfidence": "timezone_confidence",
    "phoneNumberReadAs": "phone_number_read_as",
    "callId": "toString(call_id)",
}
"""Fields that are columns; any other name is a variable's. `createdAt` is in another table."""

FIRST_ACCEPTED: Final = "createdAt"
_MOST_EXACT: Final = 2**53 - 1
_SIMPLE_NAME: Final = re.compile(r"[^\W_][^\"\\\x00-\x1f]*")
_PART_OF_NUMBER: Final = re.compile(r"[-+.0-9eE]+")
_QUOTED: Final = r'"(?:[^"\\\\]|\\\\.)*"'
"""In JSON, as RE2 in SQL."""
_A_NUMBER, _A_TEXT = 1, 2
_KINDS: Final = {0: 0, ord("n"): 0, ord('"'): _A_TEXT, ord("{"): 3, ord("["): 4, ord("f"): 5, ord("t"): 5}
"""The place of each kind of value in an order, by the first byte of its JSON, 0 if there is none; others are numbers.
"""

_encode: Final = msgspec.json.Encoder().encode

Parameters = Mapping[str, str | int]


@dataclass(slots=True)
class Statement:
    """What a query asks for as pieces of SQL, and the parameters that they speak of."""

    parameters: dict[str, str | int] = field(default_factory=dict)

    def text(self, value: str) -> str:
        """Return SQL that gives this text."""
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value.encode().hex()
        return f"unhex({{{name}:String}})"


def where(query: ContactQuery, statement: Statement) -> str:
    """Return the condition for a contact to be among those asked for."""
    conditions = ["batch_id = {id:String}"]
    statement.parameters["id"] = query.batch_id
    if query.after is not None:
        conditions.append(f"phone_number > {statement.text(query.after)}")
    conditions += [_equal(statement, name, value) for name, value in query.filters]
    if query.search:
        conditions.append(_found(statement, query.search))
    return " AND ".join(conditions)


def reads_variables(query: ContactQuery) -> bool:
    """Return whether the condition reads the variables, which is what costs."""
    return bool(query.search) or any(name not in COLUMNS for name, _ in query.filters)


def order(query: ContactQuery, statement: Statement) -> str:
    """Return the order: of equals the lower number comes first, whichever the direction."""
    direction = "DESC" if query.descending else "ASC"
    if query.sort_by == "phoneNumber":
        return f"phone_number {direction}"
    if query.sort_by in COLUMNS:
        return f"{COLUMNS[query.sort_by]} {direction}, phone_number"
    return ", ".join([*(f"{key} {direction}" for key in _sort_keys(statement, query.sort_by)), "phone_number"])


def spellings(number: float) -> list[str]:
    """Return how clean JSON may spell a number: whole ones as integer or as float."""
    others = (int(number), float(number)) if float(number).is_integer() else ()
    forms = {_encode(form) for form in (number, *others) if form == number}
    zeros = {b"0.0", b"-0.0"} if number == 0 else set[bytes]()
    return sorted(form.decode() for form in forms | zeros)


def _raw(statement: Statement, name: str) -> str:
    """Return SQL that gives a variable's value as JSON, or '' if there is none."""
    parsed = f"JSONExtractRaw(variables, {statement.text(name)})"
    if not _SIMPLE_NAME.fullmatch(name):
        return parsed
    return f"if(flat, simpleJSONExtractRaw(variables, {statement.text(name)}), {parsed})"


def _equal(statement: Statement, name: str, value: Any) -> str:
    if name in COLUMNS:
        if not isinstance(value, str):
            return "0"
        text = value.lower() if name == "callId" else value  # RFC 9562: read in either case
        return f"{COLUMNS[name]} = {statement.text(text)}"
    raw = f"JSONExtractRaw(variables, {statement.text(name)})"
    match value:
        case None:
            parsed = f"{raw} IN ('', 'null')"
        case bool():
            parsed = f"{raw} = '{'true' if value else 'false'}'"
        case str():
            parsed = _equal_text(statement, raw, value)
        case _:
            parsed = _equal_number(statement, raw, value)
    return f"if(flat, {_spelled(statement, name, value)}, {parsed})" if _SIMPLE_NAME.fullmatch(name) else f"({parsed})"


def _spelled(statement: Statement, name: str, value: Any) -> str:
    """Return the condition for a flat row: name and value stand in it side by side, with nothing between."""
    field_name = _encode(name).decode() + ":"
    if value is None:
        absent = f"position(variables, {statement.text(field_name)}) = 0"
        return f"({absent} OR position(variables, {statement.text(field_name + 'null')}) > 0)"
    if isinstance(value, bool | str):
        return f"position(variables, {statement.text(field_name + _encode(value).decode())}) > 0"
    forms = [field_name + form for form in spellings(value)]
    ends = [statement.text(form + end) for form in forms for end in ",}"]
    # Looking for one text costs half of looking for several.
    return (
        f"(position(variables, {statement.text(commonprefix(forms))}) > 0"  # noqa: RUF071  # text is what they are
        f" AND multiSearchAny(variables, [{', '.join(ends)}]))"
    )


def _equal_text(statement: Statement, raw: str, value: str) -> str:
    """ClickHouse writes parsed JSON anew, where escapes may be others: then the text decides."""
    encoded = statement.text(_encode(value).decode())
    decoded = f"startsWith({raw}, '\"') AND JSONExtractString({raw}) = {statement.text(value)}"
    return f"{raw} = {encoded} OR {decoded}"


def _equal_number(statement: Statement, raw: str, value: float) -> str:
    same = " OR ".join(f"{raw} = {statement.text(form)}" for form in spellings(value))
    if abs(value) > _MOST_EXACT:
        return same
    return f"{same} OR toFloat64OrNull({raw}) = toFloat64({statement.text(repr(float(value)))})"


def _found(statement: Statement, search: str) -> str:
    """Return the condition of the search: in the number, in a text, or in the JSON of another value but null.

    A number has no spaces: one in the search is the plus of a number that was not encoded in the address.
    """
    number, text = statement.text(search.replace(" ", "+")), statement.text(search)
    encoded = statement.text(_encode(search)[1:-1].decode())
    at = f"position(variables, {encoded})"
    in_a_text = f"countSubstrings(substring(variables, 1, {at} - 1), '\"') % 2 = 1"
    in_a_name = f"substring(variables, position(variables, '\"', toUInt64({at} + length({encoded}))) + 1, 1) = ':'"
    plainly, in_a_value = f"{in_a_text} AND NOT {in_a_name}", _in_a_value(text, encoded)
    if _PART_OF_NUMBER.fullmatch(search):
        plainly, in_a_value = f"NOT ({in_a_text} AND {in_a_name})", f"({_outside_texts(encoded)} OR {in_a_value})"
    return f"(position(phone_number, {number}) > 0 OR if({at} > 0, if(flat AND {plainly}, 1, {in_a_value}), 0))"


def _outside_texts(encoded: str) -> str:
    """Return the condition for what may be part of a number to be in one: ClickHouse writes parsed ones anew."""
    return f"arrayExists(piece -> position(piece, {encoded}) > 0, splitByRegexp('{_QUOTED}', variables))"


def _in_a_value(text: str, encoded: str) -> str:
    """Return the condition for a value to have the text in it, told by parsing the JSON."""
    decoded = "if(position(value, '\\\\') > 0, JSONExtractString(value), substring(value, 2, length(value) - 2))"
    has_it = (
        f"if(startsWith(value, '\"'), position({decoded}, {text}) > 0,"
        f" value != 'null' AND position(value, {encoded}) > 0)"
    )
    return f"arrayExists(value -> {has_it}, JSONExtractKeysAndValuesRaw(variables).2)"


def _sort_keys(statement: Statement, name: str) -> list[str]:
    """Return SQL of the keys: nothing or null, then numbers, texts, objects, arrays, false, true."""
    raw = _raw(statement, name)
    kind = f"transform(ascii({raw}), [{_listed(_KINDS)}], [{_listed(_KINDS.values())}], {_A_NUMBER})"
    text = (
        f"multiIf({kind} <= {_A_NUMBER}, '', {kind} != {_A_TEXT}, {raw}, position({raw}, '\\\\') > 0,"
        f" JSONExtractString({raw}), substring({raw}, 2, length({raw}) - 2))"
    )
    return [kind, f"if({kind} = {_A_NUMBER}, toFloat64OrZero({raw}), 0)", text]


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
