from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.dead_letters import ERRORS_BYTES, MESSAGE_BYTES, DeadLetter, DeadLetterDecoder, from_message, to_message
from schemas.messages import Headers, header
from schemas.outcomes import Code, FieldError

ERRORS = (
    FieldError(Code.REQUIRED, "/phoneNumber", "the number is missing"),
    FieldError(Code.TYPE, "/a~1b", "must be text"),
)


def letter(**fields: Any) -> DeadLetter:
    values: dict[str, Any] = {
        "record": b'{"a":1}',
        "errors": ERRORS,
        "stage": "clean",
        "submission_id": "s",
        "batch_id": "b",
        "record_index": 1003,
        "source_topic": "calls.raw",
        "source_partition": 2,
        "source_offset": 99,
        "accepted_at": 1_700_000_000_000,
        "attempt": 1,
        "first_failed_at": 1_700_000_000_001,
        "failed_at": 1_700_000_000_001,
        "app_version": "0.1.0",
        "body_hash": "5e" * 32,
    }
    return DeadLetter(**values | fields)


def back(headers: Headers, value: bytes | None = b'{"a":1}') -> DeadLetter | None:
    return from_message(value, headers)


def test_a_letter_comes_back_as_it_was() -> None:
    message = to_message(letter())
    assert from_message(message.value, message.headers) == letter()


def test_the_record_travels_untouched() -> None:
    assert to_message(letter(record=b"\xff\x00")).value == b"\xff\x00"


def test_the_chunk_number_counts_thousands_from_one() -> None:
    assert header(to_message(letter()).headers, "chunk-num") == b"2"


def test_kafka_connects_names_say_the_same() -> None:
    headers = to_message(letter()).headers
    said = {name.removeprefix("__connect.errors."): value for name, value in headers if name.startswith("__connect")}
    for name in ("topic", "partition", "offset"):
        assert said.pop(name) == header(headers, f"dlq.original.{name}")
    assert said == {
        "connector.name": b"dialfeed",
        "task.id": b"0",
        "stage": b"TRANSFORMATION",
        "class.name": b"dialfeed.clean",
        "exception.class.name": b"dialfeed.required",
        "exception.message": b"the number is missing",
    }


@pytest.mark.parametrize(
    ("stage", "of_connect"), [("cut", b"VALUE_CONVERTER"), ("clean", b"TRANSFORMATION"), ("load", b"TASK_PUT")]
)
def test_stages_have_connects_names(stage: str, of_connect: bytes) -> None:
    assert header(to_message(letter(stage=stage)).headers, "__connect.errors.stage") == of_connect


def test_a_message_is_one_line_of_at_most_512_bytes() -> None:
    long = FieldError(Code.TYPE, "/x", "two\nlines \x1b[31m" + "ü" * 600)
    message = header(to_message(letter(errors=(long,))).headers, "dlq.message") or b""
    assert len(message) <= MESSAGE_BYTES
    assert b"\n" not in message
    assert b"\x1b" not in message
    message.decode()


def test_many_errors_still_fit_a_header() -> None:
    many = tuple(FieldError(Code.TYPE, f"/{i}" * 50, "x" * 400) for i in range(200))
    packed = header(to_message(letter(errors=many)).headers, "dlq.errors") or b""
    assert 0 < len(packed) <= ERRORS_BYTES


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dlq.version", b"x"),
        ("submission-id", b""),
        ("record-index", b"-1"),
        ("record-index", b"\xff"),
    ],
)
def test_a_message_that_is_not_ours_is_none(name: str, value: bytes) -> None:
    headers = tuple((key, value if key == name else old) for key, old in to_message(letter()).headers)
    assert back(headers) is None


def test_without_the_list_of_errors_the_first_one_is_still_told() -> None:
    headers = tuple((key, old) for key, old in to_message(letter()).headers if key != "dlq.errors")
    found = back(headers)
    assert found is not None
    assert found.errors == ERRORS[:1]


def test_what_cannot_be_a_code_makes_it_foreign() -> None:
    headers = (("dlq.version", b"1"), ("submission-id", b"s"), ("record-index", b"1"), ("dlq.code", b"made up!"))
    assert back(headers) is None


def test_a_letter_goes_to_the_partition_that_waits_for_it() -> None:
    assert to_message(letter(report_partition=5)).partition == 5


HEADERS = st.sampled_from(
    [
        to_message(letter(**fields)).headers
        for fields in (
            {},
            {"attempt": 2},
            {"record_index": 7},
            {"record_index": 8},
            {"record_index": 8, "stage": "load"},
        )
    ]
)
BAD_INDEX = tuple((name, b"x" if name == "record-index" else value) for name, value in to_message(letter()).headers)
OTHERS = st.sampled_from(
    [(), BAD_INDEX, to_message(letter()).headers[:-1], (*BAD_INDEX, ("record-index", b"9")), (("record-index", b"1"),)]
)
SHUFFLED = HEADERS.flatmap(lambda headers: st.permutations(headers).map(tuple))


@given(st.lists(st.tuples(st.none() | st.binary(max_size=3), HEADERS | OTHERS | SHUFFLED, st.booleans())))
def test_one_letter_after_another_is_read_as_each_alone(messages: list[tuple[bytes | None, Headers, bool]]) -> None:
    decoder = DeadLetterDecoder()
    for value, headers, parked in messages:
        expected = from_message(value, headers, parked=parked)
        assert decoder.decode(value, headers, parked=parked) == expected
