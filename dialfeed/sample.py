"""`dialfeed run --sample`: make what a campaign needs, send the sample, show the answer and the stored rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import httpx
from rich.text import Text

from dialfeed.clock import now_ms
from dialfeed.exits import CommandError
from dialfeed.kafka_publisher import KafkaPublisher
from dialfeed.output import render_report, render_rows, show
from dialfeed.private_files import create_private
from dialfeed.registry_topic import RegistryTopic, write
from dialfeed.sample_records import BATCH, CALLING_NUMBER, SCHEMA, WORKSPACE, sample_records
from schemas.identity import SAMPLE_WORKSPACE, hash_api_key, new_api_key, new_id
from schemas.kafka_connection import KafkaConnection
from schemas.messages import Publisher
from schemas.records import Agent, AgentVersion, ApiKey, Batch, CallingNumber, RegistryRecord, Workspace
from schemas.registry import Registry

KEY_FILE: Final = "sample-key"
ROWS_SHOWN: Final = 10
ANSWER_WITHIN_SECONDS: Final = 60.0


async def show_sample(kafka: KafkaConnection, url: str, data: Path) -> None:
    """Send the sample and tell on stdout what became of it; raise CommandError."""
    async with KafkaPublisher(kafka) as publisher, RegistryTopic(kafka) as registry:
        campaign = await _campaign(publisher, registry, data)
    headers = {"x-api-key": campaign.api_key}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=ANSWER_WITHIN_SECONDS, trust_env=False) as api:
        records = sample_records()
        show(Text(f"\nPOST {url}/api/call/addCallsToBatch with {len(records)} contacts", style="bold"))
        answer = await api.post("/api/call/addCallsToBatch", json={"batchId": campaign.batch_id, "call_data": records})
        body = _body_of(answer)
        show(Text(f"{body['code']} {body['message']}\n", style="bold"))
        show(render_report(body["data"]))
        page = await api.get(f"/api/call/batch-details/{campaign.batch_id}", params={"limit": ROWS_SHOWN})
    stored = _body_of(page)["data"]
    show(Text(f"\n{ROWS_SHOWN} of the {stored['total']} stored contacts", style="bold"))
    show(render_rows([_row(contact) for contact in stored["data"]]))
    show(Text("\nTry the next one yourself:\n", style="bold"))
    show(Text(_curl(url, campaign)))


class _Campaign:
    """What the sample is sent with."""

    def __init__(self, api_key: str, batch_id: str) -> None:
        self.api_key = api_key
        self.batch_id = batch_id


async def _campaign(publisher: Publisher, registry: RegistryTopic, data: Path) -> _Campaign:
    """Return the sample's campaign; make what is missing of it."""
    state = registry.state
    workspace_id = SAMPLE_WORKSPACE
    if workspace_id not in state.workspaces:
        await _make_campaign(publisher)
    await registry.refresh()
    batch_id = next(b.batch_id for b in state.batches.values() if b.workspace_id == workspace_id and b.name == BATCH)
    api_key = _kept_key(state, workspace_id, data) or await _make_key(publisher, workspace_id, data)
    await registry.refresh()
    return _Campaign(api_key, batch_id)


async def _make_campaign(publisher: Publisher) -> None:
    """Make it in the workspace whose calls nobody is told of."""
    now = now_ms()
    workspace_id, agent_id, phone_id = SAMPLE_WORKSPACE, new_id(), new_id()
    version = AgentVersion(version=1, schema=SCHEMA, created_at=now)
    made: tuple[RegistryRecord, ...] = (
        Agent(agent_id=agent_id, workspace_id=workspace_id, name="Invoices", versions=[version], created_at=now),
        CallingNumber(
            phone_id=phone_id, workspace_id=workspace_id, number=CALLING_NUMBER, agent_id=agent_id, created_at=now
        ),
        Batch(
            batch_id=new_id(),
            workspace_id=workspace_id,
            name=BATCH,
            phone_ids=[phone_id],
            retry=2,
            delay=3600,
            timezone="America/New_York",
            allowed_days=[1, 2, 3, 4, 5],
            created_at=now,
        ),
        # Last: the sample's workspace is there only when everything in it is.
        Workspace(workspace_id=workspace_id, name=WORKSPACE, created_at=now),
    )
    for record in made:
        await write(publisher, record)


def _kept_key(state: Registry, workspace_id: str, data: Path) -> str | None:
    try:
        api_key = (data / KEY_FILE).read_text().strip()
    except FileNotFoundError:
        return None
    return api_key if state.workspace_of_key(api_key) == workspace_id else None


async def _make_key(publisher: Publisher, workspace_id: str, data: Path) -> str:
    """Make a key and keep it beside the data, readable by its owner only, so that the printed command stays true."""
    api_key = new_api_key()
    now = now_ms()
    record = ApiKey(
        key_id=new_id(), workspace_id=workspace_id, name="sample", key_hash=hash_api_key(api_key), created_at=now
    )
    await write(publisher, record)
    with create_private(data / KEY_FILE) as file:
        file.write(f"{api_key}\n".encode())
    return api_key


def _body_of(answer: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    if answer.status_code not in (200, 202, 207):
        what = f"the sample was answered {answer.status_code}: {body.get('errorMessage')}"
        raise CommandError(what, "`dialfeed doctor` looks for the cause.")
    return body


def _row(contact: dict[str, Any]) -> dict[str, Any]:
    shown = ("phoneNumber", "timezone", "timezoneSource", "name", "account_id", "amount_due", "due_date", "language")
    newest = contact["phoneLogs"][0]
    row = {name: contact.get(name) for name in shown}
    return row | {"entry": newest["entry"], "status": newest["callStatus"], "callId": newest["callId"]}


def _curl(url: str, campaign: _Campaign) -> str:
    record = {
        "phoneNumber": "12125550123",
        "name": "Ines Ferrer",
        "account_id": 42,
        "amount_due": 99.5,
        "due_date": "2026-12-01",
    }
    body = json.dumps({"batchId": campaign.batch_id, "call_data": [record]})
    return f"curl {url}/api/call/addCallsToBatch -H 'x-api-key: {campaign.api_key}' -d '{body}'"
