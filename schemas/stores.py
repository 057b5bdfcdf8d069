"""The seam between those who ask what is stored and those who keep it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from schemas.outcomes import FieldError
from schemas.records import Receipt, SubmissionAccepted

RECORDS_REPORTED: Final = 100
"""Failed records a report shows of each chunk; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed record as a report shows it. `phone_number` is the text sent, or None where there is none."""

    record_index: int
    phone_number: str | None
    errors: tuple[FieldError, ...]


@dataclass(frozen=True, slots=True)
class StoredSubmission:
    """What the store knows of a submission.

    `failures` holds at most RECORDS_REPORTED of each chunk, lowest index first; `failed` counts the distinct failed
    records of each chunk number.
    """

    accepted: SubmissionAccepted | None
    receipts: Sequence[Receipt]
    failures: Sequence[Failure]
    failed: dict[int, int]


@dataclass(frozen=True, slots=True)
class PhoneLogEntry:
    """One entry of a contact. Times are ms since the epoch."""

    call_id: str
    entry: int
    status: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact with its entries, newest first; variables are those of the newest."""

    phone_number: str
    timezone: str
    timezone_source: str
    variables: dict[str, Any]
    entries: Sequence[PhoneLogEntry]
    created_at: int


@dataclass(frozen=True, slots=True)
class ContactPage:
    """One page of a batch's contacts and how many there are in all."""

    total: int
    contacts: Sequence[Contact]


class Store(Protocol):
    """What is stored, to be asked from any process. Every method raises TryAgainError while it cannot be known."""

    async def submission(self, submission_id: str) -> StoredSubmission | None:
        """Return what is known of a submission, or None."""
        ...

    async def contacts(self, batch_id: str, page: int, limit: int) -> ContactPage:
        """Return a page (from 1) of a batch's contacts, by phone number."""
        ...

    async def writable(self) -> None:
        """Return if the store can be written now; raise TryAgainError."""
        ...
