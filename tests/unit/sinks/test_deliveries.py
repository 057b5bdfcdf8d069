from __future__ import annotations

from sinks.deliveries import LONGEST_PAUSE_SECONDS, LONGEST_RETRY_AFTER_SECONDS, Deliveries, Delivery

HERE, THERE = ("calls.dialer", 0), ("calls.dialer", 1)


def delivery(offset: int, batch: str = "b", place: tuple[str, int] = HERE, body: bytes | None = b"{}") -> Delivery:
    return Delivery(place, offset, batch, f"request-{offset}", body)


def with_commands(*commands: Delivery, give_up_seconds: float = 3600) -> Deliveries:
    made = Deliveries(give_up_seconds)
    for command in commands:
        made.add(command)
    return made


def test_a_batch_is_told_one_command_at_a_time() -> None:
    first, second = delivery(0), delivery(1)
    waiting = with_commands(first)
    assert list(waiting.due(0)) == [first]
    waiting.begin(first, 0)
    waiting.add(second)
    assert list(waiting.due(0)) == []
    waiting.finish(first)
    assert list(waiting.due(0)) == [second]


def test_what_waits_when_a_later_command_of_its_batch_comes_is_told_with_it() -> None:
    commands = [delivery(0), delivery(1, "other"), delivery(2), delivery(3)]
    waiting = with_commands(*commands)
    assert list(waiting.due(0)) == [commands[3], commands[1]]
    assert len(waiting) == 2
    waiting.finish(commands[1])
    assert waiting.committable() == {HERE: 3}  # the command that stands for it is not told yet
    waiting.finish(commands[3])
    assert waiting.committable() == {HERE: 4}


def test_what_comes_while_one_is_told_is_told_after_it_once() -> None:
    first, second, third = delivery(0), delivery(1), delivery(2)
    waiting = with_commands(first)
    waiting.begin(first, 0)
    waiting.add(second)
    waiting.add(third)
    waiting.finish(first)
    assert list(waiting.due(0)) == [third]
    assert waiting.committable() == {HERE: 2}


def test_a_command_that_stands_for_one_that_failed_waits_as_long_and_no_longer_altogether() -> None:
    first, second, third = delivery(0), delivery(1), delivery(2)
    waiting = with_commands(first, give_up_seconds=100)
    waiting.begin(first, 0)
    waiting.add(second)
    assert waiting.fail(first, 0, share=1.0)
    waiting.add(third)
    assert list(waiting.due(0.9)) == []
    assert list(waiting.due(1.0)) == [third]
    assert (third.tries, third.begun_at) == (1, 0)
    waiting.begin(third, 100)
    assert not waiting.fail(third, 100, share=1.0)


def test_a_command_that_is_given_up_takes_none_along() -> None:
    first, second = delivery(0), delivery(1)
    waiting = with_commands(first, give_up_seconds=100)
    waiting.begin(first, 0)
    waiting.add(second)
    assert not waiting.fail(first, 100, share=1.0)
    waiting.finish(first)
    assert list(waiting.due(100)) == [second]


def test_one_that_fails_for_ever_keeps_none_from_being_told_or_taken() -> None:
    failing = delivery(0, "failing")
    waiting = with_commands(failing, give_up_seconds=1e9)
    for offset in range(1, 5_000):
        waiting.add(delivery(offset, "good"))
        for due in waiting.due(offset):
            waiting.begin(due, offset)
            if due is failing:
                waiting.fail(due, offset, share=1.0)
            else:
                waiting.finish(due)
    assert len(waiting) == 1
    assert waiting.committable() == {}


def test_those_that_have_waited_longest_come_first() -> None:
    slow, never_tried = delivery(0, "slow"), delivery(1, "never tried")
    waiting = with_commands(slow, never_tried)
    waiting.begin(slow, 0)
    waiting.fail(slow, 0, share=1.0)
    assert list(waiting.due(100)) == [never_tried, slow]


def test_a_batch_that_has_to_wait_keeps_no_other_waiting() -> None:
    slow, other = delivery(0, "slow"), delivery(1, "other")
    waiting = with_commands(slow, other)
    waiting.begin(slow, 0)
    assert waiting.fail(slow, 0, share=1.0)
    assert list(waiting.due(0)) == [other]


def test_an_offset_is_done_only_after_all_before_it() -> None:
    first, second = delivery(7, "a"), delivery(8, "b")
    waiting = with_commands(first, second)
    waiting.finish(second)
    assert waiting.committable() == {}
    waiting.finish(first)
    assert waiting.committable() == {HERE: 9}
    assert waiting.committable() == {}
    assert len(waiting) == 0


def test_what_is_no_command_is_passed_over() -> None:
    waiting = with_commands(delivery(0, body=None), delivery(1))
    assert waiting.committable() == {HERE: 1}
    assert [one.offset for one in waiting.due(0)] == [1]


def test_pauses_grow_to_a_bound() -> None:
    command = delivery(0)
    waiting = with_commands(command, give_up_seconds=1e9)
    pauses = []
    for _ in range(12):
        waiting.begin(command, 0)
        waiting.fail(command, 0, share=1.0)
        pauses.append(command.not_before)
    assert pauses[:3] == [1.0, 2.0, 4.0]
    assert max(pauses) == LONGEST_PAUSE_SECONDS


def test_chance_takes_a_share_of_the_pause() -> None:
    command = delivery(0)
    waiting = with_commands(command)
    waiting.begin(command, 10)
    waiting.fail(command, 10, share=0.25)
    assert command.not_before == 10.25


def test_a_service_that_asks_to_wait_is_heeded_up_to_a_bound() -> None:
    command = delivery(0)
    waiting = with_commands(command)
    waiting.begin(command, 0)
    waiting.fail(command, 0, share=1.0, retry_after=30)
    assert command.not_before == 30
    waiting.fail(command, 0, share=1.0, retry_after=86_400)
    assert command.not_before == LONGEST_RETRY_AFTER_SECONDS


def test_after_its_time_there_is_no_other_try() -> None:
    command = delivery(0)
    waiting = with_commands(command, give_up_seconds=100)
    waiting.begin(command, 50)
    assert waiting.fail(command, 149, share=1.0)
    waiting.begin(command, 149)
    assert not waiting.fail(command, 150, share=1.0)


def test_a_partition_that_was_taken_away_is_forgotten_whole() -> None:
    lost, kept = delivery(0), delivery(4, place=THERE)
    waiting = with_commands(lost, kept)
    waiting.begin(lost, 0)
    waiting.forget([HERE])
    waiting.finish(lost)  # its answer comes after all
    assert list(waiting.due(0)) == [kept]
    assert waiting.committable() == {}


def test_a_command_that_came_back_is_not_finished_by_the_answer_to_its_forerunner() -> None:
    before, again = delivery(0), delivery(0)
    waiting = with_commands(before)
    waiting.begin(before, 0)
    waiting.forget([HERE])
    waiting.add(again)
    waiting.finish(before)
    assert list(waiting.due(0)) == [again]
