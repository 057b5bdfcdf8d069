"""The outermost layer: whatever goes wrong below, the caller gets the envelope and the log gets no content."""

from __future__ import annotations

import asyncio
import traceback
from typing import Final

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest_api.envelope import Answer, RefusedError, RequestError, failure
from schemas.outcomes import HTTP_CODES, HttpCode

log = structlog.get_logger(__name__)


class Guard:
    """ASGI middleware around the routes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not scope["path"].isprintable():  # no route has such a path, and a log line must not
            await _response(failure([_NOT_FOUND]))(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            log.info("client_went_away", method=scope["method"])
        except asyncio.CancelledError:  # the server cuts off what is still open when the time to stop is over
            log.warning("request_cut_off", method=scope["method"], answered=started)
            if started:
                raise
            await _response(failure([_STOPPED], {"Connection": "close"}))(scope, receive, send)
        except Exception as error:  # noqa: BLE001  # the one place that answers 500
            log.error("request_failed", error=type(error).__name__, at=_where(error))  # noqa: TRY400  # texts of errors may hold records
            if started:
                raise _CutOffError from None
            await _response(failure([_INTERNAL]))(scope, receive, send)


class _CutOffError(Exception):
    """The connection is closed in the middle of an answer."""


_INTERNAL: Final = RequestError(HttpCode.INTERNAL, HTTP_CODES[HttpCode.INTERNAL][1])
_STOPPED: Final = RequestError(
    HttpCode.INTERNAL, "dialfeed was stopped in the middle; nothing can be said of the records"
)
_BAD_REQUEST: Final = RequestError(HttpCode.BAD_REQUEST, HTTP_CODES[HttpCode.BAD_REQUEST][1])
_NOT_FOUND: Final = RequestError(HttpCode.NOT_FOUND, HTTP_CODES[HttpCode.NOT_FOUND][1])
_METHOD_NOT_ALLOWED: Final = RequestError(HttpCode.METHOD_NOT_ALLOWED, HTTP_CODES[HttpCode.METHOD_NOT_ALLOWED][1])


_BY_STATUS: Final = {HTTP_CODES[each.code][0]: each for each in (_NOT_FOUND, _METHOD_NOT_ALLOWED)}


async def refused_answer(_request: Request, error: Exception) -> Response:
    """Answer a refusal."""
    assert isinstance(error, RefusedError)
    return _response(failure(error.errors, error.headers))


async def http_answer(_request: Request, error: Exception) -> Response:
    """Answer what starlette refuses: an unknown route, a wrong method, or what it cannot read."""
    assert isinstance(error, HTTPException)
    return _response(failure([_BY_STATUS.get(error.status_code, _BAD_REQUEST)], error.headers))


def _response(answer: Answer) -> Response:
    return Response(msgspec.json.encode(answer.body), answer.status, dict(answer.headers), "application/json")


def _where(error: Exception) -> str:
    """Return file and line of the innermost frame: all of a traceback that holds no data."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}:{frame.lineno}"
