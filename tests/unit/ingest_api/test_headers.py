from __future__ import annotations

from itertools import pairwise
from time import process_time

import pytest

from ingest_api.envelope import RefusedError
from ingest_api.headers import Wait, api_key_of, coding_of, require_json, wait_of


@pytest.mark.parametrize(
    ("prefer", "expected"),
    [
        ([], Wait(30.0, "")),
        (["wait=5"], Wait(5.0, "wait=5")),
        (["wait=0"], Wait(0.0, "wait=0")),
        (["WAIT = 5"], Wait(5.0, "wait=5")),
        (['wait="5"'], Wait(5.0, "wait=5")),
        (["wait=30"], Wait(30.0, "wait=30")),
        (["wait=31"], Wait(30.0, "")),
        (["wait=999999999999999999"], Wait(30.0, "")),
        (["wait"], Wait(30.0, "")),
        (["wait=-1"], Wait(30.0, "")),
        (["wait=1.5"], Wait(30.0, "")),
        (["wait=٣"], Wait(30.0, "")),
        (["wait=5, wait=9"], Wait(5.0, "wait=5")),
        (["handling=lenient", "wait=7"], Wait(7.0, "wait=7")),
        (["respond-async"], Wait(0.0, "respond-async")),
        (["Respond-Async"], Wait(0.0, "respond-async")),
        (["respond-async; note=1"], Wait(0.0, "respond-async")),
        (["respond-async, wait=10"], Wait(10.0, "respond-async, wait=10")),
        (['foo="a, wait=1", wait=2'], Wait(2.0, "wait=2")),
        ([',,;"broken, wait=3'], Wait(3.0, "wait=3")),
        (["respond-asynchronously"], Wait(30.0, "")),
    ],
)
def test_prefer_is_read_as_rfc_7240_says(prefer: list[str], expected: Wait) -> None:
    assert wait_of(prefer, 30.0) == expected


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        " ",
        "application/json",
        "APPLICATION/JSON",
        'application/json; charset="utf-8"',
        "application/json;charset=US-ASCII",
        "application/vnd.api+json",
        "text/json",
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=UTF-8",
    ],
)
def test_these_content_types_are_read_as_json(content_type: str | None) -> None:
    require_json(content_type)


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "multipart/form-data; boundary=x", "application/jsonx", "json", "application/json; charset=utf-16"],
)
def test_these_content_types_are_refused(content_type: str) -> None:
    with pytest.raises(RefusedError, match="unsupported_media_type"):
        require_json(content_type)


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ([], None),
        ([""], None),
        (["identity"], None),
        (["gzip"], "gzip"),
        (["GZIP"], "gzip"),
        (["identity, x-gzip"], "gzip"),
        (["identity", "gzip"], "gzip"),
        (["zstd"], "zstd"),
    ],
)
def test_gzip_zstd_and_identity_are_read(encoding: list[str], expected: str | None) -> None:
    assert coding_of(encoding) == expected


@pytest.mark.parametrize(
    "encoding", [["br"], ["deflate"], ["gzip, gzip"], ["gzip", "gzip"], ["gzip, zstd"], ["gzip;q=1"]]
)
def test_other_encodings_are_refused_and_those_that_are_read_named(encoding: list[str]) -> None:
    with pytest.raises(RefusedError, match="unsupported_media_type") as refusal:
        coding_of(encoding)
    assert refusal.value.headers == {"Accept-Encoding": "gzip, zstd"}


@pytest.mark.parametrize("piece", ['a=" "', " ", ",", '"', "\\", 'a;"', "wait=", "="])
def test_a_long_header_is_read_in_linear_time(piece: str) -> None:
    seconds = []
    for size in (20_000, 80_000, 320_000):
        prefer = [f'a={piece * size}"']
        began = process_time()
        wait_of(prefer, 30.0)
        require_json(f"application/json;{piece * size}")
        seconds.append(process_time() - began)
    assert all(longer < 16 * max(shorter, 0.01) for shorter, longer in pairwise(seconds))


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"x-api-key": "df_a"}, "df_a"),
        ({"authorization": "Bearer df_a"}, "df_a"),
        ({"authorization": "bearer   df_a "}, "df_a"),
        ({"authorization": "BEARER df_a"}, "df_a"),
        ({"x-api-key": "df_a", "authorization": "Bearer token-of-a-gateway"}, "df_a"),
        ({"x-api-key": " ", "authorization": "Bearer df_a"}, "df_a"),
        ({"authorization": "Basic df_a"}, None),
        ({"authorization": "df_a"}, None),
        ({"authorization": "Bearer "}, None),
        ({}, None),
    ],
)
def test_the_key_comes_from_its_own_header_or_as_a_bearer_token(headers: dict[str, str], key: str | None) -> None:
    assert api_key_of(headers) == key


@pytest.mark.parametrize("key", ["\u200bdf_key", "df_key\ufeff ", "\u202adf_key\u202c"])
def test_a_key_is_read_without_characters_that_nobody_sees(key: str) -> None:
    sent = key.encode().decode("latin-1")  # as an HTTP server reads a header
    assert api_key_of({"x-api-key": sent}) == api_key_of({"authorization": f"Bearer {sent}"}) == "df_key"


def test_a_key_that_is_no_utf_8_stays_as_it_is() -> None:
    assert api_key_of({"x-api-key": " df_\xff "}) == "df_\xff"
