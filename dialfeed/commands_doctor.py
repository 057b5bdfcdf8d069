"""`dialfeed doctor`: numbered checks, each with its remedy."""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from dialfeed import logs
from dialfeed.command_options import asynchronous, examples, json_option, options_of
from dialfeed.doctor import Check, examine
from dialfeed.exits import ExitCode
from dialfeed.help_layout import command
from dialfeed.output import print_json
from dialfeed.plain_text import one_line
from dialfeed.setting_problems import SettingsError
from dialfeed.settings import Settings, load_settings
from dialfeed.settings_table import unknown_variables

NAMES = ("data", "kafka", "clickhouse", "http", "topic_prefix", "log")


@command(epilog=examples("dialfeed doctor", "dialfeed doctor --json | jq '.[] | select(.ok | not)'"))
@json_option
@options_of(*NAMES)
@asynchronous
async def doctor(as_json: bool, **options: str | None) -> int:
    """Check everything dialfeed needs, and say what to do about what is wrong. Ends with 1 if something is."""
    checks: list[Check] = []
    settings = _settings(checks, options)
    if not as_json:
        _show(1, checks[0])
    if settings is not None:
        logs.configure(settings.log, clients=logging.CRITICAL)
        async for check in examine(settings):
            checks.append(check)
            if not as_json:
                _show(len(checks), check)
    if as_json:
        print_json([asdict(check) for check in checks])
    return ExitCode.DONE if all(check.ok for check in checks) else ExitCode.SOME_FAILED


def _settings(checks: list[Check], options: dict[str, str | None]) -> Settings | None:
    """Read the settings, as the first check."""
    try:
        settings = load_settings(**options)
    except SettingsError as error:
        checks.append(Check("settings", ok=False, found=error.sentence, remedy=error.remedy))
        return None
    unknown = unknown_variables(os.environ)
    found = "; ".join(
        f"{name} is no setting{f' (did you mean {near}?)' if near else ''}" for name, near in unknown.items()
    )
    checks.append(Check("settings", not unknown, found or "can be used", "Correct the name, or remove it."))
    return settings


def _show(number: int, check: Check) -> None:
    line = Text(f"{number:2} ")
    line.append("ok  " if check.ok else "BAD ", style="green" if check.ok else "bold red")
    line.append(f"{check.check:<20}", style="bold")
    line.append("\n".join(one_line(part, 2000) for part in check.found.splitlines()))
    if not check.ok:
        line.append(f"\n       -> {one_line(check.remedy, 2000)}", style="yellow")
    Console(file=sys.stdout, highlight=False, soft_wrap=True).print(line)
