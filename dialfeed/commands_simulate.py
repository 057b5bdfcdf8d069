"""`dialfeed simulate`: a calling service without telephones."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import click

from dialfeed.api_access import api_options, key_and_url
from dialfeed.command_options import REGISTRY_SETTINGS, examples, json_option, settings_options
from dialfeed.exits import ExitCode
from dialfeed.help_layout import command
from dialfeed.installation import find_kafka
from dialfeed.output import answer
from dialfeed.settings import Settings
from dialfeed.simulate import Plan, Progress, simulate
from dialfeed.simulate_calls import Behaviour
from dialfeed.simulate_client import CallingApi
from dialfeed.simulate_view import next_call_at, view

MOST_SPEED = 1_000_000.0
MOST_LINES = 10_000
NOT_SETTLED = (
    "Calls whose end was reported are not shown as ended yet: the sink is behind, or does not run.\n"
    "Look again later (`callStatus` in batch-details); `dialfeed doctor` looks for a cause."
)


@command(
    "simulate",
    epilog=examples(
        "dialfeed simulate                           follow what is started, at the real pace",
        "dialfeed simulate --speed 100               a hundred times as fast",
        "dialfeed simulate --batch B --once --leap   one campaign to its end, without waiting for opening hours",
    ),
)
@click.option("--batch", "batch_id", metavar="B", help="Only this batch. [all of the key's workspace]")
@click.option("--answer-rate", type=click.FloatRange(0, 1), default=0.6, show_default=True, help="Share that answers.")
@click.option(
    "--speed",
    type=click.FloatRange(0.01, MOST_SPEED),
    default=1.0,
    show_default=True,
    help="How many times faster than the real one the simulated clock runs.",
)
@click.option("--leap", is_flag=True, help="Leap over times in which nothing happens, such as closed hours.")
@click.option("--lines", type=click.IntRange(1, MOST_LINES), default=50, show_default=True, help="Calls at a time.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed: the same answers to each call.")
@click.option("--once", is_flag=True, help="End when no pending call is left.")
@click.option("--kafka-status", is_flag=True, help="Report statuses on the topic calls.status instead of over HTTP.")
@api_options
@json_option
@settings_options(*REGISTRY_SETTINGS)
def simulate_command(settings: Settings, /, as_json: bool, key_file: Path | None, url: str | None, **given: Any) -> int:
    """Stand in for a calling service: take pending calls inside their calling hours, let them end by chance, report.

    Written against docs/calling-service.md and nothing else. Needs an API key of the workspace. Follows the topic
    calls.dialer, unless --once is given. Ctrl-C ends it; calls that are under way then are taken up by the next start.
    """
    key, api_url = key_and_url(settings, key_file, url)
    plan = _plan(settings, given)
    started = time.monotonic()
    with view(live=not as_json) as watch:
        progress = asyncio.run(_run(plan, CallingApi(api_url, key), watch))
    facts = _facts(progress, time.monotonic() - started)
    if not as_json:
        facts["statuses"] = [f"{number:,} {status}" for status, number in facts["statuses"].items()]
    answer(facts, as_json)
    if not progress.settled:
        click.echo(NOT_SETTLED, err=True)
    return ExitCode.DONE if progress.settled else ExitCode.SOME_FAILED


def _plan(settings: Settings, given: dict[str, Any]) -> Plan:
    kafka = None if given["once"] and not given["kafka_status"] else find_kafka(settings)
    return Plan(
        behaviour=Behaviour(given["answer_rate"], given["lines"], given["seed"]),
        speed=given["speed"],
        batch_id=given["batch_id"],
        once=given["once"],
        leap=given["leap"],
        follow=None if given["once"] else kafka,
        statuses=kafka if given["kafka_status"] else None,
    )


async def _run(plan: Plan, api: CallingApi, watch: Any) -> Progress:
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with api:
        return await simulate(plan, api, stop, watch)


def _facts(progress: Progress, seconds: float) -> dict[str, Any]:
    simulation = progress.simulation
    return {
        "batches": len(progress.batches),
        "calls": len(simulation),
        "unfinished": simulation.unfinished,
        "attempts": simulation.attempts,
        "statuses": {str(status): number for status, number in sorted(simulation.statuses.items()) if number},
        "reported": progress.reported,
        "seconds": round(seconds, 2),
        "simulatedSeconds": round(progress.clock.elapsed()),
        "nextCallAt": next_call_at(progress),
    }
