"""Closed, documented codes: why a record failed, and why a request was refused.

The tables here are the only list of codes. `docs/codes.md` shows them, and a test keeps the two equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class FailureClass(StrEnum):
    """Who has to act before a dead-lettered record can go through."""

    DATA = "data"
    SCHEMA = "schema"
    POLICY = "policy"
    SINK = "sink"
    SYSTEM = "system"


class Code(StrEnum):
    """Why one record failed. Closed: names are never renamed or reused."""

    REQUIRED = "required"
    TYPE = "type"
    PHONE_INVALID = "phone_invalid"
    TIMEZONE_UNKNOWN = "timezone_unknown"
    NOT_AN_OBJECT = "not_an_object"
    NOT_FINITE = "not_finite"
    INVALID_TEXT = "invalid_text"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    OUT_OF_RANGE = "out_of_range"
    ENUM = "enum"
    FORMAT = "format"
    UNDECODABLE = "undecodable"
    EMPTY_VALUE = "empty_value"
    STATUS_UNKNOWN = "status_unknown"
    CALL_UNKNOWN = "call_unknown"
    BATCH_MISSING = "batch_missing"
    BATCH_UNKNOWN = "batch_unknown"
    AGENT_UNKNOWN = "agent_unknown"
    SCHEMA_UNUSABLE = "schema_unusable"
    SINK_REJECTED = "sink_rejected"
    DUPLICATE = "duplicate"
    ROW_UNREADABLE = "row_unreadable"
    UNSUPPORTED_OPTION = "unsupported_option"


@dataclass(frozen=True, slots=True)
class CodeMeaning:
    """One row of the table of record codes."""

    failure_class: FailureClass
    meaning: str
    remedy: str
    retryable: bool = False  # may the very same record go through later?


RECORD_CODES: Final[dict[Code, CodeMeaning]] = {
    Code.REQUIRED: CodeMeaning(FailureClass.DATA, "a required field is missing, null or blank", "add the field"),
    Code.TYPE: CodeMeaning(FailureClass.DATA, "a field has another JSON type than declared", "send the declared type"),
    Code.PHONE_INVALID: CodeMeaning(
        FailureClass.DATA, "phoneNumber cannot be a telephone number", "send E.164, with or without the plus"
    ),
    Code.TIMEZONE_UNKNOWN: CodeMeaning(
        FailureClass.DATA, "timezone is not a name of the tz database", "send an IANA name such as America/New_York"
    ),
    Code.NOT_AN_OBJECT: CodeMeaning(FailureClass.DATA, "the record is not a JSON object", "send an object"),
    Code.NOT_FINITE: CodeMeaning(
        FailureClass.DATA, "a number is NaN, infinite or beyond a double", "send a finite number"
    ),
    Code.INVALID_TEXT: CodeMeaning(
        FailureClass.DATA, "text is not valid Unicode (lone surrogate or broken UTF-8)", "send valid UTF-8"
    ),
    Code.TOO_LARGE: CodeMeaning(
        FailureClass.DATA, "the record is larger than the record limit", "shorten the record, or raise the limit"
    ),
    Code.TOO_DEEP: CodeMeaning(FailureClass.DATA, "the record is nested too deeply", "flatten the record"),
    Code.OUT_OF_RANGE: CodeMeaning(
        FailureClass.DATA, "a value does not fit the declared type", "send a value within the range"
    ),
    Code.ENUM: CodeMeaning(FailureClass.DATA, "a value is not one of the declared symbols", "send a declared symbol"),
    Code.FORMAT: CodeMeaning(
        FailureClass.DATA, "text is not in the declared format (date, time, uuid, decimal, base64)", "send that format"
    ),
    Code.UNDECODABLE: CodeMeaning(FailureClass.DATA, "the bytes are not JSON", "send JSON as UTF-8"),
    Code.EMPTY_VALUE: CodeMeaning(FailureClass.DATA, "the message or its list of records is empty", "send records"),
    Code.STATUS_UNKNOWN: CodeMeaning(
        FailureClass.DATA, "a status event names no known status", "send one of the documented statuses"
    ),
    Code.CALL_UNKNOWN: CodeMeaning(
        FailureClass.DATA, "a status event names no known call", "send the callId that batch-details shows"
    ),
    Code.BATCH_MISSING: CodeMeaning(
        FailureClass.DATA, "no batch id in the body, the header batch-id or the key", "name the batch"
    ),
    Code.BATCH_UNKNOWN: CodeMeaning(
        FailureClass.POLICY,
        "no batch has this id",
        "replay to a batch that exists (`--to-batch`), or send the records again with its id",
        retryable=True,
    ),
    Code.AGENT_UNKNOWN: CodeMeaning(
        FailureClass.POLICY,
        "no agent is assigned to any of the batch's calling numbers",
        "assign an agent to a number of the batch (`dialfeed number assign`), then replay",
        retryable=True,
    ),
    Code.SCHEMA_UNUSABLE: CodeMeaning(
        FailureClass.SCHEMA,
        "the agent's variable schema cannot be used",
        "give the agent a schema that can be used, then replay with its version (`--agent-version`)",
    ),
    Code.SINK_REJECTED: CodeMeaning(
        FailureClass.SINK, "ClickHouse refuses exactly this row", "look at the row's values, or tell the operator"
    ),
    Code.DUPLICATE: CodeMeaning(
        FailureClass.DATA, "an earlier row of the uploaded table has the same number", "remove one of the two rows"
    ),
    Code.ROW_UNREADABLE: CodeMeaning(
        FailureClass.DATA, "a row of an uploaded table cannot be read as its header says", "correct the row"
    ),
    Code.UNSUPPORTED_OPTION: CodeMeaning(
        FailureClass.DATA,
        "a message on a topic asks for an option that dialfeed does not support",
        "send the message again without the option",
    ),
}


class HttpCode(StrEnum):
    """Why a request was refused, one an answer kind."""

    BAD_REQUEST = "bad_request"
    INVALID_JSON = "invalid_json"
    FIELD_INVALID = "field_invalid"
    UNSUPPORTED_OPTION = "unsupported_option"
    NO_VALID_RECORD = "no_valid_record"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    BATCH_NOT_FOUND = "batch_not_found"
    AGENT_NOT_FOUND = "agent_not_found"
    SUBMISSION_NOT_FOUND = "submission_not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    IDEMPOTENCY_IN_PROGRESS = "idempotency_in_progress"
    IDEMPOTENCY_BODY_DIFFERS = "idempotency_body_differs"
    INVALID_ROWS = "invalid_rows"
    CONFLICT = "conflict"
    OVERLOADED = "overloaded"
    BUS_UNAVAILABLE = "bus_unavailable"
    STORE_UNAVAILABLE = "store_unavailable"
    INTERNAL = "internal"


HTTP_CODES: Final[dict[HttpCode, tuple[int, str]]] = {
    HttpCode.BAD_REQUEST: (400, "the request cannot be read"),
    HttpCode.INVALID_JSON: (400, "the body is not JSON"),
    HttpCode.FIELD_INVALID: (400, "a field or parameter of the request is missing or wrong; `path` names it"),
    HttpCode.UNSUPPORTED_OPTION: (400, "the request asks for an option that is not supported; `path` names it"),
    HttpCode.NO_VALID_RECORD: (400, "not one of the records was valid"),
    HttpCode.FORBIDDEN: (403, "the key is missing or invalid, or does not own the batch"),
    HttpCode.NOT_FOUND: (404, "not found"),
    HttpCode.BATCH_NOT_FOUND: (404, "there is no batch with this id"),
    HttpCode.AGENT_NOT_FOUND: (404, "no agent is assigned to any of the batch's calling numbers"),
    HttpCode.SUBMISSION_NOT_FOUND: (404, "there is no submission with this id"),
    HttpCode.METHOD_NOT_ALLOWED: (405, "the route does not answer this method; `Allow` names those it does"),
    HttpCode.BODY_TOO_LARGE: (413, "the body is over the limit, which the answer names"),
    HttpCode.UNSUPPORTED_MEDIA_TYPE: (415, "the content type or encoding is not read here"),
    HttpCode.IDEMPOTENCY_IN_PROGRESS: (409, "the first request with this Idempotency-Key is still being worked on"),
    HttpCode.IDEMPOTENCY_BODY_DIFFERS: (422, "this Idempotency-Key came with another body before"),
    HttpCode.INVALID_ROWS: (422, "rows of the file are invalid and `type` is not true; nothing was stored"),
    HttpCode.CONFLICT: (409, "the request conflicts with what is there already"),
    HttpCode.OVERLOADED: (429, "too many requests wait already; nothing was published"),
    HttpCode.BUS_UNAVAILABLE: (503, "Kafka does not answer; nothing was published"),
    HttpCode.STORE_UNAVAILABLE: (503, "ClickHouse does not answer; the question can be asked again"),
    HttpCode.INTERNAL: (500, "dialfeed failed; nothing can be said of the records"),
}


HTTP_REMEDIES: Final[dict[HttpCode, str]] = {
    HttpCode.BAD_REQUEST: "read the message; correct the request",
    HttpCode.INVALID_JSON: "send one JSON value in UTF-8",
    HttpCode.FIELD_INVALID: "correct the field or parameter that `path` names",
    HttpCode.UNSUPPORTED_OPTION: "leave the option out, or send the value that the message names",
    HttpCode.NO_VALID_RECORD: "correct the records by their own codes, then send them again",
    HttpCode.FORBIDDEN: "send a valid key of the workspace that owns the batch",
    HttpCode.NOT_FOUND: "check the path and the id",
    HttpCode.BATCH_NOT_FOUND: "check the batch id; `GET /api/call/batches` lists them",
    HttpCode.AGENT_NOT_FOUND: "assign an agent to one of the batch's calling numbers: `dialfeed number assign`",
    HttpCode.SUBMISSION_NOT_FOUND: "check the submission id and the key",
    HttpCode.METHOD_NOT_ALLOWED: "use a method that `Allow` names",
    HttpCode.BODY_TOO_LARGE: "send fewer records at a time",
    HttpCode.UNSUPPORTED_MEDIA_TYPE: "send the type and encoding that the message names",
    HttpCode.IDEMPOTENCY_IN_PROGRESS: "wait for `Retry-After`, or ask for the report at `Location`",
    HttpCode.IDEMPOTENCY_BODY_DIFFERS: "use a new key for a new body",
    HttpCode.INVALID_ROWS: 'correct the rows, or send `type` "true" to store the others',
    HttpCode.CONFLICT: "do what the message says",
    HttpCode.OVERLOADED: "send the same request again after `Retry-After`",
    HttpCode.BUS_UNAVAILABLE: "send the same request again after `Retry-After`",
    HttpCode.STORE_UNAVAILABLE: "send the same request again after `Retry-After`",
    HttpCode.INTERNAL: "repeat with the same `Idempotency-Key`, with growing pauses; without a key check first",
}
"""What a client does about each."""


CLASS_OWNERS: Final[dict[FailureClass, str]] = {
    FailureClass.DATA: "the sender: the record itself is wrong",
    FailureClass.SCHEMA: "the owner of the agent: its variable schema cannot be used",
    FailureClass.POLICY: "the owner of the campaign: batch, agent or limits",
    FailureClass.SINK: "the operator: ClickHouse refuses exactly this row",
    FailureClass.SYSTEM: "the operator: dialfeed itself",
}
"""Who has to act before a dead-lettered record can go through."""


class WarningCode(StrEnum):
    """Why a part of a request had no effect, although the request was done."""

    UNKNOWN_FIELD = "unknown_field"
    UNKNOWN_PARAMETER = "unknown_parameter"
    HEADER_IGNORED = "header_ignored"
    SHEET_NOT_READ = "sheet_not_read"


WARNING_CODES: Final[dict[WarningCode, str]] = {
    WarningCode.UNKNOWN_FIELD: "the call has no field of this name; it was ignored",
    WarningCode.UNKNOWN_PARAMETER: "the call has no parameter of this name; it was ignored",
    WarningCode.HEADER_IGNORED: "the header has no effect on this call",
    WarningCode.SHEET_NOT_READ: "a workbook has further sheets with cells; only its first one is read",
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with a record: a closed code, an RFC 6901 JSON pointer into it, one human sentence.

    The path is `""` for the record as a whole. The message never repeats the value, so that it may be logged.
    """

    code: Code
    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that failed, as a value: every error of it, and the step that found them."""

    errors: tuple[FieldError, ...]
    stage: str
