"""The body of POST /api/call/replays, checked as a whole: every wrong field is named. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from ingest_api.envelope import RefusedError
from ingest_api.field_errors import checked, field_error
from ingest_api.idempotency import Identity
from schemas.dead_letter_query import moment
from schemas.dead_letters import STAGES
from schemas.outcomes import Code, FailureClass
from schemas.replay_jobs import BY_API, DEFAULT_MAX_ATTEMPTS, MOST_INT, ReplayJob, ReplayMove, ReplayValue

MOST_CHARACTERS: Final = 256
MOST_ATTEMPTS: Final = 1_000
MOST_RATE: Final = 1_000_000
MOST_CHANGES: Final = 100


def _known_stage(text: str) -> str:
    if text not in STAGES:
        raise PydanticCustomError("stage", f"must be one of {', '.join(STAGES)}")
    return text


Text = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]
MOMENT: Final = {
    "pattern": "^[0-9]{1,9}[smhdw]$|^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}",
}
Stage = Annotated[str, Field(json_schema_extra={"enum": list(STAGES)}), AfterValidator(_known_stage)]
Moment = Annotated[str, Field(max_length=40, json_schema_extra=MOMENT)]
Changes = Annotated[dict[Text, Text], Field(max_length=MOST_CHANGES)]
Values = Annotated[dict[Text, Any], Field(max_length=MOST_CHANGES)]


class NewReplay(BaseModel):
    """Which dead letters are tried again, and how. Unknown keys are refused: a filter misspelt would be none."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, populate_by_name=True)

    agent: Text | None = Field(default=None, description="only records of the batches that this agent speaks for")
    batch: Text | None = Field(default=None, description="only records of this batch")
    submission: Text | None = Field(default=None, description="only records of this submission")
    code: Annotated[Code, Field(strict=False)] | None = Field(default=None, description="only with this code")
    failure_class: Annotated[FailureClass, Field(strict=False)] | None = Field(
        default=None, alias="class", description="only with a code of this class"
    )
    stage: Stage | None = Field(default=None, description="only those that failed in this stage")
    path: Text | None = Field(default=None, description="only with the first error at this JSON pointer")
    since: Moment | None = Field(
        default=None, description="only those that failed at this time or after; or 2h for ago"
    )
    until: Moment | None = Field(default=None, description="only those that failed before")
    attempt: Annotated[int, Field(ge=1, le=MOST_ATTEMPTS)] | None = None
    parked: bool = Field(default=False, description="what has failed too often, instead of what has not")
    maxAttempts: Annotated[int, Field(ge=1, le=MOST_ATTEMPTS)] = DEFAULT_MAX_ATTEMPTS  # noqa: N815  as others of the API
    rate: Annotated[int, Field(ge=1, le=MOST_RATE)] | None = Field(default=None, description="records a second at most")
    asNew: bool = Field(  # noqa: N815
        default=False,
        description="records count from now: as new calls where contacts were called, never twice for one record",
    )
    toBatch: Text | None = Field(  # noqa: N815
        default=None, description="send them to this batch, of the same workspace, instead of their own"
    )
    agentVersion: Annotated[int, Field(ge=1, le=MOST_INT)] | None = Field(  # noqa: N815
        default=None,
        description="version of the schema of the agent of agent, batch or submission, or of the one whose all the "
        "letters are; left out: that of a record's time",
    )
    dryRun: bool = Field(default=False, description="send nothing: say what would become of the records")  # noqa: N815
    map: Changes = Field(default_factory=dict, description="fields to rename, old name to new")
    set: Values = Field(default_factory=dict, description="fields to set")


@dataclass(frozen=True, slots=True)
class AskedReplay:
    """The job that a body asks for, and whether it is to be tried only."""

    job: ReplayJob
    dry_run: bool


def asked_of(fields: dict[str, Any], identity: Identity, workspace_id: str, now_ms: int) -> AskedReplay:
    """Return what a body asks for; raise RefusedError with everything that is wrong with it."""
    asked = checked(NewReplay, {name: value for name, value in fields.items() if value is not None})
    return AskedReplay(_job_of(asked, identity, workspace_id, now_ms), asked.dryRun)


def _job_of(asked: NewReplay, identity: Identity, workspace_id: str, now_ms: int) -> ReplayJob:
    since, until = (time_of(name, getattr(asked, name), now_ms) for name in ("since", "until"))
    return ReplayJob(
        replay_id=identity.submission_id,
        workspace_id=workspace_id,
        runner=BY_API,
        requested_at=now_ms,
        agent=asked.agent,
        batch=asked.batch,
        submission=asked.submission,
        code=asked.code and str(asked.code),
        failure_class=asked.failure_class and str(asked.failure_class),
        stage=asked.stage,
        path=asked.path,
        since=since,
        until=until,
        attempt=asked.attempt,
        parked=asked.parked,
        max_attempts=asked.maxAttempts,
        rate=asked.rate,
        as_new=asked.asNew,
        agent_version=asked.agentVersion,
        to_batch=asked.toBatch,
        moves=[ReplayMove(old=old, new=new) for old, new in asked.map.items()],
        values=[ReplayValue(name=name, value=msgspec.json.encode(value)) for name, value in asked.set.items()],
        body_hash=identity.body_hash,
    )


def time_of(name: str, text: str | None, now_ms: int) -> int | None:
    """Return the time that a field names, ms since the epoch; raise RefusedError."""
    try:
        return moment(text, now_ms) if text is not None else None
    except ValueError as error:
        raise RefusedError(field_error((name,), str(error))) from None
