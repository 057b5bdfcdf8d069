"""Dead letters: a failed record's original bytes, and headers that say what, where, when and why.

One message a record on `calls.dead-letter`, or on `calls.parking` once it has been tried often enough, keyed by
submission id. The `__connect.errors.*` headers repeat the same facts under the names of Kafka Connect (KIP-298), which
existing Kafka viewers know; all but its stack trace.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from schemas import json_scan
from schemas.identity import record_id
from schemas.messages import Headers, Message, NewerError, int_of, text_of
from schemas.outcomes import RECORD_CODES, Code, FieldError, Rejected
from schemas.records import Origins, Replay, Replayed, Slice, chunk_number
from schemas.topics import TopicName

VERSION: Final = b"1"
MESSAGE_BYTES: Final = 512
ERRORS_BYTES: Final = 16 * 1024
CHANGES_BYTES: Final = 4 * 1024
MAX_TIMESTAMP: Final = 2**53
PHONE_NUMBER_SHOWN: Final = 64
_INDEX: Final = "record-index"
_CODE: Final = re.compile(rb"[a-z][a-z_]{0,63}")
_CONNECT_STAGES: Final = {"cut": b"VALUE_CONVERTER", "clean": b"TRANSFORMATION", "load": b"TASK_PUT"}
STAGES: Final = tuple(_CONNECT_STAGES)
"""The steps that find errors."""
"""Our stages under the names of Connect's (org.apache.kafka.connect.runtime.errors.Stage)."""


class DeadLetter(msgspec.Struct, frozen=True):
    """One failed record with its history. Times are ms since the epoch; `record_index` counts from 0.

    `record` is what was sent first. Where a replay changed it, `tried` is what failed and `changes` names the fields.
    A letter that is `parked` has failed as often as its replay allows. `workspace_id` is empty where it is not known.
    """

    record: bytes | None
    errors: tuple[FieldError, ...]
    stage: str
    submission_id: str
    batch_id: str | None
    record_index: int
    source_topic: str
    source_partition: int
    source_offset: int
    accepted_at: int
    attempt: int
    first_failed_at: int
    failed_at: int
    replay_id: str | None = None
    app_version: str = ""
    report_partition: int | None = None
    body_hash: str | None = None
    workspace_id: str = ""
    tried: bytes | None = None
    changes: str = ""
    parked: bool = False


def dead_letter(
    record: bytes | None,
    rejected: Rejected,
    origin: Slice,
    record_index: int,
    failed_at: int,
    app_version: str,
    workspace_id: str = "",
) -> DeadLetter:
    """Return the dead letter of a record of `origin`: its first, unless the slice is one of a replay.

    Of a gathered record it names the record's own message, of a replayed one everything that its first one named.
    """
    if origin.replay is not None:
        again = origin.replay.records[record_index - origin.first_index]
        return _repeated(record, rejected, origin, origin.replay, again, failed_at, app_version, workspace_id)
    if origin.origins is not None:
        origin, record_index = _alone(origin, origin.origins, record_index - origin.first_index), 0
    return DeadLetter(
        record=record,
        errors=rejected.errors,
        stage=rejected.stage,
        submission_id=origin.submission_id,
        batch_id=origin.batch_id,
        record_index=record_index,
        source_topic=origin.source_topic,
        source_partition=origin.source_partition,
        source_offset=origin.source_offset,
        accepted_at=origin.accepted_at,
        attempt=1,
        first_failed_at=failed_at,
        failed_at=failed_at,
        app_version=app_version,
        report_partition=origin.report_partition,
        body_hash=origin.body_hash,
        workspace_id=workspace_id,
    )


def _repeated(
    record: bytes | None,
    rejected: Rejected,
    origin: Slice,
    replay: Replay,
    again: Replayed,
    failed_at: int,
    app_version: str,
    workspace_id: str,
) -> DeadLetter:
    return DeadLetter(
        record=record if again.sent is None else again.sent,
        errors=rejected.errors,
        stage=rejected.stage,
        submission_id=again.submission_id,
        batch_id=origin.batch_id,
        record_index=again.record_index,
        source_topic=again.source_topic,
        source_partition=again.source_partition,
        source_offset=again.source_offset,
        accepted_at=again.accepted_at,
        attempt=again.attempt + 1,
        first_failed_at=again.first_failed_at,
        failed_at=failed_at,
        replay_id=replay.replay_id,
        app_version=app_version,
        body_hash=again.body_hash,
        workspace_id=workspace_id,
        tried=record if again.sent is not None and record != again.sent else None,
        changes=again.changes,
        parked=is_parked(replay, again),
    )


def is_parked(replay: Replay, again: Replayed) -> bool:
    """Return whether a record that fails once more has failed more often than its replay allows."""
    return again.attempt + 1 > replay.max_attempts


def _alone(gathered: Slice, origins: Origins, place: int) -> Slice:
    partition, offset = origins.partition[place], origins.offset[place]
    return Slice(
        submission_id=record_id(partition, offset),
        batch_id=gathered.batch_id,
        first_index=0,
        total=1,
        accepted_at=origins.accepted_at[place],
        source_topic=gathered.source_topic,
        source_partition=partition,
        source_offset=offset,
    )


def capped(text: str, most: int = MESSAGE_BYTES) -> bytes:
    """Return text on one line, without control characters, in at most so many bytes of UTF-8."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return line.encode("utf-8", "replace")[:most].decode("utf-8", "ignore").encode()


def to_message(letter: DeadLetter) -> Message:
    """Return the letter as it goes to `calls.dead-letter`, or to `calls.parking` where it is parked."""
    return Message(
        topic=TopicName.PARKING if letter.parked else TopicName.DEAD_LETTER,
        key=letter.submission_id.encode(),
        value=letter.record,
        headers=_headers(letter),
        partition=letter.report_partition,
    )


def _headers(letter: DeadLetter) -> Headers:
    first = letter.errors[0]
    failure_class = RECORD_CODES[first.code].failure_class
    message = capped(first.message)
    number = str(letter.source_partition).encode(), str(letter.source_offset).encode()
    pairs: list[tuple[str, bytes | None]] = [
        ("dlq.version", VERSION),
        ("dlq.code", first.code.encode()),
        ("dlq.class", failure_class.encode()),
        ("dlq.stage", letter.stage.encode()),
        ("dlq.path", capped(first.path)),
        ("dlq.message", message),
        ("dlq.errors", pack_errors(letter.errors)),
        ("dlq.original.topic", letter.source_topic.encode()),
        ("dlq.original.partition", number[0]),
        ("dlq.original.offset", number[1]),
        ("dlq.original.timestamp", str(letter.accepted_at).encode()),
        ("dlq.attempt", str(letter.attempt).encode()),
        ("dlq.first-failed-at", str(letter.first_failed_at).encode()),
        ("dlq.failed-at", str(letter.failed_at).encode()),
        ("dlq.replay-id", letter.replay_id.encode() if letter.replay_id else None),
        ("dlq.record", letter.tried),
        ("dlq.changes", capped(letter.changes, CHANGES_BYTES) if letter.changes else None),
        ("dlq.app-version", letter.app_version.encode()),
        ("workspace-id", letter.workspace_id.encode()),
        ("batch-id", letter.batch_id.encode() if letter.batch_id else None),
        ("submission-id", letter.submission_id.encode()),
        ("body-hash", letter.body_hash.encode() if letter.body_hash else None),
        ("chunk-num", str(chunk_number(letter.record_index)).encode()),
        (_INDEX, str(letter.record_index).encode()),
        ("__connect.errors.topic", letter.source_topic.encode()),
        ("__connect.errors.partition", number[0]),
        ("__connect.errors.offset", number[1]),
        ("__connect.errors.connector.name", b"dialfeed"),
        ("__connect.errors.task.id", b"0"),
        ("__connect.errors.stage", _CONNECT_STAGES.get(letter.stage, b"TRANSFORMATION")),
        ("__connect.errors.class.name", f"dialfeed.{letter.stage}".encode()),
        ("__connect.errors.exception.class.name", f"dialfeed.{first.code}".encode()),
        ("__connect.errors.exception.message", message),
    ]
    return tuple((name, value) for name, value in pairs if value is not None)


class _PackedError(msgspec.Struct):
    code: str
    path: str
    message: str


_decode_errors = msgspec.json.Decoder(list[_PackedError]).decode


def pack_errors(errors: Sequence[FieldError]) -> bytes:
    """Return the errors as JSON, as many as fit a header."""
    kept = [_PackedError(e.code, capped(e.path).decode(), capped(e.message).decode()) for e in errors]
    while len(packed := msgspec.json.encode(kept)) > ERRORS_BYTES:
        kept = kept[: len(kept) // 2]
    return packed


def unpack_errors(packed: bytes) -> tuple[FieldError, ...]:
    """Return what `pack_errors` packed; raise ValueError (msgspec's errors are such)."""
    return tuple(FieldError(Code(e.code), e.path, e.message) for e in _decode_errors(packed))


def _errors_in(headers: Mapping[str, bytes | None]) -> tuple[FieldError, ...]:
    try:
        errors = _same_errors(headers.get("dlq.errors") or b"[]")
    except ValueError:
        errors = ()
    return errors or (_first_error(headers),)


def _first_error(headers: Mapping[str, bytes | None]) -> FieldError:
    code, path, message = (text_of(headers.get(f"dlq.{name}")) or "" for name in ("code", "path", "message"))
    return FieldError(Code(code), path, message)


# Letters fail in crowds, with most headers alike: what was read of one is not read again of the next.
_same_errors: Final = lru_cache(256)(unpack_errors)
_same_text: Final = lru_cache(1024)(text_of)
_same_number: Final = lru_cache(1024)(int_of)


def from_message(
    value: bytes | None, headers: Sequence[tuple[str, bytes | None]], *, parked: bool = False
) -> DeadLetter | None:
    """Return the letter in a message of `calls.dead-letter`, or None if dialfeed did not write it.

    `parked` says that the message is one of `calls.parking`. Raise NewerError.
    """
    found = dict(headers)  # the last of a name, as `schemas.messages.header`
    get = found.get
    if not is_ours(get("dlq.version")):  # before anything of it is remembered
        return None
    submission_id, record_index = _same_text(get("submission-id")), int_of(get(_INDEX))
    if submission_id is None or record_index is None:
        return None
    try:
        errors = _errors_in(found)
    except ValueError:
        _refuse_newer_code(get("dlq.code"))
        return None
    return DeadLetter(
        record=value,
        errors=errors,
        stage=_same_text(get("dlq.stage")) or "",
        submission_id=submission_id,
        batch_id=_same_text(get("batch-id")),
        record_index=record_index,
        source_topic=_same_text(get("dlq.original.topic")) or "",
        source_partition=_same_number(get("dlq.original.partition")) or 0,
        source_offset=_same_number(get("dlq.original.offset"), MAX_TIMESTAMP) or 0,
        accepted_at=_same_number(get("dlq.original.timestamp"), MAX_TIMESTAMP) or 0,
        attempt=_same_number(get("dlq.attempt")) or 1,
        first_failed_at=_same_number(get("dlq.first-failed-at"), MAX_TIMESTAMP) or 0,
        failed_at=_same_number(get("dlq.failed-at"), MAX_TIMESTAMP) or 0,
        replay_id=_same_text(get("dlq.replay-id")),
        app_version=_same_text(get("dlq.app-version")) or "",
        body_hash=_same_text(get("body-hash")),
        workspace_id=_same_text(get("workspace-id")) or "",
        tried=get("dlq.record"),
        changes=text_of(get("dlq.changes")) or "",
        parked=parked,
    )


def is_ours(version: bytes | None) -> bool:
    """Return whether a message with this header `dlq.version` is a dead letter of dialfeed. Raise NewerError."""
    if version == VERSION:
        return True
    if (number := int_of(version)) is not None and number > int(VERSION):
        raise NewerError(f"as a dead letter of version {number}, which this one does not know")
    return False


def _refuse_newer_code(code: bytes | None) -> None:
    """Raise NewerError if this has the form of a code: codes are added, none is taken away."""
    if code is not None and _CODE.fullmatch(code):
        raise NewerError(f"as a dead letter with the code {code.decode()}, which this one does not know")


class DeadLetterDecoder:
    """`from_message` for one message after another, the quicker the more alike they are.

    Letters fail in crowds: of a submission's the headers differ in their index only, and are not read again.
    """

    def __init__(self) -> None:
        self._letter: DeadLetter | None = None
        self._before: Sequence[tuple[str, bytes | None]] = ()  # its headers up to its `record-index`
        self._after: Sequence[tuple[str, bytes | None]] = ()

    def decode(
        self, value: bytes | None, headers: Sequence[tuple[str, bytes | None]], *, parked: bool = False
    ) -> DeadLetter | None:
        """Return what `from_message` returns."""
        like, at = self._letter, len(self._before)
        if like is not None and headers[:at] == self._before and headers[at + 1 :] == self._after and at < len(headers):
            name, index = headers[at]
            if name == _INDEX and parked is like.parked and (number := int_of(index)) is not None:
                return msgspec.structs.replace(like, record=value, record_index=number)
        letter = from_message(value, headers, parked=parked)
        if letter is not None:
            at = max(place for place, (name, _) in enumerate(headers) if name == _INDEX)
            self._letter, self._before, self._after = letter, headers[:at], headers[at + 1 :]
        return letter

    def decode_message(self, message: Any, *, parked: bool = False) -> DeadLetter | None:
        """Do as `decode` with a message as it was read from Kafka; a NewerError says where it is."""
        try:
            return self.decode(message.value, message.headers, parked=parked)
        except NewerError as newer:
            raise newer.at(message) from None


class _Phone(msgspec.Struct):
    phone_number: msgspec.Raw = msgspec.field(default=msgspec.Raw(b""), name="phoneNumber")


_phone: Final = msgspec.json.Decoder(_Phone).decode
_text: Final = msgspec.json.Decoder(str).decode
_NUMBER: Final = re.compile(r"-?[0-9][0-9.eE+-]*")


def phone_number_sent(record: bytes | None) -> str | None:
    """Return the phone number in a dead letter's original bytes as it was sent, or None where there is none."""
    try:
        raw = _phone_raw(record or b"")
        text = _text(raw) if raw[:1] == b'"' else raw.decode()
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None
    return text[:PHONE_NUMBER_SHOWN] if raw[:1] == b'"' or _NUMBER.fullmatch(text) else None


def _phone_raw(record: bytes) -> bytes:
    """Return the JSON text of the phone number, b"" for none, also where a decoder stops at another field."""
    try:
        return bytes(_phone(record).phone_number)
    except (msgspec.DecodeError, RecursionError):
        span = (json_scan.members(record.decode("latin-1"), {"phoneNumber"}) or {}).get("phoneNumber")
        return record[slice(*span)] if span is not None else b""
