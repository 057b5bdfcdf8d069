from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Callable

import pytest
from backports import zstd

from ingest_api.inflate import MOST_MEMBERS, PIECE_BYTES, InflateError, inflater

TEXT = random.Random(1).randbytes(3000) * 40
COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd.compress}

pytestmark = pytest.mark.parametrize("coding", ["gzip", "zstd"])


def inflated(coding: str, pieces: list[bytes]) -> bytes:
    inflating = inflater(coding)
    found = b"".join(out for piece in pieces for out in inflating.feed(piece))
    inflating.close()
    return found


@pytest.mark.parametrize("step", [1, 7, 100, 1_000_000])
def test_a_body_is_inflated_however_it_arrives(coding: str, step: int) -> None:
    whole = COMPRESS[coding](TEXT)
    assert inflated(coding, [whole[at : at + step] for at in range(0, len(whole), step)]) == TEXT


def test_several_members_are_one_body(coding: str) -> None:
    compress = COMPRESS[coding]
    assert inflated(coding, [compress(b"one ") + compress(b"") + compress(b"two")]) == b"one two"


def test_a_member_may_begin_with_the_next_piece(coding: str) -> None:
    assert inflated(coding, [COMPRESS[coding](b"one "), COMPRESS[coding](b"two")]) == b"one two"


def test_an_empty_piece_changes_nothing(coding: str) -> None:
    whole = COMPRESS[coding](b"text")
    assert inflated(coding, [b"", whole[:5], b"", whole[5:], b""]) == b"text"


def test_every_cut_is_noticed(coding: str) -> None:
    small = COMPRESS[coding](b"some text")
    for length in range(len(small)):
        with pytest.raises(InflateError):
            inflated(coding, [small[:length]])


@pytest.mark.parametrize("junk", [b"x", b"\0", b"\x1f\x8b", b"\x1f\x8b\x08\x00junk", b"\x28\xb5\x2f\xfdjunk"])
def test_what_follows_the_last_member_is_an_error(coding: str, junk: bytes) -> None:
    with pytest.raises(InflateError):
        inflated(coding, [COMPRESS[coding](b"text") + junk])


def test_what_is_not_in_the_coding_is_an_error(coding: str) -> None:
    whole = COMPRESS[coding](TEXT)
    for body in (b"plain", zlib.compress(b"zlib"), whole[:6] + b"\xff" * 20 + whole[26:]):
        with pytest.raises(InflateError):
            inflated(coding, [body])


@pytest.mark.parametrize("size", [PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES])
def test_pieces_are_bounded_however_much_they_inflate_to(coding: str, size: int) -> None:
    inflating = inflater(coding)
    pieces = list(inflating.feed(COMPRESS[coding](b"\0" * size)))
    inflating.close()
    assert sum(map(len, pieces)) == size
    assert max(map(len, pieces)) <= PIECE_BYTES


def test_members_without_end_are_an_error(coding: str) -> None:
    with pytest.raises(InflateError):
        inflated(coding, [COMPRESS[coding](b"") * (MOST_MEMBERS + 1)])


def test_a_zstd_frame_that_wants_more_than_8_mib_of_window_is_an_error(coding: str) -> None:
    options = {int(zstd.CompressionParameter.window_log): 24, int(zstd.CompressionParameter.content_size_flag): 0}
    compressor = zstd.ZstdCompressor(options=options)
    body = compressor.compress(b"x" * 100) + compressor.flush()
    with pytest.raises(InflateError):
        inflated(coding, [body])
