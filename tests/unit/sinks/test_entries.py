from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.statuses import CallStatus, StatusEvent
from schemas.stores import CallPlace
from sinks import entries
from sinks.batch_states import BatchStates
from sinks.entries import LeftTimes
from sinks.rows import row_version
from sinks.statuses import Call, Reported, StatusRow, is_late, merged
from tests.unit.sinks.histories import BATCHES, NUMBERS, START, Contact, Readable, Sent, Told, expected

Place = tuple[Contact, int]


def left_times(*pairs: tuple[int, int]) -> LeftTimes:
    return LeftTimes(np.array(sorted(pairs), "<i8").tobytes())


def test_every_record_updates_entry_0_while_nothing_has_left_pending() -> None:
    of = LeftTimes().entries(NUMBERS, START)

    assert (of.entry, of.left) == ([0, 0], [])


@pytest.mark.parametrize(
    ("accepted_at", "entry", "left"), [(9, 0, [0]), (10, 0, [0]), (11, 1, [0]), (20, 1, [0]), (21, 2, [])]
)
def test_an_entry_counts_those_that_left_before_the_record_was_accepted(
    accepted_at: int, entry: int, left: list[int]
) -> None:
    of = left_times((12, 10), (12, 20), (13, 1)).entries(["+12", "+14"], accepted_at)

    assert (of.entry, of.left) == ([entry, 0], left)


def test_records_may_have_times_of_their_own() -> None:
    assert left_times((12, 10)).entries(["+12", "+12", "+13"], [10, 11, 99]).entry == [0, 1, 0]


def test_an_entry_leaves_once_however_often_that_is_told() -> None:
    state = left_times((12, 10))

    for at in (30, 10, 30):
        state.leave("+12", at)

    assert [state.entries(["+12"], time).entry for time in (10, 11, 31)] == [[0], [1], [2]]


@given(
    st.sets(st.tuples(st.integers(1, 6), st.integers(0, 20))),
    st.lists(st.tuples(st.integers(1, 6), st.integers(0, 20)), max_size=30),
    st.integers(0, 21),
)
def test_columns_and_recent_changes_together_count_as_a_plain_count_does(
    stored: set[tuple[int, int]], later: list[tuple[int, int]], accepted_at: int
) -> None:
    state = left_times(*stored)
    before = entries.RECENT_AT_LEAST
    entries.RECENT_AT_LEAST = 2  # type: ignore[misc] # so that changes are folded into the columns on the way
    try:
        for number, at in later:
            state.leave(f"+{number}", at)
    finally:
        entries.RECENT_AT_LEAST = before  # type: ignore[misc]

    of = state.entries([f"+{number}" for number in range(1, 7)], accepted_at)

    known = [[time for key, time in stored.union(later) if key == number] for number in range(1, 7)]
    assert of.entry == [sum(time < accepted_at for time in times) for times in known]
    assert of.left == [number for number in range(6) if len(known[number]) > of.entry[number]]


def test_a_million_entries_that_left_take_16_bytes_each() -> None:
    state = LeftTimes(np.arange(2_000_000, dtype="<i8").tobytes())

    assert state._numbers.nbytes + state._times.nbytes == 16 * len(state)


@pytest.mark.parametrize("number", ["", "+", "+1x", "+" + "9" * 30, "+-1"])
def test_what_is_no_number_is_nobody_s(number: str) -> None:
    assert left_times((12, 10)).entries([number, "+12"], START).entry == [0, 1]


class DictStore:
    """What is stored, as dicts, and `load`'s steps on it: the pure part does all the deciding."""

    def __init__(self) -> None:
        self.rows: defaultdict[Place, dict[int, int]] = defaultdict(dict)  # accepted time by version
        self.statuses: dict[Place, StatusRow] = {}
        self.states = BatchStates(most=65)  # one batch fits

    def state(self, batch: str) -> LeftTimes:
        for unknown in self.states.unknown([batch]):
            left = [(int(c[1]), s.left_at) for (c, _), s in self.statuses.items() if c[0] == unknown and s.left_at]
            self.states.learn({unknown: left_times(*left)})
        return self.states.take([batch])[batch]

    def take(self, fact: Sent | Told, *, crash: bool = False) -> None:
        if isinstance(fact, Sent):
            of = self.state(fact.batch).entries(fact.numbers, fact.accepted_at)
            for index, (number, entry) in enumerate(zip(fact.numbers, of.entry, strict=True)):
                self.rows[(fact.batch, number), entry][fact.accepted_at * 100 + index] = fact.accepted_at
        else:
            self._take_status(fact, crash=crash)

    def _take_status(self, fact: Told, *, crash: bool) -> None:
        place = (fact.contact, fact.entry)
        accepted = self.rows[place].values()
        batch, number = fact.contact
        call = Call(
            fact.call_id,
            CallPlace("w", batch, number, fact.entry),
            min(accepted),
            max(accepted),
            self.statuses.get(place),
        )
        row = merged(call, [Reported(StatusEvent(fact.call_id, fact.status, fact.at), fact.received_at)])
        if is_late(call, row):
            moved = {version: at for version, at in self.rows[place].items() if at > (row.left_at or 0)}
            self.rows[fact.contact, fact.entry + 1].update(moved)
        if crash:
            return
        self.statuses[place] = row
        if call.status is not None and call.status.left_at not in (None, row.left_at):
            self.states.forget(batch)
        if row.left_at is not None:
            self.states.leave(batch, number, row.left_at)

    def readable(self) -> Readable:
        found: Readable = {}
        for place, rows in self.rows.items():
            status = self.statuses.get(place)
            left_at = status.left_at if status else None
            counting = [version for version, at in rows.items() if left_at is None or at <= left_at]
            if counting:
                found[place] = (max(counting), status.status.value if status else "pending")
        return found


TIMES = st.integers(START, START + 60)
STATUSES = [CallStatus.PENDING, CallStatus.DIALING, CallStatus.COMPLETED, CallStatus.BUSY]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_entries_and_statuses_depend_on_the_facts_and_not_on_the_way_they_came(data: Any) -> None:
    store, clock = DictStore(), START
    facts: list[Sent | Told] = []
    waiting: list[Sent | Told] = []
    for _ in range(data.draw(st.integers(5, 40))):
        clock += data.draw(st.integers(0, 2))
        possible = ["send", "restart"] + ["tell"] * 4 * bool(store.rows) + ["take", "take", "crash"] * bool(waiting)
        match data.draw(st.sampled_from(possible + ["again"] * bool(facts))):
            case "send":
                numbers = data.draw(st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=3))
                waiting.append(Sent(data.draw(st.sampled_from(BATCHES)), tuple(numbers), clock))
            case "tell":
                contact, entry = data.draw(st.sampled_from(sorted(store.readable())))
                status, at = data.draw(st.sampled_from(STATUSES)), data.draw(st.none() | TIMES)
                waiting.append(Told(contact, entry, status, at, clock))
            case "take":
                facts.append(waiting.pop(data.draw(st.integers(0, len(waiting) - 1))))
                store.take(facts[-1])
            case "again":
                store.take(data.draw(st.sampled_from(facts)))
            case "crash":
                store.take(data.draw(st.sampled_from(waiting)), crash=True)
                store.states = BatchStates(most=65)
            case _:
                store.states = BatchStates(most=65)
    for fact in waiting:
        store.take(fact)

    assert store.readable() == expected([*facts, *waiting])


def a_call(first: int, last: int) -> Call:
    return Call("id", CallPlace("w", "b", "+12", 0), first, last)


def told(status: CallStatus, received_at: int, at: int | None = None) -> Reported:
    return Reported(StatusEvent("id", status, at), received_at)


def test_a_call_cannot_have_left_before_its_first_record_was_accepted() -> None:
    call = a_call(100, 100)

    row = merged(call, [told(CallStatus.DIALING, received_at=90)])

    assert row.left_at == 100
    assert not is_late(call, row)


def test_a_pending_call_has_not_left() -> None:
    assert merged(a_call(1, 1), [told(CallStatus.PENDING, 5)]).left_at is None


@given(st.permutations([(CallStatus.DIALING, 7, 90), (CallStatus.COMPLETED, 9, 10), (CallStatus.BUSY, 8, 11)]))
def test_the_highest_rank_and_time_counts_and_the_first_to_leave(order: list[tuple[CallStatus, int, int]]) -> None:
    call = a_call(1, 1)
    for event in order:
        call = Call(call.call_id, call.place, 1, 1, merged(call, [told(*event)]))

    assert call.status is not None
    assert (call.status.status, call.status.at, call.status.left_at) == (CallStatus.BUSY, 11, 7)


def test_versions_of_statuses_rise_with_rank_then_time() -> None:
    events = [(CallStatus.PENDING, 2**60), (CallStatus.DIALING, 5), (CallStatus.DIALING, 6), (CallStatus.FAILED, 0)]
    versions = [merged(a_call(1, 1), [told(status, 1, at)]).version for status, at in events]

    assert versions == sorted(versions)
    assert versions[-1] < 2**47
    assert row_version(2**62, 0) < 2**64


def names(states: BatchStates, batches: Iterable[str]) -> list[str]:
    unknown = states.unknown(batches)
    states.learn({batch: left_times((12, 10)) for batch in unknown})
    states.take(batches)
    return unknown


def test_the_batches_used_last_are_kept() -> None:
    states = BatchStates(most=130)

    assert names(states, ["a", "b"]) == ["a", "b"]
    assert names(states, ["a", "c"]) == ["c"]
    assert names(states, ["b"]) == ["b"]
    assert names(states, ["c"]) == []


def test_one_batch_is_kept_however_large_it_is() -> None:
    states = BatchStates(most=1)

    assert names(states, ["a"]) == ["a"]
    assert names(states, ["a"]) == []


def test_all_batches_of_a_flush_are_there_for_it() -> None:
    states = BatchStates(most=1)
    states.learn({"a": LeftTimes(), "b": LeftTimes()})

    assert states.take(["a", "b", "a"]).keys() == {"a", "b"}
