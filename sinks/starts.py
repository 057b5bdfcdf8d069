"""The commands that tell the calling service of pending calls. Pure: the time comes in.

Of what a flush stored, one start a batch: it is published once the rows can be read, so that whoever reads the batch
after it finds every call that it announces.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from schemas.codecs import encode
from schemas.identity import SAMPLE_WORKSPACE
from schemas.messages import Message
from schemas.records import DialerCommand, Receipt, ReplayReceipt
from schemas.topics import TopicName
from sinks.statuses import StatusRow

SUBMISSION: Final = "submission"
REPLAY: Final = "replay"
MOVED: Final = "moved"


@dataclass(frozen=True, slots=True)
class Start:
    """Why a batch is started. `request_id` is the same for the same start again."""

    workspace_id: str
    batch_id: str
    request_id: str
    reason: str


def of_receipt(receipt: Receipt) -> Start:
    """Return the start for what a slice stored."""
    request_id = f"{receipt.submission_id}/{receipt.first_index}"
    return Start(receipt.workspace_id, receipt.batch_id or "", request_id, SUBMISSION)


def of_slice(receipt: ReplayReceipt, workspace_id: str) -> Start:
    """Return the start for what a slice of a replay stored."""
    return Start(workspace_id, receipt.batch_id or "", f"{receipt.replay_id}/{receipt.part}", REPLAY)


def of_move(row: StatusRow) -> Start:
    """Return the start for what was accepted after a call left pending, and has become a call of its own."""
    return Start(row.place.workspace_id, row.place.batch_id, f"{row.call_id}/{row.left_at}", MOVED)


def messages(starts: Iterable[Start], now: int) -> list[Message]:
    """Return the first start of each batch as a message; `now` in ms. The sample starts nothing."""
    first: dict[str, Start] = {}
    for start in starts:
        first.setdefault(start.batch_id, start)
    return [_message(start, now) for start in first.values() if start.workspace_id != SAMPLE_WORKSPACE]


def _message(start: Start, now: int) -> Message:
    command = DialerCommand(
        command="start",
        request_id=start.request_id,
        workspace_id=start.workspace_id,
        batch_id=start.batch_id,
        requested_at=now,
        reason=start.reason,
        pending=-1,
    )
    return Message(TopicName.DIALER, encode(command), key=command.batch_id.encode())
