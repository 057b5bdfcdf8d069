from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialfeed.exits import WrongUseError
from dialfeed.replay_file import read_corrected
from schemas.edited_record import MOST_LEVELS
from tests.support.exports import attempts, exported, replayed

DEEP = b"[" * (MOST_LEVELS + 1) + b"]" * (MOST_LEVELS + 1)
OBJECTS = [
    b' {\r\n "phoneNumber" : "1", "n": 12.50,\n"big":12345678901234567890123, "e": 1e3, "twice":1,"twice":2}\t',
    b'{"_line":7,"_row":"x","_position":null}',
    b'{"_errors":1,"_index":2,"_submission":3,"_attempt":4,"_batch":5,"n":1}',
    b'{"_text":"hi"}',
    b'{"_text":5}',
    b'{"_record":[1]}',
    '{"name":"M\\u00fcller \U0001f600","Zürich":"\\/","deep":{"b":[1,null,true,"x"],"a":{}}}'.encode(),
    b"{}",
]
OTHERS = [
    b" [1,\n2] ",
    b'"007"',
    b"null",
    b"not, json\r\nat all",
    b'{"n":"\xff"}',
    b'\xff\xfe{"n":1}',
    b'{"n":NaN}',
    b'{"n":"\\ud800"}',
    b'\x0b{"n":1}',
    b'\xef\xbb\xbf{"n":1}',
    DEEP,
    b'{"n":%b}' % DEEP,
    b"[" * 100_000,
    b'{"n":"%b"}' % (b"[" * MOST_LEVELS),
]
ALL = [*OBJECTS, *OTHERS]


def rewritten(path: Path, change: Callable[[Any], Any]) -> None:
    """Do as a program does: read every line, change it, write it."""
    lines = [change(json.loads(line)) for line in path.read_bytes().splitlines()]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


async def test_what_was_not_changed_comes_back_as_the_very_bytes(tmp_path: Path) -> None:
    letters = await exported(tmp_path / "failed.ndjson", *ALL, b"")
    found = attempts(tmp_path / "failed.ndjson", letters)
    assert [one.record if one is not None else None for one in found] == [*ALL, None]
    assert {one.changes for one in found if one is not None} == {""}


async def test_white_space_the_order_of_fields_and_escapes_are_no_change(tmp_path: Path) -> None:
    path = tmp_path / "failed.ndjson"
    records = [record for record in ALL if b"12345678901234567890123" not in record]
    letters = await exported(path, *records)
    path.write_text(json.dumps([reordered(json.loads(line)) for line in path.read_bytes().splitlines()], indent=2))
    assert replayed(path, letters) == records


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: reordered(one) for name, one in reversed(value.items())}
    return [reordered(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"1", 2), (b"1", 1.0), (b"1", True), (b"1.0", 1), (b"1", "1"), (b"null", ""), (b"[1,2]", [2, 1]), (b'"a"', None)],
)
async def test_another_value_or_kind_of_value_is_a_change(tmp_path: Path, before: bytes, after: Any) -> None:
    path = tmp_path / "failed.ndjson"
    letters = await exported(path, b'{"kept": 1.50, "n": %b}' % before)
    path.write_bytes(path.read_bytes().replace(b'"n": %b' % before, b'"n": %b' % msgspec.json.encode(after)))
    (attempt,) = attempts(path, letters)
    assert attempt is not None
    assert attempt.record == b'{"kept":1.50,"n":%b}' % msgspec.json.encode(after)
    assert attempt.changes == "replaced from a file"


async def test_the_callers_own_fields_survive_a_change_whatever_their_names(tmp_path: Path) -> None:
    path = tmp_path / "failed.ndjson"
    letters = await exported(path, *OBJECTS[1:4])
    rewritten(path, lambda line: line | {"new": 1})
    found = [json.loads(record or b"") for record in replayed(path, letters)]
    assert found == [json.loads(record) | {"new": 1} for record in OBJECTS[1:4]]


async def test_a_field_that_is_no_mark_of_an_export_can_be_changed_and_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "failed.ndjson"
    letters = await exported(path, b'{"_line":7,"_row":8}')
    rewritten(path, lambda line: {name: value for name, value in line.items() if name != "_row"} | {"_line": 9})
    assert replayed(path, letters) == [b'{"_line":9}']


def test_of_a_rejected_record_its_place_in_its_file_is_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "rejected.ndjson"
    path.write_bytes(b'{"n":1,"_errors":[],"_index":0,"_submission":"s","_line":7}\n')
    (edit,) = read_corrected(path).replacements(lambda _: None).values()
    assert not isinstance(edit, bytes)
    assert edit(None, b'{ "n": 1 }') == b'{ "n": 1 }'  # type: ignore[arg-type]  # JSON needs no letter
    assert edit(None, b'{"_line":2}') == b'{"_line":2,"n":1}'  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        ({"_text": "{n}"}, b"{n}"),
        ({"_text": '{"n":"\u00ff"}'}, '{"n":"ÿ"}'.encode()),
        ({"_text": {"n": 1}}, b'{"n": 1}'),
        ({"_text": None, "_record": None, "n": 1}, b'{"n":1}'),
    ],
)
async def test_what_was_no_json_is_sent_as_it_was_edited(tmp_path: Path, change: dict[str, Any], sent: bytes) -> None:
    path = tmp_path / "failed.ndjson"
    letters = await exported(path, b'{"n":"\xff"}')
    rewritten(path, lambda line: line | change)
    assert replayed(path, letters) == [sent]


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "corrected.ndjson"
    path.write_bytes('{"name":"Zoë","_index":0,"_submission":"s"}'.encode("latin-1"))
    with pytest.raises(WrongUseError, match="record 1 of the file is not UTF-8"):
        read_corrected(path)


def marked(index: int, **fields: Any) -> str:
    return json.dumps({**fields, "_index": index, "_submission": "s", "_attempt": fields.get("n", 0)})


def test_a_record_that_is_there_twice_and_says_the_same_is_taken_once(tmp_path: Path) -> None:
    path = tmp_path / "corrected.ndjson"
    path.write_text(
        "\n".join([marked(0, a=1, b="x"), '{"b":"\\u0078","a":1,"_index":0,"_submission":"s","_errors":[]}'])
    )
    assert list(read_corrected(path).records) == [("s", 0)]


@pytest.mark.parametrize(
    "content",
    [
        "\n".join([marked(3, n=1), marked(4, n=1), marked(3, n=2)]),
        "n,_index,_submission\n1,3,s\n1,4,s\n2,3,s\n",
    ],
)
def test_a_record_that_is_there_twice_with_different_content_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "corrected"
    path.write_text(content)
    with pytest.raises(WrongUseError, match="record 3 of submission s is in the file twice, with different content"):
        read_corrected(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.text(max_size=3) | st.sampled_from(["_text", "_record", "_line", "_row", "_errors", "_index", "_batch"])
RECORDS = st.dictionaries(NAMES, VALUES, max_size=4).map(json.dumps).map(str.encode) | st.binary(max_size=9)


@given(st.lists(RECORDS.filter(bool), min_size=1, max_size=4))
async def test_whatever_was_sent_comes_back(tmp_path_factory: pytest.TempPathFactory, records: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("export") / "failed.ndjson"
    letters = await exported(path, *records)
    assert replayed(path, letters) == records
