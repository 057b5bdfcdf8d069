from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_api.answers import answer_of
from ingest_api.report import Report, report_of
from schemas.dead_letters import phone_number_sent
from schemas.identity import uuid_texts
from schemas.outcomes import Code, FieldError
from schemas.records import Receipt, SubmissionAccepted
from schemas.stores import Failure, StoredSubmission

ERRORS = (FieldError(Code.REQUIRED, "/phoneNumber", "phoneNumber is missing"),)
RETRYABLE = (FieldError(Code.BATCH_UNKNOWN, "", "no batch has this id"),)


def accepted(total: int) -> SubmissionAccepted:
    return SubmissionAccepted(submission_id="s", workspace_id="w", batch_id="b", total=total, accepted_at=0)


def receipt(first: int, size: int, failed: int, total: int, submission_id: str = "s") -> Receipt:
    return Receipt(
        submission_id=submission_id,
        workspace_id="w",
        batch_id="b",
        first_index=first,
        size=size,
        total=total,
        added=size - failed,
        failed=failed,
        accepted_at=0,
        call_ids=b"".join(abs(first + at).to_bytes(16, "big") for at in range(size - failed)),
    )


def failure(index: int, errors: tuple[FieldError, ...] = ERRORS) -> Failure:
    return Failure(index, None, errors)


def counts(report: Report) -> tuple[int, int, int, bool]:
    data = report.as_json()
    assert data["added"] + data["failed"] + data["superseded"] + data["pending"] == data["total"]
    assert len(data["callIds"]) == data["added"]
    return data["added"], data["failed"], data["pending"], data["complete"]


def test_silence_is_pending() -> None:
    assert counts(Report(accepted(3))) == (0, 0, 3, False)


def test_a_receipt_says_what_is_stored() -> None:
    report = Report(accepted(5))
    report.add_receipt(receipt(0, 3, 0, 5))
    assert counts(report) == (3, 0, 2, False)


def test_a_failure_is_pending_until_its_slices_receipt_is_there() -> None:
    report = Report(accepted(3))
    report.add_failure(failure(1))
    assert counts(report) == (0, 0, 3, False)
    report.add_receipt(receipt(0, 3, 1, 3))
    assert counts(report) == (2, 1, 0, True)


def test_a_failure_that_only_the_receipt_knows_of_is_pending_until_its_dead_letter_is_there() -> None:
    report = Report(accepted(3))
    report.add_receipt(receipt(0, 3, 2, 3))
    report.add_failure(failure(0))
    assert counts(report) == (1, 1, 1, False)
    report.add_failure(failure(2))
    assert counts(report) == (1, 2, 0, True)


def test_a_dead_letter_of_an_unfinished_slice_is_not_shown_for_a_finished_one() -> None:
    report = Report(accepted(4))
    report.add_receipt(receipt(2, 2, 1, 4))
    report.add_failure(failure(1))
    report.add_failure(failure(3))
    [chunk] = report.failed_chunks()
    assert [record["index"] for record in chunk["records"]] == [3]


@pytest.mark.parametrize(
    "nonsense",
    [
        receipt(0, 2, 0, 2, submission_id="other"),
        receipt(0, 2, 0, 9),
        receipt(1, 2, 0, 2),
        receipt(-1, 2, 0, 2),
        receipt(0, 0, 0, 2),
    ],
)
def test_a_receipt_that_does_not_fit_changes_nothing(nonsense: Receipt) -> None:
    report = Report(accepted(2))
    report.add_receipt(nonsense)
    assert counts(report) == (0, 0, 2, False)


@pytest.mark.parametrize("other", [(0, 2), (1, 2), (0, 1), (2, 1), (1, 1), (0, 4)])
def test_a_receipt_of_records_already_reported_changes_nothing(other: tuple[int, int]) -> None:
    report = Report(accepted(4))
    report.add_receipt(receipt(0, 3, 0, 4))
    report.add_receipt(receipt(*other, 0, 4))
    assert counts(report) == (3, 0, 1, False)


@pytest.mark.parametrize("index", [-1, 2, 2**31])
def test_a_failure_of_no_record_changes_nothing(index: int) -> None:
    report = Report(accepted(2))
    report.add_failure(failure(index))
    report.add_receipt(receipt(0, 2, 1, 2))
    assert counts(report) == (1, 0, 1, False)


def test_a_failed_chunk_is_shown_as_the_contract_says() -> None:
    report = Report(accepted(2003))
    for first in (0, 1000):
        report.add_receipt(receipt(first, 1000, 0, 2003))
    report.add_receipt(receipt(2000, 3, 2, 2003))
    report.add_failure(Failure(2002, "123", ERRORS))
    report.add_failure(Failure(2000, None, ERRORS))
    shown = [{"path": "/phoneNumber", "code": "required", "message": "phoneNumber is missing"}]
    assert report.failed_chunks() == [
        {
            "chunkNum": 3,
            "error": "2 of 3 records failed; the first is record 2000 (/phoneNumber): phoneNumber is missing",
            "firstIndex": 2000,
            "size": 3,
            "added": 1,
            "failed": 2,
            "retryable": False,
            "records": [
                {"index": 2000, "phoneNumber": None, "errors": shown},
                {"index": 2002, "phoneNumber": "123", "errors": shown},
            ],
            "recordsOmitted": 0,
        }
    ]


def test_the_hundred_lowest_failures_of_a_chunk_are_shown_whatever_their_order() -> None:
    report = Report(accepted(1000))
    indexes = list(range(1000))
    random.Random(7).shuffle(indexes)
    for index in indexes:
        report.add_failure(failure(index))
    report.add_receipt(receipt(0, 1000, 1000, 1000))
    [chunk] = report.failed_chunks()
    assert [record["index"] for record in chunk["records"]] == list(range(100))
    assert (chunk["failed"], chunk["recordsOmitted"]) == (1000, 900)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [([RETRYABLE, RETRYABLE], True), ([RETRYABLE, ERRORS], False), ([RETRYABLE + ERRORS], False)],
)
def test_a_chunk_is_retryable_only_where_every_failure_of_it_is(
    errors: list[tuple[FieldError, ...]], expected: bool
) -> None:
    report = Report(accepted(len(errors)))
    report.add_receipt(receipt(0, len(errors), len(errors), len(errors)))
    for index, of_record in enumerate(errors):
        report.add_failure(failure(index, of_record))
    assert report.failed_chunks()[0]["retryable"] is expected


def test_call_ids_come_in_the_order_sent_whatever_the_order_of_receipts() -> None:
    report = Report(accepted(4))
    report.add_receipt(receipt(2, 2, 0, 4))
    report.add_receipt(receipt(0, 2, 0, 4))
    assert report.call_ids() == uuid_texts(b"".join(n.to_bytes(16, "big") for n in range(4)))


def test_the_store_and_the_topics_are_counted_together_and_nothing_twice() -> None:
    report = Report(accepted(2000))
    report.add_receipt(receipt(0, 1000, 3, 2000))
    report.add_failure(failure(5))
    stored = StoredSubmission(
        None, [receipt(0, 1000, 3, 2000), receipt(1000, 1000, 0, 2000)], [failure(5), failure(6)], {1: 3}
    )
    report.add_stored(stored)
    assert counts(report) == (1997, 3, 0, True)
    assert report.failed_chunks()[0]["recordsOmitted"] == 1


def test_a_direct_producers_report_is_made_from_its_receipts() -> None:
    report = report_of(StoredSubmission(None, [receipt(0, 2, 0, 2)], [], {}))
    assert report is not None
    assert (report.accepted.workspace_id, counts(report)) == ("w", (2, 0, 0, True))


def test_dead_letters_alone_make_no_report() -> None:
    assert report_of(StoredSubmission(None, [], [failure(1)], {1: 1})) is None


def test_what_was_published_but_not_stored_yet_makes_a_report() -> None:
    report = report_of(StoredSubmission(None, [], [], {}), accepted(4))
    assert report is not None
    assert counts(report) == (0, 0, 4, False)


@pytest.mark.parametrize(
    ("failed", "status"), [([], 200), ([1], 207), ([0, 1, 2], 400)], ids=["all stored", "some", "none"]
)
def test_a_complete_report_decides_the_status(failed: list[int], status: int) -> None:
    report = Report(accepted(3))
    report.add_receipt(receipt(0, 3, len(failed), 3))
    for index in failed:
        report.add_failure(failure(index))
    answer = answer_of(report, "")
    assert (answer.status, answer.body["code"], answer.body["status"]) == (status, status, status == 200)


def test_an_incomplete_report_is_a_202_that_tells_nothing_of_records() -> None:
    report = Report(accepted(3))
    report.add_receipt(receipt(0, 2, 1, 3))
    report.add_failure(failure(0))
    answer = answer_of(report, "wait=1")
    assert (answer.status, answer.body["data"]) == (202, {"submissionId": "s"})
    assert answer.headers == {"Location": "/api/call/submissions/s", "Preference-Applied": "wait=1"}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (b'{"phoneNumber":"123"}', "123"),
        (b'{"phoneNumber":"+1 (212)"}', "+1 (212)"),
        (b'{"phoneNumber":12125551001}', "12125551001"),
        (b'{"phoneNumber":1.2e10}', "1.2e10"),
        (b'{"phoneNumber":"' + b"9" * 5000 + b'"}', "9" * 64),
        (b'{"phoneNumber":null}', None),
        (b'{"phoneNumber":{"a":1}}', None),
        (b'{"phoneNumber":"\\ud800"}', None),
        (b'{"phoneNumber":"\xff"}', None),
        (b'{"phoneNumber":NaN}', None),
        (b'{"phoneNumber":-Infinity}', None),
        (b'{"phoneNumber":true}', None),
        (b'{"phoneNumber":' + b"9" * 5000 + b"}", "9" * 64),
        (b'{"phoneNumber":"123","x":NaN}', "123"),
        (b'{"x":"\\ud800","phoneNumber":12125551001}', "12125551001"),
        (b'{"x":' + b"[" * 5000 + b"]" * 5000 + b',"phoneNumber":"123"}', "123"),
        (b'{"x":"\xff\xfe","phoneNumber":"+49 \xc3\xbc"}', "+49 \u00fc"),
        (b'{"x":NaN,"phoneNumber":"1","phoneNumber":"2"}', "2"),
        (b'{"x":NaN,"phoneNumber":{"a":1}}', None),
        (b'{"x":NaN}', None),
        (b"[NaN]", None),
        (b'{"x":NaN,"phoneNumber":"1"', None),
        (b"[" * 100_000, None),
        (b"[]", None),
        (b"", None),
        (None, None),
    ],
)
def test_the_phone_number_shown_is_the_text_sent(record: bytes | None, expected: str | None) -> None:
    assert phone_number_sent(record) == expected


# The law: receipts and dead letters give the same report in whatever order and however often they come.


@st.composite
def submissions(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]], set[int]]:
    """Draw (total, slices that never cross a chunk's border, failed indices)."""
    total = draw(st.integers(1, 2500))
    cuts = draw(st.sets(st.integers(1, total), max_size=6)) | set(range(0, total, 1000)) | {total}
    starts = sorted(cuts | {0})
    failed = draw(st.sets(st.integers(0, total - 1), max_size=60))
    return total, list(pairwise(starts)), failed


@given(submissions(), st.randoms(use_true_random=False), st.data())
def test_order_and_repetition_change_nothing(
    submission: tuple[int, list[tuple[int, int]], set[int]], shuffler: random.Random, data: st.DataObject
) -> None:
    total, spans, failed = submission
    facts: list[Any] = [receipt(a, b - a, len(failed & set(range(a, b))), total) for a, b in spans]
    facts += [failure(index) for index in failed]
    told = facts + data.draw(st.lists(st.sampled_from(facts), max_size=20))
    shuffler.shuffle(told)
    report = Report(accepted(total))
    seen: list[Any] = []
    for fact in told:
        seen.append(fact)
        report.add_receipt(fact) if isinstance(fact, Receipt) else report.add_failure(fact)
        assert_true(report, seen, total)
    assert report.complete
    assert (report.added, report.failed) == (total - len(failed), len(failed))
    shown = [record["index"] for chunk in report.failed_chunks() for record in chunk["records"]]
    assert shown == sorted(failed)


def assert_true(report: Report, seen: list[Any], total: int) -> None:
    """Compare with a plain model: stored and failed are what receipts say, failed only as far as letters tell."""
    receipts = {fact.first_index: fact for fact in seen if isinstance(fact, Receipt)}
    letters = {fact.record_index for fact in seen if isinstance(fact, Failure)}
    certain = sum(fact.failed for fact in receipts.values())
    assert report.added == sum(fact.added for fact in receipts.values())
    assert report.failed <= min(certain, len(letters))
    everything = sum(fact.size for fact in receipts.values()) == total and report.failed == certain
    assert report.complete == everything
