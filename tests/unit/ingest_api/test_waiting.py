from __future__ import annotations

import pytest

from ingest_api.waiting import RECENT, WaitingReports
from schemas.codecs import encode
from schemas.dead_letters import dead_letter, to_message
from schemas.outcomes import Code, FieldError, Rejected
from schemas.records import Receipt, SubmissionAccepted
from schemas.stores import StoredSubmission
from tests.support.samples import chunk

MINE, OTHER = "a" * 64, "b" * 64


def accepted(submission_id: str = "s", body_hash: str | None = MINE) -> SubmissionAccepted:
    return SubmissionAccepted(
        submission_id=submission_id, workspace_id="w", batch_id="b", total=2, accepted_at=1, body_hash=body_hash
    )


def receipt(body_hash: str | None) -> Receipt:
    return Receipt(
        submission_id="s",
        workspace_id="w",
        batch_id="b",
        first_index=0,
        size=2,
        total=2,
        added=1,
        failed=1,
        accepted_at=1,
        call_ids=bytes(16),
        body_hash=body_hash,
    )


def fail(reports: WaitingReports, body_hash: str | None) -> None:
    rejected = Rejected((FieldError(Code.REQUIRED, "/phoneNumber", "it is missing"),), "clean")
    letter = to_message(dead_letter(b"{}", rejected, chunk({}, body_hash=body_hash), 0, 2, "test"))
    reports.take_dead_letter(letter.key, letter.value, letter.headers)


@pytest.mark.parametrize("body_hash", [None, MINE])
def test_a_receipt_and_its_dead_letters_complete_a_report(body_hash: str | None) -> None:
    reports = WaitingReports()
    with reports.expect(accepted(body_hash=body_hash), 3) as waiting:
        reports.take_receipt(b"s", encode(receipt(body_hash)))
        assert not waiting.settled
        fail(reports, body_hash)
        assert (waiting.report.complete, waiting.other_body, waiting.changed.is_set()) == (True, False, True)


def test_a_receipt_of_another_body_says_that_nothing_of_this_one_is_stored() -> None:
    reports = WaitingReports()
    with reports.expect(accepted(), 3) as waiting:
        reports.take_receipt(b"s", encode(receipt(OTHER)))
        assert (waiting.report.complete, waiting.other_body, waiting.changed.is_set()) == (False, True, True)
        assert waiting.report.added == 0


def test_the_store_may_say_so_too() -> None:
    reports = WaitingReports()
    with reports.expect(accepted(), 3) as waiting:
        waiting.add_stored(StoredSubmission(None, [receipt(OTHER)], [], {}))
        assert (waiting.report.complete, waiting.other_body) == (False, True)


def test_dead_letters_of_another_body_do_not_count() -> None:
    reports = WaitingReports()
    with reports.expect(accepted(), 3) as waiting:
        reports.take_receipt(b"s", encode(receipt(MINE)))
        fail(reports, OTHER)
        assert (waiting.settled, waiting.report.explaining) == (False, True)
        fail(reports, MINE)
        assert waiting.report.complete


def test_a_failed_publish_is_doubted_until_it_is_tried_again() -> None:
    reports = WaitingReports()
    with reports.expect(accepted(), 3):
        reports.doubt("s")
    assert (reports.doubtful("s"), reports.doubtful("unknown")) == (True, False)
    with reports.expect(accepted(), 3):
        assert not reports.doubtful("s")


def test_what_is_remembered_is_bounded() -> None:
    reports = WaitingReports()
    for number in range(RECENT + 1):
        with reports.expect(accepted(str(number)), None):
            reports.doubt(str(number))
    assert (reports.recent("0"), reports.doubtful("0")) == (None, False)
    assert reports.recent(str(RECENT)) is not None
