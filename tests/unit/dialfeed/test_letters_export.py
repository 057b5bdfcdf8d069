from __future__ import annotations

import csv
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dialfeed.exits import WrongUseError
from dialfeed.letters_export import export, exported, require_known_ending
from dialfeed.record_files import read_records
from dialfeed.table_files import read_contacts
from ingest_api.dead_letters import letter_shown
from schemas.dead_letter_query import KeptLetter
from schemas.returned import cleared
from tests.support.command import typing
from tests.support.letter_pages import a_letter

MARKED = {
    "_errors": [{"path": "/n", "code": "type", "message": "n is wrong in attempt 1"}],
    "_index": 0,
    "_submission": "s",
    "_attempt": 1,
    "_batch": "batch-1",
}


def row(record: bytes | None, index: int = 0, **fields: Any) -> dict[str, Any]:
    return letter_shown(KeptLetter(a_letter(index, record=record, **fields)), records=True)


async def rows(*records: bytes) -> AsyncIterator[dict[str, Any]]:
    for index, record in enumerate(records):
        yield row(record, index)


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        (b'{"phoneNumber":"1","n":12345678901234567890}', {"phoneNumber": "1", "n": 12345678901234567890}),
        (b' {\r\n "n" : 1\n} ', {"n": 1}),
        (b"{}", {}),
        (b"[1]", {"_record": [1]}),
        (b"nonsense", {"_text": "nonsense"}),
        (b'{"n":"\xff"}', {"_text": '{"n":"\ufffd"}'}),
        (None, {"_text": ""}),
    ],
)
def test_an_exported_letter_is_its_record_with_marks(record: bytes | None, fields: dict[str, Any]) -> None:
    line = exported(row(record))
    assert b"\n" not in line
    assert json.loads(line) == fields | MARKED


def test_what_the_newest_attempt_tried_is_what_is_exported() -> None:
    assert json.loads(exported(row(b'{"n":1}', tried=b'{"n":2}')))["n"] == 2


async def test_an_export_is_a_file_that_can_be_sent_again(tmp_path: Path) -> None:
    path = tmp_path / "failed.ndjson"
    assert await export(rows(b'{"n":1}', b'{"n":2}'), path) == 2
    assert path.stat().st_mode & 0o777 == 0o600
    with path.open("rb") as stream:
        assert [json.loads(cleared(record.raw)) for record in read_records(stream).records] == [{"n": 1}, {"n": 2}]


async def test_a_table_has_a_column_for_every_field_of_any_record(tmp_path: Path) -> None:
    path = tmp_path / "failed.CSV"
    await export(rows(b'{"n":1.50,"a":"x,\\"y"}', b'{"b":{"c":[1]},"n":null}'), path)
    with path.open(newline="", encoding="utf-8-sig") as file:
        head, *table = csv.reader(file)
    assert head == ["n", "a", "b", "_errors", "_index", "_submission", "_attempt", "_batch"]
    assert [line[:3] for line in table] == [["1.50", 'x,"y', ""], ["", "", '{"c":[1]}']]
    assert table[1][4:] == ["1", "s", "1", "batch-1"]
    assert json.loads(table[0][3]) == MARKED["_errors"]


async def test_a_table_that_was_exported_can_be_sent_again(tmp_path: Path) -> None:
    path = tmp_path / "failed.csv"
    await export(rows(b'{"phoneNumber":"12125551001","name":"Ada"}'), path)
    with path.open("rb") as stream, read_contacts(stream, lambda: None) as contacts:
        assert [json.loads(cleared(record.raw)) for record in contacts.records] == [
            {"phoneNumber": "12125551001", "name": "Ada"}
        ]


@pytest.mark.parametrize("name", ["failed.ndjson", "failed.csv"])
async def test_an_export_that_breaks_off_leaves_the_older_file(tmp_path: Path, name: str) -> None:
    async def broken() -> AsyncIterator[dict[str, Any]]:
        yield row(b"{}")
        raise WrongUseError("stop")

    path = tmp_path / name
    path.write_text("older")
    with pytest.raises(WrongUseError):
        await export(broken(), path)
    assert os.listdir(tmp_path) == [name]  # noqa: PTH208
    assert path.read_text() == "older"


async def test_a_place_that_cannot_be_written_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(WrongUseError, match="cannot be written"):
        await export(rows(), tmp_path / "missing" / "failed.ndjson")


@pytest.mark.parametrize("name", ["failed.xlsx", "failed.tsv", "failed", "csv", "failed.csv.gz", "failed.\udcff"])
def test_a_name_of_another_form_is_refused_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = typing(capsys)("dead-letters", "--url", "http://127.0.0.1:1", "--export", name)
    assert (ended.code, ended.out, list(tmp_path.iterdir())) == (2, "", [])
    assert all(ending in ended.err for ending in (".csv", ".ndjson", ".jsonl", ".json"))


@pytest.mark.parametrize("name", ["a.csv", "a.CSV", "a.ndjson", "a.JSONL", "a.json", "a.b.csv"])
def test_a_name_that_says_the_form_is_taken(name: str) -> None:
    require_known_ending(Path(name))
