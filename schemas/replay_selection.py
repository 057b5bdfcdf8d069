"""Which dead letters of a topic a replay takes: each record once, by its newest attempt. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from schemas.dead_letter_query import DeadLetterFilter, ResolvedWith
from schemas.dead_letters import DeadLetter, DeadLetterDecoder
from schemas.messages import int_header, text_header
from schemas.replay_changes import Attempt, Changes, LeftOutError, Place, Replacements
from schemas.replay_slices import size_of
from schemas.topics import MAX_MESSAGE_BYTES

MOST_BYTES: Final = MAX_MESSAGE_BYTES - 64 * 1024
"""Of a record with the bytes first sent, as they travel: no message of ours holds more."""

ResolvedPlaces = dict[Place, ResolvedWith]
"""Dead letters that need no replay, and why. Of one whose contact is stored since the replay says `superseded`."""

Headers = Sequence[tuple[str, bytes | None]]


class Newest:
    """How often each record has failed: of those only that failed more than once, which are few."""

    def __init__(self) -> None:
        self._attempts: dict[int, int] = {}

    def take(self, headers: Headers) -> None:
        """Take the headers of a message of `calls.dead-letter` or `calls.parking`."""
        attempt = int_header(headers, "dlq.attempt")
        if attempt is None or attempt < 2:  # noqa: PLR2004  the first is newest unless a second is known
            return
        submission_id, index = text_header(headers, "submission-id"), int_header(headers, "record-index")
        if submission_id is not None and index is not None:
            identity = _identity(submission_id, index, text_header(headers, "body-hash"))
            self._attempts[identity] = max(attempt, self._attempts.get(identity, 0))

    def is_newest(self, letter: DeadLetter) -> bool:
        """Return whether no later attempt at the record of this dead letter has failed.

        Later attempts of earlier versions name no body: they count for each that came under the record's id.
        """
        place = letter.submission_id, letter.record_index
        bodies = {letter.body_hash, None}
        return max(self._attempts.get(_identity(*place, body), 0) for body in bodies) <= letter.attempt


class Selection:
    """Takes the messages of a topic, partition by partition, and returns what is to be tried.

    `owner` names the workspace of a letter that does not say it. `to_workspace` is that of the batch that all go to,
    None where each goes to its own: only its letters are taken, and those of no known workspace. `resolved` need no
    replay. `counts` are by the names of `ReplayProgress`.
    """

    def __init__(
        self,
        wanted: DeadLetterFilter,
        newest: Newest,
        changes: Changes,
        owner: Callable[[DeadLetter], str],
        to_workspace: str | None = None,
        resolved: Mapping[Place, ResolvedWith] | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._wanted = wanted
        self._newest = newest
        self._changes = changes
        self._owner = owner
        self._to_workspace = to_workspace
        self._resolved = resolved or {}
        self._decoder = DeadLetterDecoder()
        self._seen: set[int] = set()

    @property
    def map_not_found(self) -> list[str]:
        """The fields to be renamed that no record had so far."""
        return self._changes.not_found

    def next_partition(self) -> None:
        """Forget what came twice: all letters of a record's attempt are in one partition."""
        self._seen.clear()

    def take(self, value: bytes | None, headers: Headers) -> Attempt | None:
        """Return what is to be tried of a message, or None if it is not meant or cannot be tried, which is counted."""
        letter = self._decoder.decode(value, headers)
        if letter is None:
            self.counts["foreign"] += 1
            return None
        if not letter.workspace_id:
            letter = replace(letter, workspace_id=self._owner(letter))
        if not self._wanted.matches(letter) or not self._in_file(letter) or not self._may_move(letter):
            return None
        try:
            attempt, reason = self._attempt(letter)
        except LeftOutError:  # as if it were not in the file, whose reader counts it
            return None
        self.counts[reason] += 1
        return attempt

    def _attempt(self, letter: DeadLetter) -> tuple[Attempt | None, str]:
        """Return what is to be tried of a letter that is meant, and the count it belongs to."""
        if not self._newest.is_newest(letter):
            return None, "older"
        identity = _identity(letter.submission_id, letter.record_index, letter.body_hash)
        if identity in self._seen:
            return None, "repeated"
        self._seen.add(identity)
        resolved = self._resolved.get((letter.submission_id, letter.record_index))
        if resolved not in (None, ResolvedWith.CONTACT):
            return None, "resolved"
        attempt = self._changes.apply(letter)
        if attempt is None:
            return None, "empty"
        if size_of(attempt) > MOST_BYTES:
            return None, "too_large"
        return replace(attempt, settled=resolved is not None), "selected"

    def _may_move(self, letter: DeadLetter) -> bool:
        return self._to_workspace is None or letter.workspace_id in ("", self._to_workspace)

    def _in_file(self, letter: DeadLetter) -> bool:
        files: Replacements | None = self._changes.replacements
        return files is None or (letter.submission_id, letter.record_index) in files


def _identity(submission_id: str, record_index: int, body_hash: str | None) -> int:
    """Return what stands for a record where millions are remembered, in this process only: 64 bits.

    Two bodies may have come under one Idempotency-Key, of which one was refused: their records are different ones.
    Should two records ever share it, the later is passed over: it stays the dead letter that it is.
    """
    return hash((submission_id, record_index, body_hash))
