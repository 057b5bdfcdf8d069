from __future__ import annotations

from typing import Any

import pytest

from ingest_api import paging
from schemas.stores import TIMEZONE_CONFIDENCES, TIMEZONE_SOURCES, ContactQuery
from sinks.contact_conditions import COLUMNS, Statement, order, spellings, where
from streams.timezones import ZoneSource
from streams.zones.number_zones import Confidence

HOSTILE = "x') OR 1=1 -- {id:String} %_\\\0"


@pytest.mark.parametrize(
    ("number", "forms"),
    [
        (5, ["5", "5.0"]),
        (5.0, ["5", "5.0"]),
        (0, ["-0.0", "0", "0.0"]),
        (-0.0, ["-0.0", "0", "0.0"]),
        (12.5, ["12.5"]),
        (10**16, ["10000000000000000", "1e16"]),
        (1e16, ["10000000000000000", "1e16"]),
        (2**53 + 1, ["9007199254740993"]),
    ],
)
def test_a_number_is_looked_for_in_every_spelling_it_may_have(number: float, forms: list[str]) -> None:
    assert spellings(number) == forms


@pytest.mark.parametrize(
    "asked",
    [
        {"batch_id": HOSTILE},
        {"filters": ((HOSTILE, HOSTILE),)},
        {"filters": (("callStatus", HOSTILE),)},
        {"sort_by": HOSTILE},
        {"search": HOSTILE},
        {"after": HOSTILE},
    ],
)
def test_nothing_that_was_sent_becomes_part_of_a_statement(asked: dict[str, Any]) -> None:
    statement = Statement()
    query = ContactQuery(**{"batch_id": "b"} | asked)

    text = where(query, statement) + order(query, statement)

    assert "OR 1=1" not in text
    assert {HOSTILE, HOSTILE.encode().hex()} & set(statement.parameters.values())


@pytest.mark.parametrize("value", [None, True, 5])
def test_a_fixed_field_is_a_text_so_that_nothing_else_is_equal_to_it(value: Any) -> None:
    assert where(ContactQuery("b", filters=(("callStatus", value),)), Statement()).endswith(" AND 0")


def test_the_fields_that_filters_check_are_those_that_are_columns() -> None:
    assert set(paging.COLUMNS) == set(COLUMNS)
    assert tuple(ZoneSource) == TIMEZONE_SOURCES
    assert tuple(Confidence) == TIMEZONE_CONFIDENCES
