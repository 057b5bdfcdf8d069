from __future__ import annotations

import json
import tracemalloc
from itertools import pairwise
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import json_scan

_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\\", '"', '\\"', "[", "}]"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
LONG = 70_000
"""Longer than the block in which brackets are counted."""


def elements_of(text: str) -> list[str]:
    return [text[start:end] for start, end in json_scan.elements(text, 0, len(text))]


@given(st.lists(_values), st.sampled_from(["", " ", "\n\t"]), st.integers(0, 3))
def test_each_element_is_found_as_the_standard_library_writes_it(values: list[object], space: str, pad: int) -> None:
    texts = [json.dumps(value) for value in values]
    longer = [text if pad else json.dumps(["x" * 1500, value]) for text, value in zip(texts, values, strict=True)]
    whole = f"[{space}" + f"{space},{space}".join(longer) + f"{space}]"
    assert elements_of(whole) == longer


@pytest.mark.parametrize("tail", ['\\"', "\\\\", '\\\\\\"', "\\\\\\\\", '\\\\\\\\\\"', "[", "]}", "\\n", "é"])
def test_what_stands_at_the_border_of_two_blocks_is_read_as_anywhere_else(tail: str) -> None:
    for before in range(64 * 1024 - 12, 64 * 1024 + 2):
        value = '["' + "a" * before + tail + '"]'
        assert elements_of(f"[{value},NaN]") == [value, "NaN"]


@pytest.mark.parametrize(
    "value",
    [
        "[" * LONG + "]" * LONG,
        '{"a":' * LONG + "1" + "}" * LONG,
        '"' + "a" * LONG + '"',
        "1" * LONG,
        f'["{"x" * LONG}"]',
    ],
)
def test_a_value_of_any_length_and_depth_is_followed_to_its_end(value: str) -> None:
    assert elements_of(f"[{value},{value}]") == [value, value]


@pytest.mark.parametrize(
    "text",
    [
        "[1,]", "[1 2]", "[tru]", '["a]', "[[1]", '["\x01"]', f'["{"a" * LONG}\x01"]', f'[["{"a" * LONG}\x1f"]]',
        f"[[{'1,' * 2000}tru]]", f'[{{"a" {"1" * 2000}}}]', "[-]", f"[{'[' * LONG}]", "[}", f'["{"a" * LONG}]',
    ],
)  # fmt: skip
def test_what_is_no_json_is_said(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        json_scan.members('{"a":' + text + "}" if elements_of(text) else "")


def test_of_a_repeated_member_the_last_is_found_and_others_are_passed_over() -> None:
    text = '{"a": 1, "b": [2, "}"], "a": {"c": NaN}}'
    assert json_scan.members(text, {"a"}) == {"a": (29, 39)}
    assert (json_scan.members(text) or {}).keys() == {"a", "b"}
    assert json_scan.members("[1]") is None


_SHAPES = {
    "a text in deep brackets": lambda n: "[" * 2000 + '"' + "a" * n + '"' + "]" * 2000,
    "brackets": lambda n: "[" * (n // 2) + "]" * (n // 2),
    "pairs": lambda n: "[" + "[]," * (n // 3) + "[]]",
    "texts": lambda n: "[" + '"",' * (n // 3) + '""]',
    "backslashes": lambda n: '["' + "\\\\" * (n // 2) + '"]',
    "quotes in a text": lambda n: '["' + '\\"' * (n // 2) + '"]',
    "spaces": lambda n: "[" + " " * n + "]",
    "digits": lambda n: "9" * n,
}


@pytest.mark.parametrize("shape", _SHAPES)
def test_time_grows_as_the_text_does_and_memory_hardly(shape: str) -> None:
    seconds = []
    for size in (250_000, 1_000_000, 4_000_000):
        text = f"[{_SHAPES[shape](size)},NaN]"
        began = process_time()
        assert len(elements_of(text)) == 2
        seconds.append(process_time() - began)
    assert all(longer < 16 * max(shorter, 0.005) for shorter, longer in pairwise(seconds))
    tracemalloc.start()
    list(json_scan.elements(text, 0, len(text)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * len(text)
