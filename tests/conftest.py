from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import hypothesis
import pytest
import structlog

from tests.support.kafka import kafka_for_tests

if TYPE_CHECKING:
    from collections.abc import Iterator


# The same examples in every run, however busy the machine: a red run can be had again.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """Bootstrap servers of a real Kafka, one for the whole run: take topics of your own."""
    with kafka_for_tests() as bootstrap:
        yield bootstrap


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command run inside the test process sets logging up: the next test must not write into its streams."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
