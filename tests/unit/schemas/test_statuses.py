from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.outcomes import Code, FieldError
from schemas.statuses import (
    FINAL_RANK,
    MAX_TRANSCRIPT_CHARACTERS,
    MAX_URL_CHARACTERS,
    RANKS,
    CallStatus,
    StatusEvent,
    parse_status,
)

CALL_ID = "8b0f7f5e-0b1c-8f3a-9a2b-0123456789ab"


def sent(**fields: Any) -> bytes:
    return json.dumps({"callId": CALL_ID, "status": "completed"} | fields).encode()


def event(value: bytes) -> StatusEvent:
    parsed = parse_status(value)
    assert isinstance(parsed, StatusEvent)
    return parsed


def wrong(value: bytes | None) -> set[tuple[Code, str]]:
    parsed = parse_status(value)
    assert not isinstance(parsed, StatusEvent)
    assert all(isinstance(error, FieldError) for error in parsed)
    return {(error.code, error.path) for error in parsed}


def test_an_event_has_what_was_sent() -> None:
    value = sent(at="2026-01-31T09:30:00.250+01:00", callDuration=12, recordingUrl="https://x/y", transcript="Hello")

    assert event(value) == StatusEvent(CALL_ID, CallStatus.COMPLETED, 1_769_848_200_250, 12.0, "https://x/y", "Hello")


def test_what_is_left_out_or_null_is_not_known() -> None:
    plain = StatusEvent(CALL_ID, CallStatus.COMPLETED)

    assert event(sent()) == event(sent(at=None, callDuration=None, recordingUrl=None, transcript=None)) == plain


def test_unknown_keys_are_passed_over_and_a_bom_is_skipped() -> None:
    assert event(b"\xef\xbb\xbf" + sent(provider={"x": 1})) == event(sent())


def test_a_call_id_may_be_written_in_capitals() -> None:
    assert event(sent(callId=CALL_ID.upper())).call_id == CALL_ID


@pytest.mark.parametrize("status", list(CallStatus))
def test_every_status_has_a_rank(status: CallStatus) -> None:
    assert event(sent(status=status.value)).rank == RANKS[status] <= FINAL_RANK


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (None, (Code.EMPTY_VALUE, "")),
        (b"", (Code.EMPTY_VALUE, "")),
        (b" \n", (Code.EMPTY_VALUE, "")),
        (b"completed", (Code.UNDECODABLE, "")),
        (b"\xff", (Code.UNDECODABLE, "")),
        (b'{"callId": NaN}', (Code.UNDECODABLE, "")),
        (b'{"callId": "\\ud800"}', (Code.UNDECODABLE, "")),
        (b"[" * 100_000, (Code.UNDECODABLE, "")),
        (b"[]", (Code.NOT_AN_OBJECT, "")),
        (b'"completed"', (Code.NOT_AN_OBJECT, "")),
        (sent(callId=None), (Code.REQUIRED, "/callId")),
        (sent(status=None), (Code.REQUIRED, "/status")),
        (sent(callId=7), (Code.TYPE, "/callId")),
        (sent(callId="7"), (Code.CALL_UNKNOWN, "/callId")),
        (sent(callId=CALL_ID.replace("-", "")), (Code.CALL_UNKNOWN, "/callId")),
        (sent(callId=CALL_ID + "\n"), (Code.CALL_UNKNOWN, "/callId")),
        (sent(status=3), (Code.TYPE, "/status")),
        (sent(status="Completed"), (Code.STATUS_UNKNOWN, "/status")),
        (sent(status=""), (Code.STATUS_UNKNOWN, "/status")),
        (sent(at=1_769_848_200_250), (Code.TYPE, "/at")),
        (sent(at="2026-01-31T09:30:00"), (Code.FORMAT, "/at")),
        (sent(at="2026-01-31"), (Code.FORMAT, "/at")),
        (sent(at="2026-02-30T09:30:00Z"), (Code.FORMAT, "/at")),
        (sent(at="２026-01-31T09:30:00Z"), (Code.FORMAT, "/at")),
        (sent(at="1969-12-31T23:59:59Z"), (Code.OUT_OF_RANGE, "/at")),
        (sent(at="2101-01-01T00:00:00Z"), (Code.OUT_OF_RANGE, "/at")),
        (sent(at="0001-01-01T00:00:00+23:59"), (Code.OUT_OF_RANGE, "/at")),
        (sent(at="9999-12-31T23:59:59-23:59"), (Code.OUT_OF_RANGE, "/at")),
        (sent(callDuration=-0.5), (Code.OUT_OF_RANGE, "/callDuration")),
        (sent(callDuration="12"), (Code.TYPE, "/callDuration")),
        (sent(callDuration=True), (Code.TYPE, "/callDuration")),
        (sent(callDuration=10**400), (Code.NOT_FINITE, "/callDuration")),
        (sent(recordingUrl={}), (Code.TYPE, "/recordingUrl")),
        (sent(recordingUrl="x" * (MAX_URL_CHARACTERS + 1)), (Code.TOO_LARGE, "/recordingUrl")),
        (sent(transcript=["Hello"]), (Code.TYPE, "/transcript")),
        (sent(transcript="x" * (MAX_TRANSCRIPT_CHARACTERS + 1)), (Code.TOO_LARGE, "/transcript")),
    ],
)
def test_what_is_wrong_has_its_code_and_path(value: bytes | None, error: tuple[Code, str]) -> None:
    assert wrong(value) == {error}


def test_all_that_is_wrong_is_told_at_once() -> None:
    value = sent(callId="x", status="?", at="now", callDuration=-1, transcript=1)

    assert {path for _, path in wrong(value)} == {"/callId", "/status", "/at", "/callDuration", "/transcript"}


def test_no_message_repeats_a_value() -> None:
    parsed = parse_status(sent(callId="secret", status="secret", at="secret", callDuration="secret", transcript=1))

    assert "secret" not in repr(parsed)


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2100, 12, 31)),  # noqa: DTZ001 - made UTC below
    st.integers(-1439, 1439),
)
def test_a_time_means_the_same_in_every_offset(utc: datetime, minutes: int) -> None:
    moment = utc.replace(tzinfo=UTC)
    local = (utc + timedelta(minutes=minutes)).isoformat(timespec="milliseconds")
    offset = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"

    expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert event(sent(at=local + offset)).at == expected


@given(st.binary() | st.recursive(st.none() | st.text() | st.floats(), st.lists).map(lambda v: json.dumps(v).encode()))
def test_any_bytes_are_an_event_or_errors(value: bytes) -> None:
    parsed = parse_status(value)

    assert isinstance(parsed, StatusEvent) or parsed
