from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_api.tables.reading import TableRecord, read_table, records_of
from ingest_api.tables.rows import TableError
from schemas.outcomes import Code


def read(content: bytes | str) -> list[TableRecord]:
    file = io.BytesIO(content.encode() if isinstance(content, str) else content)
    return list(records_of(read_table(file), None))


A, B, C, D = "12125551001", "12125551002", "12125551003", "12125551004"


def objects(content: bytes | str) -> list[Any]:
    return [json.loads(record.raw) for record in read(content)]


TEXT = 'phoneNumber,name,note\r\n12125551001,Zoë,"says ""hi"", twice"\r\n+44 20 8366 1177,Bob,"two\nlines"\r\n'
EXPECTED = [
    {"phoneNumber": "12125551001", "name": "Zoë", "note": 'says "hi", twice'},
    {"phoneNumber": "+44 20 8366 1177", "name": "Bob", "note": "two\nlines"},
]


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom", "utf-16-le", "utf-16-be", "utf-32"],
)
def test_the_encoding_is_found_out(encoding: str) -> None:
    marks = {"utf-16-le-bom": (b"\xff\xfe", "utf-16-le"), "utf-16-be-bom": (b"\xfe\xff", "utf-16-be")}
    mark, codec = marks.get(encoding, (b"", encoding))
    assert objects(mark + TEXT.encode(codec)) == EXPECTED


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_out(delimiter: str) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerow(["phoneNumber", "a, or; b", "note"])
    writer.writerow(["12125551001", "x,y;z|\t", "n"])
    expected = {"phoneNumber": "12125551001", "a, or; b": "x,y;z|\t", "note": "n"}
    assert objects(file.getvalue()) == [expected]


def test_commas_in_names_do_not_hide_what_separates_them() -> None:
    content = "phoneNumber\tLast, first, title\tnote, private\n12125551001\tDoe, Ann, Dr\tn\n"
    expected = {"phoneNumber": "12125551001", "Last, first, title": "Doe, Ann, Dr", "note, private": "n"}
    assert objects(content) == [expected]


@pytest.mark.parametrize("name", ["||||\n;;;;", '""|||\n""', 'x""|||||\r\n|||||""'])
def test_a_quoted_name_that_goes_on_in_the_next_line_says_nothing_of_the_delimiter(name: str) -> None:
    expected = name.replace('""', '"')
    assert objects(f'phoneNumber,"{name}",n\n1,2,3\n') == [{"phoneNumber": "1", expected: "2", "n": "3"}]


def test_a_quote_inside_a_name_hides_no_delimiter() -> None:
    assert objects('6" pipe;phoneNumber\n1;2\n') == [{'6" pipe': "1", "phoneNumber": "2"}]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(ending: str) -> None:
    assert objects(ending.join(["phoneNumber,n", "1,a", "2,b"])) == [
        {"phoneNumber": "1", "n": "a"},
        {"phoneNumber": "2", "n": "b"},
    ]


def test_a_line_that_names_the_delimiter_is_no_row() -> None:
    (record,) = read("sep=|\nphoneNumber|n\n1|a;b;c\n")
    assert (record.row, json.loads(record.raw)) == (2, {"phoneNumber": "1", "n": "a;b;c"})


@pytest.mark.parametrize("end", ["\x1a", "\n\x1a", "\n\x1a\n", "\r\n\x1a\x1a"])
def test_the_sign_that_ends_a_file_of_dos_is_no_row(end: str) -> None:
    assert objects(f"phoneNumber,n\n1,a{end}") == [{"phoneNumber": "1", "n": "a"}]


@pytest.mark.parametrize("said", ["sep=;", '"sep=;"', "SEP=;", "sep=;;;", "sep=; "])
def test_a_line_names_the_delimiter_in_several_ways(said: str) -> None:
    assert objects(f"{said}\r\nphoneNumber;n\r\n1;a,b,c\r\n") == [{"phoneNumber": "1", "n": "a,b,c"}]


def test_line_ends_may_be_mixed() -> None:
    assert [one["n"] for one in objects("phoneNumber,n\r\n1,a\n2,b\r3,c\r\n\r\n")] == ["a", "b", "c"]


def test_one_column_is_a_table_too() -> None:
    assert objects("phoneNumber\n12125551001\n") == [{"phoneNumber": "12125551001"}]


def test_rows_are_counted_as_a_spreadsheet_shows_them() -> None:
    content = '\n\nphoneNumber,note\n1,"two\nlines"\n\n  ,\n2,x\n'
    assert [record.row for record in read(content)] == [4, 7]


@pytest.mark.parametrize("name", ["phoneNumber", "Phone Number", "PHONE_NUMBER", "phone-number", " phone ", "Phone"])
def test_the_phone_column_may_be_written_in_several_ways(name: str) -> None:
    assert objects(f"n,{name},Time Zone\na,12125551001,Europe/Paris\n") == [
        {"n": "a", "phoneNumber": "12125551001", "timezone": "Europe/Paris"}
    ]


@pytest.mark.parametrize(
    "unseen", ["\u200b", "\u061c", "\ufeff", "\u2060", "\u00ad", "\u202a", "\ufffc", "\u00a0"], ids=ascii
)
def test_what_nobody_sees_is_no_part_of_a_name_a_number_or_a_zone(unseen: str) -> None:
    header = f"{unseen}phone{'' if unseen.isspace() else unseen}Number,{unseen}name{unseen},timezone{unseen}"
    assert objects(f"{header}\n{unseen}{A}{unseen},Ann,{unseen}Europe/Paris{unseen}\n{B},{unseen},{unseen}\n") == [
        {"phoneNumber": A, "name": "Ann", "timezone": "Europe/Paris"},
        {"phoneNumber": B},
    ]


def test_the_documented_name_goes_before_one_like_it() -> None:
    assert objects("phone,phoneNumber\nfront,12125551001\n") == [{"phone": "front", "phoneNumber": "12125551001"}]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("name,age", "names no column phoneNumber"),
        ("12125551001,Ann", "names no column phoneNumber"),
        ("phoneNumber,a,a", "'a'"),
        ("phone_number,Phone Number", "'phone_number' and 'Phone Number'"),
        ("phoneNumber,,b", "no name for column 2"),
        ("phoneNumber,timezone,timezone", "'timezone'"),
        ("phoneNumber," + "x" * 300, "longer than"),
    ],
)
def test_a_header_that_cannot_be_used_is_refused_with_the_reason(header: str, said: str) -> None:
    with pytest.raises(TableError, match=said):
        read(f"{header}\n1,2,3\n")


def test_columns_without_a_name_or_a_cell_at_the_end_are_none() -> None:
    assert objects("phoneNumber,n,,\n1,a,,\n2,b\n3,c,\n") == [
        {"phoneNumber": p, "n": n} for p, n in zip("123", "abc", strict=True)
    ]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1", "write a delimiter for each empty cell"),
        ("1,Smith, Ann", "quote a cell that holds a delimiter"),
        ('1, "Smith, Ann"', "remove the blank before a quote"),
    ],
)
def test_a_row_of_another_width_says_what_to_do(row: str, said: str) -> None:
    assert said in read(f"phoneNumber,n\n{row}\n")[0].errors[0].message


@pytest.mark.parametrize(("row", "cells"), [("1", 1), ("1,a,b", 3), ("1,Smith, Ann", 3)])
def test_a_row_with_too_few_or_too_many_cells_fails_alone(row: str, cells: int) -> None:
    first, bad, last = read(f"phoneNumber,n\n0,x\n{row}\n9,y\n")
    assert (first.errors, last.errors) == ((), ())
    (error,) = bad.errors
    assert (bad.row, error.code, error.path) == (3, Code.ROW_UNREADABLE, "")
    assert f"has {cells} cells, the header has 2" in error.message


def accounted(content: str) -> tuple[list[str], dict[int, list[int]]]:
    """Return the numbers that would be stored, and the lines of each row that fails."""
    records = read(content)
    stored = [json.loads(record.raw)["phoneNumber"] for record in records if not record.errors]
    return stored, {record.row: list(record.lines) for record in records if record.errors}


@pytest.mark.parametrize(
    ("lines", "stored", "failed"),
    [
        ([f'{A},"Ann', f"{B},Bob", f'{C},"Cem"', f"{D},Dee"], [D], {2: [2, 3, 4], 3: [3], 4: [4]}),
        ([f'{A},"Ann', f"{B},Bob", f'{C},Cem"', f"{D},Dee"], [D], {2: [2, 3, 4], 3: [3], 4: [4]}),
        ([f'{A},"Ann', f'{B},"Bob"', f"{D},Dee"], [D], {2: [2, 3], 3: [3]}),
        ([f"{A},Ann", f'{B},"Bob', f'{C},""', f'{D},"Dee"'], [A], {3: [3, 4, 5], 4: [4], 5: [5]}),
        ([f'{A},"Ann', f"{B},", f'{C},"', f"{D},Dee"], [D], {2: [2, 3, 4], 3: [3], 4: [4]}),
        ([f'{A},"Ann\\"', f"{B},Bob"], [A, B], {}),
        ([f'{A},"say \\"hi\\""', f"{B},Bob"], [B], {2: [2]}),
        ([f'"{A},Ann', f'"{B},Bob', f"{C},Cem"], [C], {2: [2, 3], 3: [3]}),
    ],
)
def test_a_broken_quote_hides_no_line(lines: list[str], stored: list[str], failed: dict[int, list[int]]) -> None:
    assert accounted("\n".join(["phoneNumber,n", *lines])) == (stored, failed)


def test_a_broken_quote_in_a_wider_table_hides_no_line() -> None:
    lines = [f'{A},"Ann",Bonn', f'{B},"Bob,Rome', f"{C},Cem,Ulm", f'{D},"Dee",Oslo']
    assert accounted("\n".join(["phoneNumber,n,city", *lines])) == ([A], {3: [3, 4, 5], 4: [4], 5: [5]})


def test_a_row_whose_end_closes_the_quote_of_the_one_before_is_not_hidden() -> None:
    lines = [f'{A},"Ann,1', f'{B},Bob",2', f"{C},Cem,3"]
    assert accounted("\n".join(["phoneNumber,n,m", *lines])) == ([C], {2: [2, 3], 3: [3]})


def test_a_row_that_hides_others_says_where_the_quote_opens_and_keeps_its_number() -> None:
    first, hidden, _ = read(f'phoneNumber,n\n{A},"two\nlines"\n{B},"Bob\n{C},"Cem"\n')[1:] + read(f"phone\n{A}\n")
    assert "line 4 that goes on to line 5" in first.errors[0].message
    assert "quoted cell of line 4" in hidden.errors[0].message
    assert [json.loads(record.raw)["phoneNumber"] for record in (first, hidden)] == [B, C]


@pytest.mark.parametrize("cell", ["two\nlines", "a\r\nb\rc", "1 Main St\nSpringfield, IL", f"call\n{B}", "x\n\n"])
def test_a_cell_with_an_ordinary_line_break_stays_good(cell: str) -> None:
    assert objects(f'phoneNumber,n\n{A},"{cell}"\n{D},Dee\n')[0] == {"phoneNumber": A, "n": cell}


def test_a_line_break_before_the_number_hides_no_row() -> None:
    assert accounted(f'n,phoneNumber\n"Ann\nSmith",{A}\nBob,{B}\n') == ([A, B], {})


def test_lines_count_the_one_that_names_the_delimiter_and_blank_ones() -> None:
    (bad,) = [record for record in read(f"\nsep=;\nphoneNumber;n\n{A};a;b\n") if record.errors]
    assert (bad.row, bad.lines) == (3, (4,))


def test_a_quote_that_is_not_doubled_fails_its_row_alone() -> None:
    bad, good = read('phoneNumber,n\n1,"he said "hi""\n2,b\n')
    assert (bad.row, bad.errors[0].code, good.errors) == (2, Code.ROW_UNREADABLE, ())


@pytest.mark.parametrize("rest", ["", "2,b,c\n" * 100_000, 'say ""hi""\n'])
def test_a_quote_that_never_ends_refuses_the_file_and_says_where_it_begins(rest: str) -> None:
    with pytest.raises(TableError, match="row 3 begins a quoted cell in line 4"):
        read(f'phoneNumber,n,m\n1,"a\na",b\n2,"b\n{rest}')


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"\0\1\2\3\4", "NUL bytes"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old .xls"),
        (b"phoneNumber,n\n1,\xc3\xab\n2,\xe9\n", "broken characters"),
        (b"phoneNumber,n\n1,a\0b\n", "NUL bytes"),
        (b"\xff\xfep\0h\0o", "not utf-16"),
        (b"phoneNumber," + b"x" * 2_000_000, "longer than"),
        (b"phoneNumber" + b",x" * 3000, "more than 2000 cells"),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(content: bytes, said: str) -> None:
    with pytest.raises(TableError, match=said):
        read(content)


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old .xls workbook, or has a password"),
        (b"\x09\x08\x10\x00\x00\x06", "an old .xls workbook"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"<html><body><table><tr><td>phoneNumber</td></tr></table>", "an HTML page"),
        (b"\xef\xbb\xbf\r\n<!DOCTYPE HTML PUBLIC>", "an HTML page"),
        (b"<meta charset=utf-8><table>", "an HTML page"),
        (b'<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>', "an XML spreadsheet"),
        (b"{\\rtf1\\ansi", "an RTF document"),
        (b"\x1f\x8b\x08\x00", "compressed by gzip"),
        (b"PAR1\x15\x04", "a Parquet file"),
        (b'[{"phoneNumber": "12125551001"}]', "JSON"),
        (b'{"call_data": []}', "JSON"),
    ],
)
def test_a_file_of_another_kind_is_refused_as_what_it_is(start: bytes, said: str) -> None:
    with pytest.raises(TableError, match=f"the file is {re.escape(said)}.*save the table as .xlsx, or as CSV in UTF-8"):
        read(start + b" " * 100)


@pytest.mark.parametrize("cell", ['="007"', '"=""007"""'])
def test_a_formula_that_only_holds_a_text_is_that_text(cell: str) -> None:
    content = f'phoneNumber,n,m\n="{A}",{cell},a="b"\n'
    assert objects(content) == [{"phoneNumber": A, "n": "007", "m": 'a="b"'}]


def test_a_broken_quote_in_the_header_refuses_the_file() -> None:
    with pytest.raises(TableError, match="the header, opens a quoted cell in line 1 that goes on to line 3"):
        read(f'phoneNumber,"n\n{A},Ann\n{B},"\n{C},Cem\n')


@pytest.mark.parametrize("mark", ["'", "\u2019"])
def test_an_apostrophe_that_marks_a_text_is_no_part_of_a_number(mark: str) -> None:
    assert objects(f"phoneNumber,n\n{mark}+{A},a\n") == [{"phoneNumber": f"+{A}", "n": "a"}]


def test_without_a_schema_everything_is_text_and_empty_cells_are_left_out() -> None:
    assert objects("phoneNumber,a,b,c,d\n12125551001.0,007,1.50,true, \n") == [
        {"phoneNumber": "12125551001", "a": "007", "b": "1.50", "c": "true"}
    ]


def test_a_number_that_a_spreadsheet_has_shortened_is_no_number() -> None:
    assert objects("phoneNumber\n1.21256E+10\n") == [{"phoneNumber": "1.21256E+10"}]


def test_the_file_stays_open() -> None:
    file = io.BytesIO(TEXT.encode())
    list(records_of(read_table(file), None))
    assert not file.closed


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6), st.sampled_from([",", ";", "\t", "|"]))
def test_what_the_standard_library_writes_is_read_back(rows: list[tuple[str, str]], delimiter: str) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerows([("phoneNumber", "a", "b"), *(("1", *row) for row in rows)])
    expected = [{"phoneNumber": "1"} | {n: c for n, c in zip("ab", row, strict=True) if c.strip()} for row in rows]
    assert objects(file.getvalue()) == expected
