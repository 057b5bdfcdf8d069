from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, time

import pytest

from dialfeed.simulate_calls import (
    RING_SECONDS,
    TALK_SECONDS,
    BatchRules,
    Behaviour,
    Call,
    Simulation,
    StatusReport,
)
from dialfeed.simulate_clock import FastClock
from dialfeed.simulate_hours import CallingHours
from schemas.statuses import FINAL_RANK, RANKS, CallStatus

MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
HOUR = 3600.0
NOBODY = Behaviour(answer_rate=0.0)
EVERYBODY = Behaviour(answer_rate=1.0)


def calls(count: int, zone: str = "UTC", status: CallStatus = CallStatus.PENDING) -> list[Call]:
    return [Call(f"call-{number}", "b", zone, status) for number in range(count)]


def simulation(behaviour: Behaviour, rules: BatchRules, *taken: Call, now: float = MONDAY_NOON) -> Simulation:
    made = Simulation(behaviour)
    made.set_rules("b", rules)
    made.take(taken, now)
    return made


def to_the_end(of: Simulation, now: float = MONDAY_NOON) -> list[StatusReport]:
    """Let everything happen, each thing when it is due."""
    reports = of.advance(now)
    while (at := of.next_at()) is not None:
        now = max(now, at)
        reports += of.advance(now)
    return reports


def of_call(reports: list[StatusReport], call_id: str) -> list[CallStatus]:
    return [report.status for report in reports if report.call_id == call_id]


def test_a_call_that_is_answered_is_dialled_talked_and_completed() -> None:
    reports = to_the_end(simulation(EVERYBODY, BatchRules(), *calls(1)))
    assert [report.status for report in reports] == [
        CallStatus.DIALING,
        CallStatus.IN_PROGRESS,
        CallStatus.COMPLETED,
    ]
    dialled, answered, ended = reports
    assert RING_SECONDS[0] <= answered.at - dialled.at <= RING_SECONDS[1]
    assert ended.call_duration == pytest.approx(ended.at - answered.at)
    assert TALK_SECONDS[0] <= ended.at - answered.at <= TALK_SECONDS[1]


def test_one_step_of_a_call_is_reported_before_the_next_however_late_it_is() -> None:
    of = simulation(EVERYBODY, BatchRules(), *calls(1))
    late = MONDAY_NOON + 100 * HOUR
    assert [len(of.advance(late + after * HOUR)) for after in range(4)] == [1, 1, 1, 0]


def test_every_call_ends_with_exactly_one_final_status() -> None:
    reports = to_the_end(simulation(Behaviour(answer_rate=0.5), BatchRules(retry=2, delay=60), *calls(500)))
    finals = Counter(report.call_id for report in reports if RANKS[report.status] == FINAL_RANK)
    assert finals == dict.fromkeys((call.call_id for call in calls(500)), 1)


def test_statuses_of_a_call_never_go_back() -> None:
    reports = to_the_end(simulation(Behaviour(), BatchRules(retry=3, delay=60), *calls(200)))
    for call in calls(200):
        ranks = [RANKS[status] for status in of_call(reports, call.call_id)]
        assert ranks == sorted(set(ranks))


def test_without_an_answer_there_are_as_many_attempts_as_the_batch_allows() -> None:
    of = simulation(NOBODY, BatchRules(retry=2, delay=60), *calls(300))
    reports = to_the_end(of)
    unanswered = sum(report.status in (CallStatus.NO_ANSWER, CallStatus.BUSY) for report in reports)
    assert unanswered > 100
    assert 3 * unanswered <= of.attempts < 3 * 300
    assert Counter(report.status for report in reports)[CallStatus.DIALING] == 300


def test_between_two_attempts_there_is_the_delay() -> None:
    reports = to_the_end(simulation(NOBODY, BatchRules(retry=1, delay=HOUR), *calls(50)))
    dialled = {report.call_id: report.at for report in reports if report.status is CallStatus.DIALING}
    ended = [report for report in reports if report.status is CallStatus.NO_ANSWER]
    assert ended
    assert all(report.at - dialled[report.call_id] >= HOUR for report in ended)


def test_nobody_is_called_outside_of_hours_and_the_next_opening_is_told() -> None:
    hours = CallingHours(time(9), time(18))
    of = simulation(EVERYBODY, BatchRules(hours=hours), *calls(3, "America/New_York"))  # where it is 07:00
    assert of.advance(MONDAY_NOON) == []
    assert of.next_at() == MONDAY_NOON + 2 * HOUR
    assert len(of.advance(MONDAY_NOON + 2 * HOUR)) == 3


def test_a_further_attempt_waits_for_the_hours_too() -> None:
    hours = CallingHours(time(9), time(12, 1))
    reports = to_the_end(simulation(NOBODY, BatchRules(1, HOUR, hours), *calls(50)))
    second = [report.at for report in reports if report.status is CallStatus.NO_ANSWER]
    assert min(second) >= MONDAY_NOON + 21 * HOUR


def test_each_contact_is_called_by_its_own_clock() -> None:
    hours = CallingHours(time(9), time(18))
    here, there = Call("here", "b", "UTC"), Call("there", "b", "Asia/Tokyo")
    of = simulation(EVERYBODY, BatchRules(hours=hours), here, there)
    assert [report.call_id for report in of.advance(MONDAY_NOON)] == ["here"]


def test_there_are_never_more_calls_at_a_time_than_lines() -> None:
    of = simulation(Behaviour(lines=3), BatchRules(), *calls(40))
    under_way = 0
    now = MONDAY_NOON
    most = 0
    while (at := of.next_at()) is not None:
        now = max(now, at)
        for report in of.advance(now):
            under_way += (report.status is CallStatus.DIALING) - (RANKS[report.status] == FINAL_RANK)
        most = max(most, under_way)
    assert (most, under_way) == (3, 0)


def test_a_call_that_is_known_is_not_called_again() -> None:
    of = simulation(EVERYBODY, BatchRules(), *calls(5))
    assert of.take(calls(7), MONDAY_NOON) == 2
    to_the_end(of)
    assert of.take(calls(7), MONDAY_NOON) == 0
    assert (len(of), of.unfinished, of.attempts) == (7, 0, 7)


def test_the_same_seed_gives_the_same_answers_in_whatever_order() -> None:
    forth = to_the_end(simulation(Behaviour(seed=1), BatchRules(), *calls(100)))
    back = to_the_end(simulation(Behaviour(seed=1, lines=7), BatchRules(), *reversed(calls(100))))
    other = to_the_end(simulation(Behaviour(seed=2), BatchRules(), *calls(100)))
    ends = [
        {report.call_id: report.status for report in reports if RANKS[report.status] == FINAL_RANK}
        for reports in (forth, back, other)
    ]
    assert ends[0] == ends[1] != ends[2]


def test_a_call_left_behind_while_it_rang_has_had_one_attempt() -> None:
    left = calls(60, status=CallStatus.DIALING)
    assert of_call(to_the_end(simulation(NOBODY, BatchRules(), *left)), "call-0") == [CallStatus.FAILED]
    again = simulation(NOBODY, BatchRules(retry=1, delay=HOUR), *left)
    reports = to_the_end(again)
    assert again.attempts == 60
    assert min(report.at for report in reports) >= MONDAY_NOON + HOUR


def test_a_talk_left_behind_has_failed() -> None:
    left = calls(1, status=CallStatus.IN_PROGRESS)
    assert of_call(to_the_end(simulation(EVERYBODY, BatchRules(retry=3), *left)), "call-0") == [CallStatus.FAILED]


def test_a_zone_that_this_machine_does_not_know_is_utc() -> None:
    of = simulation(EVERYBODY, BatchRules(hours=CallingHours(time(9), time(18))), *calls(1, "Mars/Olympus"))
    assert len(of.advance(MONDAY_NOON)) == 1


def test_a_clock_runs_as_many_times_faster_and_leaps_forward_only() -> None:
    real = [100.0]
    clock = FastClock(MONDAY_NOON, 60.0, lambda: real[0])
    real[0] += 2
    assert (clock.now(), clock.elapsed()) == (MONDAY_NOON + 120, 120)
    assert clock.until(MONDAY_NOON + 180) == 1
    clock.leap_to(MONDAY_NOON + HOUR)
    clock.leap_to(MONDAY_NOON)
    assert clock.now() == MONDAY_NOON + HOUR
    real[0] += 1
    assert clock.now() == MONDAY_NOON + HOUR + 60
