from __future__ import annotations

from typing import Any

import pytest

from ingest_api.batches import NewBatch, batch_of, check, phone_ids_of

ZONES = {"America/New_York"}
LEAST: dict[str, Any] = {"batchName": "Spring", "callingNumbers": ["p"]}


def messages(fields: dict[str, Any]) -> list[str]:
    checked = check(fields, ZONES.__contains__)
    return [error.message for error in checked] if isinstance(checked, list) else []


def wrong_paths(fields: dict[str, Any]) -> list[str | None]:
    checked = check(fields, ZONES.__contains__)
    return [error.path for error in checked] if isinstance(checked, list) else []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("retry", 0),
        ("retry", 10),
        ("delay", 604_800),
        ("timezone", "America/New_York"),
        ("timezone", ""),
        ("callingHour", {"start": "22:00", "end": "06:00"}),
        ("callingHour", {"start": "00:00", "end": "23:59", "other": 1}),
        ("allowedDays", []),
        ("allowedDays", [0, 6]),
        ("batchName", "x" * 200),
        *[(name, None) for name in ("retry", "delay", "timezone", "callingHour", "allowedDays")],
    ],
)
def test_these_values_are_taken(field: str, value: Any) -> None:
    assert wrong_paths({**LEAST, field: value}) == []


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("batchName", None, "/batchName"),
        ("batchName", "  ", "/batchName"),
        ("batchName", "x" * 201, "/batchName"),
        ("batchName", 3, "/batchName"),
        ("callingNumbers", [], "/callingNumbers"),
        ("callingNumbers", "p", "/callingNumbers"),
        ("callingNumbers", ["p", "p"], "/callingNumbers"),
        ("callingNumbers", ["p", ""], "/callingNumbers/1"),
        ("callingNumbers", [7], "/callingNumbers/0"),
        ("retry", -1, "/retry"),
        ("retry", 11, "/retry"),
        ("retry", 3.0, "/retry"),
        ("retry", "3", "/retry"),
        ("retry", True, "/retry"),
        ("delay", 604_801, "/delay"),
        ("timezone", "EST5", "/timezone"),
        ("timezone", 3, "/timezone"),
        ("callingHour", "09:00-17:00", "/callingHour"),
        ("callingHour", {"start": "09:00", "end": "09:00"}, "/callingHour"),
        ("callingHour", {"start": "09:00"}, "/callingHour/end"),
        ("callingHour", {"start": "24:00", "end": "10:00"}, "/callingHour/start"),
        ("callingHour", {"start": "09:00\n", "end": "10:00"}, "/callingHour/start"),
        ("callingHour", {"start": "٠٩:00", "end": "10:00"}, "/callingHour/start"),
        ("allowedDays", [7], "/allowedDays/0"),
        ("allowedDays", [1, 1], "/allowedDays"),
        ("allowedDays", [True], "/allowedDays/0"),
        ("allowedDays", "1", "/allowedDays"),
    ],
)
def test_these_values_are_named_as_wrong(field: str, value: Any, path: str) -> None:
    assert wrong_paths({**LEAST, field: value}) == [path]


def test_what_is_required_is_named_when_it_is_missing() -> None:
    assert wrong_paths({}) == ["/batchName", "/callingNumbers"]


def test_a_message_never_repeats_the_value() -> None:
    checked = check({"batchName": ["secret"], "callingNumbers": "secret", "timezone": "secret"}, ZONES.__contains__)
    assert isinstance(checked, list)
    assert len(checked) == 3
    assert all("secret" not in error.message for error in checked)


@pytest.mark.parametrize("ids", [None, "p", [1], ["p", None]])
def test_phone_ids_of_the_wrong_shape_are_not_looked_up(ids: Any) -> None:
    assert phone_ids_of({"callingNumbers": ids}) == []


def test_what_is_not_given_has_the_registrys_defaults() -> None:
    new = check(LEAST, ZONES.__contains__)
    assert isinstance(new, NewBatch)
    batch = batch_of(new, "b", "w", 5)
    assert (batch.retry, batch.delay, batch.timezone, batch.calling_hour_start, batch.allowed_days) == (
        0,
        0,
        None,
        None,
        [],
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, ["batchName: is missing", "callingNumbers: is missing"]),
        ({**LEAST, "batchName": 3}, ["batchName: must be text"]),
        ({**LEAST, "batchName": "x" * 201}, ["batchName: must have at most 200 characters"]),
        ({**LEAST, "callingNumbers": "p"}, ["callingNumbers: must be an array"]),
        ({**LEAST, "callingNumbers": []}, ["callingNumbers: must not be empty"]),
        ({**LEAST, "callingNumbers": ["p"] * 1001}, ["callingNumbers: must have at most 1000 members"]),
        ({**LEAST, "retry": "3"}, ["retry: must be an integer"]),
        ({**LEAST, "retry": 11, "delay": -1}, ["retry: must be at most 10", "delay: must be at least 0"]),
        ({**LEAST, "callingHour": "9-5"}, ["callingHour: must be an object"]),
        (
            {**LEAST, "callingHour": {"start": "9:00", "end": "24:00"}},
            [f"callingHour.{name}: must be a time as HH:MM, such as 09:00" for name in ("start", "end")],
        ),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_json(fields: dict[str, Any], said: list[str]) -> None:
    assert messages(fields) == said
