from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sinks.clickhouse import ClickHouse
from tests.support.stored import engine_in


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ClickHouse]:
    """One for all tests of a module that is marked with the module's loop: take batches of your own."""
    async with engine_in(tmp_path_factory.mktemp("clickhouse")) as clickhouse:
        yield clickhouse


@pytest.fixture
def batch() -> str:
    return uuid.uuid4().hex
