from __future__ import annotations

import gzip
import random
import zlib

import pytest

from ingest_api.inflate import MOST_MEMBERS, PIECE_BYTES, GzipError, Inflater

TEXT = random.Random(1).randbytes(3000) * 40
WHOLE = gzip.compress(TEXT)


def inflated(pieces: list[bytes]) -> bytes:
    inflater = Inflater()
    found = b"".join(out for piece in pieces for out in inflater.feed(piece))
    inflater.close()
    return found


@pytest.mark.parametrize("step", [1, 7, 100, len(WHOLE)])
def test_a_body_is_inflated_however_it_arrives(step: int) -> None:
    assert inflated([WHOLE[at : at + step] for at in range(0, len(WHOLE), step)]) == TEXT


def test_several_members_are_one_body() -> None:
    assert inflated([gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two")]) == b"one two"


def test_a_member_may_begin_with_the_next_piece() -> None:
    assert inflated([gzip.compress(b"one "), gzip.compress(b"two")]) == b"one two"


def test_every_cut_is_noticed() -> None:
    small = gzip.compress(b"some text")
    for length in range(len(small)):
        with pytest.raises(GzipError):
            inflated([small[:length]])


@pytest.mark.parametrize("junk", [b"x", b"\0", b"\x1f\x8b", b"\x1f\x8b\x08\x00junk"])
def test_what_follows_the_last_member_is_an_error(junk: bytes) -> None:
    with pytest.raises(GzipError):
        inflated([gzip.compress(b"text") + junk])


@pytest.mark.parametrize("body", [b"plain", zlib.compress(b"zlib, not gzip"), WHOLE[:50] + b"\0" * 50 + WHOLE[100:]])
def test_what_is_not_gzip_is_an_error(body: bytes) -> None:
    with pytest.raises(GzipError):
        inflated([body])


@pytest.mark.parametrize("size", [PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES])
def test_pieces_are_bounded_however_much_they_inflate_to(size: int) -> None:
    inflater = Inflater()
    pieces = list(inflater.feed(gzip.compress(b"\0" * size)))
    inflater.close()
    assert sum(map(len, pieces)) == size
    assert max(map(len, pieces)) <= PIECE_BYTES


def test_members_without_end_are_an_error() -> None:
    with pytest.raises(GzipError):
        inflated([gzip.compress(b"") * (MOST_MEMBERS + 1)])
