"""May an agent's variable schema become this one? Only if what was written by every earlier version can be read by it.

BACKWARD_TRANSITIVE, as schema registries call it, by the rules of "Schema Resolution" in the Avro specification 1.12,
stricter in two things: logical types must stay as they are, for the JSON form of a value hangs on them, and aliases do
not count, for variables are kept as JSON under their names. Pure: texts come in, reasons go out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from schemas.agent_schemas import SchemaRefused, compile_validator, parse_schema
from schemas.records import Agent, AgentVersion

MOST_TOLD: Final = 5
MAX_SCHEMAS_BYTES: Final = 800_000
"""All versions of an agent together: they travel in one message of the registry, which may have 1 MB."""

NAMED: Final = ("record", "enum", "fixed")
PROMOTIONS: Final[Mapping[str, Sequence[str]]] = {
    "int": ("long", "float", "double"),
    "long": ("float", "double"),
    "float": ("double",),
    "string": ("bytes",),
    "bytes": ("string",),
}
_LOGICAL: Final = frozenset(
    {
        ("int", "date"),
        ("int", "time-millis"),
        ("long", "time-micros"),
        ("long", "timestamp-millis"),
        ("long", "timestamp-micros"),
        ("long", "local-timestamp-millis"),
        ("long", "local-timestamp-micros"),
        ("string", "uuid"),
        ("bytes", "decimal"),
        ("fixed", "decimal"),
    }
)


class Difference(NamedTuple):
    """Why a value of the older schema cannot be read by the newer one; `where` is a field, in words."""

    where: str
    what: str


def next_version(agent: Agent, schema: str, now_ms: int) -> Agent:
    """Return the agent with `schema` (Avro JSON text) as its newest version; unchanged if it is the newest already.

    Raise SchemaRefused, whose reason names field, versions and what to do instead.
    """
    newer = parse_schema(schema)
    compile_validator(newer)
    newest = agent.versions[-1]
    if parse_schema(newest.schema).declared == newer.declared:
        return agent
    if sum(len(version.schema) for version in agent.versions) + len(schema) > MAX_SCHEMAS_BYTES:
        raise SchemaRefused("the agent has too many versions of too long schemas; make a new agent instead")
    told = refusals(agent.versions, newer.declared)
    if told:
        omitted = f" (and {len(told) - MOST_TOLD} more)" if len(told) > MOST_TOLD else ""
        raise SchemaRefused("; ".join(told[:MOST_TOLD]) + omitted)
    # Versions are found by time, so a clock that was set back must not put one before its predecessor.
    created_at = max(now_ms, newest.created_at)
    made = AgentVersion(version=newest.version + 1, schema=schema, created_at=created_at)
    return msgspec.structs.replace(agent, versions=[*agent.versions, made])


def refusals(earlier: Sequence[AgentVersion], newer: Mapping[str, Any]) -> list[str]:
    """Return every reason why the new schema cannot read what earlier versions wrote, one sentence each."""
    versions: dict[Difference, list[int]] = {}
    for version in earlier:
        for difference in differences(parse_schema(version.schema).declared, newer):
            versions.setdefault(difference, []).append(version.version)
    return [f"{where} {what} (not compatible with {_listed(numbers)})" for (where, what), numbers in versions.items()]


def differences(older: Mapping[str, Any], newer: Mapping[str, Any]) -> list[Difference]:
    """Return why data written by `older` cannot be read by `newer`; both as `ParsedSchema.declared` has them."""
    found = _Comparison(_definitions(older), _definitions(newer)).of_types(older, newer, "")
    return list(dict.fromkeys(found))


@dataclass(slots=True)
class _Comparison:
    """One pass over two schemas. `compared` bounds it: named types may be referred to again and again."""

    older_named: Mapping[str, Any]
    newer_named: Mapping[str, Any]
    compared: set[tuple[str, str]] = field(default_factory=set)

    def of_types(self, older: Any, newer: Any, where: str) -> Iterator[Difference]:
        older = self.older_named.get(older, older) if isinstance(older, str) else older
        newer = self.newer_named.get(newer, newer) if isinstance(newer, str) else newer
        if isinstance(older, list):
            for branch in older:
                yield from self.of_types(branch, newer, where)
        elif isinstance(newer, list):
            yield from self._of_choice(older, newer, where)
        elif not _fits(older, newer):
            yield _changed(where, older, newer)
        else:
            yield from self._of_parts(older, newer, where)

    def _of_choice(self, older: Any, newer: list[Any], where: str) -> Iterator[Difference]:
        """Compare with the branch that a reader takes: the first that fits, whatever its logical type."""
        branches = [self.newer_named.get(each, each) if isinstance(each, str) else each for each in newer]
        taken = next((branch for branch in branches if _fits(older, branch)), None)
        if taken is not None:
            yield from self._of_parts(older, taken, where)
        else:
            yield Difference(_subject(where), f"could be {_shown(older)} and cannot any more: add it to its types")

    def _of_parts(self, older: Any, newer: Any, where: str) -> Iterator[Difference]:
        if _logical(older) != _logical(newer):
            yield _changed(where, older, newer)
            return
        match _kind(older):
            case "record" if self._is_new(older, newer):
                yield from self._of_fields(older, newer, where)
            case "enum" if self._is_new(older, newer) and "default" not in newer:
                yield from _of_symbols(older, newer, where)
            case "array":
                yield from self.of_types(older["items"], newer["items"], f"an item of {where}")
            case "map":
                yield from self.of_types(older["values"], newer["values"], f"a value of {where}")

    def _of_fields(self, older: Any, newer: Any, where: str) -> Iterator[Difference]:
        old_fields = {each["name"]: each for each in older["fields"]}
        for each in newer["fields"]:
            here = f"{where}.{each['name']}" if where else f"field {each['name']}"
            if each["name"] in old_fields:
                yield from self.of_types(old_fields[each["name"]]["type"], each["type"], here)
            elif "default" not in each:
                yield Difference(here, 'is new and required: give it a "default"')

    def _is_new(self, older: Any, newer: Any) -> bool:
        pair = older["name"], newer["name"]
        is_new = pair not in self.compared
        self.compared.add(pair)
        return is_new


def _fits(older: Any, newer: Any) -> bool:
    """Say whether two types match as far as Avro looks before it reads: kind, name, size."""
    kind, other = _kind(older), _kind(newer)
    if kind != other:
        return other in PROMOTIONS.get(kind, ())
    if kind not in NAMED:
        return True
    return _short(older["name"]) == _short(newer["name"]) and older.get("size") == newer.get("size")


def _of_symbols(older: Any, newer: Any, where: str) -> Iterator[Difference]:
    gone = [symbol for symbol in older["symbols"] if symbol not in newer["symbols"]]
    if gone:
        listed = ", ".join(gone[:MOST_TOLD]) + (" ..." if len(gone) > MOST_TOLD else "")
        what = f'has lost the enum symbols {listed}: keep them, or give the enum a "default"'
        yield Difference(_subject(where), what)


def _changed(where: str, older: Any, newer: Any) -> Difference:
    what = f"was {_shown(older)} and is now {_shown(newer)}: keep {_shown(older)}"
    return Difference(_subject(where), what + (", or take another name for the new field" if where else ""))


def _subject(where: str) -> str:
    return where or "the schema"


def _definitions(declared: Any) -> dict[str, Any]:
    """Return every named type of a schema by its full name, which is how fastavro writes references."""
    found: dict[str, Any] = {}
    waiting = [declared]
    while waiting:
        match waiting.pop():
            case list() as branches:
                waiting.extend(branches)
            case dict() as one:
                if one.get("type") in NAMED:
                    found[one["name"]] = one
                waiting.extend(each["type"] for each in one.get("fields", ()))
                waiting.extend(one[part] for part in ("items", "values") if part in one)
    return found


def _kind(declared: Any) -> str:
    kind: str = declared if isinstance(declared, str) else declared["type"]
    return kind


def _logical(declared: Any) -> tuple[Any, ...] | None:
    """Return what a type means beyond its bytes; None where it has no meaning here, as for an unknown logical type."""
    if isinstance(declared, str) or (_kind(declared), declared.get("logicalType")) not in _LOGICAL:
        return None
    if declared["logicalType"] == "decimal":
        return "decimal", declared["precision"], declared.get("scale", 0)
    return (declared["logicalType"],)


def _shown(declared: Any) -> str:
    match _logical(declared):
        case ("decimal", precision, scale):
            return f"{_kind(declared)} (decimal of precision {precision}, scale {scale})"
        case (name,):
            return f"{_kind(declared)} ({name})"
    if _kind(declared) in NAMED:
        size = f" of {declared['size']} bytes" if "size" in declared else ""
        return f"{_kind(declared)} {declared['name']}{size}"
    return _kind(declared)


def _short(full_name: str) -> str:
    return full_name.rpartition(".")[2]


def _listed(versions: Sequence[int]) -> str:
    if len(versions) == 1:
        return f"version {versions[0]}"
    return f"versions {', '.join(map(str, versions[:-1]))} and {versions[-1]}"
