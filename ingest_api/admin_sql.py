"""`POST /api/admin/sql`: a person's own question to what is stored, one at a time, read only and within limits."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

import structlog
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ingest_api import admin_bodies, batches
from ingest_api.body import read_json_body
from ingest_api.edge import Edge
from ingest_api.envelope import refused, success, with_warnings
from ingest_api.headers import api_key_of
from ingest_api.requested import beside, in_body, names_of
from ingest_api.routing import route
from schemas.messages import TryAgainError
from schemas.outcomes import HttpCode
from schemas.stores import SqlAnswer, SqlRefusedError

log = structlog.get_logger(__name__)

PATH: Final = "/api/admin/sql"
MOST_CHARACTERS: Final = 20_000
ANSWER_WITHIN_SECONDS: Final = 20.0
"""Longer than the engine lets a question take."""


class Question(BaseModel):
    """The body."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    sql: Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS, description="one SELECT")]


def sql_route(edge: Edge) -> Route:
    """Return the route."""
    asking = asyncio.Lock()

    async def handle(edge: Edge, request: Request) -> Response:
        await edge.access.administrator(api_key_of(request.headers))
        warnings = beside(request)
        fields = await _body(edge, request)
        warnings += in_body(fields, names_of(Question))
        asked = admin_bodies.checked(Question, fields)
        if asking.locked():
            raise refused(HttpCode.OVERLOADED, "another question is being answered", headers=edge.retry_later)
        async with asking:
            found = await _answer(edge, asked.sql)
        log.info(
            "sql_answered", rows=len(found.rows), truncated=found.truncated
        )  # never the statement: it names people
        answer = with_warnings(success("Answered", shown(found)), warnings)
        return JSONResponse(answer.body, answer.status, dict(answer.headers))

    return route(edge, PATH, {"POST": handle})


async def _body(edge: Edge, request: Request) -> dict[str, Any]:
    with edge.admission.enter() as place:
        limit, idle = batches.BODY_LIMIT_BYTES, edge.settings.body_idle_seconds
        return batches.read_object(await read_json_body(request, limit, idle, place.hold))


async def _answer(edge: Edge, statement: str) -> SqlAnswer:
    try:
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
            return await edge.store.sql(statement)
    except SqlRefusedError as error:
        raise refused(HttpCode.FIELD_INVALID, str(error), "/sql") from None
    except (TryAgainError, TimeoutError) as error:
        log.warning("store_unavailable", error=type(error).__name__)
        raise refused(HttpCode.STORE_UNAVAILABLE, headers=edge.retry_later) from None


def shown(found: SqlAnswer) -> dict[str, Any]:
    """Return an answer as it is shown."""
    columns = [{"name": name, "type": kind} for name, kind in found.columns]
    return {"columns": columns, "rows": list(found.rows), "truncated": found.truncated}
