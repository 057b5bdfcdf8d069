"""Every operation of /openapi.json, asked with what its schema allows and what it does not, over a real socket.

schemathesis makes the requests and judges the answers: no server error, no status, header, media type or body that the
document does not name, nothing taken that the schema forbids. Deterministic; a finding comes with its curl line.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from ingest_api import openapi, openapi_parts
from ingest_api.openapi_admin import DELETED
from ingest_api.openapi_replays import REPLAY
from schemas.codecs import encode
from schemas.dead_letter_query import KeptLetter
from schemas.records import Agent, AgentVersion, SubmissionAccepted, Workspace
from schemas.registry import ADMINISTRATION
from schemas.replay_jobs import BY_API, ReplayJob
from schemas.stores import CallPlace, StoredSubmission
from tests.support.edge import World, served
from tests.support.known import KEY, NOW_MS, WORKSPACE, batch_record, key_record, number_record
from tests.support.letter_pages import a_letter
from tests.support.samples import SCHEMA

PHONE = "66f2a9c1d4e5b60718293a00"
ADMIN_KEY = "df_key-of-the-administration"
EARLIER_SCHEMA = """
{"type": "record", "name": "Reminder", "fields": [
    {"name": "firstName", "type": "string"}, {"name": "note", "type": "string"}
]}
"""
"""What the document's example of a new version may follow."""

WITHIN_SECONDS = 200  # some 20 on an idle machine
CONFIG = f"""
headers = {{ "x-api-key" = "{KEY}" }}

[generation]
deterministic = true
max-examples = 15

[phases.stateful]
enabled = false

# What the schema allows may still be refused: for what does not exist here, or for a key that came with another body.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 403, 404, 409, 422]

[[operations]]
include-path-regex = "^/api/admin/"
headers = {{ "x-api-key" = "{ADMIN_KEY}" }}

# Else it deletes the batch that all other operations need, whose id it reads in the answers of theirs.
[[operations]]
include-name = "DELETE /api/admin/batches/{{id}}"
headers = {{ "x-api-key" = "{ADMIN_KEY}" }}
parameters = {{ "path.id" = "{DELETED}" }}
"""


def fill(world: World) -> None:
    """Make the examples of the document exist, so that not every answer is a 404."""
    example = openapi_parts.BATCH  # stands for every id of the registry
    version, earlier = (
        AgentVersion(version=1, schema=schema, created_at=NOW_MS) for schema in (SCHEMA, EARLIER_SCHEMA)
    )
    for record in (
        key_record(ADMIN_KEY, ADMINISTRATION),
        number_record(PHONE, WORKSPACE, "agent-1"),
        batch_record(example, WORKSPACE, PHONE),
        Workspace(workspace_id=example, name="example", created_at=NOW_MS),
        Agent(agent_id=example, workspace_id=example, name="example", versions=[earlier], created_at=NOW_MS),
        Agent(agent_id="agent-1", workspace_id=WORKSPACE, name="one", versions=[version], created_at=NOW_MS),
        number_record(example, example, example),
        batch_record(DELETED, WORKSPACE, PHONE),
        Workspace(workspace_id=DELETED, name="deleted", created_at=NOW_MS),
        Agent(agent_id=DELETED, workspace_id=example, name="deleted", versions=[earlier], created_at=NOW_MS),
        number_record(DELETED, example, example),
    ):
        world.registry.state.apply(record)
    accepted = SubmissionAccepted(
        submission_id=openapi.SUBMISSION, workspace_id=WORKSPACE, batch_id=example, total=1, accepted_at=NOW_MS
    )
    world.store.submissions[openapi.SUBMISSION] = StoredSubmission(accepted, [], [], {})
    world.store.letters += [KeptLetter(a_letter(index)) for index in range(3)]
    replay = ReplayJob(replay_id=REPLAY, workspace_id=WORKSPACE, runner=BY_API, requested_at=NOW_MS)
    world.replays.board.apply(encode(replay), NOW_MS)
    world.store.places[openapi.CALL] = CallPlace(WORKSPACE, openapi_parts.BATCH, "+12125551001", 0)


async def schemathesis(url: str, folder: Path) -> tuple[int | None, str]:
    """Return the exit code of a run, and what it found."""
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG)
    options = ["--config-file", str(config), "--no-color", "run", f"{url}/openapi.json", "--max-failures", "20"]
    program = str(Path(sys.executable).with_name("schemathesis"))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(program, *options, stdout=pipe, stderr=pipe, cwd=folder)
    try:
        said, complaints = await asyncio.wait_for(process.communicate(), WITHIN_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode, (said + complaints).decode(errors="replace")


ADDING = "POST /api/call/addCallsToBatch"
"""Answers 403 to a batch that does not exist, and no made-up batch does."""


def only_refused(said: str) -> list[str]:
    """Return the operations of which schemathesis warns that every try of a phase got 401 or 403."""
    _, _, warning = said.partition("Authentication failed: ")
    return re.findall(r"  - ([A-Z]+ /\S*)", warning.partition("--auth")[0])


async def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    async with served(wait_seconds=0.2) as world:
        fill(world)
        code, said = await schemathesis(f"http://{world.address[0]}:{world.address[1]}", tmp_path)
    assert code == 0, said[-20_000:]
    assert "Tested: " in said
    assert set(only_refused(said)) <= {ADDING}
