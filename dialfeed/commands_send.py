"""`dialfeed send`: a file of contacts, over HTTP or straight to Kafka, with an account of every record."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec
import structlog

from dialfeed.api_access import api_options, key_and_url
from dialfeed.api_client import ApiClient
from dialfeed.command_options import CLIENT_SETTINGS, examples, json_option, settings_options
from dialfeed.exits import CommandError, ExitCode, UnreachableError, WrongUseError
from dialfeed.help_layout import command
from dialfeed.installation import find_kafka
from dialfeed.kafka_publisher import KafkaPublisher
from dialfeed.kafka_submit import KafkaSubmitter
from dialfeed.output import answer
from dialfeed.record_files import RecordFile
from dialfeed.rejected_file import RejectedFile
from dialfeed.send_progress import progress
from dialfeed.send_schema import variables_of
from dialfeed.sending import Pace, Submitter, Totals, send_file
from dialfeed.settings import Settings
from dialfeed.table_files import read_contacts
from ingest_api.tables.rows import Notes

log = structlog.get_logger(__name__)

STDIN = "-"
MOST_IN_A_REQUEST = 100_000
IDS_SHOWN = 5


@command(
    epilog=examples(
        "dialfeed send --batch B contacts.ndjson",
        "dialfeed send --batch B contacts.xlsx",
        "dialfeed send --batch B --schema schema.avsc --json contacts.csv > totals.json",
        "dialfeed send --batch B --kafka contacts.ndjson",
        "zcat contacts.ndjson.gz | dialfeed send --batch B --rejected rejected.ndjson -",
        "dialfeed send --batch B contacts.ndjson.rejected.ndjson     once they are corrected",
    )
)
@click.option("--batch", "batch_id", required=True, metavar="B", help="Id of the batch.")
@api_options
@click.option("--kafka", "to_kafka", is_flag=True, help="Straight to the topic calls.raw; the API, if any, reports.")
@click.option(
    "--schema",
    type=click.Path(path_type=Path),
    metavar="FILE.avsc",
    help="Schema that a table's cells are read by. [that of the batch's agent, if Kafka can be asked, else text]",
)
@click.option("--encoding", metavar="NAME", help="Encoding of a CSV file, such as windows-1252. [found out]")
@click.option("--anew", is_flag=True, help="Send again what was sent before; else that gets its first answers again.")
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
    """Send FILE (JSON array, one JSON object a line, CSV or XLSX; - is stdin), and wait for an account of every record.

    Rejected records go to FILE.rejected.ndjson as they were sent, with their errors: correct them and send that file.
    What was interrupted is finished by the same command: what was sent before gets its first answer again, and causes
    no second call; --anew sends it once more. Ends with 1 if some records were rejected.
    """
    place = rejected or Path("stdin.rejected.ndjson" if file == STDIN else f"{file}.rejected.ndjson")
    if place.exists() and file != STDIN and place.samefile(file):
        raise WrongUseError("FILE and --rejected are the same file", "Name another one with --rejected.")
    way = _Way(settings, given)
    started = time.monotonic()
    variables = partial(variables_of, settings, given["schema"], given["batch_id"])
    with (
        _opened(file) as stream,
        RejectedFile(place) as kept,
        read_contacts(stream, variables, given["encoding"]) as records,
    ):
        _check_batch(records, given["batch_id"])
        size = None if records.places == "row" else _size(file)  # a table's records are longer than its rows
        totals = asyncio.run(_send(records, kept, way, size, given))
        rejected_file = str(place) if kept.count else None
    seconds = time.monotonic() - started
    _answer(totals, records.notes, kept.count, rejected_file, seconds, as_json=as_json)
    return _ended(totals, records.places, reported=way.reported)


class _Way:
    """Where the records go: to the API, or to Kafka with the API, where there is one, asked for the reports."""

    def __init__(self, settings: Settings, given: Any) -> None:
        self._give_up: float = given["give_up_after"]
        self._salt = secrets.token_hex(8) if given["anew"] else ""
        self._kafka = find_kafka(settings) if given["to_kafka"] else None
        self._url: str | None = given["url"]
        self._api: tuple[str, str] | None = None
        try:
            key, url = key_and_url(settings, given["key_file"], given["url"])
            self._api = (url, key)
        except CommandError as error:
            if self._kafka is None:
                raise
            self._without_reports(error)

    @property
    def reported(self) -> bool:
        """Whether somebody is asked what became of the records."""
        return self._api is not None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Submitter]:
        """Yield what sends; raise UnreachableError."""
        async with AsyncExitStack() as stack:
            api = None
            if self._api is not None:
                api = await stack.enter_async_context(ApiClient(*self._api, self._give_up, self._salt))
                await self._require(api)
            if self._kafka is None:
                assert api is not None
                yield api
            else:
                publisher = await stack.enter_async_context(KafkaPublisher(self._kafka))
                yield KafkaSubmitter(publisher, api if self.reported else None, self._give_up, self._salt)

    async def _require(self, api: ApiClient) -> None:
        """Return if the API answers, or is not needed; raise UnreachableError."""
        try:
            await api.require()
        except UnreachableError as error:
            if self._kafka is None or self._url is not None:
                raise
            self._without_reports(error)

    def _without_reports(self, error: CommandError) -> None:
        self._api = None
        log.warning("reports_not_awaited", reason=error.sentence)


async def _send(records: RecordFile, kept: RejectedFile, way: _Way, size: int | None, given: Any) -> Totals:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    pace = Pace(portion_records=given["chunk"], at_a_time=given["parallel"])
    async with way.open() as to:
        with progress(size) as watch:
            return await send_file(records, to=to, batch_id=given["batch_id"], rejected=kept, pace=pace, watch=watch)


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


def _answer(
    totals: Totals, notes: Notes, written: int, rejected_file: str | None, seconds: float, *, as_json: bool
) -> None:
    facts: dict[str, Any] = {
        "totalCalls": totals.read,
        "sent": totals.sent,
        "added": totals.added,
        "failed": totals.failed,
        "unreadable": totals.unreadable,
        "pending": totals.pending,
        "alreadySent": totals.already_sent,
        **notes.as_json(),
        "seconds": round(seconds, 2),
        "recordsPerSecond": round(totals.read / max(seconds, 0.001)),
        "requestsRepeated": totals.repeated,
        "unknown": [{"first": first, "last": last} for first, last in totals.unknown],
        "rejectedFile": rejected_file,
        "notInRejectedFile": totals.failed - written,
        "submissionIds": totals.submission_ids,
        "failedRows": msgspec.to_builtins(totals.failed_rows),
        "failedRowsOmitted": totals.failed - len(totals.failed_rows),
        "warnings": [warning.as_json() for warning in notes.warnings],
    }
    if not as_json:
        facts = {
            name: value for name, value in facts.items() if (value or name not in _QUIET) and name not in _JSON_ONLY
        }
        if totals.unknown:
            facts["unknown"] = [f"{first} to {last}" for first, last in totals.unknown]
        facts["submissionIds"] = _some(totals.submission_ids)
        facts["warnings"] = [warning.message for warning in notes.warnings]
    answer(facts, as_json)
    if totals.nothing_new:
        click.echo("Already sent, nothing changed. To send these records once more: --anew.", err=True)


_QUIET = frozenset(
    {
        "unreadable",
        "pending",
        "alreadySent",
        "encodingGuessed",
        "hiddenRows",
        "requestsRepeated",
        "unknown",
        "rejectedFile",
        "notInRejectedFile",
        "warnings",
    }
)
"""Facts that people are told only where there is something to tell."""
_JSON_ONLY = frozenset({"totalCalls", "failedRows", "failedRowsOmitted"})


def _some(submission_ids: list[str]) -> list[str]:
    left_out = len(submission_ids) - IDS_SHOWN
    return submission_ids if left_out <= 0 else [*submission_ids[:IDS_SHOWN], f"and {left_out} more (--json has all)"]


def _ended(totals: Totals, places: str, *, reported: bool) -> int:
    if totals.stopped_by is not None:
        raise _with_unknown(totals.stopped_by, totals, {"line": "lines", "row": "rows"}.get(places, "records"))
    if totals.pending and not reported:
        click.echo(
            f"{totals.pending} records are in Kafka; without the API nobody was asked what became of them.", err=True
        )
        return ExitCode.SOME_FAILED if totals.failed else ExitCode.DONE
    if totals.pending:
        ids = "their reports: `dialfeed report SUBMISSION_ID`"
        click.echo(f"{totals.pending} records were accepted, but nothing more is known of them yet; {ids}.", err=True)
    return ExitCode.SOME_FAILED if totals.failed or totals.pending else ExitCode.DONE


def _with_unknown(error: CommandError, totals: Totals, unit: str) -> CommandError:
    """Say which part is unknown, and that sending it again is safe."""
    if totals.unknown:
        parts = ", ".join(f"{first} to {last}" for first, last in totals.unknown)
        error.remedy = (
            f"{error.remedy} Of {unit} {parts} it is not known whether they were stored; sending them again is safe."
        ).strip()
    return error
