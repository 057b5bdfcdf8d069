"""Reports that somebody waits for, by submission id, fed with what arrives on the report topics.

Belongs to one event loop. Messages of submissions that nobody here waits for cost one look-up of their key.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from ingest_api.report import Report
from schemas import dead_letters
from schemas.codecs import UndecodableError, decode_any, refuse_newer
from schemas.messages import TryAgainError, header, int_header, text_header
from schemas.records import Receipt, SubmissionAccepted
from schemas.stores import Failure, Store, StoredSubmission

RECENT: Final = 10_000
"""Submissions remembered after their request, so that their report exists before the store has heard of them."""

ASK_STORE_SECONDS: Final = 0.5
FIRST_ASK_SECONDS: Final = 1.0
"""A request with an Idempotency-Key asks the store after this long, then at doubling pauses: the receipts of another
request with the same key go to the process that read that one."""

RawHeaders = Sequence[tuple[str, bytes | None]]


class Waiting:
    """One request's report. `partition` is where its answers were asked to go; None: to no place of this process."""

    __slots__ = ("changed", "other_body", "partition", "report")

    def __init__(self, report: Report, partition: int | None) -> None:
        self.report = report
        self.partition = partition
        self.other_body = False
        """Whether the same Idempotency-Key has been stored with another body: nothing of this request will be."""
        self.changed = asyncio.Event()

    @property
    def settled(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.report.complete or self.other_body

    def add_receipt(self, receipt: Receipt) -> None:
        """Take one slice's receipt."""
        self.other_body |= self._is_other(receipt)
        self.report.add_receipt(receipt)
        self.tell()

    def add_stored(self, stored: StoredSubmission) -> None:
        """Take what the store knows."""
        self.other_body |= any(map(self._is_other, stored.receipts))
        self.report.add_stored(stored)
        self.tell()

    def tell(self) -> None:
        """Wake who waits, if there is nothing more to wait for."""
        if self.settled:
            self.changed.set()

    def _is_other(self, receipt: Receipt) -> bool:
        return receipt.body_hash not in (None, self.report.accepted.body_hash)


class WaitingReports:
    """All reports that are waited for in this process."""

    __slots__ = ("_by_key", "_doubtful", "_recent", "claimed", "stopping")

    def __init__(self) -> None:
        self._by_key: dict[bytes, Waiting] = {}
        self._recent: OrderedDict[str, SubmissionAccepted] = OrderedDict()
        self._doubtful: set[str] = set()
        self.claimed: set[str] = set()
        """Submissions whose request is being worked on in this process, from before it is published."""
        self.stopping = False

    @contextmanager
    def expect(self, accepted: SubmissionAccepted, partition: int | None) -> Iterator[Waiting]:
        """Keep a report of the submission up to date while in the `with`."""
        key = accepted.submission_id.encode()
        waiting = self._by_key[key] = Waiting(Report(accepted), partition)
        self._remember(accepted)
        try:
            yield waiting
        finally:
            del self._by_key[key]

    def find(self, submission_id: str) -> Waiting | None:
        """Return the report that a request waits for just now."""
        return self._by_key.get(submission_id.encode("utf-8", "replace"))

    def recent(self, submission_id: str) -> SubmissionAccepted | None:
        """Return what this process published lately under this id."""
        return self._recent.get(submission_id)

    def doubt(self, submission_id: str) -> None:
        """Remember that publishing this submission failed, so that nobody knows which part of it Kafka has."""
        if submission_id in self._recent:
            self._doubtful.add(submission_id)

    def doubtful(self, submission_id: str) -> bool:
        """Return whether publishing this submission failed here, the last time that it was tried."""
        return submission_id in self._doubtful

    def _remember(self, accepted: SubmissionAccepted) -> None:
        self._doubtful.discard(accepted.submission_id)
        self._recent.pop(accepted.submission_id, None)
        self._recent[accepted.submission_id] = accepted
        if len(self._recent) > RECENT:
            oldest, _ = self._recent.popitem(last=False)
            self._doubtful.discard(oldest)

    def partitions(self) -> frozenset[int]:
        """Return the partitions that answers are waited for on."""
        return frozenset(w.partition for w in self._by_key.values() if w.partition is not None)

    def stop(self) -> None:
        """Let every request go with what is known."""
        self.stopping = True
        for waiting in self._by_key.values():
            waiting.changed.set()

    def take_receipt(self, key: bytes | None, value: bytes | None) -> None:
        """Take a message of `calls.receipts`; what is not a receipt is passed over. Raise NewerError."""
        refuse_newer(value)
        waiting = self._by_key.get(key or b"")
        if waiting is None:
            return
        try:
            record = decode_any(value)
        except UndecodableError:
            return
        if isinstance(record, Receipt):
            waiting.add_receipt(record)

    def take_dead_letter(self, key: bytes | None, value: bytes | None, headers: RawHeaders) -> None:
        """Take a message of `calls.dead-letter`; what dialfeed did not write is passed over. Raise NewerError."""
        ours = dead_letters.is_ours(header(headers, "dlq.version"))
        waiting = self._by_key.get(key or b"")
        index = int_header(headers, "record-index")
        if waiting is None or index is None or not ours:
            return
        if text_header(headers, "body-hash") not in (None, waiting.report.accepted.body_hash):
            return  # of another body with the same Idempotency-Key
        if waiting.report.add_failed(index):
            letter = dead_letters.from_message(value, headers)
            if letter is not None:
                waiting.report.explain(Failure(index, dead_letters.phone_number_sent(value), letter.errors))
        waiting.tell()


class ReceiptSource(Protocol):
    """What feeds the waiting reports from the report topics."""

    @property
    def reports(self) -> WaitingReports:
        """The reports that it feeds."""
        ...

    def choose_partition(self) -> int | None:
        """Return one of the partitions read here, for answers to be sent to; None if there is none just now."""
        ...

    def reads(self, partition: int) -> bool:
        """Return whether the partition is read here just now."""
        ...

    async def check(self) -> None:
        """Return if receipts are read; raise TryAgainError."""
        ...


async def wait_for_report(waiting: Waiting, seconds: float, receipts: ReceiptSource, store: Store) -> None:
    """Return when there is nothing more to wait for, the time is over, or the process stops.

    While its partition is not read here (moved to another process, or none to be had) the store is asked instead.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    deadline = began + seconds
    ask_after = FIRST_ASK_SECONDS if waiting.report.accepted.body_hash else float("inf")
    while not waiting.settled and not receipts.reports.stopping and (left := deadline - loop.time()) > 0:
        if await _changed(waiting, min(left, ASK_STORE_SECONDS)):
            return
        due = loop.time() - began >= ask_after
        if due or waiting.partition is None or not receipts.reads(waiting.partition):
            ask_after *= 2 if due else 1
            await _ask(waiting, store, deadline)


async def _changed(waiting: Waiting, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await waiting.changed.wait()
    except TimeoutError:
        return False


async def _ask(waiting: Waiting, store: Store, deadline: float) -> None:
    try:
        async with asyncio.timeout_at(deadline):
            stored = await store.submission(waiting.report.accepted.submission_id)
    except (TryAgainError, TimeoutError):
        return
    if stored is not None:
        waiting.add_stored(stored)
