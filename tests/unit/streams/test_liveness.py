from __future__ import annotations

from streams.liveness import STALLED_AFTER_SECONDS, Liveness, Sighting


def seen(at: float, *, received: int = 5, lag: int | None = 3, busy: bool = False, crashed: bool = False) -> Sighting:
    return Sighting(at=at, crashed=crashed, busy=busy, received=received, lag=lag)


def test_waiting_messages_that_never_arrive_are_a_stall() -> None:
    liveness = Liveness()
    assert liveness.stalled(seen(0)) is None
    assert liveness.stalled(seen(STALLED_AFTER_SECONDS - 1)) is None
    assert "3 messages wait" in (liveness.stalled(seen(STALLED_AFTER_SECONDS)) or "")


def test_progress_starts_the_clock_anew() -> None:
    liveness = Liveness()
    liveness.stalled(seen(0))
    assert liveness.stalled(seen(50, received=6)) is None
    assert liveness.stalled(seen(STALLED_AFTER_SECONDS + 40, received=6)) is None


def test_a_worker_that_waits_for_the_world_is_not_stalled() -> None:
    liveness = Liveness()
    assert all(liveness.stalled(seen(at, busy=True)) is None for at in range(0, 1000, 5))


def test_an_idle_worker_is_not_stalled() -> None:
    liveness = Liveness()
    assert all(liveness.stalled(seen(at, lag=0)) is None for at in range(0, 1000, 5))


def test_brokers_that_cannot_be_asked_are_no_reason() -> None:
    liveness = Liveness()
    assert all(liveness.stalled(seen(at, lag=None)) is None for at in range(0, 1000, 5))


def test_a_crash_is_told_at_once() -> None:
    assert Liveness().stalled(seen(0, crashed=True)) == "Faust has crashed"
