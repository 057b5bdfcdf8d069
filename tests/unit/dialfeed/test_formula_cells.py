from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dialfeed.table_files import read_contacts
from ingest_api.tables.formula_cells import disarmed, rearmed
from ingest_api.tables.reading import read_table, records_of
from schemas.returned import cleared
from tests.support.exports import exported, replayed
from tests.support.uploads import xlsx

FORMULAS = ["=1+1", "+4915123456789", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1", "'=1", "''+1", "-"]
PLAIN = ["", "a=b", "'t Hart", "'", "''", "4915123456789", "{}", "a\n=1", "!=1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_a_spreadsheet_program_would_run_begins_with_a_quote(text: str) -> None:
    assert disarmed(text) == f"'{text}"


@pytest.mark.parametrize("text", PLAIN)
def test_everything_else_stays_as_it_is(text: str) -> None:
    assert disarmed(text) == text == rearmed(text)


@given(st.text(alphabet="'=+-@\t\r\n a1") | st.text())
@example("'=")
def test_what_was_disarmed_comes_back(text: str) -> None:
    assert rearmed(disarmed(text)) == text


async def test_no_cell_of_an_export_is_a_formula_and_all_come_back(tmp_path: Path) -> None:
    path = tmp_path / "failed.csv"
    records = [json.dumps({"a": text, text: [text], "n": -1.50}).encode() for text in FORMULAS + PLAIN]
    records += [b"=1+1", b'"=1+1"', b"-1"]
    letters = await exported(path, *records, batch_id="=1+1")
    with path.open(newline="", encoding="utf-8-sig") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert {cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r")} == {"-1.5", "-1"}
    assert "'+4915123456789" in cells
    assert replayed(path, letters) == records


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("+4915199999999", "+4915199999999"),
        ("'+4915199999999", "+4915199999999"),
        ("4915199999999", "4915199999999"),
        ("'t Hart", "'t Hart"),
        ("''=1", "'=1"),
    ],
)
async def test_what_a_person_types_is_taken_with_the_quote_and_without(tmp_path: Path, typed: str, sent: str) -> None:
    path = tmp_path / "failed.csv"
    letters = await exported(path, b'{"phoneNumber":"+4915123456789","n":-1}')
    path.write_text(path.read_text(encoding="utf-8").replace("'+4915123456789,-1", f"{typed},'-2"), encoding="utf-8")
    assert replayed(path, letters) == [json.dumps({"phoneNumber": sent, "n": -2}, separators=(",", ":")).encode()]


async def test_nor_does_it_matter_whether_the_quote_is_still_there(tmp_path: Path) -> None:
    records = [b'{ "phoneNumber": "+4915123456789", "n": -1 }']
    letters = await exported(tmp_path / "failed.csv", *records)
    path = tmp_path / "corrected.xlsx"
    for phone in ("+4915123456789", "'+4915123456789"):
        path.write_bytes(xlsx(["phoneNumber", "n", "_index", "_submission"], [phone, -1, 0, "s"]))
        assert replayed(path, letters) == records


async def test_an_exported_table_is_sent_again_without_the_quotes(tmp_path: Path) -> None:
    path = tmp_path / "failed.csv"
    await exported(path, b'{"phoneNumber":"+4915123456789","=n":"\'=1"}')
    with path.open("rb") as stream, read_contacts(stream, lambda: None) as contacts:
        found = [json.loads(cleared(record.raw)) for record in contacts.records]
    assert found == [{"phoneNumber": "+4915123456789", "=n": "'=1"}]


async def test_an_exported_table_is_uploaded_without_the_quotes(tmp_path: Path) -> None:
    path = tmp_path / "failed.csv"
    await exported(path, b'{"phoneNumber":"+4915123456789","=n":"\'=1"}')
    with path.open("rb") as stream:
        found = [json.loads(cleared(record.raw)) for record in records_of(read_table(stream), None)]
    assert found == [{"phoneNumber": "+4915123456789", "=n": "'=1"}]


@pytest.mark.parametrize("name", ["phoneNumber", "account"])
async def test_a_number_of_an_exported_table_that_lost_its_digits_fails_its_row(tmp_path: Path, name: str) -> None:
    path = tmp_path / "failed.csv"
    record = {"phoneNumber": "+4915123456789", "account": "x", name: "442079460123"}
    await exported(path, json.dumps(record).encode(), json.dumps(record).encode())
    path.write_text(path.read_text(encoding="utf-8").replace("442079460123", "4.42079E+11", 1), encoding="utf-8")
    with path.open("rb") as stream:
        first, second = records_of(read_table(stream), None)
    assert [(error.path, "4.42079E+11" in error.message) for error in first.errors] == [(f"/{name}", True)]
    assert second.errors == ()


def test_a_table_of_the_callers_own_keeps_its_quotes(tmp_path: Path) -> None:
    path = tmp_path / "contacts.csv"
    path.write_text("phoneNumber,note\n12125551001,'=1\n")
    with path.open("rb") as stream, read_contacts(stream, lambda: None) as contacts:
        assert [json.loads(record.raw)["note"] for record in contacts.records] == ["'=1"]
