"""The body of createBatch, checked as a whole: every wrong field is named. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

import msgspec
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ingest_api.envelope import RequestError, refused
from ingest_api.field_errors import MOST_ERRORS, field_error, field_errors
from ingest_api.requested import Warnings, in_body, names_of
from schemas.countries import country_code, country_remedy
from schemas.outcomes import HttpCode
from schemas.records import Batch
from schemas.registration_rules import (
    CLOCK_TIME_PATTERN,
    DAYS,
    MOST_DELAY_SECONDS,
    MOST_NAME_CHARACTERS,
    MOST_NUMBERS,
    MOST_RETRIES,
    RuleError,
    distinct,
    usable_clock_time,
    usable_hours,
    usable_id,
    usable_name,
    usable_zone,
)

BODY_LIMIT_BYTES: Final = 256 * 1024
_BOM: Final = b"\xef\xbb\xbf"
TIMEZONES: Final = "known_timezone"


def _by_rule(rule: Callable[[Any], Any]) -> AfterValidator:
    """Return a rule of `schemas.registration_rules` as a validator."""

    def validate(value: Any) -> Any:
        try:
            return rule(value)
        except RuleError as error:
            raise PydanticCustomError("rule", str(error)) from None

    return AfterValidator(validate)


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _known_country(text: str | None) -> str | None:
    code = None if text is None else country_code(text)
    if text is not None and code is None:
        raise PydanticCustomError("country", "must be a country. {remedy}", {"remedy": country_remedy(text)})
    return code


def _known_timezone(name: str | None, info: ValidationInfo) -> str | None:
    known: Callable[[str], bool] = (info.context or {}).get(TIMEZONES, lambda _: True)
    try:
        return usable_zone(known, name)
    except RuleError as error:
        raise PydanticCustomError("rule", str(error)) from None


NOT_BLANK: Final[dict[str, Any]] = {"pattern": r"\S"}  # what the document says of names and ids
NAME: Final[dict[str, Any]] = {**NOT_BLANK, "maxLength": MOST_NAME_CHARACTERS}
Name = Annotated[str, Field(json_schema_extra=NAME), _by_rule(usable_name)]
PhoneId = Annotated[str, Field(max_length=200, json_schema_extra=NOT_BLANK), _by_rule(usable_id)]
CLOCK_TIME: Final[dict[str, Any]] = {"pattern": CLOCK_TIME_PATTERN}
ClockTime = Annotated[str, Field(json_schema_extra=CLOCK_TIME, examples=["09:00"]), _by_rule(usable_clock_time)]
Country = Annotated[str | None, BeforeValidator(_blank_is_none), AfterValidator(_known_country)]
Day = Annotated[int, Field(ge=0, le=len(DAYS) - 1)]


class CallingHour(BaseModel):
    """The hours in which contacts may be called, in the contact's zone; an end before the start is past midnight."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    start: ClockTime
    end: ClockTime

    @model_validator(mode="after")
    def _not_empty(self) -> CallingHour:
        try:
            usable_hours(self.start, self.end)
        except RuleError as error:
            raise PydanticCustomError("rule", str(error)) from None
        return self


class NewBatch(BaseModel):
    """The body of createBatch. Unknown keys are warned of (`warnings_of`); null counts as not given."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    batchName: Name = Field(description="name for people")  # noqa: N815  # the contract's name
    callingNumbers: Annotated[list[PhoneId], _by_rule(distinct)] = Field(  # noqa: N815  # the contract's name
        min_length=1, max_length=MOST_NUMBERS, description="phone ids to call from"
    )
    retry: Annotated[int, Field(ge=0, le=MOST_RETRIES)] | None = Field(
        default=None, description="further attempts at a contact that did not answer"
    )
    delay: Annotated[int, Field(ge=0, le=MOST_DELAY_SECONDS)] | None = Field(
        default=None, description="seconds between attempts"
    )
    timezone: Annotated[str | None, AfterValidator(_known_timezone)] = Field(
        default=None, description="name of the tz database, for contacts whose zone is not known otherwise"
    )
    country: Country = Field(
        default=None,
        description="ISO 3166 alpha-2: national forms of its numbers are read too; as the workspace says if not given",
    )
    callingHour: CallingHour | None = None  # noqa: N815  # the contract's name
    allowedDays: Annotated[list[Day], Field(max_length=len(DAYS)), _by_rule(distinct)] | None = Field(  # noqa: N815
        default=None, description="0 = Sunday to 6; none or an empty list: every day"
    )


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a small body; raise RefusedError."""
    try:
        value = msgspec.json.decode(body.removeprefix(_BOM))
    except (ValueError, RecursionError):
        raise refused(HttpCode.INVALID_JSON, "the body is not JSON in UTF-8", "") from None
    if not isinstance(value, dict):
        raise refused(HttpCode.FIELD_INVALID, "the body must be a JSON object", "")
    return value


def check(fields: dict[str, Any], known_timezone: Callable[[str], bool]) -> NewBatch | list[RequestError]:
    """Return the batch asked for, or everything that is wrong with it."""
    try:
        return NewBatch.model_validate(fields, context={TIMEZONES: known_timezone})
    except ValidationError as error:
        return field_errors(error)


def warnings_of(fields: dict[str, Any], model: type[NewBatch] = NewBatch) -> Warnings:
    """Return warnings about fields that a batch does not have; refuse (400) unsupported options among them."""
    hours = fields.get("callingHour")
    nested = in_body(hours, names_of(CallingHour), prefix="/callingHour/") if isinstance(hours, dict) else []
    return [*in_body(fields, names_of(model)), *nested]


def phone_ids_of(fields: dict[str, Any]) -> list[str]:
    """Return the phone ids asked for if they can be looked up, however wrong the rest is."""
    ids = fields.get("callingNumbers")
    return [i.strip() for i in ids] if isinstance(ids, list) and all(isinstance(i, str) for i in ids) else []


def unknown_numbers(places: Sequence[int]) -> list[RequestError]:
    """Return the errors of phone ids that are no numbers of the workspace."""
    return [field_error(("callingNumbers", at), "is no phone id of this workspace") for at in places[:MOST_ERRORS]]


def batch_of(new: NewBatch, batch_id: str, workspace_id: str, created_at: int) -> Batch:
    """Return the registry's record of a new batch."""
    hours = new.callingHour
    return Batch(
        batch_id=batch_id,
        workspace_id=workspace_id,
        name=new.batchName,
        phone_ids=new.callingNumbers,
        retry=new.retry or 0,
        delay=new.delay or 0,
        timezone=new.timezone,
        country=new.country,
        calling_hour_start=hours.start if hours else None,
        calling_hour_end=hours.end if hours else None,
        allowed_days=sorted(new.allowedDays or []),
        created_at=created_at,
    )


def calling_rules(batch: Batch) -> dict[str, Any]:
    """Return when and how often a batch's contacts may be called, as createBatch was told it."""
    start, end = batch.calling_hour_start, batch.calling_hour_end
    return {
        "retry": batch.retry,
        "delay": batch.delay,
        "timezone": batch.timezone,
        "country": batch.country,
        "callingHour": {"start": start, "end": end} if start and end else None,
        "allowedDays": batch.allowed_days,
    }
