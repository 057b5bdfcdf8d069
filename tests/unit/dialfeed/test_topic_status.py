"""What of a topic stops a start, what is red, and what is only told."""

from __future__ import annotations

from typing import Any

import pytest

from dialfeed.topic_status import Found, TopicStatus, copies, statuses
from schemas.topics import READ_TOGETHER, TOPICS, TopicName

RAW, STATUS, PHONE_LOG = TopicName.RAW, TopicName.STATUS, TopicName.PHONE_LOG
DAY_MS = 24 * 60 * 60 * 1000


def as_made(brokers: int = 1) -> dict[TopicName, Found]:
    replicas, in_sync = copies(brokers)
    least = {"min.insync.replicas": str(in_sync)}
    return {t.name: Found(t.name, t.partitions, replicas, t.settings | t.wishes | least) for t in TOPICS}


def changed(
    name: TopicName, *, brokers: int = 1, partitions: int = 0, replicas: int = 0, **settings: str
) -> TopicStatus:
    found = as_made(brokers)
    one = found[name]
    given = {key.replace("_", "."): value for key, value in settings.items()}
    found[name] = Found(name, partitions or one.partitions, replicas or one.replicas, dict(one.settings) | given)
    return next(each for each in statuses(found, str, brokers) if each.name == name)


@pytest.mark.parametrize("brokers", [1, 2, 3, 5])
def test_topics_as_they_are_made_are_well(brokers: int) -> None:
    told = statuses(as_made(brokers), str, brokers)
    assert [(each.ok, each.stops, each.warnings) for each in told] == [(True, [], [])] * len(TOPICS)


@pytest.mark.parametrize(("brokers", "expected"), [(1, (1, 1)), (2, (2, 1)), (3, (3, 2)), (6, (3, 2))])
def test_two_of_three_replicas_acknowledge(brokers: int, expected: tuple[int, int]) -> None:
    assert copies(brokers) == expected


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (RAW, {"message_timestamp_type": "CreateTime"}),
        (STATUS, {"message_timestamp_type": "CreateTime"}),
        (RAW, {"cleanup_policy": "compact"}),
        (TopicName.DEAD_LETTER, {"cleanup_policy": "compact,delete"}),
        (TopicName.REGISTRY, {"cleanup_policy": "delete"}),
        (TopicName.REPLAYS, {"cleanup_policy": "compact,delete"}),
        (STATUS, {"partitions": 16}),
        (PHONE_LOG, {"partitions": 9}),
        (TopicName.RECEIPTS, {"partitions": 16}),
        (TopicName.DEAD_LETTER, {"partitions": 4}),
    ],
)
def test_what_breaks_a_promise_stops_a_start(name: TopicName, change: dict[str, Any]) -> None:
    status = changed(name, **change)
    assert (status.ok, status.stops) == (False, status.differences)
    assert name in status.stops[0]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (RAW, {"partitions": 64}),
        (TopicName.CHUNKS, {"partitions": 3}),
        (TopicName.PARKING, {"partitions": 16}),
        (TopicName.REGISTRY, {"partitions": 2}),
        (PHONE_LOG, {"retention_ms": str(DAY_MS)}),
        (TopicName.DEAD_LETTER, {"max_message_bytes": "1000000"}),
    ],
)
def test_what_an_operator_may_choose_is_told_and_no_fault(name: TopicName, change: dict[str, Any]) -> None:
    status = changed(name, **change)
    assert (status.ok, status.stops, len(status.warnings)) == (True, [], 1)


@pytest.mark.parametrize(
    "change", [{"retention_ms": str(90 * DAY_MS)}, {"retention_ms": "-1"}, {"max_message_bytes": str(2**30)}]
)
def test_what_is_larger_than_it_was_made_is_as_good(change: dict[str, Any]) -> None:
    assert changed(PHONE_LOG, **change).warnings == []


@pytest.mark.parametrize("pair", READ_TOGETHER)
def test_both_of_a_pair_may_be_raised_together(pair: tuple[TopicName, TopicName]) -> None:
    found = as_made()
    for name in pair:
        found[name] = Found(name, 24, 1, found[name].settings)
    told = {each.name: each for each in statuses(found, str, 1)}
    assert [(told[name].ok, len(told[name].warnings)) for name in pair] == [(True, 1)] * 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"min_insync_replicas": "1"}, "min.insync.replicas is 1, should be 2"),
        ({"replicas": 1, "min_insync_replicas": "1"}, "1 replicas on 3 brokers, should be 3"),
        ({"replicas": 2, "min_insync_replicas": "1"}, "2 replicas on 3 brokers, should be 3"),
        ({"replicas": 1, "min_insync_replicas": "2"}, "nothing can be published"),
    ],
)
def test_too_few_copies_are_red_and_stop_nothing(change: dict[str, Any], reason: str) -> None:
    status = changed(RAW, brokers=3, **change)
    assert (status.ok, status.stops) == (False, [])
    assert any(reason in difference for difference in status.differences)


def test_more_acknowledgements_than_asked_for_are_well() -> None:
    assert changed(RAW, brokers=3, min_insync_replicas="3").ok


def test_a_missing_topic_stops_a_start() -> None:
    found = {name: one for name, one in as_made().items() if name is not RAW}
    (missing,) = [each for each in statuses(found, lambda name: f"p.{name}", 1) if not each.ok]
    assert (missing.name, missing.partitions) == ("p.calls.raw", 0)
    assert missing.stops
