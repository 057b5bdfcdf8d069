from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ingest_api import metrics
from schemas.consumer_lag import ConsumerLag
from schemas.stores import FailedRecords, Figures, Mended
from tests.support.edge import World, served
from tests.support.known import BATCH, NOW_MS

DOCUMENT = Path(__file__).parents[2] / "docs/metrics.md"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with served() as made:
        yield made


async def scraped(world: World) -> dict[tuple[str, ...], float]:
    """Return each sample by its name and the values of its labels, these in the order of their names."""
    answer = await world.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(answer.text)
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in families
        for one in family.samples
    }


async def test_what_the_store_knows(world: World) -> None:
    world.store.told = Figures(
        dead_letters=[
            FailedRecords("type", "data", mended=Mended.NO, records=3, oldest_at=NOW_MS - 90_000),
            FailedRecords("schema_unusable", "schema", mended=Mended.YES, records=2, oldest_at=NOW_MS - 95_000),
            FailedRecords("sink_rejected", "sink", mended=Mended.EXPIRED, records=1, oldest_at=1),
        ],
        parked=4,
        replayed={"added": 2, "parked": 4},
        submissions=7,
        added=100,
        failed=5,
    )
    found = await scraped(world)
    assert found["dialfeed_dead_letters", "data", "type", "no"] == 3
    assert found["dialfeed_dead_letters", "schema", "schema_unusable", "yes"] == 2
    assert found["dialfeed_dead_letters", "sink", "sink_rejected", "expired"] == 1
    ages = {name[1:]: age for name, age in found.items() if name[0] == "dialfeed_dead_letter_oldest_age_seconds"}
    assert ages == {("data", "type"): 90}
    assert found["dialfeed_dead_letters_parked",] == 4
    outcomes = {name[1]: count for name, count in found.items() if name[0] == "dialfeed_replayed_records"}
    assert outcomes == {"added": 2, "updated": 0, "superseded": 0, "failed": 0, "parked": 4}
    assert found["dialfeed_submissions",] == 7
    assert (found["dialfeed_records", "added"], found["dialfeed_records", "failed"]) == (100, 5)
    assert found["dialfeed_store_up",] == 1
    assert found["process_resident_memory_bytes",] > 0


async def test_what_kafka_knows_of_the_consumer_groups(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "ASK_EVERY_SECONDS", 0.0)
    world.lags.told = [
        ConsumerLag("load", "calls.phone-log", 12, NOW_MS - 7_500),
        ConsumerLag("load", "calls.status", 0, None),
    ]
    found = await scraped(world)
    assert found["dialfeed_consumer_lag_messages", "load", "calls.phone-log"] == 12
    assert found["dialfeed_consumer_oldest_unread_age_seconds", "load", "calls.phone-log"] == 7.5
    assert found["dialfeed_consumer_lag_messages", "load", "calls.status"] == 0
    assert found["dialfeed_consumer_oldest_unread_age_seconds", "load", "calls.status"] == 0
    assert found["dialfeed_kafka_up",] == 1
    world.lags.down = True
    found = await scraped(world)
    assert found["dialfeed_kafka_up",] == 0
    assert not [name for name, *_ in found if name.startswith("dialfeed_consumer")]


async def test_a_store_that_is_away_fails_no_scrape_and_is_not_asked_each_time(world: World) -> None:
    world.store.down = True
    first, asked = await scraped(world), world.store.questions
    second = await scraped(world)
    assert first["dialfeed_store_up",] == second["dialfeed_store_up",] == 0
    assert world.store.questions == asked
    assert not [name for name, *_ in second if name.startswith("dialfeed_dead_letters")]


async def test_the_store_is_asked_again_when_it_is_due(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "ASK_EVERY_SECONDS", 0.0)
    await scraped(world)
    world.store.told = Figures(parked=1)
    assert (await scraped(world))["dialfeed_dead_letters_parked",] == 1


async def test_requests_are_counted_by_route_and_status_without_what_they_name(world: World) -> None:
    await world.send([{"phoneNumber": "12125551001"}])
    await world.get("/api/call/submissions/12125551001")
    await world.get("/12125551001")
    found = await scraped(world)
    assert found["dialfeed_http_requests_total", "POST", "/api/call/addCallsToBatch", "200"] == 1
    assert found["dialfeed_http_requests_total", "GET", "/api/call/submissions/{id}", "404"] == 1
    assert found["dialfeed_http_requests_total", "GET", "other", "404"] == 1
    assert found["dialfeed_http_request_seconds_count", "POST", "/api/call/addCallsToBatch"] == 1
    assert found["dialfeed_http_waiting",] == 0
    text = (await world.http.get("/metrics")).text
    assert not any(secret in text for secret in ("12125551001", BATCH, "df_key"))


async def test_the_document_names_every_metric(world: World) -> None:
    world.lags.told = [ConsumerLag("load", "calls.status", 0, None)]
    documented = set(re.findall(r"^\| `(dialfeed_\w+)`", DOCUMENT.read_text(), re.MULTILINE))
    await scraped(world)
    names = {re.sub(r"_(bucket|count|sum)$", "", name) for name, *_ in await scraped(world)}
    told = {name for name in names if name.startswith("dialfeed_") and not name.endswith("_created")}
    assert told <= documented
    assert documented - told <= {"dialfeed_dead_letters", "dialfeed_dead_letter_oldest_age_seconds"}  # no sample yet
