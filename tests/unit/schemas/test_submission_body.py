from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.outcomes import Code, FieldError
from schemas.submission_body import SubmissionBody, parse_body

WHOLE = b'{"batchId":"b","call_data":[{"a":1},{"b":[2,{"c":"]}"}]}]}'


def error(body: bytes) -> tuple[Code, str]:
    parsed = parse_body(body)
    assert isinstance(parsed, FieldError)
    return parsed.code, parsed.path


def pieces(body: bytes) -> SubmissionBody:
    parsed = parse_body(body)
    assert isinstance(parsed, SubmissionBody)
    return parsed


def around(*records: bytes) -> bytes:
    return b'{"batchId":"b","call_data":[' + b",".join(records) + b"]}"


def test_records_keep_their_bytes() -> None:
    assert pieces(WHOLE).records == [b'{"a":1}', b'{"b":[2,{"c":"]}"}]}']


def test_the_other_spelling_is_read() -> None:
    assert pieces(b'{"batchId":"b","callData":[1]}').records == [b"1"]


def test_of_the_two_spellings_the_documented_one_wins() -> None:
    assert pieces(b'{"batchId":"b","callData":[1],"call_data":[2]}').records == [b"2"]


@pytest.mark.parametrize("more", ["", ',"x":NaN'])
def test_a_spelling_that_is_null_counts_as_not_given(more: str) -> None:
    assert pieces(f'{{"batchId":"b","call_data":null,"callData":[1]{more}}}'.encode()).records == [b"1"]
    assert pieces(f'{{"batchId":"b","callData":null,"call_data":[1]{more}}}'.encode()).records == [b"1"]
    assert error(f'{{"batchId":"b","callData":null,"call_data":null{more}}}'.encode()) == (Code.REQUIRED, "/call_data")


def test_of_a_repeated_key_the_last_wins() -> None:
    parsed = pieces(b'{"batchId":"a","call_data":[1],"batchId":"b","call_data":[2,3]}')
    assert parsed == SubmissionBody("b", [b"2", b"3"])


def test_one_byte_order_mark_is_skipped_and_no_second() -> None:
    assert pieces(b"\xef\xbb\xbf" + WHOLE).batch_id == "b"
    assert error(b"\xef\xbb\xbf\xef\xbb\xbf" + WHOLE)[0] is Code.UNDECODABLE


@pytest.mark.parametrize("cut_at", range(len(WHOLE)))
def test_a_body_cut_at_any_byte_is_refused(cut_at: int) -> None:
    assert isinstance(parse_body(WHOLE[:cut_at]), FieldError)


@pytest.mark.parametrize("junk", [b"x", b"}", b"\0", b" {}", b","])
def test_junk_after_the_body_is_refused(junk: bytes) -> None:
    assert error(WHOLE + junk) == (Code.UNDECODABLE, "")


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        (b"", Code.EMPTY_VALUE, ""),
        (b" \n", Code.EMPTY_VALUE, ""),
        (b"[]", Code.TYPE, ""),
        (b'"text"', Code.TYPE, ""),
        (b"rubbish", Code.UNDECODABLE, ""),
        (WHOLE.decode().encode("utf-16"), Code.UNDECODABLE, ""),
        (b'{"batchId":"b"}', Code.REQUIRED, "/call_data"),
        (b'{"batchId":"b","call_data":null}', Code.REQUIRED, "/call_data"),
        (b'{"batchId":"b","call_data":{}}', Code.TYPE, "/call_data"),
        (b'{"batchId":"b","call_data":"[1]"}', Code.TYPE, "/call_data"),
        (b'{"batchId":"b","call_data":[]}', Code.EMPTY_VALUE, "/call_data"),
        (b'{"batchId":7,"call_data":[1]}', Code.TYPE, "/batchId"),
        (b'{"batchId":"\\ud800","call_data":[1]}', Code.INVALID_TEXT, "/batchId"),
        (b'{"batchId":"\xff","call_data":[1]}', Code.INVALID_TEXT, "/batchId"),
        (b'{"batchId":"' + b"x" * 300 + b'","call_data":[1]}', Code.TOO_LARGE, "/batchId"),
        (around(b"1", b""), Code.UNDECODABLE, ""),
        (around(b"{'a':1}"), Code.UNDECODABLE, ""),
        (around(b'{"a":"\x01"}'), Code.UNDECODABLE, ""),
        (b'{"batchId":"b","call_data":[1] "x":2}', Code.UNDECODABLE, ""),
    ],
)
def test_a_wrong_body_is_told_with_its_place(body: bytes, code: Code, path: str) -> None:
    assert error(body) == (code, path)


@pytest.mark.parametrize("absent", ["{}", '{"batchId":null}', '{"batchId":""}', '{"batchId":"  "}'])
def test_a_batch_that_is_not_named_is_none(absent: str) -> None:
    assert pieces(json.dumps(json.loads(absent) | {"call_data": [1]}).encode()).batch_id is None


@pytest.mark.parametrize(
    "record",
    [
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"a":123456789012345678901234567890}',
    ],
)
def test_a_record_that_cannot_be_decoded_does_not_take_its_neighbours_along(record: bytes) -> None:
    before, after = b'{"b":"]"}', b'{"c":"\\""}'
    assert pieces(around(before, record, after)).records == [before, record, after]


def test_more_records_than_the_limit_are_refused_before_they_are_held() -> None:
    assert error(around(*[b"1"] * 4_200_000)) == (Code.TOO_LARGE, "/call_data")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(json_values, min_size=1, max_size=6), st.sampled_from([None, 1]), st.booleans())
def test_every_record_comes_out_as_it_went_in(values: list[Any], indent: int | None, ascii_only: bool) -> None:
    body = json.dumps({"x": [], "batchId": "b", "call_data": values}, indent=indent, ensure_ascii=ascii_only)
    found = [json.loads(text) for text in pieces(body.encode("utf-8", "surrogatepass")).records]
    assert repr(found) == repr(json.loads(body)["call_data"])


@pytest.mark.parametrize("record", [b"1", b"NaN", b'"\\ud800"'], ids=["fast", "scanned", "half a pair"])
def test_other_fields_are_kept_beside_with_the_beginning_of_their_text(record: bytes) -> None:
    body = b'{"dryRun":true,"batchId":"b","call_data":[%b],"f\xc3\xa4rbe":{"a":[1]},"long":"%b"}' % (record, b"x" * 999)
    parsed = pieces(body)
    assert parsed.records == [record]
    assert list(parsed.others) == ["dryRun", "färbe", "long"]
    assert (parsed.others["dryRun"], parsed.others["färbe"], len(parsed.others["long"])) == (b"true", b'{"a":[1]}', 256)
    assert [(error.code, error.path) for error in parsed.unsupported()] == [(Code.UNSUPPORTED_OPTION, "/dryRun")]


def test_an_option_is_found_among_a_million_other_fields() -> None:
    others = b",".join(b'"%d":1' % number for number in range(1_000_000))
    parsed = pieces(b'{"batchId":"b","call_data":[1],%b,"dryRun":true}' % others)
    assert [error.path for error in parsed.unsupported()] == ["/dryRun"]
    assert len(parsed.others) < 60_000


@pytest.mark.parametrize(("name", "hint"), [("call_Data", True), ("calldata", True), ("records", False)])
def test_a_misspelt_list_is_told_what_was_meant(name: str, hint: bool) -> None:
    parsed = parse_body(f'{{"batchId":"b","{name}":[1]}}'.encode())
    assert isinstance(parsed, FieldError)
    assert (parsed.code, "did you mean call_data" in parsed.message) == (Code.REQUIRED, hint)
