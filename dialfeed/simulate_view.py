"""How far a simulation is: a live table where a person looks at a terminal, else a log line every few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

import structlog
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dialfeed.simulate import Progress, Watch
from schemas.statuses import CallStatus

log = structlog.get_logger(__name__)

LINE_EVERY_SECONDS: Final = 5.0
DRAW_EVERY_SECONDS: Final = 0.2
_STYLES: Final = {
    CallStatus.PENDING: "yellow",
    CallStatus.DIALING: "cyan",
    CallStatus.IN_PROGRESS: "cyan",
    CallStatus.COMPLETED: "green",
}
_BAR_WIDTH: Final = 40


@contextmanager
def view(*, live: bool = True) -> Iterator[Watch]:
    """Yield what is to be shown the progress, after every step."""
    if live and sys.stderr.isatty():
        with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as screen:
            yield _at_most_every(DRAW_EVERY_SECONDS, lambda seen: screen.update(drawn(seen), refresh=True))
    else:
        yield _at_most_every(LINE_EVERY_SECONDS, _log)


def _at_most_every(seconds: float, show: Watch) -> Watch:
    shown_at = time.monotonic()

    def watch(progress: Progress) -> None:
        nonlocal shown_at
        if time.monotonic() - shown_at >= seconds:
            shown_at = time.monotonic()
            show(progress)

    return watch


def _log(progress: Progress) -> None:
    simulation = progress.simulation
    log.info(
        "simulating",
        calls=len(simulation),
        unfinished=simulation.unfinished,
        attempts=simulation.attempts,
        simulated_time=_clock(progress.clock.now()),
        next_call_at=next_call_at(progress),
    )


def drawn(progress: Progress) -> Group:
    """Return what a person sees: a bar, calls by status, the simulated time and when the next thing happens."""
    simulation = progress.simulation
    done = len(simulation) - simulation.unfinished
    table = Table.grid(padding=(0, 2))
    for status in CallStatus:
        number = simulation.statuses[status]
        table.add_row(Text(str(status), style=_STYLES.get(status, "")), Text(f"{number:,}", justify="right"))
    waits = next_call_at(progress)
    ended = f"{done:,} of {len(simulation):,} calls ended, {simulation.attempts:,} attempts"
    line = f"{ended}; it is {_clock(progress.clock.now())}"
    return Group(
        ProgressBar(total=max(len(simulation), 1), completed=done, width=_BAR_WIDTH),
        Text(line, style="bold"),
        Text(f"closed or between attempts until {waits}" if waits else "", style="yellow"),
        table,
    )


def next_call_at(progress: Progress) -> str | None:
    """Return when something happens next, if that is not at once: the next opening of hours, or the next attempt."""
    at = progress.simulation.next_at()
    return None if at is None or at <= progress.clock.now() + 1 else _clock(at)


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%a %Y-%m-%d %H:%M:%S UTC")
