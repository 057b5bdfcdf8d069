"""What a replay would make of records, for those who try one without sending anything and cannot ask the store."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from ingest_api.batches import read_object
from ingest_api.edge import Edge
from ingest_api.envelope import Answer, success
from ingest_api.field_errors import checked
from ingest_api.from_store import from_store
from ingest_api.replay_bodies import Text
from schemas.records import CHUNK_RECORDS, INDEX_BITS

PATH: Final = "/api/call/replays/outcomes"
_E164: Final = r"^\+[1-9][0-9]{1,14}$"
_MOST_MS: Final = 2**53 - 1
_MOST_INDEX: Final = 2**INDEX_BITS - 1


class AcceptedRecord(BaseModel):
    """A record as it counts: for whom, accepted when, at which place."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    phoneNumber: Annotated[str, Field(pattern=_E164)]  # noqa: N815  as others of the API
    acceptedAt: Annotated[int, Field(ge=0, le=_MOST_MS, description="ms since the epoch")]  # noqa: N815
    recordIndex: Annotated[int, Field(ge=0, le=_MOST_INDEX, description="in its submission")]  # noqa: N815


class AcceptedRecords(BaseModel):
    """Records of one batch, in the order in which they would be stored."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    batchId: Text  # noqa: N815
    records: Annotated[list[AcceptedRecord], Field(min_length=1, max_length=CHUNK_RECORDS)]


async def foresee(edge: Edge, workspace_id: str | None, body: bytes) -> Answer:
    """Return the answer to a body. `workspace_id` None: batches of all workspaces are known, else its own."""
    asked = checked(AcceptedRecords, read_object(body))
    await edge.access.visible(workspace_id, asked.batchId)
    records = [(one.phoneNumber, one.acceptedAt, one.recordIndex) for one in asked.records]
    foreseen = await from_store(edge, edge.store.replay_outcomes(asked.batchId, records))
    return success("Outcomes", {"outcomes": [one._asdict() for one in foreseen]})
