from __future__ import annotations

import asyncio

import pytest

from schemas.messages import TryAgainError
from streams import agents
from streams.chunking import RawMessage
from tests.support.samples import raw_message


class Stops:
    """Stands for the end of the process: writes down why, and lets nothing go on."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def __call__(self, error: Exception) -> None:
        self.reasons.append(str(error))
        raise SystemExit


@pytest.fixture
def stops() -> Stops:
    return Stops()


async def test_while_the_world_is_wrong_a_step_is_tried_again(monkeypatch: pytest.MonkeyPatch, stops: Stops) -> None:
    monkeypatch.setattr(agents, "FIRST_PAUSE_SECONDS", 0.0)
    outcomes: list[Exception | None] = [TryAgainError("away"), TryAgainError("away"), None]

    async def step(_: RawMessage) -> None:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome

    await agents._until_done(step, raw_message(b""), stops)
    assert (outcomes, stops.reasons) == ([], [])


async def test_anything_unexpected_ends_the_process(stops: Stops) -> None:
    async def step(_: RawMessage) -> None:
        raise KeyError("unexpected")

    with pytest.raises(SystemExit):
        await agents._until_done(step, raw_message(b""), stops)
    assert stops.reasons == ["'unexpected'"]


async def test_a_message_that_is_cancelled_in_work_ends_the_process() -> None:
    """Faust would acknowledge it."""
    reasons: list[str] = []
    begun = asyncio.Event()

    async def step(_: RawMessage) -> None:
        begun.set()
        await asyncio.Event().wait()

    working = asyncio.create_task(agents._until_done(step, raw_message(b""), lambda error: reasons.append(str(error))))
    await begun.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert "still in work" in reasons[0]
