"""`dialfeed send`, without its words: portions of a file go out, a few at a time, and are accounted for in order."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol

from dialfeed.api_client import Error, Outcome, Rejection, UnknownOutcomeError
from dialfeed.exits import CommandError, ExitCode, WrongUseError
from dialfeed.record_files import FileRecord, RecordFile, portions
from dialfeed.rejected_file import RejectedFile
from ingest_api.upload_rows import LINES_SHOWN

ROWS_SHOWN: Final = 1_000
"""Failed records that the answer shows; the file of rejected ones has all whose errors are known."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a file is cut and how much of it is under way at a time."""

    portion_records: int = 10_000
    portion_bytes: int = 16 * 1024 * 1024
    at_a_time: int = 3


@dataclass(slots=True)
class Totals:
    """What became of a file so far; read = added + failed + pending.

    `sent` records left this machine. The `unreadable` ones did not; they are among the failed.
    """

    read: int = 0
    sent: int = 0
    added: int = 0
    failed: int = 0
    pending: int = 0
    unreadable: int = 0
    repeated: int = 0
    already_sent: int = 0
    bytes_done: int = 0
    submission_ids: list[str] = field(default_factory=list)
    unknown: list[tuple[int, int]] = field(default_factory=list)  # first and last place of what may be stored, or not
    failed_rows: list[dict[str, Any]] = field(default_factory=list)  # the first of them, as an upload's answer has them
    stopped_by: CommandError | None = None

    @property
    def nothing_new(self) -> bool:
        """Whether all that was sent had been sent before."""
        return self.sent > 0 and self.already_sent == self.sent and self.stopped_by is None


class Submitter(Protocol):
    """Sends records of a batch; see `dialfeed.api_client.ApiClient.submit`."""

    async def submit(self, batch_id: str, records: Sequence[bytes], position: int) -> Outcome:
        """Return what became of records, the first of which is number `position` of the file, from 0."""
        ...


class Watcher(Protocol):
    """Is shown the totals after every portion."""

    def __call__(self, totals: Totals) -> None: ...


class InterruptedSendError(CommandError):
    exit_code = ExitCode.INTERRUPTED


@dataclass(frozen=True, slots=True)
class _UnderWay:
    portion: list[FileRecord]
    task: asyncio.Task[Outcome]


async def send_file(
    file: RecordFile, *, to: Submitter, batch_id: str, rejected: RejectedFile, pace: Pace, watch: Watcher
) -> Totals:
    """Send a whole file and return what became of it; where it was stopped on the way, `stopped_by` says why.

    Holds `pace.at_a_time` portions, however long the file is.
    """
    totals = Totals()
    position = 0
    under_way: deque[_UnderWay] = deque()
    cut = portions(file.records, pace.portion_records, pace.portion_bytes)
    try:
        while totals.stopped_by is None and (portion := await _aside(cut)) is not None:
            under_way.append(_UnderWay(portion, asyncio.create_task(_submit(to, batch_id, portion, position))))
            position += len(portion)
            if len(under_way) >= pace.at_a_time:
                await _account(under_way, totals, rejected, places=file.places)
                watch(totals)
        while under_way:
            await _account(under_way, totals, rejected, places=file.places)
            watch(totals)
    except asyncio.CancelledError:
        _interrupt(under_way, totals, rejected, places=file.places)
        totals.stopped_by = InterruptedSendError("interrupted")
    except (OSError, CommandError) as error:
        _interrupt(under_way, totals, rejected, places=file.places)
        totals.stopped_by = error if isinstance(error, CommandError) else _unreadable(error)
    return totals


def _unreadable(error: OSError) -> WrongUseError:
    return WrongUseError(f"the file cannot be read on: {error.strerror}", "Look at the disk.")


async def _aside(cut: Iterator[list[FileRecord]]) -> list[FileRecord] | None:
    """Return the next portion, read in a daemon thread: one that waits for a terminal or a pipe holds nobody up."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[list[FileRecord] | None] = loop.create_future()

    def read() -> None:
        try:
            portion = next(cut, None)
        except (OSError, CommandError) as error:
            tell: Callable[[], None] = partial(_settle, done, error=error)
        else:
            tell = partial(_settle, done, portion)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell)

    threading.Thread(target=read, daemon=True).start()
    return await done


def _settle(
    done: asyncio.Future[list[FileRecord] | None],
    portion: list[FileRecord] | None = None,
    error: Exception | None = None,
) -> None:
    if done.done():
        return
    if error is not None:
        done.set_exception(error)
    else:
        done.set_result(portion)


async def _submit(to: Submitter, batch_id: str, portion: Sequence[FileRecord], position: int) -> Outcome:
    records = [record.raw for record in portion if record.error is None]
    return await to.submit(batch_id, records, position) if records else Outcome()


async def _account(under_way: deque[_UnderWay], totals: Totals, rejected: RejectedFile, *, places: str) -> None:
    """Wait for the oldest portion under way, and take in what became of it."""
    await asyncio.wait([under_way[0].task])
    _take_in(under_way.popleft(), totals, rejected, places=places)


def _take_in(done: _UnderWay, totals: Totals, rejected: RejectedFile, *, places: str) -> None:
    try:
        outcome = done.task.result()
    except CommandError as error:
        totals.stopped_by = totals.stopped_by or error
        if isinstance(error, UnknownOutcomeError):
            totals.unknown.append(_span(done.portion))
        return
    _add(totals, done.portion, outcome)
    for record, rejection in _rejections(done.portion, outcome):
        marks = {"_index": rejection.index, "_submission": rejection.submission_id}
        lines = {"lines": list(record.lines[:LINES_SHOWN])} if record.lines else {}
        place = {places: record.place, **lines}
        rejected.add(record, rejection.errors, marks | {f"_{name}": value for name, value in place.items()})
        if len(totals.failed_rows) < ROWS_SHOWN:
            totals.failed_rows.append({**place, "errors": rejection.errors})


def _add(totals: Totals, portion: Sequence[FileRecord], outcome: Outcome) -> None:
    unreadable = sum(record.error is not None for record in portion)
    totals.read += len(portion)
    totals.sent += len(portion) - unreadable
    totals.unreadable += unreadable
    totals.added += outcome.added
    totals.failed += outcome.failed + unreadable
    totals.pending += outcome.pending
    totals.repeated += outcome.repeated
    totals.already_sent += outcome.already_sent
    totals.submission_ids += outcome.submission_ids
    totals.bytes_done += sum(len(record.raw) + 1 for record in portion)


def _rejections(portion: Sequence[FileRecord], outcome: Outcome) -> Iterator[tuple[FileRecord, Rejection]]:
    """Yield each record that is known to have failed, in the order of the file."""
    index = 0
    for record in portion:
        if record.error is not None:
            yield record, Rejection([Error(error.path, str(error.code), error.message) for error in record.errors])
            continue
        if index in outcome.rejections:
            yield record, outcome.rejections[index]
        index += 1


def _interrupt(under_way: deque[_UnderWay], totals: Totals, rejected: RejectedFile, *, places: str) -> None:
    """Take in what is done; of what is not, nobody waits for the end."""
    for one in under_way:
        if one.task.done():
            _take_in(one, totals, rejected, places=places)
        else:
            one.task.cancel()
            totals.unknown.append(_span(one.portion))


def _span(portion: Sequence[FileRecord]) -> tuple[int, int]:
    return portion[0].place, portion[-1].place
