"""Reads a request's body from the connection: bounded, inflated, with an end to waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette.requests import Request

from ingest_api.envelope import RefusedError, refused
from ingest_api.headers import is_gzip, require_json
from ingest_api.inflate import GzipError, Inflater
from schemas.outcomes import HttpCode

Hold = Callable[[int], None]


async def read_json_body(request: Request, limit_bytes: int, idle_seconds: float, hold: Hold) -> bytes:
    """Return the body, inflated. `hold` is told of bytes before they are kept, and may refuse them.

    Raise RefusedError (400, 413, 415), or starlette's ClientDisconnect when the client goes away before the end.
    """
    require_json(request.headers.get("content-type"))
    inflater = Inflater() if is_gzip(request.headers.get("content-encoding")) else None
    _refuse_announced(request.headers.get("content-length"), limit_bytes)
    pieces: list[bytes] = []
    arriving = _bounded(_arriving(request, idle_seconds), limit_bytes)
    async for piece in arriving if inflater is None else _bounded(_inflated(arriving, inflater), limit_bytes):
        hold(len(piece))
        pieces.append(piece)
    return b"".join(pieces)


def _refuse_announced(content_length: str | None, limit_bytes: int) -> None:
    """Refuse a body that says that it is too long before a byte of it is read."""
    if content_length is not None and content_length.isdigit() and int(content_length) > limit_bytes:
        raise _too_large(limit_bytes)


async def _bounded(pieces: AsyncIterator[bytes], limit_bytes: int) -> AsyncIterator[bytes]:
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > limit_bytes:
            raise _too_large(limit_bytes)
        yield piece


def _too_large(limit_bytes: int) -> RefusedError:
    return refused(HttpCode.BODY_TOO_LARGE, f"the body is over {limit_bytes} bytes: send fewer records at a time")


async def _arriving(request: Request, idle_seconds: float) -> AsyncIterator[bytes]:
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(idle_seconds):
                data = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise refused(HttpCode.BAD_REQUEST, f"no more of the body came within {idle_seconds:g} s") from None
        yield data


async def _inflated(arriving: AsyncIterator[bytes], inflater: Inflater) -> AsyncIterator[bytes]:
    try:
        async for data in arriving:
            for piece in inflater.feed(data):
                yield piece
                await asyncio.sleep(0)  # others have their turn while a large body grows
        inflater.close()
    except GzipError as error:
        raise refused(HttpCode.BAD_REQUEST, f"{error}: send it again", "Content-Encoding") from error
