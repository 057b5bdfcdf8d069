"""What a calling service reports of a call, and in which order statuses count.

A status never goes back: of all events of a call the one with the highest (rank, time) counts. Anything else than
`pending` has left pending: from then on the contact's next record makes a new entry.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import msgspec

from schemas.outcomes import Code, FieldError

MAX_URL_CHARACTERS: Final = 2_048
MAX_TRANSCRIPT_CHARACTERS: Final = 200_000
"""A transcript of some hours of speech; the message stays below Kafka's usual 1 MB."""
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2100


class CallStatus(StrEnum):
    """The statuses of a call."""

    PENDING = "pending"
    DIALING = "dialing"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    FAILED = "failed"
    NO_ANSWER = "no-answer"
    BUSY = "busy"
    VOICEMAIL = "voicemail"
    CANCELED = "canceled"


RANKS: Final[dict[CallStatus, int]] = {
    CallStatus.PENDING: 0,
    CallStatus.DIALING: 1,
    CallStatus.IN_PROGRESS: 2,
    **dict.fromkeys(
        (
            CallStatus.COMPLETED,
            CallStatus.FAILED,
            CallStatus.NO_ANSWER,
            CallStatus.BUSY,
            CallStatus.VOICEMAIL,
            CallStatus.CANCELED,
        ),
        3,
    ),
}
FINAL_RANK: Final = 3


@dataclass(frozen=True, slots=True)
class StatusEvent:
    """One status of one call. `at` is ms since the epoch as the calling service says; None: as received."""

    call_id: str
    status: CallStatus
    at: int | None = None
    call_duration: float | None = None
    recording_url: str | None = None
    transcript: str | None = None

    @property
    def rank(self) -> int:
        return RANKS[self.status]


def parse_status(value: bytes | None) -> StatusEvent | tuple[FieldError, ...]:
    """Return the event in one JSON object as a calling service sends it, or everything that is wrong with it.

    Unknown keys are passed over, null counts as absent, of a repeated key the last wins, one BOM is skipped.
    """
    if not value or not value.strip():
        return (FieldError(Code.EMPTY_VALUE, "", "the message has no value"),)
    try:
        fields = _decode(value.removeprefix(_BOM))
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return (FieldError(Code.UNDECODABLE, "", "the status is not JSON in UTF-8"),)
    if not isinstance(fields, dict):
        return (FieldError(Code.NOT_AN_OBJECT, "", "a status must be a JSON object"),)
    return _event({name: of for name, of in fields.items() if of is not None})


def _event(fields: dict[str, Any]) -> StatusEvent | tuple[FieldError, ...]:
    errors = [FieldError(Code.REQUIRED, f"/{name}", f"{name} is missing") for name in _REQUIRED if name not in fields]
    read: dict[str, Any] = {}
    for name, (attribute, reader) in _FIELDS.items():
        if name in fields:
            value = reader(f"/{name}", fields[name])
            if isinstance(value, FieldError):
                errors.append(value)
            else:
                read[attribute] = value
    return tuple(errors) or StatusEvent(**read)


def _call_id(path: str, value: Any) -> str | FieldError:
    if not isinstance(value, str):
        return FieldError(Code.TYPE, path, "callId must be text")
    if not _UUID.fullmatch(value):
        return FieldError(Code.CALL_UNKNOWN, path, "callId is not a UUID, so no call has it")
    return value.lower()


def _status(path: str, value: Any) -> CallStatus | FieldError:
    if not isinstance(value, str):
        return FieldError(Code.TYPE, path, "status must be text")
    try:
        return CallStatus(value)
    except ValueError:
        return FieldError(Code.STATUS_UNKNOWN, path, f"status must be one of {', '.join(CallStatus)}")


def _at(path: str, value: Any) -> int | FieldError:
    """Return the time in ms since the epoch. RFC 3339, section 5.6: the offset is part of it."""
    if not isinstance(value, str):
        return FieldError(Code.TYPE, path, "at must be text, a time as RFC 3339 has it")
    if not _RFC3339.fullmatch(value):
        return FieldError(Code.FORMAT, path, "at must be a time with offset, such as 2026-01-31T09:30:00Z")
    try:
        since = datetime.fromisoformat(value.upper()) - _EPOCH
    except ValueError:
        return FieldError(Code.FORMAT, path, "at names a day or time that does not exist")
    if not _FIRST <= since < _END:
        return FieldError(Code.OUT_OF_RANGE, path, f"at must be in a year from {FIRST_YEAR} to {LAST_YEAR}")
    return since // timedelta(milliseconds=1)


def _duration(path: str, value: Any) -> float | FieldError:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return FieldError(Code.TYPE, path, "callDuration must be a number of seconds")
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds):
        return FieldError(Code.NOT_FINITE, path, "callDuration must be finite")
    if seconds < 0:
        return FieldError(Code.OUT_OF_RANGE, path, "callDuration must not be negative")
    return seconds


def _text(most: int) -> Callable[[str, Any], str | FieldError]:
    def read(path: str, value: Any) -> str | FieldError:
        if not isinstance(value, str):
            return FieldError(Code.TYPE, path, f"{path[1:]} must be text")
        if len(value) > most:
            return FieldError(Code.TOO_LARGE, path, f"{path[1:]} must have at most {most} characters")
        return value

    return read


_BOM: Final = b"\xef\xbb\xbf"
_decode: Final = msgspec.json.Decoder().decode
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC) - _EPOCH
_END: Final = datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC) - _EPOCH
_REQUIRED: Final = ("callId", "status")
_FIELDS: Final[dict[str, tuple[str, Callable[[str, Any], Any]]]] = {
    "callId": ("call_id", _call_id),
    "status": ("status", _status),
    "at": ("at", _at),
    "callDuration": ("call_duration", _duration),
    "recordingUrl": ("recording_url", _text(MAX_URL_CHARACTERS)),
    "transcript": ("transcript", _text(MAX_TRANSCRIPT_CHARACTERS)),
}
FIELDS: Final = frozenset(_FIELDS)
"""What an event has names for."""
