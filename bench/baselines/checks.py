"""A record judged as dialfeed does, the ordinary way: a pydantic model, and the `phonenumbers` library.

The model says what the Avro schema of `bench.records` says: nothing is coerced, unknown keys are kept. Every error of a
record is told at once. `bench.parity` holds this and dialfeed to the same verdicts.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import Annotated, Any, Final, NamedTuple
from zoneinfo import available_timezones

import phonenumbers
from phonenumbers import timezone as phone_zones
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError

_ZONES: Final = frozenset(available_timezones())
_LETTER: Final = re.compile(r"[^\W\d_]")
_LONG: Final = 2**63


def _phone_number(value: object) -> phonenumbers.PhoneNumber:
    """Read a number that begins with its country code, with or without a plus."""
    if type(value) is int and 0 < value < 10**15:
        value = str(value)
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004  pydantic's validators raise ValueError
    text = value.strip()
    if not text or _LETTER.search(text):
        raise ValueError("must be a phone number")
    try:
        number = phonenumbers.parse("+" + text.removeprefix("+").removeprefix("00"), None)
    except phonenumbers.NumberParseException as error:
        raise ValueError("must be a phone number with its country code") from error
    if not phonenumbers.is_possible_number(number):
        raise ValueError("cannot be a phone number of its country")
    return number


def _zone(name: str | None) -> str | None:
    if name and name.strip() and name not in _ZONES:
        raise ValueError("must be a name of the tz database")
    return name if name and name.strip() else None


def _text_only(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be a date as text")  # noqa: TRY004  as above
    return value


class CallRecord(BaseModel):
    """One record of `call_data`."""

    model_config = ConfigDict(extra="allow", arbitrary_types_allowed=True)

    phoneNumber: Annotated[phonenumbers.PhoneNumber, PlainValidator(_phone_number)]  # noqa: N815  the contract's name
    timezone: Annotated[str | None, Field(strict=True), AfterValidator(_zone)] = None
    name: Annotated[str, Field(strict=True)]
    account_id: Annotated[int, Field(strict=True, ge=-_LONG, lt=_LONG)]
    amount_due: Annotated[float, Field(strict=True, allow_inf_nan=False)]
    due_date: Annotated[dt.date, BeforeValidator(_text_only)]


class Row(NamedTuple):
    """One row of the table, in the order of `table.COLUMNS`."""

    batch_id: str
    phone_number: str
    call_id: uuid.UUID
    version: int
    accepted_at: dt.datetime
    phone_number_sent: str
    timezone: str
    timezone_source: str
    variables: str


class Refused(NamedTuple):
    """Why a record is refused, as `(path, message)` each."""

    errors: list[tuple[str, str]]


class Submission(NamedTuple):
    """What records share."""

    batch_id: str
    batch_zone: str
    accepted_at: dt.datetime

    @property
    def version(self) -> int:
        return int(self.accepted_at.timestamp() * 1000)


def judge(record: Any, submission: Submission) -> Row | Refused:
    """Return the row of a record decoded from JSON, or all that is wrong with it."""
    try:
        call = CallRecord.model_validate(record)
    except ValidationError as error:
        return Refused([("/".join(map(str, one["loc"])), one["msg"]) for one in error.errors(include_url=False)])
    number = phonenumbers.format_number(call.phoneNumber, phonenumbers.PhoneNumberFormat.E164)
    zone, source = zone_of(call, submission.batch_zone)
    return Row(
        submission.batch_id,
        number,
        uuid.uuid5(uuid.NAMESPACE_URL, f"{submission.batch_id}/{number}"),
        submission.version,
        submission.accepted_at,
        str(record["phoneNumber"]),
        zone,
        source,
        call.model_dump_json(exclude={"phoneNumber", "timezone"}),
    )


def zone_of(call: CallRecord, batch_zone: str) -> tuple[str, str]:
    """Return the zone and where it was learned: the record, its number if that has one only, else the batch."""
    if call.timezone is not None:
        return call.timezone, "record"
    zones = phone_zones.time_zones_for_number(call.phoneNumber)
    if len(zones) == 1 and zones[0] != phone_zones.UNKNOWN_TIMEZONE:
        return zones[0], "number"
    return batch_zone, "batch"
