"""What happened to some contacts, in whatever order it was told, and what must be readable at the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.identity import call_ids, uuid_texts
from schemas.statuses import RANKS, CallStatus

BATCHES = ("b0", "b1")
NUMBERS = ("+12122000000", "+12122000001")
START = 1_767_225_600_000

Contact = tuple[str, str]
"""Batch and number."""

Readable = dict[tuple[Contact, int], tuple[int, str]]
"""Of each entry of each contact: the version of the record that counts, and the status."""


@dataclass(frozen=True)
class Sent:
    """A slice of records for one batch, accepted at one time; a record's index is its place."""

    batch: str
    numbers: tuple[str, ...]
    accepted_at: int


@dataclass(frozen=True)
class Told:
    """A status of an entry of a contact; taken by the brokers at `received_at`."""

    contact: Contact
    entry: int
    status: CallStatus
    at: int | None
    received_at: int

    @property
    def order(self) -> tuple[int, int, str]:
        return RANKS[self.status], self.received_at if self.at is None else self.at, self.status.value

    @property
    def call_id(self) -> str:
        packed = call_ids(self.contact[0], [(self.contact[1], self.entry)])
        return uuid_texts(packed)[0]


def expected(facts: Iterable[Sent | Told]) -> Readable:
    """The model: what must be readable once all facts are known, in whatever order they came."""
    facts = list(facts)
    sent = [fact for fact in facts if isinstance(fact, Sent)]
    told = sorted((fact for fact in facts if isinstance(fact, Told)), key=lambda fact: fact.order)
    left: dict[tuple[Contact, int], int] = {}
    for event in told:
        if event.status is not CallStatus.PENDING:
            place = (event.contact, event.entry)
            left[place] = min(event.received_at, left.get(place, event.received_at))
    status = {(event.contact, event.entry): event.status.value for event in told}
    newest: dict[tuple[Contact, int], int] = {}
    for slice_ in sent:
        for index, number in enumerate(slice_.numbers):
            contact = (slice_.batch, number)
            entry = sum(time < slice_.accepted_at for (of, _), time in left.items() if of == contact)
            newest[contact, entry] = max(slice_.accepted_at * 100 + index, newest.get((contact, entry), 0))
    return {place: (version, status.get(place, "pending")) for place, version in newest.items()}
