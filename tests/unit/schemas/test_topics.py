from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from schemas.topics import TOPICS, TopicName

T = TopicName
DAY_MS = 24 * 60 * 60 * 1000
KEPT = {topic.name: int(topic.settings["retention.ms"]) for topic in TOPICS if "retention.ms" in topic.settings}
DOCUMENT = (Path(__file__).parents[3] / "docs" / "retention.md").read_text()


@pytest.mark.parametrize(
    "ways",
    [
        (T.RAW, T.CHUNKS, T.PHONE_LOG, T.RECEIPTS),
        (T.RECORDS, T.CHUNKS, T.PHONE_LOG, T.DIALER),
        (T.RAW, T.CHUNKS, T.DEAD_LETTER, T.PARKING),
        (T.STATUS, T.PHONE_LOG, T.STATUS),
    ],
)
def test_a_later_topic_is_kept_at_least_as_long_as_those_before_it(ways: tuple[TopicName, ...]) -> None:
    for before, after in pairwise(ways):
        assert KEPT[before] <= KEPT[after], (before, after)


def test_the_document_of_retention_is_that_of_the_code() -> None:
    said: dict[str, str] = {}
    for names, kept in re.findall(r"^\| ((?:`calls\.[\w-]+`(?:, )?)+) \| ([^|]+) \|", DOCUMENT, re.MULTILINE):
        said |= dict.fromkeys(re.findall(r"`([\w.-]+)`", names), kept)
    days = {name: f"{kept // DAY_MS} day{'s' if kept > DAY_MS else ''}" for name, kept in KEPT.items()}
    compacted = {topic.name: "for ever, compacted" for topic in TOPICS if topic.name not in KEPT}
    assert said == {**days, **compacted}
