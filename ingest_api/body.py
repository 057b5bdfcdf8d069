"""Reads a request's body from the connection: bounded, inflated, with an end to waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.requests import Request

from ingest_api.envelope import RefusedError, refused
from ingest_api.headers import coding_of, require_json
from ingest_api.inflate import InflateError, Inflater, inflater
from schemas.outcomes import HttpCode

Hold = Callable[[int], None]

SLOWEST_BYTES_A_SECOND: Final = 4096


async def read_json_body(request: Request, limit_bytes: int, idle_seconds: float, hold: Hold) -> bytes:
    """Return a body that is to be JSON, as `read_body` does; refuse (415) other content types."""
    require_json(request.headers.get("content-type"))
    return await read_body(request, limit_bytes, idle_seconds, hold)


async def read_body(request: Request, limit_bytes: int, idle_seconds: float, hold: Hold) -> bytes:
    """Return the body, inflated. `hold` is told of bytes before they are kept, and may refuse them.

    Raise RefusedError (400, 413, 415), or starlette's ClientDisconnect when the client goes away before the end.
    """
    pieces: list[bytes] = []
    async for piece in body_pieces(request, limit_bytes, idle_seconds):
        hold(len(piece))
        pieces.append(piece)
    return b"".join(pieces)


async def body_pieces(request: Request, limit_bytes: int, idle_seconds: float) -> AsyncIterator[bytes]:
    """Yield the body as it comes, inflated; raise as `read_body` does."""
    coding = coding_of(request.headers.getlist("content-encoding"))
    _refuse_announced(request.headers.get("content-length"), limit_bytes)
    arriving = _bounded(_arriving(request, idle_seconds), limit_bytes)
    async for piece in arriving if coding is None else _bounded(_inflated(arriving, inflater(coding)), limit_bytes):
        yield piece


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
    return refused(HttpCode.BODY_TOO_LARGE, f"the body is over {limit_bytes} bytes: send less at a time")


async def _arriving(request: Request, idle_seconds: float) -> AsyncIterator[bytes]:
    """Yield what arrives. Refuse (400) a pause over `idle_seconds`, and a body that keeps us waiting all the time."""
    stream = request.stream()
    received, waited = 0, 0.0
    while True:
        began = time.monotonic()
        try:
            async with asyncio.timeout(min(idle_seconds, idle_seconds + received / SLOWEST_BYTES_A_SECOND - waited)):
                data = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            sentence = (
                f"the body came too slowly: a pause of {idle_seconds:g} s, or under {SLOWEST_BYTES_A_SECOND} bytes/s"
            )
            raise refused(HttpCode.BAD_REQUEST, sentence) from None
        received, waited = received + len(data), waited + time.monotonic() - began
        yield data


async def _inflated(arriving: AsyncIterator[bytes], inflating: Inflater) -> AsyncIterator[bytes]:
    try:
        async for data in arriving:
            for piece in inflating.feed(data):
                yield piece
                await asyncio.sleep(0)  # others have their turn while a large body grows
        inflating.close()
    except InflateError as error:
        raise refused(HttpCode.BAD_REQUEST, f"{error}: send it again", "Content-Encoding") from error
