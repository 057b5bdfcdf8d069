"""Options that commands share: the settings they can be given on the command line, and `--json`."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import click
import structlog

from dialfeed import logs
from dialfeed.help_layout import SharedOption
from dialfeed.secret_files import PREFIX
from dialfeed.settings import Settings, load_settings
from dialfeed.settings_table import unknown_variables
from schemas.variable_scalars import is_unicode

P = ParamSpec("P")
R = TypeVar("R")

log = structlog.get_logger(__name__)

REGISTRY_SETTINGS: Final = ("data", "kafka", "topic_prefix", "log")
COUNTRY_HELP: Final = "ISO 3166 code, such as US: numbers as written inside it are read too. '' for none."
CLIENT_SETTINGS: Final = ("data", "log")
SHARED_SETTINGS: Final = frozenset({"data", "kafka", "topic_prefix", "log"})
"""Settings that are options of nearly every command; others are the command's own."""


class Utf8Text(click.ParamType):
    """A text that Kafka and the API can be told; what was typed in another encoding than UTF-8 is not repeated."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not is_unicode(value):
            self.fail("it is not UTF-8", param, ctx)
        return str(value)


class Id(Utf8Text):
    """An id that is looked for. An empty one is what is left of a variable that was not set."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == "":
            self.fail("it is empty: name one, or leave the option out", param, ctx)
        return super().convert(value, param, ctx)


UTF8: Final = Utf8Text()
ID: Final = Id()


def settings_options(
    *names: str, long_running: bool = False
) -> Callable[[Callable[Concatenate[Settings, P], R]], Callable[..., R]]:
    """Give a command the options of these settings, and as its first argument all settings; set up its logs.

    A command that is not long-running says itself that Kafka does not answer, so its Kafka clients are silent.
    """

    def decorate(command: Callable[Concatenate[Settings, P], R]) -> Callable[..., R]:
        @functools.wraps(command)
        def with_settings(*args: Any, **kwargs: Any) -> R:
            settings = load_settings(**{name: kwargs.pop(name) for name in names})
            logs.configure(settings.log, clients=logging.WARNING if long_running else logging.CRITICAL)
            _warn_of_unknown()
            return command(settings, *args, **kwargs)

        return options_of(*names)(with_settings)

    return decorate


def options_of(*names: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give a command the options of these settings, to read for itself."""

    def decorate(command: Callable[..., R]) -> Callable[..., R]:
        for name in reversed(names):
            command = _option(name)(command)
        return command

    return decorate


def json_option(command: Callable[..., R]) -> Callable[..., R]:
    """Add `--json`, which the command gets as `as_json`."""
    option = click.option(
        "--json", "as_json", cls=SharedOption, is_flag=True, help="Answer with one JSON document on stdout."
    )
    return option(command)


def asynchronous(command: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, R]:
    """Make a command of a coroutine function."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return asyncio.run(command(*args, **kwargs))

    return run


def examples(*lines: str) -> str:
    """Return the end of a command's help."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def _option(name: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    description = str(Settings.model_fields[name].description).replace("`", "")
    text = f"{description[0].upper()}{description[1:]}. [{PREFIX}{name.upper()}]"
    kind = SharedOption if name in SHARED_SETTINGS else click.Option
    return click.option(f"--{name.replace('_', '-')}", name, cls=kind, metavar="TEXT", help=text)


def _warn_of_unknown() -> None:
    for name, nearest in unknown_variables(os.environ).items():
        log.warning("unknown_setting", name=name, nearest=nearest or "none is near")
