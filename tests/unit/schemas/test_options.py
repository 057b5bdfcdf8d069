from __future__ import annotations

from typing import Any

import pytest

from schemas.options import (
    MOST_WARNINGS,
    OPTIONS,
    START_OPTIONS,
    nearest_field,
    option_in_header,
    unknown,
    unsupported,
    unsupported_header,
)
from schemas.outcomes import Code, WarningCode

KNOWN = {"batchId", "call_data", "callData"}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_is_refused_by_name(name: str) -> None:
    [error] = unsupported({name: "2027-01-01"}, KNOWN)
    assert (error.code, error.path) == (Code.UNSUPPORTED_OPTION, f"/{name}")
    assert name in error.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dryRun", True),
        ("dryRun", "true"),
        ("dryRun", 1),
        ("dryRun", {}),
        ("onError", "all"),
        ("onError", "chunk"),
        ("autoStart", False),
        ("autoStart", 0),
        ("results", "all"),
        ("onDuplicate", "skip"),
        ("duplicateScope", "workspace"),
        ("blackoutDates", ["2027-01-01"]),
        ("retryOn", []),
        ("maxConcurrency", 0),
    ],
)
def test_a_value_that_changes_something_is_refused(name: str, value: Any) -> None:
    assert [error.path for error in unsupported({name: value}, KNOWN)] == [f"/{name}"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dryRun", False),
        ("dryRun", "false"),
        ("dryRun", " False "),
        ("onError", "record"),
        ("onDuplicate", "update"),
        ("duplicateScope", "batch"),
        ("autoStart", True),
        ("autoStart", "true"),
        ("enableDNC", False),
        ("enableDNC", "false"),
        ("blackoutDates", []),
        ("blackoutDates", "[]"),
        *[(name, None) for name in OPTIONS],
        *[(name, " ") for name in OPTIONS],
    ],
)
def test_a_value_that_says_what_happens_anyway_is_harmless(name: str, value: Any) -> None:
    assert unsupported({name: value}, KNOWN) == []
    assert unknown([name], KNOWN) == []


@pytest.mark.parametrize("name", ["dry_run", "dry-run", "DRYRUN", "dryrun", "Dry_Run"])
def test_another_spelling_of_an_option_asks_for_it(name: str) -> None:
    [error] = unsupported({name: True}, KNOWN)
    assert (error.path, unknown([name], KNOWN), unsupported({name: False}, KNOWN)) == (f"/{name}", [], [])


def test_what_a_call_knows_is_no_unsupported_option() -> None:
    assert unsupported({"dryRun": True}, {"dryRun"}) == []


def test_start_calling_does_not_take_part_of_a_batch() -> None:
    given = {"call_data": [], "callData": [{}], "callIds": ["x"], "expected": 3}
    assert [error.path for error in unsupported(given, {"batchId"}, START_OPTIONS)] == [f"/{name}" for name in given]
    assert unsupported(given, KNOWN) == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("dryRunn", "dryRun"),
        ("dry_runs", "dryRun"),
        ("call_Data", "call_data"),
        ("calldata", "call_data"),
        ("batch_id", "batchId"),
        ("onErorr", "onError"),
        ("scheduled_att", "scheduledAt"),
        ("max_concurency", "maxConcurrency"),
        ("colour", None),
        ("metadata", None),
        ("x" * 500, None),
    ],
)
def test_a_misspelling_is_told_what_was_meant(name: str, meant: str | None) -> None:
    assert nearest_field(name, [*KNOWN, *OPTIONS]) == meant
    [warning] = unknown([name], KNOWN)
    assert ("did you mean" in warning.message) == (meant is not None)
    assert meant is None or f"did you mean {meant}?" in warning.message


def test_a_warning_names_the_field_as_a_pointer_and_no_more_of_it_than_needed() -> None:
    [slash, long, half] = unknown(["a/b~c", "n" * 1000, "\ud800"], KNOWN)
    assert (slash.code, slash.path) == (WarningCode.UNKNOWN_FIELD, "/a~1b~0c")
    assert len(long.message) < 200
    half.message.encode()


def test_many_warnings_are_counted() -> None:
    warnings = unknown([f"other{at}" for at in range(100)], KNOWN)
    assert len(warnings) == MOST_WARNINGS + 1
    assert "80 further names" in warnings[-1].message


@pytest.mark.parametrize("name", ["dryRun", "dry-run", "X-Dry-Run", "x-dryrun", "DRY_RUN", "Dialfeed-Dry-Run"])
def test_a_header_may_name_an_option(name: str) -> None:
    assert option_in_header(name) == "dryRun"
    assert [error.path for error in unsupported_header([(name, "true")])] == [name]
    assert unsupported_header([(name, "false")]) == []


@pytest.mark.parametrize("name", ["batch-id", "x-api-key", "submission-id", "traceparent", "expect", "x-request-id"])
def test_ordinary_headers_are_no_options(name: str) -> None:
    assert option_in_header(name) is None
