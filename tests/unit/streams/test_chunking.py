from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.identity import submission_id_of
from schemas.records import CHUNK_RECORDS, chunk_number
from streams.chunking import cut_message, slices
from tests.support.samples import body, raw_message


def test_a_message_is_cut_at_every_thousand_records() -> None:
    chunks = cut_message(raw_message(body(*range(2500))))
    assert [(chunk.first_index, len(chunk.records)) for chunk in chunks] == [(0, 1000), (1000, 1000), (2000, 500)]


def test_records_keep_their_order_and_bytes() -> None:
    chunks = cut_message(raw_message(body(*range(1500))))
    assert [json.loads(record) for chunk in chunks for record in chunk.records] == list(range(1500))


def test_the_edges_headers_place_the_records_in_their_submission() -> None:
    raw = raw_message(body(1, 2), submission_id="s-1", first_index="3000", total="5000", report_partition="4")
    (chunk,) = cut_message(raw)
    assert (chunk.submission_id, chunk.first_index, chunk.total, chunk.report_partition) == ("s-1", 3000, 5000, 4)


@pytest.mark.parametrize(
    ("first_index", "total"), [("3", "4"), ("-1", "9"), ("x", "9"), ("0", ""), ("0", "99999999999")]
)
def test_headers_that_make_no_sense_count_as_absent(first_index: str, total: str) -> None:
    (chunk,) = cut_message(raw_message(body(1, 2), first_index=first_index, total=total))
    assert (chunk.first_index, chunk.total) == (0, 2)


@pytest.mark.parametrize("partition", ["2147483648", "-1", "many"])
def test_a_report_partition_that_cannot_be_counts_as_absent(partition: str) -> None:
    assert cut_message(raw_message(body(1), report_partition=partition))[0].report_partition is None


@pytest.mark.parametrize("given", ["", "two words", "x" * 200])
def test_without_a_usable_submission_id_the_place_of_the_message_gives_one(given: str) -> None:
    (chunk,) = cut_message(raw_message(body(1), submission_id=given))
    assert chunk.submission_id == submission_id_of("calls.raw", 3, 42)


def test_the_accepted_time_is_the_messages() -> None:
    assert cut_message(raw_message(body(1)))[0].accepted_at == 1_700_000_000_000


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "empty_value"),
        (b"", "empty_value"),
        (b"rubbish", "undecodable"),
        (b"[1]", "type"),
        (b'{"batchId":"b"}', "required"),
        (b'{"batchId":"b","call_data":[]}', "empty_value"),
        (b'{"batchId":7,"call_data":[1]}', "type"),
    ],
)
def test_a_message_that_cannot_be_cut_is_carried_whole_with_its_reason(value: bytes | None, code: str) -> None:
    (chunk,) = cut_message(raw_message(value))
    assert (chunk.records, chunk.rejected_code, chunk.total) == ([value or b""], code, 1)


@pytest.mark.parametrize(
    ("value", "batch"),
    [
        (b'{"batchId":"in-body","call_data":{}}', "in-body"),
        (b'{"batchId":"in-body","call_data":[],"x":NaN}', "in-body"),
        (b'{"batchId":7,"call_data":[1]}', "in-key"),
        (b'{"batchId":"in-body","call_data":[1', "in-key"),
        (b'["in-body"]', "in-key"),
        (None, "in-key"),
    ],
)
def test_what_cannot_be_cut_still_belongs_to_the_batch_that_it_names(value: bytes | None, batch: str) -> None:
    assert cut_message(raw_message(value, key=b"in-key"))[0].batch_id == batch


def test_the_body_names_the_batch_before_header_and_key() -> None:
    assert cut_message(raw_message(body(1, batch="in-body"), batch_id="in-header"))[0].batch_id == "in-body"


def test_the_header_names_the_batch_before_the_key() -> None:
    assert cut_message(raw_message(body(1, batch=None), key=b"in-key", batch_id="in-header"))[0].batch_id == "in-header"


def test_the_key_names_the_batch_last() -> None:
    assert cut_message(raw_message(body(1, batch=None), key=b"in-key"))[0].batch_id == "in-key"


@pytest.mark.parametrize("key", [None, b"", b"\xff\xfe", b"x" * 300])
def test_records_of_a_batch_nobody_named_keep_their_own_bytes(key: bytes | None) -> None:
    (chunk,) = cut_message(raw_message(body(1, 2, batch=None), key=key))
    assert (chunk.batch_id, chunk.rejected_code, chunk.records) == (None, "batch_missing", [b"1", b"2"])


records = st.lists(st.binary(min_size=1, max_size=30), max_size=60)


@given(records, st.integers(0, 5000), st.integers(1, 80))
def test_slices_lose_nothing_cross_no_chunk_and_stay_small(texts: list[bytes], first: int, most: int) -> None:
    runs = list(slices(texts, first, most))
    assert [text for start, end in runs for text in texts[start:end]] == texts
    for start, end in runs:
        assert end > start
        assert chunk_number(first + start) == chunk_number(first + end - 1)
        assert end - start == 1 or sum(map(len, texts[start:end])) <= most
        assert end - start <= CHUNK_RECORDS


@pytest.mark.parametrize(
    "asked", ['"dryRun": true', '"onError": "all", "n": NaN', '"autoStart": false', '"startAt": "x"']
)
def test_a_message_that_asks_for_an_unsupported_option_is_not_cut(asked: str) -> None:
    value = f'{{"batchId": "b", {asked}, "call_data": [{{"phoneNumber": "1"}}, {{"phoneNumber": "2"}}]}}'.encode()
    (chunk,) = cut_message(raw_message(value))
    assert (chunk.rejected_code, chunk.rejected_path) == ("unsupported_option", f"/{asked[1 : asked.index(':') - 1]}")
    assert (chunk.batch_id, chunk.records) == ("b", [value])


def test_a_message_whose_options_change_nothing_is_cut() -> None:
    value = b'{"batchId": "b", "dryRun": false, "colour": "red", "call_data": [1, 2]}'
    (chunk,) = cut_message(raw_message(value))
    assert (chunk.rejected_code, chunk.records) == (None, [b"1", b"2"])


@pytest.mark.parametrize(("value", "code"), [("all", "unsupported_option"), ("record", None)])
def test_a_header_may_ask_for_an_option(value: str, code: str | None) -> None:
    (chunk,) = cut_message(raw_message(body(1, 2), on_error=value))
    assert (chunk.rejected_code, chunk.rejected_path) == (code, "on-error" if code else "")


@pytest.mark.parametrize(("first_index", "total"), [("0", "3"), ("1", "3"), ("50", "51")])
@pytest.mark.parametrize("value", [b"rubbish", b"", b'{"batchId":"b"}'])
def test_a_message_that_cannot_be_cut_leaves_no_record_of_its_headers_total_pending(
    value: bytes, first_index: str, total: str
) -> None:
    (chunk,) = cut_message(raw_message(value, submission_id="s-1", first_index=first_index, total=total))
    place = (chunk.submission_id, chunk.first_index, chunk.total, len(chunk.records))
    assert place == (submission_id_of("calls.raw", 3, 42), 0, 1, 1)


@pytest.mark.parametrize("headers", [{}, {"first_index": "0", "total": "1"}])
def test_a_message_that_cannot_be_cut_and_is_alone_keeps_its_submission_id(headers: dict[str, Any]) -> None:
    (chunk,) = cut_message(raw_message(b"rubbish", submission_id="s-1", **headers))
    assert (chunk.submission_id, chunk.first_index, chunk.total) == ("s-1", 0, 1)
