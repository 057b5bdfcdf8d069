from __future__ import annotations

import datetime as dt
import io
import json
import re
import zipfile
from collections.abc import Callable
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_api.tables.reading import TableRecord, read_table, records_of
from ingest_api.tables.rows import TableError
from ingest_api.tables.serials import is_date_format, moment
from schemas.agent_schemas import parse_schema
from schemas.outcomes import Code
from tests.support.uploads import packed


def workbook(*rows: list[Any], sheet: str = "Contacts") -> openpyxl.Workbook:
    made = openpyxl.Workbook()
    made.active.title = sheet
    for row in rows:
        made.active.append(row)
    return made


def saved(made: openpyxl.Workbook) -> bytes:
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def read(content: bytes) -> list[TableRecord]:
    return list(records_of(read_table(io.BytesIO(content)), None))


def objects(content: bytes) -> list[Any]:
    return [json.loads(record.raw) for record in read(content)]


HEADER = ["phoneNumber", "v"]
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (12125551001, "12125551001"),
        (12125551001.0, "12125551001"),
        (0.1, "0.1"),
        (-2.5, "-2.5"),
        ("007", "007"),
        ("two\nlines & <more>", "two\nlines & <more>"),
        (True, "true"),
        (dt.date(2026, 1, 31), "2026-01-31"),
        (dt.datetime(2026, 1, 31, 14, 30), "2026-01-31T14:30:00"),  # noqa: DTZ001  a spreadsheet has no zones
        (dt.time(14, 30), "14:30:00"),
        (dt.datetime(1900, 2, 28), "1900-02-28"),  # noqa: DTZ001  as above
        (dt.datetime(1900, 3, 1), "1900-03-01"),  # noqa: DTZ001  as above
    ],
)
def test_cells_are_read_as_people_see_them(cell: Any, text: str) -> None:
    assert objects(saved(workbook(HEADER, ["1", cell]))) == [{"phoneNumber": "1", "v": text}]


def test_a_phone_number_kept_as_a_number_is_its_digits() -> None:
    assert objects(saved(workbook(HEADER, [12125551001, "x"]))) == [{"phoneNumber": "12125551001", "v": "x"}]


def test_dates_of_a_workbook_that_counts_from_1904() -> None:
    made = workbook(HEADER, ["1", dt.date(2026, 1, 31)])
    made.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    assert objects(saved(made)) == [{"phoneNumber": "1", "v": "2026-01-31"}]


def test_blank_rows_are_left_out_and_rows_keep_their_numbers() -> None:
    made = workbook(HEADER, ["1", "a"])
    made.active["A5"], made.active["B5"] = "2", "b"
    made.active["A4"] = "  "
    assert [record.row for record in read(saved(made))] == [2, 5]


def test_the_first_visible_sheet_that_is_not_blank_is_read() -> None:
    made = openpyxl.Workbook()
    hidden, chosen, last = made.create_sheet(), made.create_sheet(), made.create_sheet()
    hidden.sheet_state = "hidden"
    for sheet, number in ((hidden, "1"), (chosen, "2"), (last, "3")):
        sheet.append(["phoneNumber"])
        sheet.append([number])
    assert objects(saved(made)) == [{"phoneNumber": "2"}]


@pytest.mark.parametrize("cell", ["#N/A", "=A1+1"])
def test_a_cell_without_a_value_fails_its_row_with_the_column(cell: str) -> None:
    made = workbook(HEADER, ["1", cell], ["2", "x"])
    if cell.startswith("#"):
        made.active["B2"].data_type = "e"
    bad, good = read(saved(made))
    assert [(error.code, error.path) for error in bad.errors] == [(Code.ROW_UNREADABLE, "/v")]
    assert ("the error #N/A" if cell.startswith("#") else "formula") in bad.errors[0].message
    assert good.errors == ()


def test_a_cell_beyond_the_header_fails_its_row() -> None:
    (bad,) = read(saved(workbook(HEADER, ["1", "a", "b"])))
    assert [(error.code, error.path) for error in bad.errors] == [(Code.ROW_UNREADABLE, "")]


PHONE = '<row><c t="inlineStr"><is><t>phoneNumber</t></is></c><c t="inlineStr"><is><t>v</t></is></c></row>'


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ('<c t="inlineStr"><is><t>a</t></is></c>', "a"),
        ('<c t="inlineStr"><is><r><t>a</t></r><r><t xml:space="preserve"> b</t></r></is></c>', "a b"),
        ('<c t="str"><f>A1</f><v>a</v></c>', "a"),
        ("<c><f>1+1</f><v>2</v></c>", "2"),
        ('<c t="n"><v>1.2125551001E10</v></c>', "12125551001"),
        ('<c t="b"><v>0</v></c>', "false"),
        ('<c t="b"><v>true</v></c>', "true"),
        ('<c t="d"><v>2026-01-31</v></c>', "2026-01-31"),
        ('<c t="s"><v>0</v></c>', "shared text"),
        ('<c t="str"><v>a_x000A_b</v></c>', "a\nb"),
        ('<c t="str"><v>a_xD800_b</v></c>', "a_xD800_b"),
    ],
)
def test_every_way_to_write_a_cell_is_read(cell: str, value: str) -> None:
    strings = "<sst><si><r><t>shared </t></r><r><t>text</t></r><rPh><t>no</t></rPh></si></sst>"
    sheet = f"<worksheet><sheetData>{PHONE}<row><c><v>1</v></c>{cell}</row></sheetData></worksheet>"
    assert objects(packed([sheet], strings)) == [{"phoneNumber": "1", "v": value}]


def test_names_may_have_a_prefix() -> None:
    row = '<x:row r="1"><x:c r="A1" t="inlineStr"><x:is><x:t>phoneNumber</x:t></x:is></x:c></x:row>'
    sheet = f'<x:worksheet xmlns:x="u"><x:sheetData>{row}<x:row r="3"><x:c r="A3"><x:v>7</x:v></x:c></x:row>'
    (record,) = read(packed([sheet, "</x:sheetData></x:worksheet>"]))
    assert (record.row, json.loads(record.raw)) == (3, {"phoneNumber": "7"})


@pytest.mark.parametrize(
    ("sheet", "said"),
    [
        ("<worksheet><sheetData>", "damaged"),
        ('<!DOCTYPE a [<!ENTITY e "x">]><worksheet/>', "document type"),
        (f'<worksheet>{PHONE}<row><c t="s"><v>9</v></c></row></worksheet>', "damaged"),
        ('<worksheet><row r="5"/><row r="2"/></worksheet>', "out of order"),
        ("<worksheet/>", "empty"),
    ],
)
def test_a_sheet_that_cannot_be_read_is_refused_with_the_reason(sheet: str, said: str) -> None:
    with pytest.raises(TableError, match=said):
        read(packed([sheet]))


def test_a_cell_far_out_costs_no_memory() -> None:
    far = '<row r="1048576"><c r="XFD1048576" t="str"><v>x</v></c></row>'
    (record,) = read(packed([f"<worksheet><sheetData>{PHONE}{far}</sheetData></worksheet>"]))
    assert (record.row, record.errors[0].code) == (1_048_576, Code.ROW_UNREADABLE)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (["<c>" * 30_000, "</c>" * 30_000], "too large"),
        (["<c><v>", *["x" * 50_000] * 30, "</v></c>"], "too large"),
        (["<c r='", *["A" * 50_000] * 30, "'><v>1</v></c>"], "damaged"),
    ],
    ids=["nested", "text", "a tag"],
)
def test_what_would_have_to_be_held_is_refused(cell: list[str], said: str) -> None:
    with pytest.raises(TableError, match=said):
        read(packed(["<worksheet>", PHONE, "<row><c><v>1</v></c>", *cell, "</row></worksheet>"]))


@pytest.mark.parametrize("number", ["²", "9" * 5000, "-1", ""])
def test_numbers_that_are_none_are_not_stumbled_over(number: str) -> None:
    row = f'<row r="{number}"><c><v>1</v></c><c s="{number}"><v>{number or 1}</v></c></row>'
    (record,) = read(packed([f"<worksheet>{PHONE}{row}</worksheet>"]))
    assert record.row == 2


@pytest.mark.parametrize("cut", range(4, 400, 7))
def test_a_file_cut_anywhere_is_refused(cut: int) -> None:
    with pytest.raises(TableError):
        read(saved(workbook(HEADER, ["1", "a"]))[:cut])


def test_an_archive_with_too_many_parts_is_refused_before_it_is_listed() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(45_000):
            archive.writestr(str(number), b"")
    with pytest.raises(TableError, match="too many parts"):
        read(file.getvalue())


def archive_of(**parts: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("a.txt", "no XLSX workbook"),
        ("content.xml", "an .ods spreadsheet"),
        ("Index/Document.iwa", "a .numbers document"),
        ("xl/workbook.bin", "a binary .xlsb workbook"),
        ("word/document.xml", "a .docx document"),
    ],
)
def test_an_archive_that_is_no_workbook_is_refused_as_what_it_is(part: str, said: str) -> None:
    with pytest.raises(TableError, match=f"the file is {said}: save the table as .xlsx, or as CSV in UTF-8"):
        read(archive_of(**{part: "x"}))


def renamed(content: bytes, name_of: Callable[[str], str], *, without: str = "", targets: str = "") -> bytes:
    """Return a workbook whose parts have other names, some are left out, and relations are written in another way."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as made, zipfile.ZipFile(file, "w") as archive:
        for name in made.namelist():
            if not without or without not in name:
                part = made.read(name)
                if targets and name.endswith(".rels"):
                    part = re.sub(rb'Target="([^"]*)"', lambda m: changed_target(m[1].decode(), targets), part)
                archive.writestr(zipfile.ZipInfo(name_of(name)), part)
    return file.getvalue()


def changed_target(target: str, how: str) -> bytes:
    ways = {
        "backslashes": target.replace("/", "\\"),
        "absolute": target if target.startswith("/") else f"/{target}" if "/" in target else f"/xl/{target}",
        "case": target.upper(),
        "escaped": target.replace("sheet1", "sheet%31"),
    }
    return f'Target="{ways[how]}"'.encode()


SHARED = workbook(HEADER, ["1", "shared text"], ["2", dt.date(2026, 1, 31)])


@pytest.mark.parametrize(
    "name_of",
    [
        lambda name: name.replace("/", "\\"),
        lambda name: "/" + name,
        lambda name: "./" + name,
        lambda name: "\\" + name.replace("/", "\\"),
        str.upper,
        lambda name: name.replace("xl/worksheets", "XL/Worksheets"),
    ],
    ids=["backslashes", "absolute", "dot", "absolute backslashes", "capitals", "case"],
)
def test_names_of_parts_are_compared_as_spreadsheet_programs_do(name_of: Callable[[str], str]) -> None:
    assert [one["v"] for one in objects(renamed(saved(SHARED), name_of))] == ["shared text", "2026-01-31"]


@pytest.mark.parametrize("how", ["backslashes", "absolute", "case", "escaped"])
def test_targets_of_relations_are_written_in_several_ways(how: str) -> None:
    assert [one["v"] for one in objects(renamed(saved(SHARED), str, targets=how))] == ["shared text", "2026-01-31"]


@pytest.mark.parametrize("without", ["[Content_Types].xml", "_rels/.rels", "workbook.xml.rels", "docProps", "theme"])
def test_parts_that_can_be_done_without_may_be_missing(without: str) -> None:
    content = renamed(saved(SHARED), str, without=without)
    assert [one["v"] for one in objects(content)] == ["shared text", "2026-01-31"]


def test_an_archive_with_a_zip64_record_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zipfile.ZIP_FILECOUNT_LIMIT", 2)
    content = saved(SHARED)
    assert b"PK\6\6" in content
    assert [one["v"] for one in objects(content)] == ["shared text", "2026-01-31"]


def test_hidden_rows_are_read_and_counted() -> None:
    made = workbook(HEADER, ["1", "a"], ["2", "b"], ["3", "c"])
    for row in (2, 4, 9):
        made.active.row_dimensions[row].hidden = True
    table = read_table(io.BytesIO(saved(made)))
    assert [json.loads(record.raw)["v"] for record in records_of(table, None)] == ["a", "b", "c"]
    assert table.notes.as_json() == {"hiddenRows": 2}


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_sheets_that_are_not_read_are_named(state: str) -> None:
    made = workbook(HEADER, ["1", "a"])
    for title, rows in (("March", [HEADER, ["2", "b"]]), ("Empty", []), ("Notes", [["x"]]), ("Lists", [["y"]])):
        sheet = made.create_sheet(title)
        for row in rows:
            sheet.append(row)
    made["Lists"].sheet_state = state
    table = read_table(io.BytesIO(saved(made)))
    assert len(list(records_of(table, None))) == 1
    (warning,) = table.notes.warnings
    assert warning.message.startswith("only the sheet Contacts was read, not: March, Notes. ")


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (2134, "00000", "02134"),
        (12134, "00000", "12134"),
        (21341234, "00000-0000", "02134-1234"),
        (21341234, r"00000\-0000", "02134-1234"),
        (12345678, "000-00-0000", "012-34-5678"),
        (123456, "00000", "123456"),
        (0, "000", "000"),
        (7, "0", "7"),
        (7, "0.00", "7"),
        (1500, "#,##0", "1500"),
        (-5, "000", "-5"),
        (12125551001, "00000000000", "12125551001"),
    ],
)
def test_a_number_that_its_format_pads_is_read_as_it_is_shown(value: int, code: str, shown: str) -> None:
    made = workbook(HEADER, ["1", value])
    made.active["B2"].number_format = code
    assert objects(saved(made)) == [{"phoneNumber": "1", "v": shown}]


@pytest.mark.parametrize(("avro", "value"), [("int", 2134), ("double", 2134), ("string", "02134"), (DECIMAL, "2134")])
def test_a_padded_number_is_a_number_where_one_is_declared(avro: Any, value: Any) -> None:
    made = workbook(HEADER, ["1", 2134])
    made.active["B2"].number_format = "00000"
    schema = {"type": "record", "name": "V", "fields": [{"name": "v", "type": avro}]}
    (record,) = records_of(read_table(io.BytesIO(saved(made))), parse_schema(json.dumps(schema)).variables)
    assert json.loads(record.raw)["v"] == value


@pytest.mark.parametrize(("text", "ambiguous"), [("1.500", True), ("1,500", True), ("12.5", False), ("0.125", False)])
def test_a_number_kept_as_text_may_be_ambiguous(text: str, ambiguous: bool) -> None:
    schema = {"type": "record", "name": "V", "fields": [{"name": "v", "type": "double"}]}
    table = read_table(io.BytesIO(saved(workbook(HEADER, ["1", text]))))
    (record,) = records_of(table, parse_schema(json.dumps(schema)).variables)
    assert ["ambiguous" in error.message for error in record.errors] == [True] * ambiguous


@pytest.mark.parametrize(
    ("code", "shows"),
    [
        ("yyyy-mm-dd", True),
        ("h:mm AM/PM", True),
        ("[$-409]d mmm yyyy;@", True),
        ("General", False),
        ("0.00", False),
        ('0 "days"', False),
        ("[h]:mm", False),
        ("[Red]0.00", False),
        (r"0\d", False),
        ("# ##0_d", False),
    ],
)
def test_a_format_tells_whether_a_number_is_a_date(code: str, shows: bool) -> None:
    assert is_date_format(code) is shows


@pytest.mark.parametrize("serial", [-1, 2_958_466, 1e300])
def test_a_number_that_is_no_date_is_left_alone(serial: float) -> None:
    assert moment(serial, from_1904=False) is None


VALUES = (
    st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cn", "Co"], exclude_characters="_="), max_size=9)
    | st.integers(-(10**14), 10**14)
    | st.floats(-1e12, 1e12).filter(lambda x: x == 0 or abs(x) > 1e-6)
    | st.booleans()
    | st.none()
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=5))
def test_the_cells_are_those_that_openpyxl_reads(rows: list[tuple[Any, Any]]) -> None:
    content = saved(workbook(["phoneNumber", "a", "b"], *(["1", *row] for row in rows)))
    sheet = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True).active
    seen = [list(row) + [None] * (3 - len(row)) for row in sheet.iter_rows(values_only=True)]
    table = read_table(io.BytesIO(content))
    ours = [row.cells + [None] * (3 - len(row.cells)) for row in table.rows]
    assert ours == [[int(c) if isinstance(c, float) and c == int(c) else c for c in row] for row in seen[1:]]
