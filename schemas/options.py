"""Options that a caller may ask for and dialfeed does not have: refused by name, never ignored in silence. Pure.

The table here is closed and the only one. An option leaves it when a call supports it: the call then names it among its
own fields. At a value that says what happens anyway (`dryRun: false`) an option is harmless, and null, blank or left
out is not given. A name that differs from an option's in case, hyphens and underscores only (`dry_run`) asks for it.
Every other unknown name is passed over with a warning.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from schemas.nearest import nearest
from schemas.outcomes import Code, FieldError, WarningCode

MOST_WARNINGS: Final = 20
MOST_NAME: Final = 80
"""Characters of a name that a message repeats."""

MOST_VALUE_BYTES: Final = 256
"""Of a field's JSON text no more is needed to see whether it is harmless."""

_USED_BY_OTHERS: Final = frozenset({"test", "options", "settings"})
"""Options that name a header of anybody's, too."""

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SIGNS: Final = re.compile(r"[-_]+")


@dataclass(frozen=True, slots=True)
class Option:
    """What an option asks for, and the values at which it asks for what happens anyway."""

    asks: str
    harmless: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldWarning:
    """Something of a request that has no effect: a closed code, a JSON pointer or a parameter's or header's name."""

    code: WarningCode
    path: str
    message: str

    def as_json(self) -> dict[str, str]:
        return {"code": str(self.code), "message": self.message, "path": self.path}


OPTIONS: Final[Mapping[str, Option]] = {
    "dryRun": Option("say what would happen and do nothing", (False,)),
    "validateOnly": Option("say what would happen and do nothing", (False,)),
    "simulate": Option("say what would happen and do nothing", (False,)),
    "test": Option("say what would happen and do nothing", (False,)),
    "testMode": Option("say what would happen and do nothing", (False,)),
    "options": Option("options in an object of their own", ({},)),
    "settings": Option("options in an object of their own", ({},)),
    "results": Option("a result for every record", (False,)),
    "onError": Option("what else fails when a record fails", ("record",)),
    "onDuplicate": Option("what becomes of a number that the batch has already", ("update",)),
    "duplicateScope": Option("where a number counts as a duplicate", ("batch",)),
    "notCalledWithin": Option("pass over numbers that were called lately"),
    "externalIdUnique": Option("refuse an externalId that the batch has already", (False,)),
    "uniqueExternalId": Option("refuse an externalId that the batch has already", (False,)),
    "autoStart": Option("store calls and start them later", (True,)),
    "enableDNC": Option("leave out numbers of a do-not-call list", (False,)),
    "scheduledAt": Option("begin at a time"),
    "scheduleAt": Option("begin at a time"),
    "scheduledTime": Option("begin at a time"),
    "sendAt": Option("begin at a time"),
    "startTime": Option("begin at a time"),
    "startDate": Option("begin at a time"),
    "startAt": Option("begin at a time"),
    "expiresAt": Option("end at a time"),
    "maxConcurrency": Option("limit the calls at a time"),
    "maxConcurrent": Option("limit the calls at a time"),
    "callsPerMinute": Option("limit the pace"),
    "frequencyCap": Option("limit the calls to a number"),
    "callingHours": Option("several windows a weekday (callingHour is one window for every day)"),
    "blackoutDates": Option("leave out days", ([],)),
    "holidays": Option("leave out holidays", (False, [])),
    "rules": Option("sets of legal calling hours", ([],)),
    "ruleSets": Option("sets of legal calling hours", ([],)),
    "retryOn": Option("which outcomes are retried"),
    "ambiguousAfter": Option("when a call without news counts as ambiguous"),
    "simulated": Option("a batch that no real service is told of", (False,)),
}
"""What any call may be asked for, by name."""

START_OPTIONS: Final[Mapping[str, Option]] = {
    **OPTIONS,
    "callData": Option("start only these contacts"),
    "call_data": Option("start only these contacts"),
    "contacts": Option("start only these contacts"),
    "phoneNumbers": Option("start only these numbers"),
    "callIds": Option("start only these calls"),
    "limit": Option("start only so many calls"),
    "expected": Option("start only if so many calls are pending"),
}
"""What start-calling may be asked for besides: less than the whole batch."""

STATUS_OPTIONS: Final[Mapping[str, Option]] = {**OPTIONS, "token": Option("check the lease of the call")}
"""What a status may carry besides."""


def unsupported(
    given: Mapping[str, Any], known: Collection[str], options: Mapping[str, Option] = OPTIONS, prefix: str = "/"
) -> list[FieldError]:
    """Return an error for each option that is asked for and not supported.

    `given` has decoded JSON values, or texts as forms and queries have them. `known` are the call's own names, which
    win. `prefix` comes before a name to make its path: `/` in a body, nothing for parameters and headers.
    """
    return [
        FieldError(Code.UNSUPPORTED_OPTION, prefix + name, _refusal(name, options[option]))
        for name, value in given.items()
        if name not in known
        and (option := option_named(name, options)) is not None
        and not _harmless(value, options[option])
    ]


def unknown(
    given: Iterable[str],
    known: Collection[str],
    options: Mapping[str, Option] = OPTIONS,
    prefix: str = "/",
    code: WarningCode = WarningCode.UNKNOWN_FIELD,
) -> list[FieldWarning]:
    """Return a warning for each name that is neither the call's own nor an option, the first 20 and how many more."""
    names = [name for name in given if name not in known and option_named(name, options) is None]
    found = [_warning(name, known, options, prefix, code) for name in names[:MOST_WARNINGS]]
    left_out = len(names) - MOST_WARNINGS
    if left_out > 0:
        found.append(FieldWarning(code, "", f"{left_out} further names are unknown too and were ignored"))
    return found


def option_named(name: str, options: Mapping[str, Option] = OPTIONS) -> str | None:
    """Return the option that a name means, in whatever case, with hyphens or underscores or without."""
    found = name if name in options or len(name) > MOST_NAME else _NAMES.get(_letters(name))
    return found if found in options else None


def option_in_header(name: str) -> str | None:
    """Return the option that a header asks for by its name (`dry-run`, `X-Dry-Run`, `dryRun`), if any."""
    option = option_named(name.lower().removeprefix("x-").removeprefix("dialfeed-"))
    return None if option in _USED_BY_OTHERS else option


def unsupported_header(headers: Iterable[tuple[str, str]]) -> list[FieldError]:
    """Return an error for each header that asks for an option, with the header's name as its path."""
    return [
        FieldError(Code.UNSUPPORTED_OPTION, name, _refusal(option, OPTIONS[option]))
        for name, value in headers
        if (option := option_in_header(name)) is not None and not _harmless(value, OPTIONS[option])
    ]


def decoded(others: Mapping[str, bytes], options: Mapping[str, Option] = OPTIONS) -> dict[str, Any]:
    """Return fields of a body, of which only those that mean options are decoded: `others` has JSON texts."""
    return {name: ... if option_named(name, options) is None else _value(text) for name, text in others.items()}


def nearest_field(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that a field's name is a misspelling of, in whatever spelling (`call_Data`, `dry-run`)."""
    spelled = {_kebab(each): each for each in sorted(known)}
    near = nearest(_kebab(name), spelled) if len(name) <= MOST_NAME else None
    return spelled[near] if near is not None else None


def _value(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):  # too long to be harmless, so cut, or no JSON
        return ...


def _harmless(value: Any, option: Option) -> bool:
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    return any(_same(value, harmless) for harmless in option.harmless)


def _same(value: Any, harmless: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() == (harmless if isinstance(harmless, str) else _json(harmless))
    return type(value) is type(harmless) and bool(value == harmless)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _refusal(name: str, option: Option) -> str:
    rather = f", or send {_json(option.harmless[0])}" if option.harmless else ""
    return f"{name} ({option.asks}) is not supported: leave it out{rather}. Nothing was done"


def _warning(
    name: str, known: Collection[str], options: Mapping[str, Option], prefix: str, code: WarningCode
) -> FieldWarning:
    shown = _shown(name)
    near = nearest_field(name, [*known, *options])
    hint = "" if near is None else f"; did you mean {near}?"
    if near is not None and near not in known:
        hint += f" ({near} is not supported)"
    path = prefix + (shown.replace("~", "~0").replace("/", "~1") if prefix else shown)
    return FieldWarning(code, path, f"{shown} is unknown here and was ignored{hint}")


def _shown(name: str) -> str:
    text = name.encode("utf-8", "replace").decode()
    return text if len(text) <= MOST_NAME else text[: MOST_NAME - 3] + "..."


def _kebab(name: str) -> str:
    return _SIGNS.sub("-", _CAMEL.sub("-", name)).lower()


def _letters(name: str) -> str:
    return _SIGNS.sub("", name).lower()


_NAMES: Final = {_letters(name): name for name in (*STATUS_OPTIONS, *START_OPTIONS)}
