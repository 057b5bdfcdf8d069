"""What an operator sees of a worker that its breaker holds, over HTTP."""

from __future__ import annotations

from schemas.records import Agent, AgentVersion
from schemas.registry import registry_message
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


async def _reasons(running: Installation) -> list[dict[str, str]]:
    reasons: list[dict[str, str]] = (await running.http.get("/readyz")).json()["reasons"]
    return reasons
