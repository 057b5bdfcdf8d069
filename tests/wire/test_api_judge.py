"""What a dry run learns from an API that tells, may not tell, or cannot tell now."""

from __future__ import annotations

import pytest

from dialfeed.api_client import ApiClient
from dialfeed.api_judge import ApiJudge
from schemas.messages import TryAgainError
from schemas.stores import Foreseen
from tests.support.scripted_api import Scripted, scripted_api

RECORDS = [("+12125551001", 1_772_355_600_000, 3), ("+12125551002", 1_772_355_600_000, 4)]


async def test_the_records_are_asked_about_in_their_order() -> None:
    told = {"outcomes": [{"outcome": "updated", "entry": 1}, {"outcome": "added", "entry": 0}]}
    with scripted_api(lambda _: Scripted(data=told)) as running:
        async with ApiClient(running.url, "df_key", give_up_seconds=0) as api:
            found = await ApiJudge(api).replay_outcomes("b", RECORDS)
    assert found == [Foreseen("updated", 1), Foreseen("added", 0)]
    (asked,) = running.asked
    assert (asked.path, asked.key, asked.body["batchId"]) == ("/api/call/replays/outcomes", "df_key", "b")
    assert [tuple(one.values()) for one in asked.body["records"]] == RECORDS


@pytest.mark.parametrize("status", [403, 404])
async def test_of_what_the_key_may_not_see_nothing_is_known(status: int) -> None:
    with scripted_api(lambda _: Scripted(status, error="no")) as running:
        async with ApiClient(running.url, "df_key", give_up_seconds=0) as api:
            assert await ApiJudge(api).replay_outcomes("b", RECORDS) is None


@pytest.mark.parametrize(
    "answer", [Scripted(503), Scripted(429), Scripted(drop=True), Scripted(data={"no": "outcomes"})]
)
async def test_an_api_that_cannot_tell_now_is_not_believed(answer: Scripted) -> None:
    with scripted_api(lambda _: answer) as running:
        async with ApiClient(running.url, "df_key", give_up_seconds=0) as api:
            with pytest.raises(TryAgainError):
                await ApiJudge(api).replay_outcomes("b", RECORDS)
