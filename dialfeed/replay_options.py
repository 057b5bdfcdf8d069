"""What `dialfeed replay` is told: filters, changes, limits; and the job that is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click
import msgspec

from dialfeed.clock import now_ms
from dialfeed.command_options import ID, UTF8
from dialfeed.exits import WrongUseError
from schemas.dead_letter_query import moment
from schemas.dead_letters import STAGES
from schemas.outcomes import Code, FailureClass
from schemas.replay_jobs import DEFAULT_MAX_ATTEMPTS, MOST_INT, ReplayMove, ReplayValue

R = TypeVar("R")

MOST_RATE: Final = 1_000_000
MOST_ATTEMPTS: Final = 1_000


class Moment(click.ParamType):
    """A time, ms since the epoch: RFC 3339, or how long ago, such as `2h`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return moment(value, now_ms())
        except ValueError as error:
            self.fail(str(error), param, ctx)


def filter_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add the filters, under the names that `schemas.replay_jobs.ReplayJob` has."""
    options = (
        click.option("--agent", type=ID, metavar="A", help="Only records of the batches that this agent speaks for."),
        click.option("--batch", type=ID, metavar="B", help="Only records of this batch."),
        click.option("--submission", type=ID, metavar="S", help="Only records of this submission."),
        click.option(
            "--code",
            type=click.Choice([str(code) for code in Code]),
            metavar="CODE",
            help="Only those whose first error has this code, see docs/codes.md.",
        ),
        click.option(
            "--class",
            "failure_class",
            type=click.Choice([str(one) for one in FailureClass]),
            help="Only those that this side has to act on, see docs/codes.md.",
        ),
        click.option("--stage", type=click.Choice(STAGES), help="Only those that failed in this stage."),
        click.option(
            "--path",
            type=UTF8,
            metavar="POINTER",
            help="Only those whose first error is at this JSON pointer, such as /amount.",
        ),
        click.option("--since", type=Moment(), help="Only those that failed then or later: RFC 3339, or 2h for ago."),
        click.option("--until", type=Moment(), help="Only those that failed before."),
        click.option("--attempt", type=click.IntRange(1, MOST_INT), help="Only those that have failed so often."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def job_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add how the records are tried again, under the names that `schemas.replay_jobs.ReplayJob` has."""
    options = (
        click.option("--rate", type=click.IntRange(1, MOST_RATE), metavar="N", help="Records a second at most."),
        click.option(
            "--max-attempts",
            type=click.IntRange(1, MOST_ATTEMPTS),
            default=DEFAULT_MAX_ATTEMPTS,
            show_default=True,
            help="What has failed more often goes to calls.parking.",
        ),
        click.option(
            "--as-new",
            is_flag=True,
            help="Records count from now: as a new call where the contact was called. Never twice for one record.",
        ),
        click.option(
            "--to-batch",
            type=ID,
            metavar="B",
            help="Send them to this batch, of the same workspace, instead of their own.",
        ),
        click.option(
            "--agent-version",
            type=click.IntRange(1, MOST_INT),
            metavar="N",
            help="Check against this version of the schema: of the agent of --agent, --batch or --submission, "
            "or of the one whose all the letters are. "
            "[the one current when the record was accepted]",
        ),
        click.option(
            "--map",
            "moves",
            type=UTF8,
            multiple=True,
            metavar="OLD=NEW",
            help="Rename a field of the record itself, none of a nested object. Repeatable.",
        ),
        click.option(
            "--set",
            "values",
            type=UTF8,
            multiple=True,
            metavar="KEY=VALUE",
            help="Set a field of the record itself, none of a nested object: JSON, else text. Repeatable.",
        ),
        click.option("--parked", is_flag=True, help="Read calls.parking instead of calls.dead-letter."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def job_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a `ReplayJob` from what was typed; raise WrongUseError."""
    return {
        **given,
        "moves": [ReplayMove(old=old, new=new) for old, new in map(_move, given["moves"])],
        "values": [ReplayValue(name=name, value=value) for name, value in map(_value, given["values"])],
    }


def _move(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not (old and equals and new):
        raise WrongUseError(f"--map {text} names no two fields", "Give it as OLD=NEW.")
    return old, new


def _value(text: str) -> tuple[str, bytes]:
    """Return name and JSON text of what is set; the value is not repeated where it is wrong."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise WrongUseError("--set names no field", "Give it as KEY=VALUE.")
    try:
        msgspec.json.decode(value)
    except (ValueError, RecursionError):
        return name, msgspec.json.encode(value)
    return name, value.strip().encode()
