"""What reports are made from, as rows: receipts, accepted submissions and dead letters. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from schemas.dead_letters import DeadLetter, pack_errors
from schemas.outcomes import RECORD_CODES
from schemas.records import Receipt, SubmissionAccepted
from sinks import native
from sinks.native import MILLISECONDS
from sinks.rows import Insert

NumberOf = Callable[[bytes | None], str]
"""Returns the telephone number in a record's bytes, in E.164, or "" where there is none."""


def receipts_insert(receipts: Sequence[Receipt], *, corrected: bool = False) -> Insert:
    """Return the insert of receipts, one row each; corrected ones stand over those given first."""
    return _insert(
        "receipts",
        len(receipts),
        [
            native.texts("submission_id", [r.submission_id for r in receipts]),
            native.integers("first_index", "UInt32", [r.first_index for r in receipts]),
            native.integers("version", "UInt64", [max(r.accepted_at, 0) + corrected for r in receipts]),
            native.texts("workspace_id", [r.workspace_id for r in receipts]),
            native.texts("batch_id", [r.batch_id or "" for r in receipts]),
            native.integers("size", "UInt32", [r.size for r in receipts]),
            native.integers("total", "UInt32", [r.total for r in receipts]),
            native.integers("added", "UInt32", [r.added for r in receipts]),
            native.integers("failed", "UInt32", [r.failed for r in receipts]),
            native.integers("accepted_at", MILLISECONDS, [r.accepted_at for r in receipts]),
            native.texts("call_ids", [r.call_ids for r in receipts]),
            native.texts("body_hash", [r.body_hash or "" for r in receipts]),
        ],
    )


def receipt_of(row: Sequence[Any]) -> Receipt:
    """Return the receipt that a row holds; `accepted_at` in ms, `call_ids` as bytes."""
    submission_id, workspace_id, batch_id, first_index, size, total, added, failed, accepted_at, ids, body_hash = row
    return Receipt(
        submission_id=submission_id,
        workspace_id=workspace_id,
        batch_id=batch_id or None,
        first_index=first_index,
        size=size,
        total=total,
        added=added,
        failed=failed,
        accepted_at=accepted_at,
        call_ids=ids,
        body_hash=body_hash or None,
    )


def submissions_insert(accepted: Sequence[SubmissionAccepted]) -> Insert:
    """Return the insert of accepted submissions, one row each."""
    return _insert(
        "submissions",
        len(accepted),
        [
            native.texts("submission_id", [a.submission_id for a in accepted]),
            native.integers("version", "UInt64", [max(a.accepted_at, 0) for a in accepted]),
            native.texts("workspace_id", [a.workspace_id for a in accepted]),
            native.texts("batch_id", [a.batch_id for a in accepted]),
            native.integers("total", "UInt32", [max(a.total, 0) for a in accepted]),
            native.integers("accepted_at", MILLISECONDS, [a.accepted_at for a in accepted]),
            native.texts("body_hash", [a.body_hash or "" for a in accepted]),
        ],
    )


def dead_letters_insert(letters: Sequence[DeadLetter], number_of: NumberOf = lambda _: "") -> Insert:
    """Return the insert of dead letters, one row each: every fact of the headers, and the record's bytes.

    `number_of` reads a record's telephone number.
    """
    first = [letter.errors[0] for letter in letters]
    return _insert(
        "dead_letters",
        len(letters),
        [
            native.texts("submission_id", [x.submission_id for x in letters]),
            native.integers("record_index", "UInt32", [x.record_index for x in letters]),
            native.integers("attempt", "UInt32", [x.attempt for x in letters]),
            native.integers("version", "UInt64", [x.failed_at for x in letters]),
            native.texts("batch_id", [x.batch_id or "" for x in letters]),
            native.few_texts("code", [error.code for error in first]),
            native.few_texts("class", [RECORD_CODES[error.code].failure_class for error in first]),
            native.few_texts("stage", [x.stage for x in letters]),
            native.texts("path", [error.path for error in first]),
            native.texts("message", [error.message for error in first]),
            native.texts("errors", [pack_errors(x.errors) for x in letters]),
            native.few_texts("source_topic", [x.source_topic for x in letters]),
            native.integers("source_partition", "Int32", [x.source_partition for x in letters]),
            native.integers("source_offset", "Int64", [x.source_offset for x in letters]),
            native.integers("accepted_at", MILLISECONDS, [x.accepted_at for x in letters]),
            native.integers("first_failed_at", MILLISECONDS, [x.first_failed_at for x in letters]),
            native.integers("failed_at", MILLISECONDS, [x.failed_at for x in letters]),
            native.texts("replay_id", [x.replay_id or "" for x in letters]),
            native.few_texts("app_version", [x.app_version for x in letters]),
            native.texts("record", [x.record or b"" for x in letters]),
            native.texts("body_hash", [x.body_hash or "" for x in letters]),
            native.few_texts("workspace_id", [x.workspace_id for x in letters]),
            native.texts("tried", [x.tried or b"" for x in letters]),
            native.texts("changes", [x.changes for x in letters]),
            native.booleans("parked", [x.parked for x in letters]),
            native.texts("phone_number", [number_of(x.record if x.tried is None else x.tried) for x in letters]),
        ],
    )


def _insert(table: str, rows: int, columns: Sequence[native.Column]) -> Insert:
    return Insert(table, tuple(column.name for column in columns), native.block(rows, columns), rows)
