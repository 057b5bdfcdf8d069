"""What dead letters and their replays must come to: some contacts of one batch, in plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from schemas.identity import call_ids, uuid_texts

Version = tuple[int, int]
"""When a record was accepted, by the model's own clock, and its index: of an entry's records the greatest counts."""

Logs = list[tuple[str, str]]
"""callId and status of a contact's entries, newest first."""

STORED = ("added", "updated")


@dataclass
class Failed:
    """A record that was dead-lettered. `outcomes` has what each replay that it passed in came to."""

    submission_id: str
    index: int
    number: str
    version: Version
    note: str
    attempt: int = 1
    parked: bool = False
    outcomes: dict[str, str] = field(default_factory=dict)

    @property
    def mended(self) -> bool:
        return bool(self.outcomes)

    @property
    def place(self) -> tuple[str, int]:
        return self.submission_id, self.index


@dataclass
class Contact:
    """Per entry: when it left pending, its record, its status."""

    left: list[int] = field(default_factory=list)
    newest: dict[int, tuple[Version, str]] = field(default_factory=dict)
    status: dict[int, str] = field(default_factory=dict)

    def entry_of(self, version: Version) -> int:
        return sum(at < version[0] for at in self.left)

    def store(self, version: Version, note: str) -> None:
        entry = self.entry_of(version)
        self.newest[entry] = max((version, note), self.newest.get(entry, (version, note)))

    @property
    def pending(self) -> bool:
        """Whether there is a call to be dialled."""
        return len(self.left) in self.newest


class ReplayModel:
    """The batch. Times are the model's: every step is later than all before it."""

    def __init__(self, batch: str) -> None:
        self.batch = batch
        self.now = 0
        self.contacts: defaultdict[str, Contact] = defaultdict(Contact)
        self.failed: list[Failed] = []

    def call_id(self, number: str, entry: int) -> str:
        return uuid_texts(call_ids(self.batch, [(number, entry)]))[0]

    def submit(self, submission_id: str, records: Sequence[tuple[str, str, bool]]) -> None:
        """Take records: number, note, and whether it is right."""
        self.now += 1
        for index, (number, note, good) in enumerate(records):
            if good:
                self.contacts[number].store((self.now, index), note)
            else:
                self.failed.append(Failed(submission_id, index, number, (self.now, index), note))

    def dial(self, number: str, status: str) -> None:
        self.now += 1
        contact = self.contacts[number]
        contact.status[len(contact.left)] = status
        contact.left.append(self.now)

    def selected(self, *, parked: bool) -> list[Failed]:
        return [one for one in self.failed if one.parked == parked]

    def fail(self, *, parked: bool, max_attempts: int) -> None:
        """Take a replay in which all fail again."""
        for one in self.selected(parked=parked):
            one.attempt += 1
            one.parked = one.attempt > max_attempts

    def pass_through(self, replays: Iterable[str], told: Mapping[str, Mapping[tuple[str, int], str]]) -> None:
        """Take replays, one alone or several at once, in which all passed; `told` is what came of each record.

        In which order the records were looked at is not agreed on. Whatever it was, of an entry that is pending the
        first that is stored is new and each one after it newer than the one before, until the newest is stored.
        """
        places: defaultdict[tuple[str, int], list[tuple[Version, str, str]]] = defaultdict(list)
        for replay_id in replays:
            for one in self.failed:
                if one.place in told[replay_id]:
                    outcome = one.outcomes[replay_id] = told[replay_id][one.place]
                    entry = self.contacts[one.number].entry_of(one.version)
                    places[one.number, entry].append((one.version, outcome, one.note))
        for (number, entry), found in places.items():
            self._check(number, entry, found)
            for version, outcome, note in found:
                if outcome in STORED:
                    self.contacts[number].store(version, note)

    def _check(self, number: str, entry: int, found: Sequence[tuple[Version, str, str]]) -> None:
        contact = self.contacts[number]
        known = contact.newest.get(entry)
        stored = sorted((version, outcome) for version, outcome, _ in found if outcome in STORED)
        versions = [version for version, _ in stored]
        if entry < len(contact.left):
            assert not stored, f"stored over a call that was made: entry {entry}, {found}"
            return
        newer = [version for version, _, _ in found if known is None or version > known[0]]
        assert versions[-1:] == ([max(newer)] if newer else []), f"not the newest: entry {entry}, {known}, {found}"
        assert len(set(versions)) == len(versions), f"stored twice: entry {entry}, {found}"
        assert set(versions) <= set(newer), f"an older record over a newer: entry {entry}, {known}, {found}"
        expected = ["added" if known is None and at == 0 else "updated" for at in range(len(stored))]
        assert [outcome for _, outcome in stored] == expected, f"entry {entry}, {known}, {found}"

    def logs(self) -> dict[str, tuple[str, Logs]]:
        """Return what must be readable of each stored contact: the note that counts, and its entries."""
        return {
            number: (
                contact.newest[max(contact.newest)][1],
                [
                    (self.call_id(number, entry), contact.status.get(entry, "pending"))
                    for entry in sorted(contact.newest, reverse=True)
                ],
            )
            for number, contact in self.contacts.items()
            if contact.newest
        }
