"""`dialfeed dead-letters`: what failed, as a list, as counts, in full, or as a file to be corrected."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from dialfeed.api_access import api_options, key_and_url
from dialfeed.api_client import ApiClient
from dialfeed.clock import now_ms
from dialfeed.command_options import REGISTRY_SETTINGS, UTF8, asynchronous, examples, settings_options
from dialfeed.exits import WrongUseError
from dialfeed.help_layout import command
from dialfeed.installation import find_kafka, kafka_unreachable
from dialfeed.letter_options import filter_of, filter_options
from dialfeed.letters import Letters
from dialfeed.letters_api import ApiLetters
from dialfeed.letters_export import STDOUT, export, require_known_ending
from dialfeed.letters_topic import TopicLetters
from dialfeed.letters_view import counts, render_counts, render_in_full, render_list
from dialfeed.output import answer, print_json, show
from dialfeed.registry_session import open_registry
from dialfeed.replay_reading import letter_reader
from dialfeed.scope import require_consent, workspace_in
from dialfeed.settings import Settings
from schemas.dead_letter_query import DeadLetterFilter, GroupBy
from schemas.messages import TryAgainError

LISTED: Final = 20
MOST_SHOWN: Final = 1000


@command(
    epilog=examples(
        "dialfeed dead-letters --group-by code",
        "dialfeed dead-letters --batch B --since 2h",
        "dialfeed dead-letters --code type --show 3",
        "dialfeed dead-letters --class data --export failed.ndjson     to correct and replay them",
        "dialfeed dead-letters --json | jq -r .submissionId | sort | uniq -c",
        "dialfeed dead-letters --submission S --dismiss 'sent by mistake'",
        "dialfeed dead-letters --from-topic --parked     without the API",
    )
)
@filter_options
@click.option("--parked", is_flag=True, help="Those only that failed too often for another replay.")
@click.option("--group-by", "by", type=click.Choice([str(by) for by in GroupBy]), help="Count them by this.")
@click.option("--show", "shown", type=click.IntRange(1, MOST_SHOWN), metavar="N", help="The newest N, in full.")
@click.option(
    "--export",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="All, with their records: CSV where FILE ends in .csv, NDJSON in .ndjson, .jsonl, .json or - (stdout).",
)
@click.option("--resolved", is_flag=True, help="Those that need no replay any more, and why.")
@click.option("--dismiss", "reason", type=UTF8, metavar="REASON", help="Nobody mends them: they go out of sight.")
@click.option("--yes", is_flag=True, help="Dismiss without asking.")
@click.option("--from-topic", is_flag=True, help="Read Kafka's topics themselves, to where they end now.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; counts and exports: one document.")
@api_options
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def dead_letters(settings: Settings, /, **given: Any) -> None:
    """List the records that failed, newest first: those of the key's workspace, with an admin key all.

    Of a record that failed again in a replay the newest attempt counts; one
    that a replay mended is left out.
    """
    _require_one_way(given)
    if given["file"] is not None:
        require_known_ending(given["file"])
    wanted = filter_of(given)
    by, shown, file, as_json = (given[name] for name in ("by", "shown", "file", "as_json"))
    if given["reason"] is not None:
        answer(await _dismissed(settings, wanted, given), as_json)
        return
    async with _source(settings, wanted, given) as letters:
        if file == STDOUT:
            await export(letters.rows(records=True), file)
        elif file is not None:
            answer({"exported": await export(letters.rows(records=True), file), "file": str(file)}, as_json)
        elif by is not None:
            _answer_counts(counts(await letters.groups(GroupBy(by)), by, now_ms()), as_json)
        elif as_json:
            await _write_lines(letters, shown)
        else:
            await _show(letters, shown)


def _require_one_way(given: dict[str, Any]) -> None:
    if sum(given[name] is not None for name in ("by", "shown", "file", "reason")) > 1:
        raise WrongUseError("one answer at a time", "Give one of --group-by, --show, --export and --dismiss.")
    if given["from_topic"] and (given["resolved"] or given["reason"] is not None):
        raise WrongUseError("Kafka's topics do not say what is resolved", "Leave out --from-topic.")
    if given["resolved"] and given["reason"] is not None:
        raise WrongUseError("what is resolved is not dismissed", "Leave out --resolved.")
    if given["from_topic"] and given["url"]:
        raise WrongUseError("--from-topic asks no API", "Leave out --url.")


def _answer_counts(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(rows)
    else:
        show(render_counts(rows))


async def _write_lines(letters: Letters, shown: int | None) -> None:
    if shown is not None:
        for row in (await letters.newest(shown, records=True))[0]:
            _write_line(row)
        return
    async for row in letters.rows(records=False):
        _write_line(row)


def _write_line(row: dict[str, Any]) -> None:
    sys.stdout.write(msgspec.json.encode(row).decode() + "\n")


async def _show(letters: Letters, shown: int | None) -> None:
    rows, total = await letters.newest(shown or LISTED, records=shown is not None)
    if shown is None or not rows:
        show(render_list(rows, total))
    for row in rows if shown is not None else ():
        show(render_in_full(row))


async def _dismissed(settings: Settings, wanted: DeadLetterFilter, given: dict[str, Any]) -> dict[str, int]:
    """Dismiss what the filters let through; return how many they were. Raise CommandError."""
    if wanted == DeadLetterFilter() and not given["parked"]:
        raise WrongUseError(
            "all dead letters would be dismissed", "Name at least one filter, such as --batch or --code."
        )
    key, address = key_and_url(settings, given["key_file"], given["url"])
    async with ApiClient(address, key, give_up_seconds=0) as api:
        letters = ApiLetters(api, wanted, parked=given["parked"])
        count = sum(group["count"] for group in await letters.groups(GroupBy.CODE))
        if not count:
            return {"dismissed": 0}
        require_consent(f"Dead letters to be dismissed: {count}.", yes=given["yes"])
        return {"dismissed": await letters.dismiss(given["reason"])}


@asynccontextmanager
async def _source(settings: Settings, wanted: DeadLetterFilter, given: dict[str, Any]) -> AsyncIterator[Letters]:
    if not given["from_topic"]:
        key, address = key_and_url(settings, given["key_file"], given["url"])
        async with ApiClient(address, key, give_up_seconds=0) as api:
            yield ApiLetters(api, wanted, parked=given["parked"], resolved=given["resolved"])
        return
    kafka = find_kafka(settings)
    try:
        async with open_registry(settings) as session, letter_reader(kafka) as reader:
            whose = workspace_in(settings, given["key_file"], session.state) or None
            wanted = replace(wanted, workspace_id=whose)
            yield TopicLetters(reader, wanted, parked=given["parked"], registry=session.state)
    except TryAgainError as error:
        raise kafka_unreachable(kafka) from error
