"""How far `dialfeed replay` is: a bar where a person looks at a terminal, else a log line every few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from dialfeed.replay_remarks import said
from dialfeed.replay_runner import Sight, Watch

log = structlog.get_logger(__name__)

LINE_EVERY_SECONDS: Final = 5.0


@contextmanager
def progress() -> Iterator[Watch]:
    """Yield what is to be shown how far the replay is."""
    if sys.stderr.isatty():
        with _bar() as watch:
            yield watch
    else:
        yield _lines()


@contextmanager
def _bar() -> Iterator[Watch]:
    columns = (SpinnerColumn(), BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    with bar:
        task = bar.add_task("reading what has failed", total=None)

        def watch(sight: Sight) -> None:
            done = sight.outcomes
            went = done["added"] + done["updated"]
            text = f"{went:,} replayed, {done['superseded']:,} superseded, {done['failed'] + done['parked']:,} failed"
            bar.update(
                task, total=sight.to_read, completed=max(0, sight.read - sight.pending), description=f"{text} again"
            )

        yield watch


def readable(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a replay for people: why letters were skipped in words, nothing where none were."""
    because = [f"{count:,} {reason}" for reason, count in facts.get("skippedBecause", {}).items()]
    shown = {name: value for name, value in facts.items() if name not in ("skippedBecause", "mapNotFound")}
    if because:
        shown["skippedBecause"] = because
    if "mapNotFound" in facts:
        shown["mapNotFound"] = f"{', '.join(facts['mapNotFound'])}: no record has it; see its spelling in --map"
    return shown | said(facts)


def _lines() -> Watch:
    said_at = time.monotonic()

    def watch(sight: Sight) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= LINE_EVERY_SECONDS:
            said_at = time.monotonic()
            log.info("replaying", read=sight.read, to_read=sight.to_read, pending=sight.pending, **sight.outcomes)

    return watch
