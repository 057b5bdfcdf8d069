from __future__ import annotations

import pytest

from ingest_api.admission import Admission
from ingest_api.envelope import RefusedError


def admission() -> Admission:
    return Admission(most_requests=2, most_bytes=10, retry_after_seconds=7)


def test_more_requests_than_allowed_are_refused_until_one_leaves() -> None:
    gate = admission()
    with gate.enter():
        with gate.enter(), pytest.raises(RefusedError, match="overloaded") as refusal:
            gate.enter()
        with gate.enter():
            assert gate.requests == 2
    assert refusal.value.headers == {"Retry-After": "7"}
    assert gate.requests == 0


def test_more_bytes_than_allowed_are_refused_and_what_was_held_is_given_back() -> None:
    gate = admission()
    with gate.enter() as place:
        place.hold(10)
        with pytest.raises(RefusedError, match="overloaded"):
            place.hold(1)
    assert (gate.requests, gate.held_bytes) == (0, 0)


def test_bytes_that_are_still_being_published_outlive_their_request() -> None:
    gate = admission()
    with gate.enter() as place:
        place.hold(4)
        kept = place.keep_bytes()
    assert gate.held_bytes == 4
    kept.release()
    assert gate.held_bytes == 0
