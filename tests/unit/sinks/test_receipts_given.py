from __future__ import annotations

from typing import Any

from schemas.records import PhoneLogChunk, Receipt
from sinks.receipts_given import ReceiptsGiven
from sinks.rows import prepare, receipt_of
from tests.unit.sinks.chunks import a_chunk, numbers


def keyed(submission: str = "s", body_hash: str | None = "h", first_index: int = 0, **changes: Any) -> PhoneLogChunk:
    fields = {"submission_id": submission, "body_hash": body_hash, "first_index": first_index}
    return a_chunk(numbers(1), record_index=[first_index], total=9, **(fields | changes))


def receipt(chunk: PhoneLogChunk) -> Receipt:
    return receipt_of(prepare(chunk))


def knowing(*receipts: Receipt, **bounds: int) -> ReceiptsGiven:
    given = ReceiptsGiven(**bounds)
    given.learn([keyed()], receipts)
    return given


def test_a_submission_is_asked_for_once() -> None:
    given = ReceiptsGiven()
    chunks = [keyed(), keyed(first_index=1), keyed("plain", None)]
    assert given.unknown(chunks) == ["s"]

    given.learn(chunks, [])

    assert given.unknown(chunks) == []


def test_a_slice_is_done_once_and_then_its_receipt_is_given_again() -> None:
    given = knowing()
    assert given.part([keyed()]).new == [keyed()]

    given.add([receipt(keyed())])

    parted = given.part([keyed(), keyed(first_index=1)])
    assert (parted.new, parted.again) == ([keyed(first_index=1)], [keyed()])
    assert given.receipt(keyed()) == receipt(keyed())


def test_within_a_flush_the_first_of_two_equal_slices_is_done() -> None:
    parted = knowing().part([keyed(accepted_at=1), keyed(accepted_at=2)])

    assert (parted.new, parted.again) == ([keyed(accepted_at=1)], [keyed(accepted_at=2)])


def test_another_body_is_passed_over_whether_its_forerunner_is_stored_or_beside_it() -> None:
    other = keyed(body_hash="other", first_index=1)
    stored = knowing(receipt(keyed())).part([other])
    beside = knowing().part([keyed(), other])

    assert (stored.new, stored.again, stored.others) == ([], [], 1)
    assert (beside.new, beside.again, beside.others) == ([keyed()], [], 1)


def test_without_an_idempotency_key_every_slice_is_done() -> None:
    plain = keyed(body_hash=None)
    given = knowing(receipt(plain))

    assert given.part([plain, plain]).new == [plain, plain]


def test_what_was_corrected_is_read_again() -> None:
    given = knowing(receipt(keyed()))

    given.drop(["s", "never heard of"])

    assert given.unknown([keyed()]) == ["s"]


def test_the_oldest_are_forgotten_beyond_the_bounds_and_asked_for_again() -> None:
    given = knowing(receipt(keyed()), most_bytes=2_000)
    given.learn([keyed("t"), keyed("u")], [receipt(keyed("t"))])
    assert given.unknown([keyed(), keyed("t"), keyed("u")]) == []

    given.forget()

    assert given.unknown([keyed(), keyed("t"), keyed("u")]) == ["s"]
    given.learn([keyed()], [receipt(keyed())])
    assert given.part([keyed()]).again == [keyed()]
