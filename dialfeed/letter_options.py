"""The filters of dead letters as options, shared by the commands that choose among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from dialfeed.clock import now_ms
from dialfeed.command_options import ID, UTF8
from dialfeed.exits import WrongUseError
from schemas.dead_letter_query import DeadLetterFilter, moment
from schemas.dead_letters import STAGES
from schemas.outcomes import RECORD_CODES, FailureClass
from schemas.replay_jobs import MOST_INT

R = TypeVar("R")


def filter_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add the filters; the command gets them as `filter_of` takes them."""
    options = (
        click.option("--agent", type=ID, metavar="A", help="Those of the batches that this agent speaks for."),
        click.option("--batch", type=ID, metavar="B", help="Those of this batch."),
        click.option("--submission", type=ID, metavar="S", help="Those of this submission."),
        click.option("--index", type=click.IntRange(0, 2**32 - 1), metavar="N", help="The record with this index."),
        click.option(
            "--code",
            type=click.Choice([str(code) for code in RECORD_CODES]),
            metavar="CODE",
            help="Those whose first error has this code, see docs/codes.md.",
        ),
        click.option(
            "--class",
            "failure_class",
            type=click.Choice([str(each) for each in FailureClass]),
            help="Who has to act.",
        ),
        click.option("--stage", type=click.Choice(STAGES), help="Step that found the errors."),
        click.option("--path", type=UTF8, metavar="POINTER", help="Those whose first error is at this JSON pointer."),
        click.option("--since", metavar="TIME", help="Failed at this time (RFC 3339) or after; or how long ago: 2h."),
        click.option("--until", metavar="TIME", help="Failed before this time; or how long ago."),
        click.option(
            "--attempt", type=click.IntRange(1, MOST_INT), metavar="N", help="This attempt. [the newest of a record]"
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def filter_of(given: dict[str, Any]) -> DeadLetterFilter:
    """Take the filters out of a command's options; raise WrongUseError."""
    now = now_ms()
    return DeadLetterFilter(
        agent=given.pop("agent"),
        batch=given.pop("batch"),
        submission=given.pop("submission"),
        code=given.pop("code"),
        failure_class=given.pop("failure_class"),
        stage=given.pop("stage"),
        since=_moment("--since", given.pop("since"), now),
        until=_moment("--until", given.pop("until"), now),
        attempt=given.pop("attempt"),
        path=given.pop("path"),
        record_index=given.pop("index"),
    )


def _moment(option: str, text: str | None, now: int) -> int | None:
    try:
        return moment(text, now) if text is not None else None
    except ValueError as error:
        raise WrongUseError(f"{option} {error}", f"Give it as {option} 2026-03-01T09:00:00Z or {option} 2h.") from None
