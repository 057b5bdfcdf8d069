"""The command `dialfeed`: its subcommands, loaded only when used, and how each of them ends."""

from __future__ import annotations

import errno
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Final, NamedTuple

import click

from dialfeed.exits import CommandError, ExitCode
from dialfeed.help_layout import Group
from schemas.messages import MustStopError, TryAgainError


class Subcommand(NamedTuple):
    """Where a subcommand is (`module:attribute`), and its one line in the list of all."""

    where: str
    does: str


SUBCOMMANDS: Final = {
    "run": Subcommand("commands_run:run", "Run everything: API, workers, sink (and a local Kafka)."),
    "send": Subcommand("commands_send:send", "Send a file of records and report what became of each."),
    "report": Subcommand("commands_report:report", "Show what became of a submission."),
    "dead-letters": Subcommand("commands_dead_letters:dead_letters", "List, count, show and export what failed."),
    "replay": Subcommand("commands_replay:replay", "Replay dead letters, once their cause is fixed."),
    "campaign": Subcommand("commands_campaign:campaign", "Make a campaign with all that it needs, in one go."),
    "simulate": Subcommand("commands_simulate:simulate_command", "Stand in for a calling service, without telephones."),
    "sql": Subcommand("commands_sql:sql", "Ask what is stored by a SELECT of your own."),
    "workspace": Subcommand("commands_workspace:workspace", "Make, update, list and delete workspaces, the tenants."),
    "key": Subcommand("commands_key:key", "Make, list and revoke API keys."),
    "agent": Subcommand("commands_agent:agent", "Make, update and delete voice-AI agents with their variable schemas."),
    "number": Subcommand("commands_number:number", "Make, assign, list and delete calling numbers."),
    "batch": Subcommand("commands_batch:batch", "Make, update, list and delete batches, the campaigns."),
    "doctor": Subcommand("commands_doctor:doctor", "Check everything, and say how to fix what is wrong."),
    "health": Subcommand("commands_health:health", "Say whether a part works, for health checks."),
    "zones": Subcommand("commands_zones:zones", "Say why a number has its time zone."),
    "topics": Subcommand("commands_topics:topics", "Compare Kafka's topics with what they should be, or create them."),
    "api": Subcommand("commands_run:api", "Run the HTTP API only, for a cluster."),
    "worker": Subcommand("commands_run:worker", "Run one worker only, for a cluster."),
    "load": Subcommand("commands_run:load", "Run the sink only, for a cluster."),
    "kafka": Subcommand("commands_run:kafka", "Run only the local Kafka, in the foreground."),
}
"""In the order of the list: what most people need first."""


class LazyGroup(Group):
    """Imports a subcommand's module when it is used, so that `dialfeed --help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        if cmd_name not in SUBCOMMANDS:
            return None
        module, _, attribute = SUBCOMMANDS[cmd_name].where.partition(":")
        command = getattr(importlib.import_module(f"dialfeed.{module}"), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{SUBCOMMANDS[cmd_name].where} is no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click's signature
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.does) for name, command in SUBCOMMANDS.items()])


def _show_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"dialfeed {app_version()}")
        ctx.exit()


def app_version() -> str:
    """Return the version that is installed; a checkout that never was has none."""
    try:
        return version("dialfeed")
    except PackageNotFoundError:
        return "(not installed)"


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  dialfeed run --sample                      everything on this machine, with a sample campaign
  dialfeed send --batch B contacts.ndjson    send contacts, wait for the answer, keep the rejected ones
  dialfeed doctor                            what is wrong, and how to fix it

\b
Answers go to stdout (--json: one JSON document), logs and progress to stderr.
Exit codes: 0 done; 1 done, but something failed; 2 wrong use or a wrong setting;
3 Kafka, ClickHouse or the API cannot be reached; 70 stopped by itself to lose nothing;
130 interrupted.
Settings are variables DIALFEED_..., from the environment or a .env: see docs/operating.md.""",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version."
)
def cli() -> None:
    """Contacts in, validated phone-log entries out, and a true report for every record."""


def run_command_line(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code. What a person can meet is told without a traceback."""
    code: int = ExitCode.DONE
    try:
        code = _run(arguments)
        sys.stdout.flush()  # here, where it can be told how it went; at the end Python itself would complain
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still held goes nowhere
        if isinstance(error, BrokenPipeError):  # whoever read our answer has had enough
            return code or ExitCode.SOME_FAILED
        return code if code == ExitCode.STOPPED else _explain(error)
    return code


def _run(arguments: Sequence[str]) -> int:
    try:
        return int(cli.main(list(arguments), prog_name="dialfeed", standalone_mode=False) or ExitCode.DONE)
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  Python would end with 1, which means something else here
        return _explain(error)


def _explain(error: Exception) -> ExitCode:
    match error:
        case click.ClickException():
            error.show()
            return ExitCode.WRONG_USE
        case CommandError():
            return _tell(error.sentence, error.remedy, error.exit_code)
        case TryAgainError():
            remedy = "Try again, or look for the cause with `dialfeed doctor`."
            return _tell(str(error), remedy, ExitCode.UNREACHABLE)
        case MustStopError():
            return _tell(str(error), "Then try again.", ExitCode.STOPPED)
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return _tell(f"disk full: {error.strerror}", "Make room.", ExitCode.STOPPED)
    traceback.print_exception(error)
    return _tell("this is a fault in dialfeed", "Please report it with the lines above.", ExitCode.STOPPED)


def _tell(sentence: str, remedy: str, code: ExitCode) -> ExitCode:
    color = False if os.environ.get("NO_COLOR") else None  # None: where it is a terminal
    click.secho(f"dialfeed: {sentence}", err=True, fg="red", color=color)
    if remedy:
        click.echo(remedy, err=True)
    return code
