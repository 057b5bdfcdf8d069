"""Compressed bodies, inflated piece by piece, so that a bomb costs no more memory than the limit. Pure.

Several gzip members (RFC 1952, section 2.2) or zstd frames (RFC 8878, section 3) after each other are one body;
anything else after them is an error.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE_BYTES: Final = 256 * 1024
MOST_MEMBERS: Final = 1000  # a body of empty members would cost CPU without ever growing
_GZIP: Final = 16 + zlib.MAX_WBITS
_ZSTD_WINDOW_LOG: Final = 23
"""8 MiB: what a receiver of `Content-Encoding: zstd` has to have room for, and no sender may ask more (RFC 9659)."""


class InflateError(ValueError):
    """The bytes are not what their encoding says; the text says how."""


class _Member(Protocol):
    """One gzip member or zstd frame being inflated."""

    @property
    def eof(self) -> bool: ...

    def inflate(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Return what comes out, and what is left to be fed next; None: nothing but the next data."""
        ...


class Inflater:
    """Inflates one body. `feed` every piece and take what it yields, then `close`."""

    __slots__ = ("_member", "_members", "_name", "_new")

    def __init__(self, name: str, new: Callable[[], _Member]) -> None:
        self._name = name
        self._new = new
        self._member = new()
        self._members = 1

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what the data inflates to, at most PIECE_BYTES at a time; raise InflateError."""
        left: bytes | None = data or None
        while left is not None:
            if self._member.eof:
                self._next_member()
            piece, left = self._inflate(left)
            if piece:
                yield piece

    def close(self) -> None:
        """Raise InflateError if the body ends in the middle."""
        if not self._member.eof:
            raise InflateError(f"the {self._name} body is cut off")

    def _inflate(self, data: bytes) -> tuple[bytes, bytes | None]:
        try:
            return self._member.inflate(data)
        except (zlib.error, zstd.ZstdError) as error:
            if self._members > 1:
                raise InflateError(f"something that is not {self._name} follows the {self._name} body") from error
            raise InflateError(f"the body is not {self._name} that can be read here") from error

    def _next_member(self) -> None:
        self._members += 1
        if self._members > MOST_MEMBERS:
            raise InflateError(f"the {self._name} body has more than {MOST_MEMBERS} members")
        self._member = self._new()


class _Gzip:
    __slots__ = ("_stream",)

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    def inflate(self, data: bytes) -> tuple[bytes, bytes | None]:
        piece = self._stream.decompress(data, PIECE_BYTES)
        return piece, self._stream.unconsumed_tail or self._stream.unused_data or None


class _Zstd:
    __slots__ = ("_stream",)

    def __init__(self) -> None:
        self._stream = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})

    @property
    def eof(self) -> bool:
        return self._stream.eof

    def inflate(self, data: bytes) -> tuple[bytes, bytes | None]:
        piece = self._stream.decompress(data, PIECE_BYTES)
        if self._stream.eof:
            return piece, self._stream.unused_data or None
        return piece, None if self._stream.needs_input else b""


CODINGS: Final[dict[str, Callable[[], _Member]]] = {"gzip": _Gzip, "zstd": _Zstd}


def inflater(coding: str) -> Inflater:
    """Return an inflater of one of CODINGS."""
    return Inflater(coding, CODINGS[coding])
