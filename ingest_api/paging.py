"""The parameters of calls that read, each checked and named when it is wrong. Pure.

An empty parameter counts as not given; unknown ones are for `requested.beside`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from ingest_api.envelope import RefusedError, refused
from schemas.options import FieldWarning, nearest_field
from schemas.outcomes import HttpCode, WarningCode
from schemas.statuses import CallStatus
from schemas.stores import TIMEZONE_CONFIDENCES, TIMEZONE_SOURCES, Contact, ContactQuery

DEFAULT_LIMIT: Final = 10
MOST_LIMIT: Final = 1000
MOST_PAGE: Final = 1_000_000_000
MOST_CHARACTERS: Final = 256
"""Of `search`, of `sortBy`, and of a name in `filter`."""

MOST_FILTER_CHARACTERS: Final = 8192
MOST_CONDITIONS: Final = 20
MOST_NUMBER: Final = 2**64
PAGE_PARAMETERS: Final = ("page", "limit")
LIST_PARAMETERS: Final = (*PAGE_PARAMETERS, "search")
DETAILS_PARAMETERS: Final = (*LIST_PARAMETERS, "filter", "sortBy", "sortOrder", "after")
DIRECTIONS: Final = {"asc": False, "desc": True}
COLUMNS: Final = (
    *("phoneNumber", "callStatus", "timezone", "timezoneSource", "timezoneConfidence", "phoneNumberReadAs", "callId"),
)
"""Fields that `filter` takes; any other name is a variable's."""

FIXED_FIELDS: Final = (*COLUMNS, "createdAt")
"""Fields that `sortBy` takes."""

_NOT_ASKED_BY: Final = ("createdAt", "_id", "phoneLogs")
_MEANT: Final = {"status": "callStatus", "phone": "phoneNumber", "number": "phoneNumber", "zone": "timezone"}
_ONE_OF: Final = {
    "callStatus": tuple(CallStatus),
    "timezoneSource": TIMEZONE_SOURCES,
    "timezoneConfidence": TIMEZONE_CONFIDENCES,
}
_RULES: Final = {
    "timezone": "must be a name of the tz database, such as America/New_York",
    "phoneNumber": "must be a phone number as batch-details shows it, such as +12125551001",
    "callId": "must be a callId as batch-details shows it, a UUID",
}
_NUMBER: Final = re.compile(r"\+[0-9]{1,15}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def page_of(query: Mapping[str, str]) -> tuple[int, int]:
    """Return (page, limit) of a query; refuse (400) the one that is wrong."""
    return _number(query, "page", 1, MOST_PAGE), _number(query, "limit", DEFAULT_LIMIT, MOST_LIMIT)


def listed_page_of(query: Mapping[str, str]) -> tuple[int, int]:
    """Return (page, limit) of a query for a list that is short as a rule: without a limit as many as may be."""
    return _number(query, "page", 1, MOST_PAGE), _number(query, "limit", MOST_LIMIT, MOST_LIMIT)


def search_of(query: Mapping[str, str]) -> str:
    """Return the text to search for, "" for none."""
    return _text(query, "search")


def contact_query(batch_id: str, query: Mapping[str, str], known_timezone: Callable[[str], bool]) -> ContactQuery:
    """Return which contacts of a batch are asked for; refuse (400) what is wrong."""
    page, limit = page_of(query)
    asked = ContactQuery(
        batch_id=batch_id,
        page=page,
        limit=limit,
        filters=_filters(query.get("filter", ""), known_timezone),
        sort_by=_text(query, "sortBy") or "phoneNumber",
        descending=_descending(query.get("sortOrder", "")),
        search=search_of(query),
        after=_after(query.get("after", "")),
    )
    if asked.after is not None and (asked.sort_by != "phoneNumber" or asked.descending):
        raise _wrong("after", "goes on in the order of the numbers: leave out sortBy and sortOrder")
    return asked


def _number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = query.get(name, "") or str(default)
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(most)) else 0
    if not 1 <= number <= most:
        raise _wrong(name, f"must be an integer from 1 to {most}")
    return number


def _text(query: Mapping[str, str], name: str) -> str:
    text = query.get(name, "")
    if len(text) > MOST_CHARACTERS:
        raise _wrong(name, f"must be at most {MOST_CHARACTERS} characters")
    return text


def _descending(text: str) -> bool:
    if text and text.lower() not in DIRECTIONS:
        raise _wrong("sortOrder", "must be asc or desc")
    return bool(text) and DIRECTIONS[text.lower()]


def _after(text: str) -> str | None:
    """Return the number to go on after. A plus that was not encoded in the address arrives as a space."""
    if not text.strip():
        return None
    number = _with_plus(text)
    if not _NUMBER.fullmatch(number):
        raise _wrong("after", "must be a phone number as batch-details shows it, such as %2B12125551001")
    return number


def near_names(asked: ContactQuery, shown: Iterable[Contact]) -> list[FieldWarning]:
    """Return warnings about names that were taken as variables, that no contact shown has, and that mean a field."""
    names = [("filter", name, COLUMNS) for name, _ in asked.filters] + [("sortBy", asked.sort_by, FIXED_FIELDS)]
    there = {name for contact in shown for name in contact.variables}
    return [
        FieldWarning(WarningCode.UNKNOWN_FIELD, where, f"{name} was taken as a variable{meant}")
        for where, name, fixed in names
        if name not in fixed and name not in there and (meant := _meant(name, fixed))
    ]


def _meant(name: str, fixed: Sequence[str]) -> str | None:
    if name in _NOT_ASKED_BY:
        return f": this call cannot ask by the field {name}"
    near = _MEANT.get(name.lower()) or nearest_field(name, fixed)
    return None if near is None else f"; did you mean {near}?"


def _filters(text: str, known_timezone: Callable[[str], bool]) -> tuple[tuple[str, Any], ...]:
    if not text.strip():
        return ()
    if len(text) > MOST_FILTER_CHARACTERS:
        raise _wrong("filter", f"must be at most {MOST_FILTER_CHARACTERS} characters")
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        raise _wrong("filter", 'must be a JSON object, such as {"callStatus":"pending"}') from None
    if not isinstance(value, dict):
        raise _wrong("filter", 'must be a JSON object, such as {"callStatus":"pending"}')
    if len(value) > MOST_CONDITIONS:
        raise _wrong("filter", f"must have at most {MOST_CONDITIONS} names")
    return tuple(_condition(name, wanted, known_timezone) for name, wanted in value.items())


def _condition(name: str, wanted: Any, known_timezone: Callable[[str], bool]) -> tuple[str, Any]:
    if len(name) > MOST_CHARACTERS:
        raise _wrong("filter", f"a name must be at most {MOST_CHARACTERS} characters")
    if isinstance(wanted, dict | list):
        raise _wrong("filter", "each value must be a text, a number, true, false or null")
    if isinstance(wanted, int) and abs(wanted) > MOST_NUMBER:
        raise _wrong("filter", "an integer has at most 64 bits")
    if name == "phoneNumber" and isinstance(wanted, str | int):
        wanted = _with_plus(str(wanted))
    rule = _rule(name)
    if rule and not (isinstance(wanted, str) and _fits(name, wanted, known_timezone)):
        raise _wrong("filter", f"{name} {rule}")
    return name, wanted


def _rule(name: str) -> str | None:
    """Return what the value of a fixed field must be, None for a variable."""
    if name in _ONE_OF:
        return f"must be one of {', '.join(_ONE_OF[name])}"
    return _RULES.get(name)


def _fits(name: str, wanted: str, known_timezone: Callable[[str], bool]) -> bool:
    match name:
        case "timezone":
            return known_timezone(wanted)
        case "phoneNumber":
            return _NUMBER.fullmatch(wanted) is not None
        case "callId":
            return _UUID.fullmatch(wanted) is not None
    return wanted in _ONE_OF[name]


def _with_plus(number: str) -> str:
    return "+" + number.strip().removeprefix("+")


def _wrong(name: str, rule: str) -> RefusedError:
    return refused(HttpCode.FIELD_INVALID, f"{name}: {rule}", name)
