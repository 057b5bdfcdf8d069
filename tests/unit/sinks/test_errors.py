from __future__ import annotations

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from schemas.messages import MustStopError, TryAgainError
from sinks.errors import FATAL, REJECT, RETRY, RowsRefusedError, code_of, is_unknown, translated


def test_no_code_is_in_two_tables() -> None:
    assert len(RETRY.keys() | REJECT.keys() | FATAL.keys()) == len(RETRY) + len(REJECT) + len(FATAL)


def test_only_a_code_that_is_in_no_table_is_unknown() -> None:
    assert is_unknown(987_654)
    assert not any(map(is_unknown, [None, *RETRY, *REJECT, *FATAL]))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DatabaseError("Received ClickHouse exception, code: 252", code=252), 252),
        (OperationalError("Error reading"), None),
        (RuntimeError("Code: 60. DB::Exception: Table x does not exist"), 60),
        (ConnectionResetError(104, "reset"), None),
    ],
)
def test_the_code_is_found_in_what_clients_raise(error: Exception, code: int | None) -> None:
    assert code_of(error) == code


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (None, TryAgainError),
        (252, TryAgainError),
        (202, TryAgainError),
        (241, TryAgainError),
        (159, TryAgainError),
        (164, TryAgainError),
        (987_654, TryAgainError),
        (53, RowsRefusedError),
        (469, RowsRefusedError),
        (60, MustStopError),
        (516, MustStopError),
    ],
)
def test_an_error_becomes_one_of_ours_and_says_where(code: int | None, kind: type[Exception]) -> None:
    error = translated(code, "clickhouse://host:8123/db")

    assert type(error) is kind
    assert str(code or "does not answer") in str(error)


@pytest.mark.parametrize("code", REJECT)
def test_a_row_that_only_the_table_behind_a_view_refuses_is_no_dead_letter(code: int) -> None:
    error = translated(code, "here", of_view=True)

    assert isinstance(error, MustStopError)
    assert "tables contacts and calls" in str(error)


@pytest.mark.parametrize("code", [None, 241, 60])
def test_any_other_error_is_the_same_behind_a_view(code: int | None) -> None:
    assert str(translated(code, "here", of_view=True)) == str(translated(code, "here"))


@pytest.mark.parametrize("code", FATAL)
def test_what_stops_the_process_says_what_to_do(code: int) -> None:
    assert str(translated(code, "here")).endswith(FATAL[code][1])
