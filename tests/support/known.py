"""What is registered behind the edge of the tests: two workspaces, their keys, numbers and batches."""

from __future__ import annotations

from schemas.identity import hash_api_key
from schemas.records import (
    Agent,
    AgentVersion,
    ApiKey,
    Batch,
    CallingNumber,
    RegistryRecord,
    Workspace,
)

KEY = "df_key-of-workspace-1"
OTHER_KEY = "df_key-of-workspace-2"
WORKSPACE = "workspace-1"
BATCH = "batch-1"
BATCH_WITHOUT_AGENT = "batch-without-agent"
OTHER_BATCH = "batch-of-workspace-2"
PHONE = "phone-1"
OTHER_PHONE = "phone-of-workspace-2"
NOW_MS = 1_800_000_000_000


def known_records() -> list[RegistryRecord]:
    """Return a registry with two workspaces, of which the first has an agent, a number and two batches."""
    other = "workspace-2"
    return [
        Workspace(workspace_id=WORKSPACE, name="one", created_at=NOW_MS),
        Workspace(workspace_id=other, name="two", created_at=NOW_MS),
        key_record(KEY, WORKSPACE),
        key_record(OTHER_KEY, other),
        Agent(
            agent_id="agent-1",
            workspace_id=WORKSPACE,
            name="agent",
            versions=[AgentVersion(version=1, schema="{}", created_at=NOW_MS)],
            created_at=NOW_MS,
        ),
        number_record(PHONE, WORKSPACE, "agent-1"),
        number_record("phone-without-agent", WORKSPACE, None),
        number_record(OTHER_PHONE, other, None),
        batch_record(BATCH, WORKSPACE, PHONE),
        batch_record(BATCH_WITHOUT_AGENT, WORKSPACE, "phone-without-agent"),
        batch_record(OTHER_BATCH, other, OTHER_PHONE),
    ]


def key_record(key: str, workspace_id: str) -> ApiKey:
    return ApiKey(
        key_id=key[-5:] + workspace_id,
        workspace_id=workspace_id,
        name="",
        key_hash=hash_api_key(key),
        created_at=NOW_MS,
    )


def number_record(phone_id: str, workspace_id: str, agent_id: str | None) -> CallingNumber:
    return CallingNumber(
        phone_id=phone_id, workspace_id=workspace_id, number="+12125550000", agent_id=agent_id, created_at=NOW_MS
    )


def batch_record(batch_id: str, workspace_id: str, phone_id: str) -> Batch:
    return Batch(batch_id=batch_id, workspace_id=workspace_id, name="a batch", phone_ids=[phone_id], created_at=NOW_MS)
