"""What a calling service reports of a call, and in which order statuses count.

A status never goes back: of all events of a call the one with the highest (rank, time) counts. Anything else than
`pending` has left pending: from then on the contact's next record makes a new entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


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
