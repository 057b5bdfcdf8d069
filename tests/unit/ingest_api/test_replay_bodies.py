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


def test_a_version_is_that_of_an_agent_a_batch_or_a_submission_and_refused_alone() -> None:
    for name in ("agent", "batch", "submission"):
        assert asked(agentVersion=3, **{name: "x"}).agent_version == 3
    with pytest.raises(RefusedError) as refused:
        asked(agentVersion=3, code="type")
    [error] = refused.value.errors
    assert (error.path, "agent, batch or submission" in error.message) == ("/agentVersion", True)
