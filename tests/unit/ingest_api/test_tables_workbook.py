from __future__ import annotations

import datetime as dt
import io
import json
import zipfile
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_api.tables.reading import TableRecord, read_table, records_of
from ingest_api.tables.rows import TableError
from ingest_api.tables.serials import is_date_format, moment
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


def test_an_archive_that_is_no_workbook_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", b"phoneNumber")
    with pytest.raises(TableError, match="no XLSX workbook"):
        read(file.getvalue())


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
