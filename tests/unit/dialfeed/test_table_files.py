from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dialfeed.exits import WrongUseError
from dialfeed.record_files import RecordFile
from dialfeed.table_files import read_contacts
from tests.support.uploads import xlsx


class Pipe(io.BytesIO):
    """What cannot be sought in."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: Any) -> int:
        raise io.UnsupportedOperation("seek")


@contextmanager
def read(content: bytes, kind: type[io.BytesIO] = io.BytesIO) -> Iterator[RecordFile]:
    with read_contacts(kind(content), lambda: None) as file:
        yield file


ROWS = [{"phoneNumber": "12125551001", "n": "a"}, {"phoneNumber": "12125551002", "n": "b"}]


@pytest.mark.parametrize("kind", [io.BytesIO, Pipe])
@pytest.mark.parametrize(
    ("content", "places"),
    [
        (b"phoneNumber,n\n12125551001,a\n12125551002,b\n", "row"),
        (b"\xef\xbb\xbfphone;n\r\n12125551001;a\r\n12125551002;b", "row"),
        ("phone\tn\n12125551001\ta\n12125551002\tb".encode("utf-16"), "row"),
        (xlsx(["phoneNumber", "n"], [12125551001, "a"], [12125551002, "b"]), "row"),
        (json.dumps(ROWS).encode(), "position"),
        (b"\xef\xbb\xbf\n" + json.dumps({"call_data": ROWS}, indent=1).encode(), "position"),
        (b"\n".join(json.dumps(row).encode() for row in ROWS), "line"),
    ],
    ids=["csv", "marked", "utf-16", "xlsx", "array", "body", "ndjson"],
)
def test_the_form_is_told_by_the_content(kind: type[io.BytesIO], content: bytes, places: str) -> None:
    with read(content, kind) as file:
        assert file.places == places
        assert [json.loads(record.raw) for record in file.records] == ROWS


def test_lines_of_json_whose_first_is_something_else_are_still_lines() -> None:
    with read(b'# contacts\n{"phoneNumber": "12125551001"}\n') as file:
        first, good = file.records
    assert (first.error is None, good.place) == (False, 2)


def test_a_single_column_of_numbers_is_a_table() -> None:
    with read(b"phoneNumber\n12125551001\n12125551002\n") as file:
        assert [record.place for record in file.records] == [2, 3]


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_an_empty_file_is_refused(content: bytes) -> None:
    with pytest.raises(WrongUseError, match="empty"), read(content):
        pass


def test_a_table_without_a_phone_column_is_refused_before_a_schema_is_asked_for() -> None:
    asked = read_contacts(io.BytesIO(b"name,age\nAnn,3\n"), lambda: pytest.fail("asked"))
    with pytest.raises(WrongUseError, match="phoneNumber"), asked:
        pass


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"phoneNumber,n\n1,a\n2," + b"x" * 131_073 + b"\n", "row 3 has a cell of more than 131072 characters"),
        (b'phoneNumber,n\n1,"a\nb"\n2,"b\n3,c\n', "row 3 begins a quoted cell in line 4"),
    ],
)
def test_nothing_is_sent_of_a_text_that_breaks_further_down(content: bytes, said: str) -> None:
    with pytest.raises(WrongUseError, match=said) as refused, read(content):
        pass
    assert "Nothing was sent" in refused.value.remedy


def test_the_lines_that_a_broken_quote_hides_fail_one_by_one() -> None:
    content = b'phoneNumber,n\n12125551001,"Ann\n12125551002,Bob\n12125551003,"Cem"\n12125551004,Dee\n'
    with read(content) as file:
        records = list(file.records)
    assert [(record.place, list(record.lines), record.error is not None) for record in records] == [
        (2, [2, 3, 4], True),
        (3, [3], True),
        (4, [4], True),
        (5, [5], False),
    ]


@pytest.mark.parametrize("end", [b"\x1a", b"\n\x1a", b"\n\x1a\n"])
def test_the_sign_that_ends_a_file_of_dos_is_no_line(end: bytes) -> None:
    with read(b'{"phoneNumber": "1"}\n{"phoneNumber": "2"}' + end) as file:
        assert [json.loads(record.raw) for record in file.records] == [{"phoneNumber": "1"}, {"phoneNumber": "2"}]
