"""What a call's status is once more events of it have come, in whatever order, however often. Pure.

A row of `call_status` is made from everything known of the call: the event that counts, and when the call left pending.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from schemas.identity import CALL_ID_BYTES, call_ids
from schemas.records import Receipt
from schemas.statuses import FINAL_RANK, RANKS, CallStatus, StatusEvent
from schemas.stores import CallPlace
from sinks import native
from sinks.rows import Insert

_TIME_BITS: Final = 42
_KIND_BITS: Final = 3
"""Of final statuses with one time, the one that comes last in the alphabet counts: at every place, in every order."""

_FINAL: Final = sorted(status for status in CallStatus if RANKS[status] == FINAL_RANK)
_KINDS: Final = {status: place for place, status in enumerate(_FINAL)}
_LAST_TIME: Final = 2**_TIME_BITS - 1


@dataclass(frozen=True, slots=True)
class Reported:
    """An event, and when the brokers took it: ms since the epoch."""

    event: StatusEvent
    received_at: int

    @property
    def order(self) -> tuple[object, ...]:
        """What events of one call are compared by: (rank, time), then anything that does not depend on the order."""
        event, at = self.event, self.received_at if self.event.at is None else self.event.at
        details = (event.call_duration or 0.0, event.recording_url or "", event.transcript or "")
        return (event.rank, _clamped(at), event.status.value, *details)


@dataclass(frozen=True, slots=True)
class StatusRow:
    """The status of a call that counts. `left_at` is when it left pending, None where it has not; ms."""

    call_id: str
    place: CallPlace
    status: CallStatus
    at: int
    left_at: int | None
    call_duration: float | None
    recording_url: str | None
    transcript: str | None

    @property
    def version(self) -> int:
        """Of two statuses of a call the one that counts has the higher version, in `contacts` too: 47 bits."""
        return (RANKS[self.status] << _TIME_BITS | self.at) << _KIND_BITS | _KINDS.get(self.status, 0)


@dataclass(frozen=True, slots=True)
class Call:
    """What is stored of a call: its place, when the first and last of its records were accepted, and its status."""

    call_id: str
    place: CallPlace
    first_accepted: int
    last_accepted: int
    status: StatusRow | None = None


def merged(call: Call, reported: Sequence[Reported]) -> StatusRow:
    """Return the status of a call after these events (at least one).

    A call cannot have left pending before its first record was accepted: where clocks of brokers differ by more than a
    call takes to begin, the record stays in the call that was made with it.
    """
    known = [] if call.status is None else [_reported(call.status)]
    last = max([*known, *reported], key=lambda each: each.order)
    event = last.event
    return StatusRow(
        call_id=call.call_id,
        place=call.place,
        status=event.status,
        at=_clamped(last.received_at if event.at is None else event.at),
        left_at=min(_left_times(call, reported), default=None),
        call_duration=event.call_duration,
        recording_url=event.recording_url,
        transcript=event.transcript,
    )


def _left_times(call: Call, reported: Iterable[Reported]) -> list[int]:
    known = [] if call.status is None or call.status.left_at is None else [call.status.left_at]
    return known + [max(each.received_at, call.first_accepted) for each in reported if each.event.rank]


def _reported(row: StatusRow) -> Reported:
    event = StatusEvent(row.call_id, row.status, row.at, row.call_duration, row.recording_url, row.transcript)
    return Reported(event, row.at)


def _clamped(at: int) -> int:
    return min(max(at, 0), _LAST_TIME)


def is_late(call: Call, row: StatusRow) -> bool:
    """Return whether records accepted after the call left pending have been stored in it."""
    return row.left_at is not None and call.last_accepted > row.left_at


def next_call_id(row: StatusRow) -> bytes:
    """Return the callId, 16 bytes, of the contact's entry after this one."""
    return call_ids(row.place.batch_id, [(row.place.phone_number, row.place.entry + 1)])


def corrections(receipts: Iterable[Receipt], rows: Iterable[StatusRow]) -> list[Receipt]:
    """Return those receipts that name calls which had left pending before their records came, with the next calls.

    All records of a receipt were accepted at one time, so that each callId in it is right or wrong wherever it stands.
    """
    moved = {bytes.fromhex(row.call_id.replace("-", "")): row for row in rows if row.left_at is not None}
    return [corrected for receipt in receipts for corrected in _corrected(receipt, moved)]


def _corrected(receipt: Receipt, moved: Mapping[bytes, StatusRow]) -> list[Receipt]:
    packed = receipt.call_ids
    named = [packed[start : start + CALL_ID_BYTES] for start in range(0, len(packed), CALL_ID_BYTES)]
    right = [
        next_call_id(moved[one]) if one in moved and receipt.accepted_at > (moved[one].left_at or 0) else one
        for one in named
    ]
    return [] if right == named else [replace(receipt, call_ids=b"".join(right))]


def call_status_insert(rows: Sequence[StatusRow]) -> Insert:
    """Return the insert of statuses, one row each."""
    columns = [
        native.texts("batch_id", [row.place.batch_id for row in rows]),
        native.texts("phone_number", [row.place.phone_number for row in rows]),
        native.integers("entry", "UInt32", [row.place.entry for row in rows]),
        native.integers("version", "UInt64", [row.version for row in rows]),
        native.uuids("call_id", b"".join([bytes.fromhex(row.call_id.replace("-", "")) for row in rows])),
        native.few_texts("workspace_id", [row.place.workspace_id for row in rows]),
        native.few_texts("status", [row.status for row in rows]),
        native.integers("at", native.MILLISECONDS, [row.at for row in rows]),
        native.integers("left_at", "Int64", [row.left_at or 0 for row in rows]),
        native.optional_numbers("call_duration", [row.call_duration for row in rows]),
        native.optional_texts("recording_url", [row.recording_url for row in rows]),
        native.optional_texts("transcript", [row.transcript for row in rows]),
    ]
    return Insert("call_status", tuple(each.name for each in columns), native.block(len(rows), columns), len(rows))
