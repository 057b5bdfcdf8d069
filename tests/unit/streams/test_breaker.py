from __future__ import annotations

import pytest

from schemas.codecs import decode
from schemas.dead_letters import DeadLetter, dead_letter
from schemas.outcomes import RECORD_CODES, Code, FailureClass, FieldError, Rejected
from schemas.records import Agent, AgentVersion, Batch, CallingNumber, Chunk, PhoneLogChunk, Replay, Replayed
from schemas.registry import Registry
from streams import agents
from streams.agents import Steps
from streams.breaker import Breaker
from streams.campaigns import Campaigns
from streams.pipeline import Limits
from tests.support.samples import SCHEMA, chunk, records
from tests.unit.streams.publishing import Published


def letters(count: int, code: Code = Code.SCHEMA_UNUSABLE) -> list[DeadLetter]:
    rejected = Rejected((FieldError(code, "", "of no use"),), "clean")
    return [dead_letter(b"{}", rejected, chunk(), index, 1, "test") for index in range(count)]


def test_the_first_chunk_alone_is_enough() -> None:
    assert Breaker().reason(1, letters(1)) == "of no use"


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.SCHEMA_UNUSABLE])
def test_what_others_have_to_mend_never_trips_it(code: Code) -> None:
    assert RECORD_CODES[code].failure_class not in {FailureClass.SCHEMA, FailureClass.SYSTEM}
    assert Breaker(share=0.0).reason(10, letters(10, code)) is None


@pytest.mark.parametrize(("lost", "held"), [(200, False), (201, True)])
def test_the_share_is_of_the_last_records(lost: int, held: bool) -> None:
    breaker = Breaker(share=0.2, records=1000)
    breaker.count(1000 - lost, [])
    assert (breaker.reason(lost, letters(lost)) is not None) is held


def test_what_was_lost_bit_by_bit_counts_together() -> None:
    breaker = Breaker(share=0.2, records=1000)
    breaker.count(900, [])
    for _ in range(2):
        assert breaker.reason(100, letters(100)) is None
        breaker.count(100, letters(100))
    assert breaker.reason(100, letters(100)) is not None


def test_what_is_long_ago_is_forgotten() -> None:
    breaker = Breaker(share=0.5, records=1000)
    for _ in range(1000):
        breaker.count(100, [])
    assert len(breaker._counted) == 10
    assert breaker.reason(800, letters(800)) is not None


def test_a_share_of_one_never_holds_anything() -> None:
    assert Breaker(share=1.0).reason(1000, letters(1000)) is None


async def test_a_chunk_is_held_until_its_schema_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "HOLD_SECONDS", 0.0)
    published = Published()
    mended = Mended(after=3)
    steps = Steps(published, mended, Campaigns(mended.state), Limits(), Breaker())
    await steps.clean_chunk(chunk(*records(3)))
    assert published.topics() == ["calls.workers", "calls.workers", "calls.phone-log"]
    assert steps.breaker.reasons == set()


def a_replayed_slice(*, attempt: int = 1) -> Chunk:
    history = [
        Replayed(
            submission_id="first",
            record_index=index,
            accepted_at=5,
            source_topic="calls.raw",
            source_partition=2,
            source_offset=9,
            attempt=attempt,
            first_failed_at=6,
        )
        for index in range(3)
    ]
    replay = Replay(replay_id="r", part=4, max_attempts=3, records=history)
    return chunk(*records(3), submission_id="r", replay=replay)


@pytest.mark.parametrize("attempt", [1, 3])
async def test_a_slice_of_a_replay_is_left_as_it_is_and_keeps_nobody_waiting(attempt: int) -> None:
    published = Published()
    broken = Mended(after=-1)
    steps = Steps(published, broken, Campaigns(broken.state), Limits(), Breaker())
    steps.breaker.count(1_000_000, [])  # of what is sent now: says nothing of what is tried again
    await steps.clean_chunk(a_replayed_slice(attempt=attempt))
    assert published.topics() == ["calls.phone-log"]
    log = decode(published.messages[0].value, PhoneLogChunk)
    assert log.replay is not None
    assert (log.size, log.record_index, log.replay.part) == (3, [], 4)
    assert "version 1, cannot be used" in log.replay.held


async def test_a_slice_of_a_replay_fails_again_where_the_breaker_may_not_hold_anything() -> None:
    published = Published()
    broken = Mended(after=-1)
    steps = Steps(published, broken, Campaigns(broken.state), Limits(), Breaker(share=1.0))
    await steps.clean_chunk(a_replayed_slice())
    assert published.topics() == [*["calls.dead-letter"] * 3, "calls.phone-log"]
    assert decode(published.messages[-1].value, PhoneLogChunk).replay == a_replayed_slice().replay


class Mended:
    """A registry whose agent has a schema of use after so many refreshes."""

    def __init__(self, after: int) -> None:
        self.state = Registry()
        self._left = after
        self.state.apply(CallingNumber(phone_id="n", workspace_id="w", number="+1", agent_id="a", created_at=1))
        self.state.apply(Batch(batch_id="b", workspace_id="w", name="n", phone_ids=["n"], created_at=1))
        self._set('{"type":"record","name":"x","fields":[{"name":"y"}]}')

    async def refresh(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._set(SCHEMA)

    def _set(self, schema: str) -> None:
        version = AgentVersion(version=1, schema=schema, created_at=1)
        self.state.apply(Agent(agent_id="a", workspace_id="w", name="n", versions=[version], created_at=1))
