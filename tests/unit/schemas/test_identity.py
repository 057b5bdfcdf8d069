from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.identity import (
    call_ids,
    hash_api_key,
    new_api_key,
    submission_id_of,
    uuid_texts,
    valid_submission_id,
)


def test_a_call_id_is_a_function_of_batch_number_and_entry() -> None:
    assert call_ids("b", [("+12125551001", 0)]) == call_ids("b", [("+12125551001", 0)])
    others = uuid_texts(
        call_ids("b", [("+12125551001", 1), ("+12125551002", 0)]) + call_ids("c", [("+12125551001", 0)])
    )
    assert len({*others, *uuid_texts(call_ids("b", [("+12125551001", 0)]))}) == 4


def test_a_call_id_never_changes_between_versions_of_dialfeed() -> None:
    assert uuid_texts(call_ids("batch", [("+12125551001", 0)])) == ["ae170663-b0d1-8451-b30a-5319fa2dbf50"]


@given(st.lists(st.uuids(version=4), max_size=5))
def test_packed_uuids_are_written_canonically(ids: list[uuid.UUID]) -> None:
    assert uuid_texts(b"".join(one.bytes for one in ids)) == [str(one) for one in ids]


def test_a_call_id_is_an_rfc_9562_uuid() -> None:
    made = uuid.UUID(bytes=call_ids("b", [("+1", 7)]))
    assert (made.version, made.variant) == (8, uuid.RFC_4122)


def test_a_messages_submission_id_comes_from_its_place() -> None:
    assert submission_id_of("t", 0, 1) == submission_id_of("t", 0, 1) != submission_id_of("t", 0, 2)


@pytest.mark.parametrize("text", [None, "", "a b", "x" * 129, "a\nb", "ü"])
def test_an_unfit_submission_id_counts_as_none(text: str | None) -> None:
    assert valid_submission_id(text) is None


def test_keys_differ_and_hash_to_32_bytes() -> None:
    first, second = new_api_key(), new_api_key()
    assert first != second
    assert len(hash_api_key(first)) == 32
    assert hash_api_key(first) != hash_api_key(second)
