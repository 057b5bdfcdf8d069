"""What a replay changes in a record before it is tried again. Pure.

Members that are not named keep their very bytes. What is written down of a change are names of fields, never values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol

import msgspec

from schemas.dead_letters import DeadLetter
from schemas.replay_jobs import ReplayJob, ReplayMove, ReplayValue

MOST_DESCRIPTION: Final = 512
"""Characters kept of what was changed, over all replays of a record: the newest."""

REPLACED: Final = "replaced from a file"

Place = tuple[str, int]
"""A record: (submission id, index in it)."""


class LeftOutError(ValueError):
    """The correction of a record cannot be read for certain: nothing is tried of it."""


class Edit(Protocol):
    """A correction that depends on what failed."""

    def __call__(self, letter: DeadLetter, record: bytes, /) -> bytes:
        """Return what is tried in place of `record`, which failed; raise LeftOutError."""
        ...


Replacement = bytes | Edit
Replacements = Mapping[Place, Replacement]

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Attempt(msgspec.Struct, frozen=True):
    """A dead letter with the bytes that are tried now, and what was changed in them since they were first sent.

    One that is `settled` changes nothing, whether it passes or not.
    """

    letter: DeadLetter
    record: bytes
    changes: str
    settled: bool = False

    @property
    def sent(self) -> bytes | None:
        """The bytes first sent where others are tried, else None."""
        return self.letter.record if self.record != self.letter.record else None


@dataclass(frozen=True, slots=True)
class Changes:
    """Records that stand in place of what failed, by their place; then fields that are renamed; then fields set.

    `renamed` has the fields that some record had.
    """

    moves: tuple[ReplayMove, ...] = ()
    values: tuple[ReplayValue, ...] = ()
    replacements: Replacements | None = None
    renamed: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, job: ReplayJob, replacements: Replacements | None = None) -> Changes:
        """Return the changes that a job asks for."""
        return cls(tuple(job.moves), tuple(job.values), replacements)

    @property
    def not_found(self) -> list[str]:
        """The fields to be renamed that no record had so far."""
        return [move.old for move in self.moves if move.old not in self.renamed and move.old != move.new]

    def apply(self, letter: DeadLetter) -> Attempt | None:
        """Return what is to be tried of a letter, beginning from what was tried last; None if there are no bytes.

        Raise LeftOutError.
        """
        record = letter.record if letter.tried is None else letter.tried
        done: list[str] = []
        replacement = (self.replacements or {}).get((letter.submission_id, letter.record_index))
        if replacement is not None:
            corrected = replacement if isinstance(replacement, bytes) else replacement(letter, record or b"")
            if corrected != (record or b""):
                record, done = corrected, [REPLACED]
        if not record:
            return None
        changed, names = self._fields(record)
        return Attempt(letter, changed, _described(letter.changes, (*done, *names)))

    def _fields(self, record: bytes) -> tuple[bytes, list[str]]:
        """Return a record with its fields changed; what is no object stays as it is."""
        if not self.moves and not self.values:
            return record, []
        try:
            members = _members(record)
        except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
            return record, []
        moved = _moved(members, self.moves)
        self.renamed.update([move.old for move in moved])
        done = [f"map {move.old}={move.new}" for move in moved]
        done += [f"set {value.name}" for value in self.values if _set(members, value)]
        return (msgspec.json.encode(members), done) if done else (record, [])


def _moved(members: dict[str, msgspec.Raw], moves: Sequence[ReplayMove]) -> list[ReplayMove]:
    """Rename fields, all at once, so that two may change places; what else was there under a new name is gone.

    Return those that were there.
    """
    made = [move for move in moves if move.old in members and move.old != move.new]
    renamed = {move.new: members[move.old] for move in made}
    for move in made:
        members.pop(move.old, None)
    members.update(renamed)
    return made


def _set(members: dict[str, msgspec.Raw], value: ReplayValue) -> bool:
    """Set a field; return whether that changed it."""
    if bytes(members.get(value.name, b"")) == value.value:
        return False
    members[value.name] = msgspec.Raw(value.value)
    return True


@lru_cache(256)  # of most letters the same
def _described(before: str, done: tuple[str, ...]) -> str:
    steps = [step for step in before.split("; ") if step] + list(done)
    return "; ".join(dict.fromkeys(steps))[-MOST_DESCRIPTION:]
