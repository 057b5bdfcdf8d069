from __future__ import annotations

from typing import Any

import pytest

from ingest_api.envelope import RefusedError
from ingest_api.idempotency import Identity
from ingest_api.replay_bodies import asked_of
from schemas.codecs import encode
from schemas.replay_jobs import ReplayJob


def asked(**fields: Any) -> ReplayJob:
    return asked_of(fields, Identity("r", None), "w", 1).job


@pytest.mark.parametrize("field", ["attempt", "agentVersion"])
@pytest.mark.parametrize("value", [0, 2**31, 99_999_999_999])
def test_a_number_that_no_letter_can_have_is_refused_by_name(field: str, value: int) -> None:
    with pytest.raises(RefusedError) as refused:
        asked(**{field: value})
    assert [error.path for error in refused.value.errors] == [f"/{field}"]


def test_the_largest_numbers_fit_the_topic() -> None:
    assert encode(asked(attempt=1000, agent="a", agentVersion=2**31 - 1))
