"""How commands look: their own options before those that all share, and the nearest name where one does not exist.

Commands are made with `command` and `group` of this module instead of click's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

from schemas.nearest import nearest

SHARED: Final = "Shared options"


class SharedOption(click.Option):
    """An option that many commands have: it stands after the command's own in `--help`."""


class Command(click.Command):
    """A command with its own options first, and a sound guess at what a wrong option was meant to be."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            _name_nearest(error, self, ctx)
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own: list[tuple[str, str]] = []
        shared: list[tuple[str, str]] = []
        help_option = self.get_help_option(ctx)
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                is_shared = isinstance(parameter, SharedOption) or parameter is help_option
                (shared if is_shared else own).append(record)
        for title, records in (("Options", own), (SHARED, shared)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class Group(click.Group):
    """A group whose commands are `Command`s; for a subcommand that does not exist it names the nearest that does."""

    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            _name_nearest(error, self, ctx)
            raise

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name.startswith("-") or self.get_command(ctx, name) is not None:
            return super().resolve_command(ctx, args)
        names = self.list_commands(ctx)
        near = nearest(name, names)
        hint = f"Did you mean {near!r}?" if near else f"Commands: {', '.join(names)}."
        raise click.UsageError(f"No such command {name!r}. {hint}", ctx)


def command(name: str | None = None, **attributes: Any) -> Callable[[Callable[..., Any]], Command]:
    """Make a `Command` of a function, as `click.command` does."""
    return click.command(name, cls=Command, **attributes)


def group() -> Callable[[Callable[..., Any]], Group]:
    """Make a `Group` of a function, as `click.group` does."""
    return click.group(cls=Group)


def _name_nearest(error: click.NoSuchOption, command: click.Command, ctx: click.Context) -> None:
    known = (name for parameter in command.get_params(ctx) for name in parameter.opts if name.startswith("--"))
    near = nearest(error.option_name, known)
    error.message = f"No such option: {error.option_name}.{f' Did you mean {near}?' if near else ''}"
    error.possibilities = None
