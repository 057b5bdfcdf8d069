"""New records of the registry, checked against what is registered already. Pure: the time comes in, a record goes out.

The command line and the admin calls over HTTP share these rules. Everything raises RegistrationRefusedError, which says
what is wrong and what to do instead; what it repeats of the input is cut, but not made safe for a terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Final, TypeVar

import msgspec

from schemas.agent_schemas import SchemaRefused, compile_validator, parse_schema
from schemas.countries import country_code, country_remedy
from schemas.identity import hash_api_key, new_api_key, new_id
from schemas.outcomes import FieldError
from schemas.records import Agent, AgentVersion, ApiKey, Batch, CallingNumber, Workspace
from schemas.registration_rules import (
    MOST_DELAY_SECONDS,
    MOST_RETRIES,
    RuleError,
    day_of,
    distinct,
    in_bounds,
    usable_hours,
    usable_name,
    usable_numbers,
    usable_zone,
)
from schemas.registry import ADMINISTRATION, Registry, changed
from schemas.schema_compatibility import next_version

ID_FIELDS: Final = {
    "workspace": "workspaceId",
    "key": "keyId",
    "agent": "agentId",
    "number": "phoneId",
    "batch": "batchId",
}
"""The field that names one of each kind."""

MOST_QUOTED: Final = 80

T = TypeVar("T")
V = TypeVar("V")
_Owned = TypeVar("_Owned", Agent, CallingNumber, Batch, ApiKey)


class Refusal(Enum):
    """What kind of thing stands against a registration."""

    WRONG = auto()  # a value cannot be used
    MISSING = auto()  # what it refers to is not registered, or not in this workspace
    TAKEN = auto()  # there is one already
    USED = auto()  # others need it


class RegistrationRefusedError(Exception):
    """One sentence about what is wrong, what to do instead, and the field (as the HTTP bodies name it) it is about."""

    def __init__(self, kind: Refusal, field: str, sentence: str, remedy: str) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.field = field
        self.sentence = sentence
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Rules:
    """What others know: the names of the tz database, and how a telephone number is read (E.164 with plus)."""

    known_timezone: Callable[[str], bool]
    normalise: Callable[[str], str | FieldError]


@dataclass(frozen=True, slots=True)
class Campaign:
    """What a batch is made of.

    `calling_hours` as `09:00-18:00`, an end before the start is past midnight; `days` as names or numbers, 0 is Sunday.
    """

    name: str
    phone_ids: Sequence[str]
    retry: int = 0
    delay: int = 0
    timezone: str | None = None
    calling_hours: str | None = None
    days: Sequence[str] = ()
    country: str | None = None


def find_workspace(state: Registry, id_or_name: str) -> Workspace:
    """Return the workspace with this id, else the only one with this name."""
    if id_or_name in state.workspaces:
        return state.workspaces[id_or_name]
    named = [workspace for workspace in state.workspaces.values() if workspace.name == id_or_name]
    if len(named) > 1:
        ids = ", ".join(workspace.workspace_id for workspace in named)
        raise _wrong(
            "workspaceId",
            f"{len(named)} workspaces have the name {quoted(id_or_name)}",
            f"Give an id instead: {ids}.",
        )
    if not named:
        raise _missing("workspace", id_or_name, "dialfeed workspace list")
    return named[0]


def find_agent(state: Registry, agent_id: str, workspace: Workspace | None = None) -> Agent:
    """Return the agent with this id, of this workspace if one is given."""
    return _owned(state.agents, "agent", agent_id, workspace)


def find_number(state: Registry, phone_id: str, workspace: Workspace | None = None) -> CallingNumber:
    """Return the calling number with this id, of this workspace if one is given."""
    return _owned(state.numbers, "number", phone_id, workspace)


def find_batch(state: Registry, batch_id: str) -> Batch:
    """Return the batch with this id."""
    return _owned(state.batches, "batch", batch_id, None)


def new_workspace(
    state: Registry, rules: Rules, name: str, timezone: str | None, now_ms: int, country: str | None = None
) -> Workspace:
    """Return a workspace whose name no other has."""
    name = _name(name)
    taken = [workspace.workspace_id for workspace in state.workspaces.values() if workspace.name == name]
    if taken:
        raise _taken("name", f"a workspace {quoted(name)} is there already", f"Use it: its id is {taken[0]}.")
    return Workspace(
        workspace_id=new_id(),
        name=name,
        timezone=_zone(rules, timezone),
        created_at=now_ms,
        country=_country(country),
    )


def changed_workspace(
    rules: Rules, workspace: Workspace, timezone: str | None, country: str | None, now_ms: int
) -> Workspace:
    """Return the workspace with what is given from now on: None leaves a value, an empty text takes it away."""
    given: dict[str, str | None] = {}
    if timezone is not None:
        given["timezone"] = _zone(rules, timezone)
    if country is not None:
        given["country"] = _country(country)
    return changed(workspace, msgspec.structs.replace(workspace, **given), now_ms)


def new_key(workspace: Workspace, name: str, now_ms: int) -> tuple[ApiKey, str]:
    """Return a key's record, and the key itself, which is kept nowhere."""
    return _key(workspace.workspace_id, name, now_ms)


def new_admin_key(name: str, now_ms: int) -> tuple[ApiKey, str]:
    """Return the record of a key that opens the administration, and the key itself, which is kept nowhere."""
    return _key(ADMINISTRATION, name, now_ms)


def _key(workspace_id: str, name: str, now_ms: int) -> tuple[ApiKey, str]:
    api_key = new_api_key()
    record = ApiKey(
        key_id=new_id(),
        workspace_id=workspace_id,
        name=_name(name),
        key_hash=hash_api_key(api_key),
        created_at=now_ms,
    )
    return record, api_key


def revoked_key(state: Registry, key_id: str, now_ms: int) -> ApiKey:
    """Return the key as one that stopped working; the time of a first revocation stays."""
    key = _owned(state.keys, "key", key_id, None)
    return msgspec.structs.replace(key, revoked_at=key.revoked_at or now_ms)


def new_agent(workspace: Workspace, name: str, schema: str, now_ms: int) -> Agent:
    """Return an agent with the first version of its variable schema, an Avro record schema as JSON text."""
    _require_usable(schema)
    return Agent(
        agent_id=new_id(),
        workspace_id=workspace.workspace_id,
        name=_name(name),
        versions=[AgentVersion(version=1, schema=schema, created_at=now_ms)],
        created_at=now_ms,
    )


def new_agent_version(agent: Agent, schema: str, now_ms: int) -> Agent:
    """Return the agent with a further version of its variable schema; unchanged if it is the newest already."""
    _require_usable(schema)
    try:
        return next_version(agent, schema, now_ms)
    except SchemaRefused as refused:
        raise _taken("schema", refused.reason, "Else make another agent.") from None


def _require_usable(schema: str) -> None:
    try:
        compile_validator(parse_schema(schema))
    except SchemaRefused as refused:
        raise _wrong("schema", f"the variable schema is refused: {refused.reason}", "Change the schema.") from None


def new_number(state: Registry, rules: Rules, agent: Agent, number: str, now_ms: int) -> CallingNumber:
    """Return a calling number, as E.164, of the agent's workspace, that the agent speaks on."""
    e164 = rules.normalise(number)
    if isinstance(e164, FieldError):
        raise _wrong("number", f"{quoted(number)} is no calling number: {e164.message}", "Correct the number.")
    taken = next((other for other in state.numbers.values() if other.number == e164), None)
    if taken is not None:
        mine = taken.workspace_id == agent.workspace_id
        remedy = "Use it" if mine else f"It belongs to workspace {taken.workspace_id}: take another, or delete it there"
        raise _taken("number", f"the number {e164} is there already", f"{remedy}: its phone id is {taken.phone_id}.")
    return CallingNumber(
        phone_id=new_id(),
        workspace_id=agent.workspace_id,
        number=e164,
        agent_id=agent.agent_id,
        created_at=now_ms,
    )


def new_batch(state: Registry, rules: Rules, workspace: Workspace, campaign: Campaign, now_ms: int) -> Batch:
    """Return a batch whose calling numbers are the workspace's."""
    phone_ids = _by_rule("callingNumbers", "Name each calling number once.", usable_numbers, campaign.phone_ids)
    numbers = [find_number(state, phone_id, workspace) for phone_id in phone_ids]
    start, end = _hours(campaign.calling_hours)
    return Batch(
        batch_id=new_id(),
        workspace_id=workspace.workspace_id,
        name=_name(campaign.name),
        phone_ids=[number.phone_id for number in numbers],
        retry=_by_rule("retry", "Correct it.", partial(in_bounds, most=MOST_RETRIES), campaign.retry),
        delay=_by_rule("delay", "Correct it.", partial(in_bounds, most=MOST_DELAY_SECONDS), campaign.delay),
        timezone=_zone(rules, campaign.timezone),
        country=_country(campaign.country),
        calling_hour_start=start,
        calling_hour_end=end,
        allowed_days=_days(campaign.days),
        created_at=now_ms,
    )


def assigned_number(number: CallingNumber, agent: Agent, now_ms: int) -> CallingNumber:
    """Return the calling number with another agent, of its workspace, that speaks on it from now on."""
    return changed(number, msgspec.structs.replace(number, agent_id=agent.agent_id), now_ms)


def campaign_of(batch: Batch) -> Campaign:
    """Return what a batch is made of, as it was given."""
    start, end = batch.calling_hour_start, batch.calling_hour_end
    return Campaign(
        name=batch.name,
        phone_ids=batch.phone_ids,
        retry=batch.retry,
        delay=batch.delay,
        timezone=batch.timezone,
        country=batch.country,
        calling_hours=f"{start}-{end}" if start and end else None,
        days=[str(day) for day in batch.allowed_days],
    )


def changed_batch(state: Registry, rules: Rules, batch: Batch, campaign: Campaign, now_ms: int) -> Batch:
    """Return the batch made of something else from now on; what was accepted before is judged by what it was."""
    owner = state.workspaces[batch.workspace_id]
    made = new_batch(state, rules, owner, campaign, batch.created_at)
    return same_batch(batch, made, now_ms)


def same_batch(batch: Batch, made: Batch, now_ms: int) -> Batch:
    """Return `made` as what the batch is from now on, under its id."""
    kept = {name: getattr(batch, name) for name in ("batch_id", "created_at", "earlier", "changed_at")}
    return changed(batch, msgspec.structs.replace(made, **kept), now_ms)


def _owned(kept: Mapping[str, _Owned], kind: str, wanted: str, workspace: Workspace | None) -> _Owned:
    found = kept.get(wanted)
    if found is None:
        raise _missing(kind, wanted, f"dialfeed {kind} list")
    if workspace is not None and found.workspace_id != workspace.workspace_id:
        sentence = f"the {kind} {quoted(wanted)} belongs to another workspace than {quoted(workspace.name)}"
        raise RegistrationRefusedError(Refusal.MISSING, ID_FIELDS[kind], sentence, f"See `dialfeed {kind} list`.")
    return found


def _missing(kind: str, wanted: str, where_to_look: str) -> RegistrationRefusedError:
    sentence = f"there is no {kind} {quoted(wanted)}"
    return RegistrationRefusedError(Refusal.MISSING, ID_FIELDS[kind], sentence, f"See `{where_to_look}`.")


def _wrong(field: str, sentence: str, remedy: str) -> RegistrationRefusedError:
    return RegistrationRefusedError(Refusal.WRONG, field, sentence, remedy)


def _taken(field: str, sentence: str, remedy: str) -> RegistrationRefusedError:
    return RegistrationRefusedError(Refusal.TAKEN, field, sentence, remedy)


def quoted(text: str) -> str:
    """Return a text of somebody else's in quotation marks, cut where it is long."""
    return f'"{text}"' if len(text) <= MOST_QUOTED else f'"{text[: MOST_QUOTED - 3]}..."'


def _by_rule(field: str, remedy: str, rule: Callable[[V], T], value: V) -> T:
    """Return what a rule of `registration_rules` makes of a value; refuse what it refuses."""
    try:
        return rule(value)
    except RuleError as error:
        raise _wrong(field, f"{field} {error}", remedy) from None


def _name(text: str) -> str:
    try:
        return usable_name(text)
    except RuleError as error:
        raise _wrong("name", f"the name {quoted(text)} cannot be used: it {error}", "Take another name.") from None


def _zone(rules: Rules, name: str | None) -> str | None:
    try:
        return usable_zone(rules.known_timezone, name)
    except RuleError:
        remedy = "Take an IANA name, such as America/New_York."
        raise _wrong("timezone", f"the tz database has no zone {quoted(name or '')}", remedy) from None


def _country(text: str | None) -> str | None:
    if not text:
        return None
    code = country_code(text)
    if code is None:
        raise _wrong("country", f"there is no country {quoted(text)}", country_remedy(text))
    return code


def _hours(text: str | None) -> tuple[str | None, str | None]:
    if not text:
        return None, None
    try:
        start, _, end = text.partition("-")
        return usable_hours(start, end)
    except RuleError as error:
        remedy = "Give two times, as in 09:00-18:00."
        raise _wrong("callingHour", f"calling hours {quoted(text)} cannot be used: {error}", remedy) from None


def _days(texts: Iterable[str]) -> list[int]:
    return sorted(_by_rule("allowedDays", "Name each day once.", distinct, [_day(text) for text in texts]))


def _day(text: str) -> int:
    try:
        return day_of(text)
    except RuleError as error:
        raise _wrong("allowedDays", f"there is no day {quoted(text)}", f"A day {error}.") from None
