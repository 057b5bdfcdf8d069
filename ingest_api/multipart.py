"""Reads a multipart form (RFC 7578): its fields as text, its one file into a temporary file beside the memory."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from ingest_api.body import Hold, body_pieces
from ingest_api.envelope import RefusedError, refused
from ingest_api.field_errors import field_error
from ingest_api.headers import media_type_of, require_utf8
from schemas.outcomes import HttpCode

FILE_FIELD: Final = "file"
"""The field whose content is a file, whether it has a name (RFC 7578, 4.2: it may be left out) or not."""

MAX_FIELDS: Final = 100
MAX_FIELD_BYTES: Final = 64 * 1024
MAX_NAME: Final = 80
"""Characters of a field's name that a message repeats."""


_EXTENDED_NAME: Final = re.compile(rb";\s*filename\*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Form:
    """The fields, and the file with its field's name."""

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
    """Wants the last boundary: a form without it may have lost fields that nobody would miss, such as calling hours.

    A part that has only a `filename*` (RFC 5987), or is that of the file, is taken for one with a file's name.
    """

    _ended = False

    def on_headers_finished(self) -> None:
        disposition = self._current_part.content_disposition or b""
        _, options = parse_options_header(disposition)
        if b"filename" not in options and (
            options.get(b"name") == FILE_FIELD.encode() or _EXTENDED_NAME.search(disposition)
        ):
            self._current_part.content_disposition = disposition + b'; filename=""'
        super().on_headers_finished()

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
    fields: dict[str, str] = {}
    for field, text in data.multi_items():
        if isinstance(text, str) and fields.setdefault(field, text) != text:
            raise RefusedError(field_error((field[:MAX_NAME],), "is given twice, with two values: send one"))
    name, file = next(((n, v) for n, v in data.multi_items() if isinstance(v, UploadFile)), (None, None))
    return Form(fields, name, file.file if file is not None else None)
