"""Reads a multipart form (RFC 7578): its fields as text, its one file into a temporary file beside the memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from ingest_api.body import Hold, body_pieces
from ingest_api.envelope import refused
from ingest_api.headers import media_type_of, require_utf8
from schemas.outcomes import HttpCode

MAX_FIELDS: Final = 100
MAX_FIELD_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Form:
    """The fields, of a repeated one the last, and the file with its field's name."""

    fields: dict[str, str]
    file_field: str | None
    file: BinaryIO | None


@asynccontextmanager
async def read_form(request: Request, limit_bytes: int, idle_seconds: float, hold: Hold) -> AsyncIterator[Form]:
    """Yield the form; its file is gone afterwards. Raise RefusedError (400, 413, 415), or ClientDisconnect.

    `hold` is told of bytes before they are kept, and may refuse them.
    """
    content_type = request.headers.get("content-type", "")
    if media_type_of(content_type) != "multipart/form-data":
        raise refused(HttpCode.UNSUPPORTED_MEDIA_TYPE, "send multipart/form-data", "Content-Type")
    require_utf8(content_type)
    data = await _parsed(request, limit_bytes, idle_seconds, hold)
    try:
        yield _form(data)
    finally:
        await asyncio.shield(data.close())


async def _parsed(request: Request, limit_bytes: int, idle_seconds: float, hold: Hold) -> FormData:
    async with aclosing(_held(request, limit_bytes, idle_seconds, hold)) as pieces:
        parser = _Parser(request.headers, pieces, max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES)
        try:
            return await parser.parse()
        except MultiPartException as error:
            raise refused(HttpCode.BAD_REQUEST, f"the form cannot be read: {error.message}") from error
        except UnicodeError as error:  # of an encoding that is named where `require_utf8` does not look
            raise refused(HttpCode.BAD_REQUEST, "the form cannot be read: send text as UTF-8") from error


class _Parser(MultiPartParser):
    """Wants the last boundary: a form without it may have lost fields that nobody would miss, such as calling hours."""

    _ended = False

    async def parse(self) -> FormData:
        self.stream = self._whole(self.stream)
        return await super().parse()

    async def _whole(self, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        async for piece in pieces:
            yield piece
        if not self._ended:
            raise refused(HttpCode.BAD_REQUEST, "the form is cut off: its last boundary is missing")

    def on_end(self) -> None:
        self._ended = True


async def _held(request: Request, limit_bytes: int, idle_seconds: float, hold: Hold) -> AsyncGenerator[bytes, None]:
    async for piece in body_pieces(request, limit_bytes, idle_seconds):
        hold(len(piece))
        yield piece


def _form(data: FormData) -> Form:
    fields = {name: value for name, value in data.multi_items() if isinstance(value, str)}
    name, file = next(((n, v) for n, v in data.multi_items() if isinstance(v, UploadFile)), (None, None))
    return Form(fields, name, file.file if file is not None else None)
