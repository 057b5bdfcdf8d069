from __future__ import annotations

import json
from typing import Any

import pytest

from dialfeed.output import answer, answer_rows, render_report, render_rows, rfc3339, show

MISSING = {"path": "/phoneNumber", "code": "required", "message": "the phone number is missing"}
WRONG = {"path": "/age", "code": "type", "message": "must be an integer"}


def failed(index: int, *errors: dict[str, str], number: str | None = None) -> dict[str, Any]:
    return {"index": index, "phoneNumber": number, "errors": list(errors)}


def chunk(*records: dict[str, Any], omitted: int = 0) -> dict[str, Any]:
    return {
        "chunkNum": 1,
        "error": f"{len(records)} records failed",
        "failed": len(records) + omitted,
        "records": list(records),
        "recordsOmitted": omitted,
    }


def shown(data: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    show(render_report(data))
    return capsys.readouterr().out


def test_a_report_begins_with_its_counts(capsys: pytest.CaptureFixture[str]) -> None:
    data = {"submissionId": "s", "total": 9, "added": 6, "failed": 1, "pending": 2, "complete": False}
    assert shown(data, capsys).startswith("Submission s: 6 added, 1 failed, 2 pending, of 9 (not complete yet)")


def test_a_207_counts_what_failed_by_its_chunks(capsys: pytest.CaptureFixture[str]) -> None:
    data = {"submissionId": "s", "added": 6, "failedChunks": [chunk(failed(1, MISSING), omitted=4)]}
    assert shown(data, capsys).startswith("Submission s: 6 added, 5 failed\n")


def test_what_went_through_since_is_told_beside_the_counts(capsys: pytest.CaptureFixture[str]) -> None:
    replayed = {"count": 3, "lastAt": "2026-11-28T22:09:57.092Z", "records": []}
    lines = shown({"submissionId": "s", "added": 6, "failed": 5, "replayed": replayed}, capsys).splitlines()
    assert lines[1] == "3 of those failed went through in a replay since, the last 2026-11-28T22:09:57.092Z"
    assert len(shown({"added": 6, "replayed": {"count": 0, "lastAt": None}}, capsys).splitlines()) == 1


def test_errors_are_counted_by_code_most_frequent_first(capsys: pytest.CaptureFixture[str]) -> None:
    data = {"failedChunks": [chunk(failed(1, MISSING), failed(2, WRONG), failed(3, MISSING, WRONG), failed(4, WRONG))]}
    lines = [line.split() for line in shown(data, capsys).splitlines()]
    assert lines.index(["3", "type", "/age", "must", "be", "an", "integer"]) < lines.index(
        ["2", "required", "/phoneNumber", "the", "phone", "number", "is", "missing"]
    )


def test_each_failed_record_is_shown_with_index_number_path_code_and_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = shown({"failedChunks": [chunk(failed(17, WRONG, number="12125551001"))]}, capsys)
    assert ["17", "12125551001", "/age", "type", "must", "be", "an", "integer"] in [
        line.split() for line in out.splitlines()
    ]


def test_what_is_not_shown_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown({"failedChunks": [chunk(*(failed(n, MISSING) for n in range(30)), omitted=5)]}, capsys)
    assert "and 15 more failed records" in out


def test_a_report_without_failures_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown({"submissionId": "s", "added": 2, "failedChunks": []}, capsys) == "Submission s: 2 added\n"


def test_a_400_in_which_no_record_was_valid_added_none(capsys: pytest.CaptureFixture[str]) -> None:
    data = {"submissionId": "s", "errors": [], "failedChunks": [chunk(failed(0, MISSING))]}
    assert shown(data, capsys).startswith("Submission s: 0 added, 1 failed\n")


def test_a_chunk_says_which_records_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    about = {**chunk(failed(1003, MISSING)), "chunkNum": 2, "firstIndex": 1000, "size": 500}
    assert "Chunk 2: 1 of records 1000 to 1499 failed" in shown({"failedChunks": [about]}, capsys)


def test_no_line_ends_with_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown({"failedChunks": [chunk(failed(1, MISSING))]}, capsys).splitlines()
    assert [line for line in lines if line != line.rstrip()] == []


def test_values_are_neither_markup_nor_terminal_commands(capsys: pytest.CaptureFixture[str]) -> None:
    show(render_rows([{"name": "[red]x[/red]\x1b[31m\n"}]))
    assert "[red]x[/red]\\x1b[31m\\n" in capsys.readouterr().out


def test_rows_have_a_column_for_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    show(render_rows([{"a": 1}, {"b": [2, 3]}]))
    assert [line.split() for line in capsys.readouterr().out.splitlines() if line.strip("\u2500 ")] == [
        ["a", "b"],
        ["1", "-"],
        ["-", "2,", "3"],
    ]


def test_long_values_are_not_wrapped_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    show(render_rows([{"a": "x" * 300, "b": "y" * 300}]))
    assert ["x" * 300, "y" * 300] in [line.split() for line in capsys.readouterr().out.splitlines()]


def test_rows_as_json_are_one_array_even_if_there_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    answer_rows([], as_json=True, empty="none")
    assert json.loads(capsys.readouterr().out) == []


def test_facts_as_json_are_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    answer({"a": 1, "b": None}, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"a": 1, "b": None}


def test_times_are_shown_in_utc() -> None:
    assert rfc3339(1_767_225_600_999) == "2026-01-01T00:00:00Z"
