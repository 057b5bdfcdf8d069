from __future__ import annotations

import signal

import pytest

from dialfeed import supervision
from dialfeed.exits import ExitCode
from dialfeed.supervision import PAUSES_SECONDS, GaveUpError, keep_running


class Ending:
    """A part that ends at once, always in the same way."""

    name = "worker 1"

    def __init__(self, code: int) -> None:
        self.code = code
        self.started = 1

    async def start(self) -> None:
        self.started += 1

    async def wait(self) -> int:
        return self.code

    async def stop(self, within_seconds: float) -> None:
        raise AssertionError(within_seconds)


async def given_up(part: Ending, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(supervision, "PAUSES_SECONDS", (0.0,) * len(PAUSES_SECONDS))
    with pytest.raises(GaveUpError) as error:
        await keep_running(part)
    return str(error.value)


@pytest.mark.parametrize(
    ("code", "how"),
    [(70, "ended with exit code 70"), (-signal.SIGKILL, "was ended by SIGKILL")],
)
async def test_what_keeps_stopping_is_given_up_after_some_starts(
    code: int, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = Ending(code)
    assert await given_up(part, monkeypatch) == f"worker 1 {how} again and again; the lines above say why"
    assert part.started == 1 + len(PAUSES_SECONDS)


async def test_wrong_use_is_given_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    part = Ending(ExitCode.WRONG_USE)
    assert await given_up(part, monkeypatch) == "worker 1 ended with exit code 2; the lines above say why"
    assert part.started == 1
