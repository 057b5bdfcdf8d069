"""`dialfeed send`: a file of records, over HTTP, with an account of every record."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import click

from dialfeed.api_access import api_options, key_and_url
from dialfeed.api_client import ApiClient
from dialfeed.command_options import CLIENT_SETTINGS, examples, json_option, settings_options
from dialfeed.exits import CommandError, ExitCode, WrongUseError
from dialfeed.output import answer
from dialfeed.record_files import RecordFile, read_records
from dialfeed.rejected_file import RejectedFile
from dialfeed.send_progress import progress
from dialfeed.sending import Pace, Totals, send_file
from dialfeed.settings import Settings

STDIN = "-"
MOST_IN_A_REQUEST = 100_000
IDS_SHOWN = 5


@click.command(
    epilog=examples(
        "dialfeed send --batch B contacts.ndjson",
        "dialfeed send --batch B --json contacts.json > totals.json",
        "zcat contacts.ndjson.gz | dialfeed send --batch B --rejected rejected.ndjson -",
        "dialfeed send --batch B contacts.ndjson.rejected.ndjson     once they are corrected",
    )
)
@click.option("--batch", "batch_id", required=True, metavar="B", help="Id of the batch.")
@api_options
@click.option(
    "--chunk",
    type=click.IntRange(1, MOST_IN_A_REQUEST),
    default=10_000,
    show_default=True,
    help="Records a request. An answer names at most 100 rejected ones of each 1000: 100 shows them all.",
)
@click.option("--parallel", type=click.IntRange(1, 4), default=3, show_default=True, help="Requests at a time.")
@click.option("--rejected", type=click.Path(path_type=Path), help="File for rejected records. [FILE.rejected.ndjson]")
@click.option(
    "--give-up-after",
    type=click.FloatRange(1, 86_400),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="Stop when nothing has moved for so long.",
)
@click.argument("file", metavar="FILE")
@json_option
@settings_options(*CLIENT_SETTINGS)
def send(settings: Settings, /, file: str, rejected: Path | None, as_json: bool, **given: Any) -> int:
    """Send FILE, a JSON array or one JSON object a line (- is stdin), and wait until every record is accounted for.

    Rejected records go to FILE.rejected.ndjson as they were sent, with their errors: correct them and send that file.
    Sending a file twice, or the same part twice after a broken connection, updates contacts that wait to be called.
    Ends with 1 if some records were rejected.
    """
    place = rejected or Path("stdin.rejected.ndjson" if file == STDIN else f"{file}.rejected.ndjson")
    if place.exists() and file != STDIN and place.samefile(file):
        raise WrongUseError("FILE and --rejected are the same file", "Name another one with --rejected.")
    key, url = key_and_url(settings, given["key_file"], given["url"])
    started = time.monotonic()
    with _opened(file) as stream, RejectedFile(place) as kept:
        records = read_records(stream)
        _check_batch(records, given["batch_id"])
        totals = asyncio.run(_send(records, kept, ApiClient(url, key, given["give_up_after"]), _size(file), given))
        rejected_file = str(place) if kept.count else None
    _answer(totals, kept.count, rejected_file, time.monotonic() - started, as_json=as_json)
    return _ended(totals, lines=records.lines)


async def _send(records: RecordFile, kept: RejectedFile, api: ApiClient, size: int | None, given: Any) -> Totals:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    pace = Pace(portion_records=given["chunk"], at_a_time=given["parallel"])
    async with api:
        await api.require()
        with progress(size) as watch:
            return await send_file(records, to=api, batch_id=given["batch_id"], rejected=kept, pace=pace, watch=watch)


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == STDIN:
        yield sys.stdin.buffer
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115  closed below; only opening it is the caller's mistake
    except OSError as error:
        raise WrongUseError(f"{file} cannot be read: {error.strerror}", "Name another file.") from None
    with stream:
        yield stream


def _size(file: str) -> int | None:
    with suppress(OSError):
        return None if file == STDIN else Path(file).stat().st_size or None
    return None


def _check_batch(records: RecordFile, batch_id: str) -> None:
    if records.batch_id not in (None, batch_id):
        raise WrongUseError(
            f"the file is for the batch {records.batch_id}, --batch says {batch_id}", "Nothing was sent. Correct one."
        )


def _answer(totals: Totals, written: int, rejected_file: str | None, seconds: float, *, as_json: bool) -> None:
    facts: dict[str, Any] = {
        "sent": totals.sent,
        "added": totals.added,
        "failed": totals.failed,
        "unreadable": totals.unreadable,
        "pending": totals.pending,
        "seconds": round(seconds, 2),
        "recordsPerSecond": round(totals.read / max(seconds, 0.001)),
        "requestsRepeated": totals.repeated,
        "unknown": [{"first": first, "last": last} for first, last in totals.unknown],
        "rejectedFile": rejected_file,
        "notInRejectedFile": totals.rejected - written,
        "submissionIds": totals.submission_ids,
    }
    if not as_json:
        quiet = ("unreadable", "pending", "requestsRepeated", "unknown", "rejectedFile", "notInRejectedFile")
        facts = {name: value for name, value in facts.items() if value or name not in quiet}
        facts["submissionIds"] = _some(totals.submission_ids)
    answer(facts, as_json)


def _some(submission_ids: list[str]) -> list[str]:
    left_out = len(submission_ids) - IDS_SHOWN
    return submission_ids if left_out <= 0 else [*submission_ids[:IDS_SHOWN], f"and {left_out} more (--json has all)"]


def _ended(totals: Totals, *, lines: bool) -> int:
    if totals.stopped_by is not None:
        raise _with_unknown(totals.stopped_by, totals, "lines" if lines else "records")
    if totals.pending:
        ids = "their reports: `dialfeed report SUBMISSION_ID`"
        click.echo(f"{totals.pending} records were accepted, but nothing more is known of them yet; {ids}.", err=True)
    return ExitCode.SOME_FAILED if totals.rejected or totals.pending else ExitCode.DONE


def _with_unknown(error: CommandError, totals: Totals, unit: str) -> CommandError:
    """Say which part is unknown, and that sending it again is safe."""
    if totals.unknown:
        parts = ", ".join(f"{first} to {last}" for first, last in totals.unknown)
        error.remedy = (
            f"{error.remedy} Of {unit} {parts} it is not known whether they were stored; sending them again is safe."
        ).strip()
    return error
