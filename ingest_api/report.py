"""The report of a submission: for each record stored, failed or pending, from receipts and dead letters. Pure.

Receipts say how many records of a slice are stored and how many failed; dead letters say which failed and why. Either
may come twice, in any order, from the topics and from the store. A failure counts only once its slice's receipt is
there: until then the slice may still be done again with another end. Silence counts as pending.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ingest_api.batch_details import utc
from schemas.identity import uuid_texts
from schemas.outcomes import RECORD_CODES, FieldError
from schemas.records import CHUNK_RECORDS, Receipt, SubmissionAccepted, chunk_number
from schemas.stores import RECORDS_REPORTED, Failure, ReplayedRecords, StoredSubmission


@dataclass(slots=True)
class _ChunkState:
    """What is known of one chunk. `seen` has a bit for each record with a dead letter."""

    added: int = 0
    failed: int = 0
    seen: int = 0
    marked: int = 0  # bits of `seen`
    counted: int = 0  # distinct failed records by the store's count
    missing: int = 0  # dead letters that the receipts count and nobody has shown yet
    failures: list[Failure] = field(default_factory=list)

    def known(self) -> int:
        """Return how many records' dead letters are known. The larger of two subsets' sizes, so never too many."""
        return max(self.marked, self.counted)

    def shown_failed(self) -> int:
        return min(self.failed, self.known())


class Report:
    """One submission's report, growing. Costs no more than 100 failures a chunk, and 16 bytes a stored record."""

    __slots__ = ("_added", "_chunks", "_missing", "_receipts", "_sized", "_starts", "accepted", "replayed")

    def __init__(self, accepted: SubmissionAccepted) -> None:
        self.accepted = accepted
        self._receipts: dict[int, Receipt] = {}
        self._starts: list[int] = []
        self._chunks: defaultdict[int, _ChunkState] = defaultdict(_ChunkState)
        self._sized = 0
        self._added = 0
        self._missing = 0
        self.replayed = ReplayedRecords()

    @property
    def total(self) -> int:
        """Records of the submission."""
        return self.accepted.total

    @property
    def added(self) -> int:
        """Records stored."""
        return self._added

    @property
    def failed(self) -> int:
        """Records that failed, with their reasons known."""
        return sum(state.shown_failed() for state in list(self._chunks.values()))

    @property
    def complete(self) -> bool:
        """Whether every record is known to be stored or failed."""
        return self._sized == self.total and not self._missing

    @property
    def explaining(self) -> bool:
        """Whether all that is missing are dead letters that receipts count already."""
        return self._sized == self.total and bool(self._missing)

    def add_receipt(self, receipt: Receipt) -> None:
        """Take one slice's receipt. A second one of the same records changes nothing, nor does one that is nonsense."""
        if receipt.submission_id != self.accepted.submission_id or not self._new(receipt):
            return
        self._receipts[receipt.first_index] = receipt
        insort(self._starts, receipt.first_index)
        self._sized += receipt.size
        state = self._chunks[chunk_number(receipt.first_index)]
        state.added += receipt.added
        state.failed += receipt.failed
        self._added += receipt.added
        self._recount(state)

    def add_failure(self, failure: Failure) -> None:
        """Take one failed record. A second one of the same index changes nothing."""
        if self.add_failed(failure.record_index):
            self.explain(failure)

    def add_failed(self, record_index: int) -> bool:
        """Count one failed record; return whether the report has room for its reasons (`explain`).

        Most dead letters of a large failure need not be decoded further than this.
        """
        if not 0 <= record_index < self.total:
            return False
        state = self._chunks[chunk_number(record_index)]
        bit = 1 << record_index % CHUNK_RECORDS
        if state.seen & bit:
            return False
        state.seen |= bit
        state.marked += 1
        self._recount(state)
        shown = state.failures
        return len(shown) < RECORDS_REPORTED or record_index < shown[-1].record_index

    def explain(self, failure: Failure) -> None:
        """Take the reasons of a record just counted; the lowest 100 of a chunk are kept."""
        shown = self._chunks[chunk_number(failure.record_index)].failures
        insort(shown, failure, key=_index)
        del shown[RECORDS_REPORTED:]

    def add_stored(self, stored: StoredSubmission) -> None:
        """Take what the store knows of the submission."""
        self.replayed = stored.replayed
        for receipt in stored.receipts:
            self.add_receipt(receipt)
        for failure in stored.failures:
            self.add_failure(failure)
        for chunk, count in stored.failed.items():
            state = self._chunks[chunk]
            state.counted = max(state.counted, count)
            self._recount(state)

    def call_ids(self) -> list[str]:
        """Return the callIds of the stored records, in the order sent."""
        return uuid_texts(b"".join(self._receipts[start].call_ids for start in list(self._starts)))

    def failed_chunks(self) -> list[dict[str, Any]]:
        """Return the contract's `failedChunks`, by chunk number."""
        numbers = sorted(number for number, state in list(self._chunks.items()) if state.shown_failed())
        return [self._failed_chunk(number, self._chunks[number]) for number in numbers]

    def as_json(self) -> dict[str, Any]:
        """Return the `data` of `GET /api/call/submissions/{id}`."""
        added, failed = self.added, self.failed
        return {
            "submissionId": self.accepted.submission_id,
            "batchId": self.accepted.batch_id or None,
            "total": self.total,
            "added": added,
            "failed": failed,
            "superseded": 0,
            "pending": self.total - added - failed,
            "complete": self.complete,
            "callIds": self.call_ids(),
            "failedChunks": self.failed_chunks(),
            "replayed": _replayed(self.replayed),
        }

    def _recount(self, state: _ChunkState) -> None:
        """Keep the sum of what is missing, so that `complete` costs the same however many chunks there are."""
        missing = max(0, state.failed - state.known())
        self._missing += missing - state.missing
        state.missing = missing

    def _new(self, receipt: Receipt) -> bool:
        """Return whether the receipt makes sense here and is for records that no other receipt is for."""
        first, end = receipt.first_index, receipt.first_index + receipt.size
        same_body = receipt.body_hash in (None, self.accepted.body_hash)
        sound = receipt.total == self.total and receipt.added + receipt.failed == receipt.size > 0
        return same_body and sound and first >= 0 and end <= self.total and self._free(first, end)

    def _free(self, first: int, end: int) -> bool:
        at = bisect_right(self._starts, first)
        before_ends = self._receipts[self._starts[at - 1]].size + self._starts[at - 1] if at else 0
        return before_ends <= first and (at == len(self._starts) or self._starts[at] >= end)

    def _covered(self, index: int) -> bool:
        at = bisect_right(self._starts, index)
        return at > 0 and index < self._starts[at - 1] + self._receipts[self._starts[at - 1]].size

    def _failed_chunk(self, number: int, state: _ChunkState) -> dict[str, Any]:
        first = (number - 1) * CHUNK_RECORDS
        failed = state.shown_failed()
        shown = [f for f in state.failures if self._covered(f.record_index)][:failed]
        size = min(CHUNK_RECORDS, self.total - first)
        return {
            "chunkNum": number,
            "error": _sentence(failed, size, shown),
            "firstIndex": first,
            "size": size,
            "added": state.added,
            "failed": failed,
            "retryable": bool(shown) and all(_retryable(failure.errors) for failure in shown),
            "records": [_record(failure) for failure in shown],
            "recordsOmitted": failed - len(shown),
        }


def report_of(stored: StoredSubmission, published: SubmissionAccepted | None = None) -> Report | None:
    """Return the report of what the store, or who published it, knows; None if that is nothing to go by."""
    accepted = _keyed(stored.receipts) or stored.accepted or _accepted(stored.receipts) or published
    if accepted is None:
        return None
    report = Report(accepted)
    report.add_stored(stored)
    return report


def _keyed(receipts: Iterable[Receipt]) -> SubmissionAccepted | None:
    """Return what was stored under an Idempotency-Key; of two bodies at once, what was announced may be the other."""
    return _accepted(receipt for receipt in receipts if receipt.body_hash is not None)


def _accepted(receipts: Iterable[Receipt]) -> SubmissionAccepted | None:
    """Return what the edge would have said of a direct producer's submission."""
    for r in receipts:
        return SubmissionAccepted(
            submission_id=r.submission_id,
            workspace_id=r.workspace_id,
            batch_id=r.batch_id or "",
            total=r.total,
            accepted_at=r.accepted_at,
            body_hash=r.body_hash,
        )
    return None


def _index(failure: Failure) -> int:
    return failure.record_index


def _sentence(failed: int, size: int, shown: list[Failure]) -> str:
    """Return one sentence for people: how many failed, and the first reason."""
    head = f"{failed} of {size} records failed"
    if not shown:
        return head
    error = shown[0].errors[0]
    where = f" ({error.path})" if error.path else ""
    return f"{head}; the first is record {shown[0].record_index}{where}: {error.message}"


def _retryable(errors: tuple[FieldError, ...]) -> bool:
    return all(RECORD_CODES[error.code].retryable for error in errors)


def _record(failure: Failure) -> dict[str, Any]:
    errors = [{"path": e.path, "code": str(e.code), "message": e.message} for e in failure.errors]
    return {"index": failure.record_index, "phoneNumber": failure.phone_number, "errors": errors}


def _replayed(replayed: ReplayedRecords) -> dict[str, Any]:
    """Return what replays have made of failed records since: the first answer above stays as it was given."""
    records = [
        {"index": one.record_index, "outcome": one.outcome, "at": utc(one.at), "replayId": one.replay_id}
        for one in replayed.newest
    ]
    return {"count": replayed.count, "lastAt": records[0]["at"] if records else None, "records": records}
