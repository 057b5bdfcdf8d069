"""Dead letters are dismissed over HTTP: nobody mends them, so they are neither listed nor counted nor replayed."""

from __future__ import annotations

from typing import Annotated, Final

import structlog
from pydantic import BaseModel, ConfigDict, Field

from ingest_api.batches import read_object
from ingest_api.edge import Edge
from ingest_api.envelope import Answer, RefusedError, success
from ingest_api.field_errors import checked, field_error
from ingest_api.from_store import from_store
from ingest_api.replay_bodies import MOST_ATTEMPTS, Moment, Text, time_of
from schemas.dead_letter_query import DeadLetterFilter, DeadLetterQuery, with_batches
from schemas.outcomes import Code, FailureClass

log = structlog.get_logger(__name__)

MOST_REASON: Final = 500


class NewDismissal(BaseModel):
    """Which dead letters are dismissed, and why. Unknown keys are refused: a filter misspelt would be none."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, populate_by_name=True)

    reason: Annotated[str, Field(min_length=1, max_length=MOST_REASON, pattern=r"\S")] = Field(
        description="why nothing is to be done about them; shown beside each"
    )
    agent: Text | None = Field(default=None, description="only records of the batches that this agent speaks for")
    batch: Text | None = Field(default=None, description="only records of this batch")
    submission: Text | None = Field(default=None, description="only records of this submission")
    index: Annotated[int, Field(ge=0, lt=2**32)] | None = Field(
        default=None, description="only the record with this index in its submission"
    )
    code: Annotated[Code, Field(strict=False)] | None = Field(default=None, description="only with this code")
    failure_class: Annotated[FailureClass, Field(strict=False)] | None = Field(
        default=None, alias="class", description="only with a code of this class"
    )
    stage: Text | None = Field(default=None, description="only those that failed in this stage")
    path: Text | None = Field(default=None, description="only with the first error at this JSON pointer")
    since: Moment | None = Field(
        default=None, description="only those that failed at this time or after; or 2h for ago"
    )
    until: Moment | None = Field(default=None, description="only those that failed before")
    attempt: Annotated[int, Field(ge=1, le=MOST_ATTEMPTS)] | None = None
    parked: bool = Field(default=False, description="those only that have failed too often for a replay")


async def dismiss(edge: Edge, workspace_id: str | None, body: bytes) -> Answer:
    """Return the answer to a body: how many were dismissed. `workspace_id` None: of all workspaces.

    Dismissing again finds none, and changes nothing. Without any filter it is refused (400).
    """
    fields = {name: value for name, value in read_object(body).items() if value is not None}
    asked = checked(NewDismissal, fields)
    if fields.keys() <= {"reason"}:
        raise RefusedError(field_error((), "name at least one filter, such as batch, submission or code"))
    wanted = _filter_of(asked, workspace_id, edge.now_ms())
    if wanted.agent is not None:
        await edge.access.catch_up()
    query = DeadLetterQuery(with_batches(wanted, edge.access.known.batches_of_agent), parked=asked.parked)
    count = await from_store(edge, edge.store.dismiss_dead_letters(query, asked.reason, edge.now_ms()))
    log.info("dead_letters_dismissed", count=count, workspace_id=workspace_id)
    return success("Dead letters dismissed", {"dismissed": count})


def _filter_of(asked: NewDismissal, workspace_id: str | None, now_ms: int) -> DeadLetterFilter:
    return DeadLetterFilter(
        agent=asked.agent,
        batch=asked.batch,
        submission=asked.submission,
        code=asked.code and str(asked.code),
        failure_class=asked.failure_class and str(asked.failure_class),
        stage=asked.stage,
        since=time_of("since", asked.since, now_ms),
        until=time_of("until", asked.until, now_ms),
        attempt=asked.attempt,
        workspace_id=workspace_id,
        path=asked.path,
        record_index=asked.index,
    )
