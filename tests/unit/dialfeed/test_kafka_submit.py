from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from dialfeed.api_client import Outcome, UnknownOutcomeError
from dialfeed.kafka_submit import KafkaSubmitter, StoppedSendError, messages_of
from schemas.messages import Message, MustStopError, TryAgainError, WorldError
from streams.chunking import RawMessage, cut_message


class Topic:
    """A publisher that fails so often, after it has taken the messages."""

    def __init__(self, *failures: WorldError) -> None:
        self.messages: list[Message] = []
        self._failures = list(failures)

    async def publish(self, messages: Sequence[Message]) -> None:
        self.messages += messages
        if self._failures:
            raise self._failures.pop(0)

    async def ready(self) -> None: ...


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialfeed.kafka_submit.PAUSE_SECONDS", 0.001)


RECORDS = [json.dumps({"phoneNumber": str(number)}).encode() for number in range(2500)]


def test_the_workers_cut_the_messages_into_one_submission() -> None:
    chunks = [
        chunk
        for place, one in enumerate(messages_of("b", RECORDS, "send-1", "a" * 64))
        for chunk in cut_message(RawMessage("calls.raw", 0, place, 1, one.key, one.value, one.headers))
    ]
    assert [(chunk.first_index, len(chunk.records)) for chunk in chunks] == [(0, 1000), (1000, 1000), (2000, 500)]
    assert {(c.submission_id, c.batch_id, c.total, c.body_hash) for c in chunks} == {("send-1", "b", 2500, "a" * 64)}


async def test_the_same_records_at_the_same_place_are_the_same_submission() -> None:
    topic = Topic()
    first, again = [await KafkaSubmitter(topic, None, 1).submit("b", RECORDS, 0) for _ in range(2)]
    other = await KafkaSubmitter(topic, None, 1).submit("b", RECORDS, 1000)
    anew = await KafkaSubmitter(topic, None, 1, "salt").submit("b", RECORDS, 0)
    assert first.submission_ids == again.submission_ids
    assert len({*first.submission_ids, *other.submission_ids, *anew.submission_ids}) == 3


class Reports:
    """Knows of every submission, to its end."""

    async def outcome(self, submission_id: str, total: int) -> Outcome:
        return Outcome(submission_ids=[submission_id], added=total)

    async def known(self, submission_id: str) -> bool:
        return submission_id.startswith("send-")


async def test_what_is_reported_to_its_end_is_not_published_again() -> None:
    topic = Topic()
    outcome = await KafkaSubmitter(topic, Reports(), 1).submit("b", RECORDS, 0)
    assert (topic.messages, outcome.added, outcome.already_sent) == ([], 2500, 2500)


async def test_without_anybody_to_ask_the_records_are_pending() -> None:
    outcome = await KafkaSubmitter(Topic(), None, 1).submit("b", RECORDS, 0)
    assert (outcome.added, outcome.pending) == (0, 2500)


async def test_what_may_be_there_is_published_again_and_counted() -> None:
    topic = Topic(TryAgainError("lost"), TryAgainError("lost"))
    outcome = await KafkaSubmitter(topic, None, 5).submit("b", RECORDS[:1], 0)
    assert (outcome.repeated, len(topic.messages)) == (2, 3)
    assert len({message.value for message in topic.messages}) == 1


async def test_it_gives_up_with_an_unknown_outcome() -> None:
    with pytest.raises(UnknownOutcomeError):
        await KafkaSubmitter(Topic(*[TryAgainError("away")] * 1000), None, 0.01).submit("b", RECORDS[:1], 0)


async def test_a_missing_topic_stops_it() -> None:
    with pytest.raises(StoppedSendError, match="topics --create"):
        await KafkaSubmitter(Topic(MustStopError("run `dialfeed topics --create`")), None, 1).submit(
            "b", RECORDS[:1], 0
        )
