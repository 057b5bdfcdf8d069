from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.records import Returned
from schemas.returned import cleared, shortened, take_back

REJECT = {
    "phoneNumber": "12125551001",
    "_errors": [{"path": "/n", "code": "type", "message": "wrong"}],
    "_index": 3,
    "_submission": "s",
    "_line": 4,
}


def test_what_was_added_to_a_reject_is_no_part_of_it() -> None:
    records: list[dict[str, Any]] = [{"phoneNumber": "1"}, dict(REJECT), {"_index": 1}]

    returned = take_back(records, first_index=10)

    assert records == [{"phoneNumber": "1"}, {"phoneNumber": "12125551001"}, {"_index": 1}]
    assert returned == [Returned(record_index=11, submission_id="s", index=3)]


@pytest.mark.parametrize(
    "name", ["_errors", "_index", "_submission", "_attempt", "_batch", "_line", "_lines", "_row", "_position"]
)
def test_every_field_that_is_added_is_dropped_by_a_record_with_an_array_of_errors(name: str) -> None:
    record = {"n": 1, "_errors": [], name: [] if name == "_errors" else 7}

    take_back([record], 0)

    assert record == {"n": 1}


@pytest.mark.parametrize("errors", ["none", None, {}, 0, "[]"])
def test_without_an_array_of_errors_they_are_fields_like_any_other(errors: object) -> None:
    record = REJECT | {"_errors": errors}

    assert take_back([record], 0) == []
    assert record == REJECT | {"_errors": errors}


def test_of_an_export_a_line_is_a_field_of_the_records_own() -> None:
    record = REJECT | {"_attempt": 1, "_batch": "b"}

    take_back([record], 0)

    assert record == {"phoneNumber": "12125551001", "_line": 4}


@pytest.mark.parametrize(
    "place", [{}, {"_submission": 7}, {"_submission": "s", "_index": -1}, {"_submission": "s", "_index": True}]
)
def test_a_reject_without_its_place_resolves_nothing(place: dict[str, Any]) -> None:
    record = {"n": 1, "_errors": [], **place}

    assert take_back([record], 0) == []
    assert record == {"n": 1}


@pytest.mark.parametrize("index", [3, "3"])
@pytest.mark.parametrize("errors", [[{"path": ""}], '[{"path": ""}]'])
def test_a_row_of_a_table_is_a_reject_though_its_cells_are_texts(errors: object, index: object) -> None:
    text = json.dumps(REJECT | {"_errors": errors, "_index": index}).encode()

    assert json.loads(shortened(text)) == {
        "phoneNumber": "12125551001",
        "_errors": [],
        "_submission": "s",
        "_index": 3,
    }
    assert json.loads(cleared(text)) == {"phoneNumber": "12125551001"}


@pytest.mark.parametrize(
    "text", [b'{"_errors": "x"}', b'{"n": "\\"_errors\\""}', b'["_errors"]', b'{"_errors": [', b"7"]
)
def test_what_is_no_reject_stays_as_it_is(text: bytes) -> None:
    assert shortened(text) == text
    assert cleared(text) == text
