from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.kafka import kafka_for_tests

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """Bootstrap servers of a real Kafka, one for the whole run: take topics of your own."""
    with kafka_for_tests() as bootstrap:
        yield bootstrap
