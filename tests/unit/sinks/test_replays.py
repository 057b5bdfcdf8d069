from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codecs import decode
from schemas.records import DialerCommand, Replay, Replayed, ReplayReceipt
from schemas.topics import TopicName
from sinks import starts
from sinks.entries import Entries, LeftTimes
from sinks.replays import (
    Candidate,
    Outcome,
    Place,
    RecordPlace,
    ReplaySlice,
    candidates_of,
    judged,
    receipt_message,
)
from sinks.rows import is_whole, prepare, replayed_versions, row_version
from tests.unit.sinks.chunks import ACCEPTED_AT, a_chunk, numbers
from tests.unit.sinks.replays import a_slice, failed_before

HERE = ("+12122000000", 0)
NUMBERS = numbers(2)


@pytest.mark.parametrize(
    ("stored", "left", "outcome"),
    [
        ({}, False, Outcome.ADDED),
        ({HERE: 4}, False, Outcome.UPDATED),
        ({HERE: 5}, False, Outcome.SUPERSEDED),
        ({HERE: 6}, False, Outcome.SUPERSEDED),
        ({}, True, Outcome.SUPERSEDED),
        ({HERE: 4}, True, Outcome.SUPERSEDED),
        ({(HERE[0], 1): 9}, False, Outcome.ADDED),
    ],
)
def test_a_record_is_judged_by_what_is_stored_of_its_entry(
    stored: dict[Place, int], left: bool, outcome: Outcome
) -> None:
    assert judged([Candidate(HERE, 5, left)], stored) == [outcome]


def test_within_a_slice_the_later_stored_is_judged_by_the_earlier() -> None:
    several = [Candidate(HERE, version, left=False) for version in (2, 3, 1)]
    assert judged(several, {}) == [Outcome.ADDED, Outcome.UPDATED, Outcome.SUPERSEDED]


def slice_of(*args: object, **fields: object) -> ReplaySlice:
    chunk = a_slice(*args, **fields)  # type: ignore[arg-type]
    assert chunk.replay is not None
    return ReplaySlice(prepare(chunk), chunk.replay)


def test_the_receipt_counts_every_record_once() -> None:
    history = [failed_before(index, attempt=1 + index % 3) for index in range(6)]
    made = slice_of(numbers(6), history, passed=[0, 3, 4, 5])
    receipt = made.receipt([Outcome.ADDED, Outcome.UPDATED, Outcome.SUPERSEDED, Outcome.FAILED], 7)
    assert receipt == ReplayReceipt(
        replay_id="r",
        part=0,
        batch_id="batch",
        size=6,
        added=1,
        updated=1,
        superseded=1,
        failed=1,
        parked=2,
        done_at=7,
    )


def test_of_a_slice_that_was_held_nothing_is_parked_and_the_receipt_says_why() -> None:
    history = [failed_before(index, attempt=3) for index in range(2)]
    receipt = slice_of(numbers(2), history, passed=[], held="of no use").receipt([], 7)
    assert (receipt.size, receipt.failed, receipt.parked, receipt.reason) == (2, 2, 0, "of no use")


def test_messages_of_a_slice() -> None:
    receipt = slice_of(numbers(1), part=4).receipt([Outcome.ADDED], 7)
    told, (start,) = receipt_message(receipt), starts.messages([starts.of_slice(receipt, "workspace")], 8)
    assert (told.topic, told.key, told.partition) == (TopicName.REPLAYS, b"receipt/r/4", 0)
    assert decode(told.value, ReplayReceipt) == receipt
    command = decode(start.value, DialerCommand)
    assert (command.request_id, command.batch_id, command.reason) == ("r/4", "batch", "replay")


def test_a_replayed_record_has_the_version_it_would_have_had_at_first() -> None:
    replay = Replay(replay_id="r", part=0, max_attempts=3, records=[])
    assert replayed_versions(replay, [failed_before(5)]) == [row_version(ACCEPTED_AT, 5)]
    gathered = failed_before(0, source_topic="prefix.calls.records", source_offset=2**24 + 3)
    assert replayed_versions(replay, [gathered]) == [row_version(ACCEPTED_AT, 3)]
    as_new = Replay(replay_id="r", part=0, max_attempts=3, counts_from=ACCEPTED_AT + 9, records=[])
    assert replayed_versions(as_new, [failed_before(5)]) == [row_version(ACCEPTED_AT + 9, 5)]


def test_entries_are_those_of_the_time_of_acceptance() -> None:
    left = LeftTimes()
    left.leave(numbers(1)[0], ACCEPTED_AT + 10)
    history = [failed_before(0), failed_before(1, ACCEPTED_AT + 20)]
    chunk = a_slice(numbers(1) * 2, history)
    assert prepare(chunk, left).entries == Entries([0, 1], [0])


def test_a_slice_whose_history_does_not_fit_is_not_whole() -> None:
    assert is_whole(a_slice(numbers(2)))
    assert not is_whole(a_slice(numbers(2), [failed_before(0)], passed=[0, 1], first_index=0))
    other = a_slice(numbers(1))
    assert not is_whole(a_chunk(numbers(2), replay=other.replay))


class Model:
    """What must become of it, in ten lines: a record counts as of its time, and what has come since stands."""

    def __init__(self) -> None:
        self.newest: dict[Place, int] = {}
        self.left: dict[str, list[int]] = {number: [] for number in NUMBERS}

    def store(self, number: str, accepted_at: int) -> Outcome:
        times, version = self.left[number], row_version(accepted_at, 0)
        place = (number, sum(time < accepted_at for time in times))
        if place[1] < len(times) or self.newest.get(place, -1) >= version:
            return Outcome.SUPERSEDED
        known, self.newest[place] = place in self.newest, version
        return Outcome.UPDATED if known else Outcome.ADDED


class World:
    """The pure parts put together as `load` does it, with dicts for tables, beside the model."""

    def __init__(self) -> None:
        self.model = Model()
        self.rows: dict[Place, int] = {}
        self.left = LeftTimes()
        self.remembered: dict[tuple[str, RecordPlace], Outcome] = {}
        self.letters: list[tuple[str, Replayed]] = []
        self.done: list[ReplaySlice] = []
        self.mended = False
        self.now = ACCEPTED_AT

    def good(self, number: str) -> None:
        self.model.store(number, self.now)
        (candidate,) = candidates_of([number], [row_version(self.now, 0)], self.left.entries([number], self.now))
        self.rows[candidate.place] = candidate.version

    def bad(self, number: str) -> None:
        self.letters.append((number, failed_before(0, self.now, submission_id=f"s{self.now}")))

    def mend(self, _: str) -> None:
        self.mended = True

    def dial(self, number: str) -> None:
        if (number, len(self.model.left[number])) in self.rows:
            self.left.leave(number, self.now)
            self.model.left[number].append(self.now)

    def replay(self, _: str) -> None:
        if not self.letters:
            return
        failing = [] if self.mended else list(range(len(self.letters)))
        made = slice_of(
            [number for number, _ in self.letters],
            [one for _, one in self.letters],
            passed=[place for place in range(len(self.letters)) if place not in failing],
            replay_id=f"r{self.now}",
        )
        expected = [self.model.store(number, one.accepted_at) for number, one in self.letters if self.mended]
        assert self._load(made) == expected
        self.done.append(made)

    def twice(self, number: str) -> None:
        self.replay(number)
        self.now += 1
        self.replay(number)

    def again(self, _: str) -> None:
        for made in self.done:
            given = [self.remembered[made.replay.replay_id, (r.submission_id, r.record_index)] for r in made.rows]
            assert self._load(made) == given

    def _load(self, made: ReplaySlice) -> list[Outcome]:
        made = ReplaySlice(prepare(made.chunk, self.left), made.replay)
        replay_id = made.replay.replay_id
        mine = {place: outcome for (of, place), outcome in self.remembered.items() if of == replay_id}
        outcomes = made.outcomes(self.rows, mine)
        for one, outcome in zip(made.rows, outcomes, strict=True):
            self.remembered[replay_id, (one.submission_id, one.record_index)] = outcome
        written = made.written(outcomes)
        versions = replayed_versions(made.replay, [made.replay.records[index] for index in written.chunk.record_index])
        for candidate in candidates_of(written.chunk.phone_number, versions, written.entries):
            self.rows[candidate.place] = max(candidate.version, self.rows.get(candidate.place, 0))
        receipt = made.receipt(outcomes, self.now)
        counted = receipt.added + receipt.updated + receipt.superseded + receipt.failed + receipt.parked
        assert counted == receipt.size
        return outcomes


STEPS = ("good", "bad", "mend", "dial", "replay", "twice", "again")


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from(NUMBERS)), max_size=30))
def test_whatever_happens_replays_do_as_the_model(steps: list[tuple[str, str]]) -> None:
    world = World()
    for step, number in steps:
        world.now += 1
        getattr(world, step)(number)
        assert world.rows == world.model.newest
