"""How far `dialfeed send` is: a bar where a person looks at a terminal, else a log line every few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from dialfeed.sending import Totals, Watcher

log = structlog.get_logger(__name__)

LINE_EVERY_SECONDS: Final = 5.0


@contextmanager
def progress(file_bytes: int | None) -> Iterator[Watcher]:
    """Yield what is to be shown the totals; `file_bytes` is None where the end is not known."""
    if sys.stderr.isatty():
        with _bar(file_bytes) as watcher:
            yield watcher
    else:
        yield _lines()


@contextmanager
def _bar(file_bytes: int | None) -> Iterator[Watcher]:
    columns = (SpinnerColumn(), BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    started = time.monotonic()
    with bar:
        task = bar.add_task("sending", total=file_bytes)

        def watch(totals: Totals) -> None:
            rate = totals.read / max(time.monotonic() - started, 0.001)
            text = f"{totals.added:,} added, {totals.failed:,} rejected, {rate:,.0f} records/s"
            bar.update(task, completed=min(totals.bytes_done, file_bytes or totals.bytes_done), description=text)

        yield watch


def _lines() -> Watcher:
    said_at = time.monotonic()

    def watch(totals: Totals) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= LINE_EVERY_SECONDS:
            said_at = time.monotonic()
            log.info("sending", read=totals.read, added=totals.added, rejected=totals.failed)

    return watch
