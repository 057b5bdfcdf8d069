"""`dialfeed health`: whether a part works, for the health checks of containers and service managers."""

from __future__ import annotations

import json
import sys

import click

from dialfeed.exits import ExitCode
from dialfeed.health import PARTS, look
from dialfeed.help_layout import SharedOption, command


@command(
    epilog="""\b
Examples:
  dialfeed health                 everything that `dialfeed run` started
  dialfeed health worker          in a worker's container"""
)
@click.argument("parts", metavar="[api|worker|load]...", nargs=-1, type=click.Choice(PARTS))
@click.option("--json", "as_json", cls=SharedOption, is_flag=True, help="Answer with one JSON document on stdout.")
@click.option("--data", cls=SharedOption, metavar="TEXT", help="The data folder of the parts. Also DIALFEED_DATA.")
@click.option("--http", cls=SharedOption, metavar="TEXT", help="Where the API listens. Also DIALFEED_HTTP.")
def health(parts: tuple[str, ...], as_json: bool, data: str | None, http: str | None) -> int:
    """Say whether parts of this machine work. Ends with 1 if one does not.

    The API answers. A worker has its place in the consumer group, and Kafka answers it. The sink's consumers read, and
    wait for nothing. What all of them need is asked of `/readyz`.
    """
    found = [look(part, data, http) for part in parts or PARTS]
    if as_json:
        sys.stdout.write(json.dumps([each._asdict() for each in found], indent=2) + "\n")
    else:
        sys.stdout.writelines(f"{each.part:<8}{'ok ' if each.ok else 'BAD'}  {each.found}\n" for each in found)
    return ExitCode.DONE if all(each.ok for each in found) else ExitCode.SOME_FAILED
