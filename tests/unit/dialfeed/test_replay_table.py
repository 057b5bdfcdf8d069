from __future__ import annotations

import csv
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from dialfeed.exits import WrongUseError
from dialfeed.replay_file import read_corrected
from schemas.agent_schemas import parse_schema
from schemas.dead_letters import DeadLetter
from schemas.replay_changes import Changes, LeftOutError
from schemas.variable_shapes import Record
from tests.support.exports import exported, replayed, unknown
from tests.support.letter_pages import a_letter
from tests.support.uploads import xlsx

SCHEMA = {
    "type": "record",
    "name": "R",
    "fields": [
        {"name": "code", "type": "string"},
        {"name": "amount", "type": "double"},
        {"name": "visits", "type": "int"},
        {"name": "vip", "type": "boolean"},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "note", "type": ["null", "string"]},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}, "default": 0},
    ],
}
DECLARED = parse_schema(json.dumps(SCHEMA)).variables

RECORDS = [
    b'{"phoneNumber":"0012125551001","code":"007","amount":12.50,"visits":3,"vip":true,"note":null}',
    b'{ "phoneNumber" : 12125551002, "amount": "12.50", "vip": "true", "note": "", "n": 1e3 }',
    b'{"tags":["a","b"],"deep":{"x":{"y":[1,null,"z"]}},"off":false,"none":null}',
    b'{"note":"say \\"hi\\", twice;\\r\\nthen\\nstop","tab":"a\\tb","space":"  ","quote":"\\""}',
    b'{"big":12345678901234567890,"exact":0.1000000000000000055511151231257827,"phoneNumber":"+4930901820"}',
    '{"note":"M\\u00fcller \U0001f600","Zürich":1,"=1+1":"=2+2"}'.encode(),
    b'{"twice":1,"twice":2}',
    b"[1, 2]",
    b'"007"',
    b"not, json",
    b'{"n":NaN}',
    b'{"n":"\xff"}',
    b'{"n":"\\ud800"}',
    b"{}",
    b"",
]


def declared(_: DeadLetter) -> Record | None:
    return DECLARED


def rewritten(path: Path, change: Any, **dialect: Any) -> None:
    """Do as a spreadsheet program does: read all cells, change some, write all."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        head, *rows = csv.reader(file)
    table = [dict(zip(head, row, strict=True)) for row in rows]
    change(table)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in table for name in row)), **dialect)
        writer.writeheader()
        writer.writerows(table)


@pytest.mark.parametrize("of", [declared, unknown])
async def test_what_was_not_changed_comes_back_as_the_very_bytes(tmp_path: Path, of: Any) -> None:
    letters = await exported(tmp_path / "failed.csv", *RECORDS)
    assert replayed(tmp_path / "failed.csv", letters, of) == [*RECORDS[:-1], None]


async def test_an_exported_table_says_that_it_is_utf_8(tmp_path: Path) -> None:
    await exported(tmp_path / "failed.csv", RECORDS[5])
    assert (tmp_path / "failed.csv").read_bytes().startswith(b"\xef\xbb\xbf")


async def test_nor_does_it_matter_how_a_spreadsheet_program_writes_it_again(tmp_path: Path) -> None:
    path = tmp_path / "failed.csv"
    letters = await exported(path, *RECORDS)

    def as_programs_do(table: list[dict[str, str]]) -> None:
        for row in table:
            row.update({name: cell.replace("\r\n", "\n") for name, cell in row.items()})
        table[0].update(amount="12,5", vip="TRUE")
        table[1].update(n="1000")
        table[2].update(off="FALSE", deep='{"x": {"y": [1, null, "z"]}}')

    rewritten(path, as_programs_do, delimiter=";", quoting=csv.QUOTE_ALL)
    assert replayed(path, letters, declared) == [*RECORDS[:-1], None]


async def test_what_a_spreadsheet_program_rewrote_keeps_its_value_beside_what_somebody_edited(tmp_path: Path) -> None:
    path = tmp_path / "failed.csv"
    record = (
        b'{"phoneNumber":"442079460123","code":"007","amount":12.50,"visits":3,"vip":true,"due":"2026-01-31",'
        b'"card":12345678901234567890,"note":"a\\r\\nb"}'
    )
    letters = await exported(path, record, record)

    def as_programs_do(table: list[dict[str, str]]) -> None:
        for row in table:
            row.update(phoneNumber="4.42079E+11", code="7", amount="12,5", vip="WAHR", due="31.01.26")
            row.update(card="1.23457E+19", note="a\nb")
        table[1].update(visits="4")

    rewritten(path, as_programs_do, delimiter=";")
    corrected = read_corrected(path)
    changes = Changes(replacements=corrected.replacements(declared))
    tried = [changes.apply(letter) for letter in letters]
    assert [one and one.record for one in tried] == [record, record.replace(b'"visits":3', b'"visits":4')]
    names = ["phoneNumber", "code", "amount", "vip", "due", "card", "note"]
    assert corrected.remarks.facts() == {"rewrittenCells": {name: {"cells": 2, "rows": [2, 3]} for name in names}}


@pytest.mark.parametrize(
    ("name", "before", "cell", "after"),
    [
        ("amount", '"12.50"', "12.5", b"12.5"),
        ("amount", '"1,500"', "1500", b"1500"),
        ("amount", '"1,500"', "1.5", None),
        ("amount", '"1.500"', "1.5", None),
        ("amount", '"12345678901234567890"', "1.23457E+19", None),
        ("visits", '"007"', "7", b"7"),
        ("code", '"007"', "7", None),
        ("code", "7", "7.0", None),
        ("day", '"31/01/2026"', "2026-01-31", b'"2026-01-31"'),
        ("day", '"31/01/2026"', "31/01/26", None),
        ("day", '"01/02/2026"', "2026-02-01", None),
        ("day", '"2026-01-31"', "2026-01-31 00:00:00", None),
        ("code", '"31/01/2026"', "2026-01-31", None),
        ("phoneNumber", '"12125551001.0"', "12125551001", b'"12125551001"'),
        ("phoneNumber", '"07700900123"', "7700900123", None),
        ("phoneNumber", '"4930901820"', "+4930901820", b'"+4930901820"'),
    ],
)
async def test_a_correction_that_looks_rewritten_counts_where_it_can_only_mean_the_same(
    tmp_path: Path, name: str, before: str, cell: str, after: bytes | None
) -> None:
    path = tmp_path / "failed.csv"
    record = f'{{"{name}":{before}}}'.encode()
    letters = await exported(path, record)
    rewritten(path, lambda table: table[0].update({name: cell}))
    expected = record if after is None else b'{"%b":%b}' % (name.encode(), after)
    assert replayed(path, letters, declared) == [expected]


async def test_a_day_that_a_workbook_holds_as_a_date_is_no_edit(tmp_path: Path) -> None:
    letters = [a_letter(0, record=b'{"day":"31/01/2026","code":"1-2"}')]
    path = tmp_path / "corrected.xlsx"
    made = [dt.datetime(2026, 1, 31), dt.datetime(2026, 2, 1)]  # noqa: DTZ001  a cell has no zone
    path.write_bytes(xlsx(["day", "code", "_index", "_submission"], [*made, 0, "s"]))
    assert replayed(path, letters, declared) == [letters[0].record]


@pytest.mark.parametrize(
    ("name", "before", "cell"),
    [
        ("code", "12125551001", "4.42E+11"),
        ("phoneNumber", "12125551001", "4.42079E+11"),
        ("amount", "12125551001", "4.42079E+11"),
        ("code", '"007"', "8"),
        ("pin", '"02134"', "2139"),
        ("code", '"2026-01-31"', "15/02/2026"),
        ("day", '"2026-01-31"', "2/3/26"),
    ],
)
async def test_an_edit_that_a_spreadsheet_program_rewrote_is_left_out_and_said(
    tmp_path: Path, name: str, before: str, cell: str
) -> None:
    path = tmp_path / "failed.csv"
    letters = await exported(path, f'{{"{name}":{before}}}'.encode())
    rewritten(path, lambda table: table[0].update({name: cell}))
    corrected = read_corrected(path)
    with pytest.raises(LeftOutError):
        Changes(replacements=corrected.replacements(declared)).apply(letters[0])
    assert corrected.remarks.facts() == {"leftOut": {name: {"cells": 1, "rows": [2]}}}


async def test_a_changed_cell_is_read_as_the_type_that_the_schema_declares(tmp_path: Path) -> None:
    path = tmp_path / "failed.csv"
    letters = await exported(path, RECORDS[0], RECORDS[2])

    def correct(table: list[dict[str, str]]) -> None:
        table[0].update(code="008", amount="13.5", visits="4", vip="false", phoneNumber="0012125559999", note="x")
        table[1].update(tags='["c"]', code="012", amount="1")

    rewritten(path, correct)
    first, second = replayed(path, letters, declared)
    assert first == (b'{"phoneNumber":"0012125559999","code":"008","amount":13.5,"visits":4,"vip":false,"note":"x"}')
    assert second == (b'{"tags":["c"],"deep":{"x":{"y":[1,null,"z"]}},"off":false,"none":null,"code":"012","amount":1}')


async def test_what_no_schema_names_keeps_the_kind_of_value_it_had(tmp_path: Path) -> None:
    path = tmp_path / "failed.csv"
    letters = await exported(path, b'{"a":"1","b":2,"c":2.5,"d":true,"e":[1],"f":null,"g":7}')

    def correct(table: list[dict[str, str]]) -> None:
        table[0].update(a="01", b="3", c="3.5", d="false", e='{"x": 1}', f="6", g="seven", h="8")

    rewritten(path, correct)
    assert replayed(path, letters, unknown) == [
        b'{"a":"01","b":3,"c":3.5,"d":false,"e":{"x": 1},"f":"6","g":"seven","h":"8"}'
    ]


async def test_within_a_nested_value_another_kind_of_value_is_a_change(tmp_path: Path) -> None:
    path = tmp_path / "failed.csv"
    letters = await exported(path, b'{"a":[1,2.0],"b":[1],"c":{"d":1.50}}')
    rewritten(path, lambda table: table[0].update(a="[true,2]", b="[1.0]", c='{ "d": 1.5 }'))
    assert replayed(path, letters) == [b'{"a":[true,2],"b":[1.0],"c":{"d":1.50}}']


async def test_a_field_named_as_the_place_in_a_file_is_a_column_of_the_export(tmp_path: Path) -> None:
    path = tmp_path / "failed.csv"
    letters = await exported(path, b'{"_line":"a","_batch":"own"}')
    rewritten(path, lambda table: table[0].update(_line="b"))
    assert replayed(path, letters) == [b'{"_line":"b","_batch":"own"}']


async def test_an_emptied_cell_takes_its_field_away_or_is_null_where_the_schema_wants_it(tmp_path: Path) -> None:
    path = tmp_path / "failed.csv"
    letters = await exported(path, b'{"code":"1","note":"x","kept":""}')
    rewritten(path, lambda table: table[0].update(code="", note=""))
    assert replayed(path, letters, declared) == [b'{"note":null,"kept":""}']


async def test_what_was_no_json_is_corrected_in_its_own_column_or_in_those_of_fields(tmp_path: Path) -> None:
    path = tmp_path / "failed.csv"
    letters = await exported(path, b'{"n":1', b"not json", b"[1]")

    def correct(table: list[dict[str, str]]) -> None:
        table[0].update(_text='{"n":1}')
        table[1].update(_text="", phoneNumber="0049", visits="2")
        table[2].update(_record='"x"')

    rewritten(path, correct)
    assert replayed(path, letters, declared) == [b'{"n":1}', b'{"phoneNumber":"0049","visits":2}', b'"x"']


async def test_a_workbook_is_read_too(tmp_path: Path) -> None:
    letters = [a_letter(0, record=RECORDS[0])]
    head = ["phoneNumber", "code", "amount", "visits", "vip", "note", "_index", "_submission"]
    path = tmp_path / "corrected.xlsx"
    path.write_bytes(xlsx(head, ["0012125551001", "007", 12.5, 4, True, None, 0, "s"]))
    assert replayed(path, letters, declared) == [RECORDS[0].replace(b'"visits":3', b'"visits":4')]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("phoneNumber,_index\n12125559999,1\n", "no table with a column `_submission`"),
        ("phoneNumber,_submission,_index\n12125559999,s,x\n", "row 2 of the file has no number"),
        ("phoneNumber,_submission,_index\n12125559999,s\n", "row 2 has 2 cells"),
        ("a,a,_submission,_index\n12125559999,1,s,1\n", "names a column twice"),
        ("12125559999\n", "no table with a column"),
        ("\n", "is empty"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_without_repeating_it(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "corrected.csv"
    path.write_text(content)
    with pytest.raises(WrongUseError) as refused:
        read_corrected(path)
    assert reason in refused.value.sentence
    assert "12125559999" not in refused.value.sentence + refused.value.remedy
