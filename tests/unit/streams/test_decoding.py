from __future__ import annotations

import json

import pytest

from streams.decoding import MAX_DEPTH, decode_records


def errors(record: bytes, max_bytes: int = 20_000_000) -> list[tuple[str, str]]:
    return [(error.code.value, error.path) for error in decode_records([record], max_bytes).errors.get(0, [])]


@pytest.mark.parametrize("record", [b'"x"', b"3", b"[]", b"null", b"true", b"1.5"])
def test_only_an_object_is_a_record(record: bytes) -> None:
    assert errors(record) == [("not_an_object", "")]


def test_every_number_that_is_not_finite_is_named() -> None:
    assert errors(b'{"a":NaN,"b":{"c":[1,-Infinity]},"d":1e999}') == [
        ("not_finite", "/a"),
        ("not_finite", "/b/c/1"),
        ("not_finite", "/d"),
    ]


def test_a_lone_surrogate_is_named_by_its_field() -> None:
    assert errors(b'{"a":"\\ud800","b/c":["\\udfffx"]}') == [("invalid_text", "/a"), ("invalid_text", "/b~1c/0")]


def test_a_field_name_can_hold_a_lone_surrogate_too() -> None:
    assert errors(b'{"\\ud800":1}') == [("invalid_text", "")]


def test_a_surrogate_pair_is_text() -> None:
    assert decode_records([b'{"a":"\\ud83d\\ude00"}'], 100).objects == [{"a": "😀"}]


def test_one_byte_order_mark_is_skipped() -> None:
    assert decode_records([b'\xef\xbb\xbf{"a":1}'], 100).objects == [{"a": 1}]
    assert errors(b'\xef\xbb\xbf{"a":1}') == []
    assert errors(b"\xef\xbb\xbf[]") == [("not_an_object", "")]
    assert errors(b"\xef\xbb\xbf\xef\xbb\xbf{}") == [("undecodable", "")]


def test_broken_utf_8_is_invalid_text() -> None:
    assert errors(b'{"a":"\xff"}') == [("invalid_text", "")]


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 900, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_extreme_nesting_is_too_deep_and_harmless(depth: int, opening: bytes, closing: bytes) -> None:
    record = b'{"x":' + opening * depth + b"1" + closing * depth + b"}"
    assert errors(record) == [("too_deep", "")]


def test_many_brackets_that_are_not_nested_are_fine() -> None:
    assert errors(b'{"x":[' + b",".join([b"[]"] * 500) + b"]}") == []


def test_a_record_over_the_limit_is_too_large() -> None:
    assert errors(b'{"a":"xxxxxxxxxx"}', max_bytes=10) == [("too_large", "")]


def test_bytes_that_are_not_json_are_undecodable() -> None:
    assert errors(b'{"a":}') == [("undecodable", "")]


def test_huge_integers_stay_exact() -> None:
    assert decode_records([b'{"a":123456789012345678901234567890}'], 100).objects == [
        {"a": 123456789012345678901234567890}
    ]


def test_an_integer_of_thousands_of_digits_is_named_by_its_field() -> None:
    assert errors(b'{"a":[1,-' + b"9" * 6000 + b"]}") == [("not_finite", "/a/1")]


def test_a_bad_record_leaves_its_neighbours_alone() -> None:
    decoded = decode_records([b'{"a":1}', b"3", b'{"a":2}'], 100)
    assert decoded.objects == [{"a": 1}, {}, {"a": 2}]
    assert set(decoded.errors) == decoded.closed == {1}


@pytest.mark.parametrize("name", ["\u200bphoneNumber", "phone\u00adNumber", "\ufeffphoneNumber"])
@pytest.mark.parametrize("escaped", [True, False])
def test_invisible_characters_in_the_name_of_a_field_of_ours_do_not_hide_it(name: str, escaped: bool) -> None:
    text = json.dumps({name: "1", "\u200btimezone": "UTC", "na\u200bme": 1}, ensure_ascii=escaped).encode()
    assert decode_records([text], 1000).objects == [{"phoneNumber": "1", "timezone": "UTC", "na\u200bme": 1}]


def test_a_field_that_is_there_already_is_not_replaced() -> None:
    text = json.dumps({"phoneNumber": "1", "\u200bphoneNumber": "2"}).encode()
    assert decode_records([text], 1000).objects[0]["phoneNumber"] == "1"
