"""Gzip, inflated piece by piece, so that a bomb costs no more memory than the limit. Pure.

Several members after each other are one body (RFC 1952, section 2.2); anything else after a member is an error.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

PIECE_BYTES: Final = 256 * 1024
MOST_MEMBERS: Final = 1000  # a body of empty members would cost CPU without ever growing
_GZIP: Final = 16 + zlib.MAX_WBITS


class GzipError(ValueError):
    """The bytes are not gzip; the text says how."""


class Inflater:
    """Inflates one gzip body. `feed` every piece and take what it yields, then `close`."""

    __slots__ = ("_members", "_stream")

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP)
        self._members = 1

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what the data inflates to, at most PIECE_BYTES at a time; raise GzipError."""
        while data:
            if self._stream.eof:
                self._next_member()
            piece = self._inflate(data)
            if piece:
                yield piece
            data = self._stream.unconsumed_tail or self._stream.unused_data

    def close(self) -> None:
        """Raise GzipError if the body ends in the middle."""
        if not self._stream.eof:
            raise GzipError("the gzip body is cut off")

    def _inflate(self, data: bytes) -> bytes:
        try:
            return self._stream.decompress(data, PIECE_BYTES)
        except zlib.error as error:
            what = (
                "the body is not valid gzip"
                if self._members == 1
                else "something that is not gzip follows the gzip body"
            )
            raise GzipError(what) from error

    def _next_member(self) -> None:
        self._members += 1
        if self._members > MOST_MEMBERS:
            raise GzipError(f"the gzip body has more than {MOST_MEMBERS} members")
        self._stream = zlib.decompressobj(_GZIP)
