"""The seam between those who ask what is stored and those who keep it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol

from schemas.dead_letter_query import DeadLetterGroup, DeadLetterPage, DeadLetterQuery, GroupBy
from schemas.outcomes import FieldError
from schemas.records import Receipt, SubmissionAccepted

RECORDS_REPORTED: Final = 100
"""Failed records a report shows of each chunk; the rest is counted."""


TIMEZONE_SOURCES: Final = ("record", "number", "batch", "workspace", "default")
"""Where a contact's zone can come from, as `streams.timezones` names it."""

TIMEZONE_CONFIDENCES: Final = ("certain", "candidates", "country")
"""How well a contact's zone is known, as `streams.zones` names it; "" for what an earlier version stored."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed record as a report shows it. `phone_number` is the text sent, or None where there is none."""

    record_index: int
    phone_number: str | None
    errors: tuple[FieldError, ...]


REPLAYED_REPORTED: Final = 100
"""Replayed records a report shows of a submission, the newest; the rest is counted."""


class Foreseen(NamedTuple):
    """What a replay would make of a record: `added`, `updated` or `superseded`, and the entry of its contact it is."""

    outcome: str
    entry: int


@dataclass(frozen=True, slots=True)
class ReplayedRecord:
    """A failed record that a replay stored or passed over (`added`, `updated`, `superseded`). `at` is ms."""

    record_index: int
    outcome: str
    at: int
    replay_id: str


@dataclass(frozen=True, slots=True)
class ReplayedRecords:
    """How many outcomes replays of a submission's records have had, and the newest REPLAYED_REPORTED, newest first."""

    count: int = 0
    newest: Sequence[ReplayedRecord] = ()


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
    replayed: ReplayedRecords = ReplayedRecords()


@dataclass(frozen=True, slots=True)
class PhoneLogEntry:
    """One entry of a contact. Times are ms since the epoch; `at` is that of the status, None where none came."""

    call_id: str
    entry: int
    status: str
    created_at: int
    call_duration: float | None = None
    recording_url: str | None = None
    transcript: str | None = None
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact with its entries, newest first; variables are those of the newest."""

    phone_number: str
    timezone: str
    timezone_source: str
    variables: dict[str, Any]
    entries: Sequence[PhoneLogEntry]
    created_at: int
    timezone_confidence: str = ""
    timezone_candidates: Sequence[str] = ()
    phone_number_read_as: str = ""


@dataclass(frozen=True, slots=True)
class ContactPage:
    """One page of a batch's contacts and how many there are in all."""

    total: int
    contacts: Sequence[Contact]


@dataclass(frozen=True, slots=True)
class ContactQuery:
    """Which contacts of a batch, in which order.

    `filters` are (name, wanted JSON value): `callStatus` of the newest entry, or a variable. `sort_by` is a fixed
    field (`phoneNumber`, `createdAt`, `timezone`, `callStatus`) or a variable. `search` is a literal substring of
    number and variables.
    `after` is a phone number: only greater ones, in number order, so that paging is stable while calls leave pending.
    """

    batch_id: str
    page: int = 1
    limit: int = 10
    filters: tuple[tuple[str, Any], ...] = ()
    sort_by: str = "phoneNumber"
    descending: bool = False
    search: str = ""
    after: str | None = None


@dataclass(frozen=True, slots=True)
class CallPlace:
    """Where a callId belongs."""

    workspace_id: str
    batch_id: str
    phone_number: str
    entry: int


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """How far a batch is: entries, those that were called, those completed; the last change, ms since the epoch.

    `finished` are those in any final status, completed or not; `canceled` those that are not to be called any more.
    """

    total_calls: int
    picked: int
    completed: int
    updated_at: int
    finished: int = 0
    canceled: int = 0

    @property
    def pending(self) -> int:
        """How many entries wait to be called."""
        return self.total_calls - self.picked - self.canceled


class Mended(StrEnum):
    """Whether a replay has mended failed records: not yet, or too late, since the topics keep them no longer."""

    NO = "no"
    YES = "yes"
    EXPIRED = "expired"


class FailedRecords(NamedTuple):
    """How many records failed alike, by their newest failure, and when the first of them first failed, ms."""

    code: str
    failure_class: str
    mended: Mended
    records: int
    oldest_at: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts for the metrics, over everything stored.

    `dead_letters` have each record once; `parked` are those whose newest failure was parked and that nothing has
    mended since; `replayed` are records by what replays made of them, as `schemas.replay_board.OUTCOMES` names it.
    """

    dead_letters: Sequence[FailedRecords] = ()
    parked: int = 0
    replayed: Mapping[str, int] = field(default_factory=dict)
    submissions: int = 0
    added: int = 0
    failed: int = 0


class SqlRefusedError(ValueError):
    """A statement is not answered; the text says why, and may quote the statement."""


@dataclass(frozen=True, slots=True)
class SqlAnswer:
    """Name and type of each column, then the rows, of JSON values. `truncated`: there are more than are shown."""

    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[Any]]
    truncated: bool


class Store(Protocol):
    """What is stored, to be asked from any process. Every method raises TryAgainError while it cannot be known."""

    async def submission(self, submission_id: str) -> StoredSubmission | None:
        """Return what is known of a submission, or None."""
        ...

    async def contacts(self, query: ContactQuery) -> ContactPage:
        """Return a page (from 1) of a batch's contacts."""
        ...

    async def batch_counts(self, batch_ids: Sequence[str]) -> dict[str, BatchCounts]:
        """Return the counts of each batch that has entries."""
        ...

    async def calls(self, call_ids: Sequence[str]) -> dict[str, CallPlace]:
        """Return where each known callId (canonical UUID text) belongs."""
        ...

    async def dead_letters(self, query: DeadLetterQuery) -> DeadLetterPage:
        """Return a page of dead letters."""
        ...

    async def dead_letter_groups(self, query: DeadLetterQuery, by: GroupBy) -> Sequence[DeadLetterGroup]:
        """Return the dead letters asked for by what they have in common, largest first; for `agent` by batch."""
        ...

    async def dismiss_dead_letters(self, query: DeadLetterQuery, reason: str, at_ms: int) -> int:
        """Resolve the dead letters asked for, saying why, and return how many they were."""
        ...

    async def replay_outcomes(self, batch_id: str, records: Sequence[tuple[str, int, int]]) -> list[Foreseen]:
        """Return what a replay of records (E.164 number, accepted time in ms, index), in this order, would do."""
        ...

    async def figures(self) -> Figures:
        """Return the counts for the metrics."""
        ...

    async def sql(self, statement: str) -> SqlAnswer:
        """Return the answer to a person's own question, within limits; raise SqlRefusedError."""
        ...

    async def writable(self) -> None:
        """Return if the store can be written now; raise TryAgainError."""
        ...
