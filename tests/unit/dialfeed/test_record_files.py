from __future__ import annotations

import io
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialfeed.exits import WrongUseError
from dialfeed.record_files import FileRecord, RecordFile, portions, read_records
from schemas.outcomes import Code
from schemas.returned import cleared


def read(text: bytes | str) -> RecordFile:
    return read_records(io.BytesIO(text.encode() if isinstance(text, str) else text))


def sendable(text: bytes | str) -> list[object]:
    return [json.loads(record.raw) for record in read(text).records if record.error is None]


ONE = {"phoneNumber": "12125551001"}
TWO = {"phoneNumber": "12125551002", "note": "a\nb"}


@pytest.mark.parametrize(
    "text",
    [
        f"{json.dumps(ONE)}\n{json.dumps(TWO)}\n",
        f"\ufeff{json.dumps(ONE)}\r\n\r\n  {json.dumps(TWO)}",
        json.dumps([ONE, TWO]),
        json.dumps([ONE, TWO], indent=2),
        "\n\n" + json.dumps([ONE, TWO]),
        json.dumps({"batchId": "b", "call_data": [ONE, TWO]}),
        json.dumps({"batchId": "b", "callData": [ONE, TWO]}, indent=4),
    ],
    ids=[
        "ndjson",
        "ndjson with a mark and blank lines",
        "array",
        "indented",
        "blank lines first",
        "body",
        "other body",
    ],
)
def test_the_same_records_are_read_whatever_the_form(text: str) -> None:
    assert sendable(text) == [ONE, TWO]


def test_a_single_object_over_several_lines_is_one_record() -> None:
    assert sendable(json.dumps(ONE, indent=2)) == [ONE]


def test_every_record_is_on_one_line() -> None:
    assert all(b"\n" not in record.raw for record in read(json.dumps([ONE, TWO], indent=2)).records)


def test_lines_are_counted_from_one_and_blank_lines_count() -> None:
    assert [record.place for record in read('{"a":1}\n\n{"a":2}\n').records] == [1, 3]


def test_elements_of_an_array_are_counted_from_zero() -> None:
    assert [record.place for record in read('[{"a":1},{"a":2}]').records] == [0, 1]


def test_a_body_names_its_batch() -> None:
    assert read('{"batchId": "b1", "call_data": [{}]}').batch_id == "b1"


def test_the_records_of_an_array_are_counted_beforehand() -> None:
    assert read("[{}, {}, {}]").total == 3


@pytest.mark.parametrize(
    "line",
    ['{"a": 1', "{'a': 1}", '{"a":1},{"b":2}', '{"a":1}]', "1 2", "]", "a,b", '{"a":1} // comment', '{"a"}'],
)
def test_a_line_that_is_not_one_json_value_is_an_error_of_its_own(line: str) -> None:
    first, bad, last = read(f'{{"a":0}}\n{line}\n{{"a":2}}\n').records
    assert (first.error, last.error) == (None, None)
    assert bad.place == 2
    assert bad.error is not None
    assert bad.error.code is Code.UNDECODABLE


def test_a_first_line_that_is_cut_off_does_not_hide_the_others() -> None:
    cut, good = read('{"a": 1,\n{"a": 2}\n').records
    assert cut.error is not None
    assert good == FileRecord(b'{"a": 2}', 2)


@pytest.mark.parametrize("line", ['{"a": NaN}', '{"a": "\\ud800"}', "[" * 5000 + "]" * 5000, '"text"', "null", "3"])
def test_what_the_api_can_say_more_about_is_left_to_the_api(line: str) -> None:
    assert [record.error for record in read('{"a":1}\n' + line).records] == [None, None]


def test_the_other_records_of_an_array_survive_one_that_is_not_json() -> None:
    assert [record.raw for record in read('[{"a":NaN}, {"a":1}]').records] == [b'{"a":NaN}', b'{"a":1}']


def test_a_line_that_is_not_utf8_is_invalid_text() -> None:
    bad = list(read(b'{"a":1}\n{"a":"\xff"}\n').records)[1]
    assert bad.error is not None
    assert bad.error.code is Code.INVALID_TEXT


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" \n\n",
        b"[]",
        b"phoneNumber,name\n12125551001,Ann\n",
        b"PK\x03\x04\x00\x00",
        b"\xff\xfe[\x00]\x00",
        b'[{"a":1}',
        b'[{"a":1}] x',
        b'[{"a":1}], "b": 2',
        b'[{"a":1}], "": [2]',
        b'[{"a":1},]',
        b"{'a': 1}\n{'a': 2}\n",
        b'{"a": 1,\n"b": }',
    ],
)
def test_a_file_that_is_something_else_or_broken_is_refused_as_a_whole(text: bytes) -> None:
    with pytest.raises(WrongUseError):
        list(read(text).records)


def test_a_rejected_record_that_is_sent_again_loses_its_marks_and_nothing_else() -> None:
    line = b'{"n": 1.10, "_mine": 2, "_errors": [], "_index": 0, "_submission": "s", "_line": 1}'
    sent = next(read(line + b"\n{}").records).raw
    assert sent == b'{"n":1.10,"_mine":2,"_errors":[],"_submission":"s","_index":0}'
    assert cleared(sent) == b'{"n":1.10,"_mine":2}'


def test_an_exported_record_that_is_sent_again_keeps_a_field_that_is_named_as_the_place_in_a_file() -> None:
    marks = b'"_errors": [], "_index": 0, "_submission": "s", "_attempt": 1, "_batch": "b"'
    sent = next(read(b'{"_line": 7, "_row": 8, %b}\n{}' % marks).records).raw
    assert cleared(sent) == b'{"_line":7,"_row":8}'


def test_a_record_of_the_callers_own_keeps_what_only_looks_like_a_mark() -> None:
    assert sendable('{"_errors": 1}\n{}') == [{"_errors": 1}, {}]


@given(
    st.lists(
        st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.integers() | st.none(), max_size=3), min_size=1
    )
)
def test_array_and_lines_of_the_same_records_are_read_alike(records: list[dict[str, object]]) -> None:
    lines = b"\n".join(msgspec.json.encode(record) for record in records)
    assert sendable(lines) == sendable(msgspec.json.encode(records)) == records


def sizes(lengths: list[int], most_records: int, most_bytes: int) -> list[int]:
    records = [FileRecord(b"x" * length, place) for place, length in enumerate(lengths)]
    return [len(portion) for portion in portions(records, most_records, most_bytes)]


def test_portions_hold_no_more_records_than_asked() -> None:
    assert sizes([1] * 5, 2, 1000) == [2, 2, 1]


def test_portions_hold_no_more_bytes_than_asked_and_a_large_record_goes_alone() -> None:
    assert sizes([4, 4, 50, 4], 10, 12) == [2, 1, 1]


@pytest.mark.parametrize("name", ["dryRun", "onError", "scheduledAt"])
def test_a_body_that_asks_for_an_unsupported_option_is_not_sent(name: str) -> None:
    with pytest.raises(WrongUseError, match=f"{name} .* is not supported"):
        read(json.dumps({"batchId": "b", name: "all", "call_data": [ONE]}))


def test_fields_of_a_body_without_effect_are_told_and_variables_of_records_are_not() -> None:
    file = read(json.dumps({"batchId": "b", "dryRunn": True, "autoStart": True, "call_data": [{**ONE, "dryRun": 1}]}))
    assert [warning.message for warning in file.notes.warnings] == [
        "dryRunn is unknown here and was ignored; did you mean dryRun? (dryRun is not supported)"
    ]
    assert [json.loads(record.raw) for record in file.records] == [{**ONE, "dryRun": 1}]
