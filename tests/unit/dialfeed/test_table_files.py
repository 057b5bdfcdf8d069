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


def test_a_cell_that_is_too_long_is_told_as_such() -> None:
    with (
        read(b"phoneNumber,n\n1," + b"x" * 131_073 + b"\n") as file,
        pytest.raises(WrongUseError, match="row 2 has a cell of more than 131072 characters"),
    ):
        next(file.records)


def test_a_table_that_breaks_further_down_says_so_when_it_is_reached() -> None:
    with read(b'phoneNumber,n\n1,a\n2,"b\n') as file:
        assert next(file.records).place == 2
        with pytest.raises(WrongUseError, match="row 3"):
            next(file.records)
