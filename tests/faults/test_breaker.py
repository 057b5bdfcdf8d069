"""What an operator sees of a worker that its breaker holds, over HTTP."""

from __future__ import annotations

from typing import Any

from schemas.dead_letters import from_message
from schemas.records import Agent, AgentVersion, CallingNumber
from schemas.registry import registry_message
from schemas.topics import TopicName
from tests.support.bus import CAMPAIGN, eventually
from tests.support.installation import Installation, installation
from tests.support.samples import body, records

BROKEN = '{"type":"record","name":"x","fields":[{"name":"y"}]}'


async def test_a_worker_that_waits_is_told_by_readyz_until_it_goes_on(kafka_bootstrap: str) -> None:
    good = next(one for one in CAMPAIGN if isinstance(one, Agent))
    version = AgentVersion(version=1, schema=BROKEN, created_at=1)
    broken = Agent(agent_id="a", workspace_id="w", name="n", versions=[version], created_at=1)
    async with installation(kafka_bootstrap) as running:
        await running.bus.publisher.publish([registry_message(broken)])
        await _heard_by_the_worker(running)
        await running.bus.produce(body(*records(3)), submission_id="s")
        (reason,) = await eventually(lambda: _reasons(running))
        assert reason["check"] == "breaker"
        assert "agent a, version 1" in reason["reason"]

        await running.bus.publisher.publish([registry_message(good)])
        await running.ready()
        assert (await running.report("s"))["added"] == 3
        text = (await running.http.get("/metrics")).text
    assert 'dialfeed_records{outcome="added"} 3.0' in text
    assert "dialfeed_store_up 1.0" in text


async def test_a_replay_that_the_breaker_holds_leaves_its_letters_as_they_are_and_holds_up_nobody(
    kafka_bootstrap: str,
) -> None:
    good = next(one for one in CAMPAIGN if isinstance(one, Agent))
    number = CallingNumber(phone_id="silent", workspace_id="w", number="+12125550198", agent_id="late", created_at=1)
    async with installation(kafka_bootstrap) as running:
        publish = running.bus.publisher.publish
        await running.bus.produce(body(*records(3), batch="unassigned"), submission_id="s")
        await running.bus.dead_letters("s", 3)

        await publish([registry_message(number), registry_message(_agent(BROKEN))])
        shown = await _replayed(running, batch="unassigned", maxAttempts=1)
        assert (shown["state"], shown["selected"], shown["failed"], shown["parked"]) == ("done", 3, 3, 0)
        assert "agent late, version 1" in shown["reason"]
        assert (await running.http.get("/readyz")).is_success
        assert (await running.post(*records(2))).json()["data"]["added"] == 2
        letters = [from_message(one.value, one.headers) for one in await running.bus.everything(TopicName.DEAD_LETTER)]
        assert [letter and letter.attempt for letter in letters] == [1, 1, 1]
        assert await running.bus.end(TopicName.PARKING) == 0

        await publish([registry_message(_agent(good.versions[0].schema))])
        shown = await _replayed(running, batch="unassigned", maxAttempts=1)
    assert (shown["replayed"], shown["failed"], "reason" in shown) == (3, 0, False)


def _agent(schema: str) -> Agent:
    version = AgentVersion(version=1, schema=schema, created_at=1)
    return Agent(agent_id="late", workspace_id="w", name="n", versions=[version], created_at=1)


async def _heard_by_the_worker(running: Installation) -> None:
    """Return once the worker has read the registry to its end: it does before it says that there is no such batch."""
    await running.bus.produce(body(*records(1), batch="nowhere"), submission_id="of-no-batch")
    await running.bus.dead_letters("of-no-batch", 1)


async def _replayed(running: Installation, **asked: Any) -> dict[str, Any]:
    """Return what a replay has come to."""
    location = (await running.http.post("/api/call/replays", json=asked)).headers["location"]

    async def ended() -> dict[str, Any] | None:
        data: dict[str, Any] = (await running.http.get(location)).json()["data"]
        return data if data["state"] == "done" else None

    found: dict[str, Any] = await eventually(ended)
    return found


async def _reasons(running: Installation) -> list[dict[str, str]]:
    reasons: list[dict[str, str]] = (await running.http.get("/readyz")).json()["reasons"]
    return reasons
