"""Statuses of calls as a calling service reports them: checked, then published for `load`, all of a request or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec
import structlog

from ingest_api.edge import Edge
from ingest_api.envelope import Answer, RefusedError, RequestError, refused, success, with_warnings
from ingest_api.from_store import from_store
from ingest_api.off_loop import off_loop
from ingest_api.publish import published
from ingest_api.requested import Warnings
from schemas.messages import Message
from schemas.options import STATUS_OPTIONS, unknown, unsupported
from schemas.outcomes import Code, FieldError, HttpCode
from schemas.statuses import FIELDS, StatusEvent, parse_status
from schemas.stores import CallPlace
from schemas.topics import TopicName

log = structlog.get_logger(__name__)

MOST_EVENTS: Final = 10_000
MOST_EVENT_BYTES: Final = 900_000
"""A message of Kafka's usual limit, 1 MB, has room for this."""

MOST_ERRORS: Final = 100
THREAD_BYTES: Final = 100_000
"""A body longer than this is taken apart in a thread."""

_BOM: Final = b"\xef\xbb\xbf"


class _KnownFields(msgspec.Struct, forbid_unknown_fields=True):
    callId: Any = None  # noqa: N815  # the contract's name
    status: Any = None
    at: Any = None
    callDuration: Any = None  # noqa: N815  # the contract's name
    recordingUrl: Any = None  # noqa: N815  # the contract's name
    transcript: Any = None


_only_known: Final = msgspec.json.Decoder(_KnownFields).decode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_elements: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_any: Final = msgspec.json.Decoder(msgspec.Raw).decode


@dataclass(frozen=True, slots=True)
class Reported:
    """One event of a request: where it stands in the body (a JSON pointer), its JSON text, what it says.

    `others` are names of fields that an event does not have.
    """

    path: str
    text: bytes
    event: StatusEvent
    others: tuple[str, ...] = ()


async def report_statuses(edge: Edge, workspace_id: str, body: bytes) -> Answer:
    """Return the answer to a body of one event or an array of them. Reporting an event again changes nothing."""
    reported = await off_loop(len(body) > THREAD_BYTES, partial(read_events, body))
    places = await from_store(edge, edge.store.calls(sorted({each.event.call_id for each in reported})))
    await off_loop(len(body) > THREAD_BYTES, partial(require_own, reported, places, workspace_id))
    await edge.bus.require()
    messages = [_message(each, places[each.event.call_id]) for each in reported]
    if not await published(edge.bus.begin(messages), edge.settings.wait_seconds):
        raise refused(HttpCode.INTERNAL, "Kafka failed in the middle: send the same again, which changes nothing twice")
    log.info("statuses_accepted", workspace_id=workspace_id, count=len(reported))
    return with_warnings(success("Statuses accepted", {"accepted": len(reported)}), warnings_of(reported))


def read_events(body: bytes) -> list[Reported]:
    """Return the events of a body; refuse (400) all if one is wrong, naming what is wrong with each."""
    found: list[Reported] = []
    errors: list[RequestError] = []
    for path, text in _texts(body):
        event = _event(text)
        if isinstance(event, StatusEvent):
            others = _others(text)
            errors += _unsupported(path, others)
            found.append(Reported(path, msgspec.json.format(text, indent=-1), event, tuple(others)))
        else:
            errors += [RequestError(HttpCode.FIELD_INVALID, error.message, path + error.path) for error in event]
        if len(errors) >= MOST_ERRORS:
            break
    if errors:
        raise RefusedError(*errors[:MOST_ERRORS])
    return found


def warnings_of(reported: Sequence[Reported]) -> Warnings:
    """Return one warning for each name of a field that no event has, at the first event that has it."""
    first: dict[str, str] = {}
    for each in reported:
        for name in each.others:
            first.setdefault(name, each.path)
    paths: dict[str, list[str]] = {}
    for name, path in first.items():
        paths.setdefault(path, []).append(name)
    return [one for path, names in paths.items() for one in unknown(names, FIELDS, STATUS_OPTIONS, f"{path}/")]


def _others(text: bytes) -> dict[str, Any]:
    try:
        _only_known(text)
    except msgspec.ValidationError:
        return {name: value for name, value in _decode(text).items() if name not in FIELDS}
    return {}


def _unsupported(path: str, others: dict[str, Any]) -> list[RequestError]:
    errors = unsupported(others, FIELDS, STATUS_OPTIONS, f"{path}/")
    return [RequestError(HttpCode.UNSUPPORTED_OPTION, error.message, error.path) for error in errors]


def _event(text: bytes) -> StatusEvent | tuple[FieldError, ...]:
    if len(text) > MOST_EVENT_BYTES:
        return (FieldError(Code.TOO_LARGE, "", f"the event is longer than {MOST_EVENT_BYTES} bytes: shorten it"),)
    return parse_status(text)


def _texts(body: bytes) -> list[tuple[str, bytes]]:
    body = body.removeprefix(_BOM)
    try:
        whole = bytes(_any(body))
        events = [bytes(raw) for raw in _elements(body)] if whole.startswith(b"[") else None
    except (ValueError, RecursionError):
        raise refused(HttpCode.INVALID_JSON, "the body is not JSON in UTF-8", "") from None
    if events is None:
        return [("", whole)]
    if not 1 <= len(events) <= MOST_EVENTS:
        raise refused(HttpCode.FIELD_INVALID, f"send an event, or an array of 1 to {MOST_EVENTS} events", "")
    return [(f"/{at}", text) for at, text in enumerate(events)]


def require_own(reported: Sequence[Reported], places: dict[str, CallPlace], workspace_id: str) -> None:
    """Refuse (400) all if one names no call of this workspace."""
    strange = [
        each.path
        for each in reported
        if (place := places.get(each.event.call_id)) is None or place.workspace_id != workspace_id
    ]
    if strange:
        sentence = "callId names no call of this workspace"
        raise RefusedError(
            *(RequestError(HttpCode.FIELD_INVALID, sentence, f"{path}/callId") for path in strange[:MOST_ERRORS])
        )


def _message(reported: Reported, place: CallPlace) -> Message:
    return Message(TopicName.STATUS, reported.text, place.batch_id.encode())
