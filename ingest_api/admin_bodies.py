"""What the administration is sent, checked as a whole, and how it shows what is registered. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from ingest_api import batches, field_errors
from ingest_api.batch_details import utc
from ingest_api.batches import TIMEZONES, Country, NewBatch, calling_rules
from ingest_api.envelope import RefusedError, RequestError
from ingest_api.requested import Warnings, in_body, names_of
from schemas.outcomes import HttpCode
from schemas.records import Agent, ApiKey, Batch, CallingNumber, Workspace
from schemas.registrations import Refusal, RegistrationRefusedError
from schemas.registry import ADMINISTRATION, Registry


def _schema_text(value: Any) -> str:
    match value:
        case str():
            return value
        case dict():
            return msgspec.json.encode(value).decode()
    raise PydanticCustomError("schema", "must be an Avro record schema, as an object or as its JSON text")


Id = Annotated[str, Field(min_length=1, max_length=200)]
SchemaText = Annotated[Any, AfterValidator(_schema_text)]


class _Body(BaseModel):
    """Unknown keys are only warned of, so that what one version shows may be sent to another."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class NewWorkspace(_Body):
    name: str = Field(description="name for people, which no other workspace has")
    timezone: str | None = Field(default=None, description="name of the tz database")
    country: Country = Field(default=None, description="ISO 3166 alpha-2: national forms of its numbers are read too")


class WorkspaceChange(_Body):
    """What is not named stays; null takes a value away."""

    timezone: str | None = Field(default=None, description="name of the tz database")
    country: Country = Field(default=None, description="ISO 3166 alpha-2: national forms of its numbers are read too")


class NewKey(_Body):
    workspaceId: Id | None = Field(default=None, description="the workspace that it opens")  # noqa: N815  # JSON's name
    admin: bool = Field(default=False, description="opens the administration instead of a workspace")
    name: str = Field(default="key", description="name for people")

    @model_validator(mode="after")
    def _one_of_both(self) -> NewKey:
        if (self.workspaceId is None) != self.admin:
            raise PydanticCustomError("either", "give either workspaceId or admin: true")
        return self


class NewVersion(_Body):
    avro: SchemaText = Field(alias="schema", description="Avro record schema, as an object or as JSON text")


class NewAgent(NewVersion):
    workspaceId: Id = Field(description="owner")  # noqa: N815  # JSON's name
    name: str = Field(default="agent", description="name for people")


class NewNumber(_Body):
    workspaceId: Id = Field(description="owner")  # noqa: N815  # JSON's name
    agentId: Id = Field(description="the agent that speaks on it")  # noqa: N815  # JSON's name
    number: str = Field(description="with its country code")


class Assignment(_Body):
    agentId: Id = Field(description="the agent that speaks on it from now on")  # noqa: N815  # JSON's name


class NewBatchOf(NewBatch):
    """The body of createBatch, and whose batch it is."""

    workspaceId: Id = Field(description="owner")  # noqa: N815  # JSON's name


B = TypeVar("B", bound=BaseModel)


def checked(kind: type[B], fields: dict[str, Any], known_timezone: Callable[[str], bool] = bool) -> B:
    """Return the body asked for; refuse (400) it with everything that is wrong with it."""
    return field_errors.checked(kind, fields, {TIMEZONES: known_timezone})


def warnings_of(kind: type[BaseModel] | None, fields: dict[str, Any]) -> Warnings:
    """Return warnings about fields that a body does not have; refuse (400) unsupported options among them."""
    if kind is None:
        return []
    return batches.warnings_of(fields, kind) if issubclass(kind, NewBatch) else in_body(fields, names_of(kind))


def refusal(error: RegistrationRefusedError) -> RefusedError:
    """Return what a registration that is refused is answered: 409 for what is there already or is needed, else 400."""
    path = f"/{error.field}"
    if error.kind in (Refusal.TAKEN, Refusal.USED):
        return RefusedError(RequestError(HttpCode.CONFLICT, f"{error.sentence}. {error.remedy}", path))
    hint = "" if error.kind is Refusal.MISSING else f". {error.remedy}"  # else it names a command
    return RefusedError(RequestError(HttpCode.FIELD_INVALID, error.sentence + hint, path))


def batch_fields(one: Batch) -> dict[str, Any]:
    """Return the body of createBatch that would make such a batch."""
    return {"batchName": one.name, "callingNumbers": one.phone_ids, **calling_rules(one)}


def of_workspace(kept: Iterable[Any], workspace_id: str | None) -> list[Any]:
    """Return records, oldest first; only those of a workspace if one is named."""
    wanted = [one for one in kept if workspace_id in (None, one.workspace_id)]
    return sorted(wanted, key=lambda one: one.created_at)


def workspace_shown(one: Workspace) -> dict[str, Any]:
    return {
        "workspaceId": one.workspace_id,
        "name": one.name,
        "timezone": one.timezone,
        "country": one.country,
        "createdAt": utc(one.created_at),
    }


def key_shown(one: ApiKey) -> dict[str, Any]:
    """Never the key itself."""
    return {
        "keyId": one.key_id,
        "name": one.name,
        "workspaceId": one.workspace_id or None,
        "admin": one.workspace_id == ADMINISTRATION,
        "createdAt": utc(one.created_at),
        "revokedAt": None if one.revoked_at is None else utc(one.revoked_at),
    }


def agent_shown(one: Agent) -> dict[str, Any]:
    return {
        "agentId": one.agent_id,
        "name": one.name,
        "workspaceId": one.workspace_id,
        "schemaVersion": one.versions[-1].version,
        "createdAt": utc(one.created_at),
    }


def agent_in_full(one: Agent) -> dict[str, Any]:
    """With every version of the variable schema, oldest first."""
    versions = [
        {"version": each.version, "createdAt": utc(each.created_at), "schema": msgspec.json.decode(each.schema)}
        for each in one.versions
    ]
    return {**agent_shown(one), "versions": versions}


def number_shown(one: CallingNumber) -> dict[str, Any]:
    return {
        "phoneId": one.phone_id,
        "number": one.number,
        "agentId": one.agent_id,
        "workspaceId": one.workspace_id,
        "createdAt": utc(one.created_at),
    }


def batch_shown(one: Batch, state: Registry) -> dict[str, Any]:
    speaker = state.agent_of_batch(one)
    return {
        "batchId": one.batch_id,
        "workspaceId": one.workspace_id,
        "agentId": speaker.agent_id if speaker is not None else None,
        **batch_fields(one),
        "createdAt": utc(one.created_at),
    }
