from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from aiokafka.structs import ConsumerRecord

from schemas.outcomes import Code, FieldError
from schemas.records import Agent, AgentVersion, Batch, CallingNumber, Chunk, Workspace
from schemas.registrations import assigned_number
from schemas.registry import Registry, changed
from streams.campaigns import Campaign, Campaigns
from streams.gathering import Window
from tests.support.samples import SCHEMA, chunk

STRICTER = json.dumps({"type": "record", "name": "Variables", "fields": [{"name": "name", "type": "string"}]})


@pytest.fixture
def campaigns() -> Campaigns:
    registry = Registry()
    versions = [
        AgentVersion(version=number, schema=schema, created_at=1000 * number)
        for number, schema in enumerate((SCHEMA, STRICTER, STRICTER), 1)
    ]
    registry.apply(Agent(agent_id="a", workspace_id="w", name="n", versions=versions, created_at=1))
    registry.apply(CallingNumber(phone_id="n", workspace_id="w", number="+12125550199", agent_id="a", created_at=1))
    registry.apply(Batch(batch_id="b", workspace_id="w", name="n", phone_ids=["n"], created_at=1))
    return Campaigns(registry)


def gathered(*times: int) -> Chunk:
    window = Window()
    window.add(
        ConsumerRecord("calls.records", 0, n, time, 1, b"b", b"%d" % n, None, 0, 0, ()) for n, time in enumerate(times)
    )
    (made,) = window.rest()
    return made


def versions(parts: list[Any]) -> list[int]:
    return [campaign.schema_version for _, campaign in parts if isinstance(campaign, Campaign)]


@pytest.mark.parametrize(("accepted_at", "version"), [(0, 1), (1000, 1), (1999, 1), (2000, 2), (2999, 2), (99_999, 3)])
def test_a_record_is_checked_against_the_version_of_its_time(
    campaigns: Campaigns, accepted_at: int, version: int
) -> None:
    found = campaigns.find("b", accepted_at)
    assert isinstance(found, Campaign)
    assert found.schema_version == version


def test_a_version_is_compiled_once(campaigns: Campaigns) -> None:
    first, second = campaigns.find("b", 2000), campaigns.find("b", 2500)
    assert isinstance(first, Campaign)
    assert isinstance(second, Campaign)
    assert first.validator is second.validator


def test_a_chunk_of_one_submission_stays_whole(campaigns: Campaigns) -> None:
    ((part, _),) = campaigns.parts(chunk({}, {}, accepted_at=2500))
    assert len(part.records) == 2


def test_what_was_gathered_across_a_change_of_schema_is_parted(campaigns: Campaigns) -> None:
    parts = campaigns.parts(gathered(1500, 2500, 1600, 3500))
    assert versions(parts) == [1, 2, 3]
    assert [part.records for part, _ in parts] == [[b"0", b"2"], [b"1"], [b"3"]]


def test_what_was_gathered_within_one_version_stays_whole(campaigns: Campaigns) -> None:
    made = gathered(2000, 2500, 2999)
    assert [part for part, _ in campaigns.parts(made)] == [made]


def test_a_batch_that_is_not_known_is_the_reason_for_the_whole_chunk(campaigns: Campaigns) -> None:
    ((_, why),) = campaigns.parts(chunk({}, batch_id="gone"))
    assert isinstance(why, FieldError)
    assert why.code is Code.BATCH_UNKNOWN


def test_what_was_gathered_across_a_change_of_the_batch_is_parted(campaigns: Campaigns) -> None:
    batch = campaigns.registry.batches["b"]
    campaigns.registry.apply(changed(batch, msgspec.structs.replace(batch, timezone="Europe/Berlin"), 1500))
    parts = campaigns.parts(gathered(1400, 1500, 1499))
    assert [campaign.batch_zone for _, campaign in parts if isinstance(campaign, Campaign)] == [None, "Europe/Berlin"]
    assert [part.records for part, _ in parts] == [[b"0", b"2"], [b"1"]]


@pytest.mark.parametrize("accepted_at", [1, 1500, 99_999])
def test_nobody_calls_for_a_batch_that_was_deleted(campaigns: Campaigns, accepted_at: int) -> None:
    batch = campaigns.registry.batches["b"]
    campaigns.registry.apply(msgspec.structs.replace(batch, deleted_at=1500))
    found = campaigns.find("b", accepted_at)
    assert isinstance(found, FieldError)
    assert (found.code, "deleted" in found.message) == (Code.BATCH_UNKNOWN, True)


def test_what_had_no_agent_goes_through_once_one_is_assigned(campaigns: Campaigns) -> None:
    registry = campaigns.registry
    nobody = msgspec.structs.replace(registry.numbers["n"], phone_id="m", agent_id=None)
    registry.apply(nobody)
    registry.apply(msgspec.structs.replace(registry.batches["b"], batch_id="c", phone_ids=["m"]))
    found = campaigns.find("c", 1500)
    assert isinstance(found, FieldError)
    assert found.code is Code.AGENT_UNKNOWN
    registry.apply(assigned_number(nobody, registry.agents["a"], 99_000))
    assert isinstance(campaigns.find("c", 1500), Campaign)


def test_what_had_no_agent_goes_through_once_the_batch_has_other_numbers(campaigns: Campaigns) -> None:
    registry = campaigns.registry
    batch = msgspec.structs.replace(registry.batches["b"], batch_id="c", phone_ids=["nobody"])
    registry.apply(changed(batch, msgspec.structs.replace(batch, phone_ids=["n"]), 99_000))
    assert isinstance(campaigns.find("c", 1500), Campaign)


def test_what_a_schema_made_unusable_goes_through_with_a_later_version(campaigns: Campaigns) -> None:
    versions = [AgentVersion(version=n, schema=text, created_at=n * 1000) for n, text in enumerate(("{", SCHEMA), 1)]
    campaigns.registry.apply(Agent(agent_id="a", workspace_id="w", name="n", versions=versions, created_at=1))
    found = campaigns.find("b", 1500)
    assert isinstance(found, FieldError)
    assert found.code is Code.SCHEMA_UNUSABLE
    assert isinstance(campaigns.find("b", 1500, 2), Campaign)


@pytest.mark.parametrize(("accepted_at", "country"), [(1000, None), (4999, None), (5000, "US"), (99_999, "US")])
def test_numbers_are_read_as_of_the_country_that_the_workspace_had_at_that_time(
    campaigns: Campaigns, accepted_at: int, country: str | None
) -> None:
    before = Workspace(workspace_id="w", name="n", created_at=1)
    campaigns.registry.apply(changed(before, msgspec.structs.replace(before, country="US"), 5000))
    found = campaigns.find("b", accepted_at)
    assert isinstance(found, Campaign)
    assert found.country == country


def test_the_country_of_the_batch_comes_before_that_of_its_workspace(campaigns: Campaigns) -> None:
    campaigns.registry.apply(Workspace(workspace_id="w", name="n", created_at=1, country="US"))
    campaigns.registry.apply(msgspec.structs.replace(campaigns.registry.batches["b"], country="DE"))
    found = campaigns.find("b", 1000)
    assert isinstance(found, Campaign)
    assert found.country == "DE"
