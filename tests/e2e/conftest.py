from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.installation import Installation, installation


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running(kafka_bootstrap: str) -> AsyncIterator[Installation]:
    """One dialfeed for all tests of this folder, which do not break it: take batches of your own."""
    async with installation(kafka_bootstrap) as made:
        yield made
