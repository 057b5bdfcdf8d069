from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialfeed import letters_table
from dialfeed.exits import WrongUseError
from dialfeed.letters_table import MAX_CELL_CHARACTERS
from ingest_api.tables.rows import MAX_COLUMNS
from tests.support.exports import exported, replayed

MOST_FIELDS = MAX_COLUMNS - 5
LARGE = "x" * MAX_CELL_CHARACTERS


def record(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "records",
    [
        [record({"a|b|c|d|e|f|g|h": 1})],
        [record({"|" * 20 + "\n" + ";" * 20: 1, '"': 2, '"|': 3})],
        [record({"[": 1}), record({"{": 1})],
        [record({"": 1, " ": 2, "  ": 3})],
        [record({"\0": "\0", "\n": "\n", "\r": "\r"})],
        [record({"sep=;": 1})],
        [record({"a": LARGE}), record({"b": '"' * MAX_CELL_CHARACTERS})],
        [record({f"f{n}": n for n in range(MOST_FIELDS)})],
    ],
)
async def test_whatever_the_records_hold_is_read_again(tmp_path: Path, records: list[bytes]) -> None:
    letters = await exported(tmp_path / "failed.csv", *records)
    assert replayed(tmp_path / "failed.csv", letters) == records


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([record({"a": 1}), record({"a": LARGE + "x"})], "record 1 of submission s does not fit"),
        ([record({"a": "+" + LARGE[1:]})], "record 0 of submission s does not fit"),
        ([record({"a": ["x", LARGE]})], "record 0 of submission s does not fit"),
        ([b"\xff" + LARGE.encode()], "record 0 of submission s does not fit"),
        ([record({f"f{n}": LARGE for n in range(8)})], "record 0 of submission s does not fit"),
        ([record({LARGE + "x": 1})], "the names of their fields are too long"),
        ([record({f"f{n}": n for n in range(MOST_FIELDS + 1)})], "more than 1995 different fields"),
        ([record({f"f{n}": n}) for n in range(MOST_FIELDS + 1)], "more than 1995 different fields"),
    ],
)
async def test_what_makes_no_table_is_refused_with_advice_and_leaves_the_older_file(
    tmp_path: Path, records: list[bytes], reason: str
) -> None:
    path = tmp_path / "failed.csv"
    path.write_text("older")
    with pytest.raises(WrongUseError) as refused:
        await exported(path, *records)
    assert reason in refused.value.sentence
    assert "NDJSON" in refused.value.remedy
    assert len(refused.value.sentence) < 200
    assert (os.listdir(tmp_path), path.read_text()) == (["failed.csv"], "older")  # noqa: PTH208
    letters = await exported(tmp_path / "failed.ndjson", *records)
    assert replayed(tmp_path / "failed.ndjson", letters) == records


async def test_more_records_than_a_table_may_have_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters_table, "MAX_RECORDS", 2)
    await exported(tmp_path / "failed.csv", b"{}", b"{}")
    with pytest.raises(WrongUseError, match="more than 2"):
        await exported(tmp_path / "failed.csv", b"{}", b"{}", b"{}")


TEXTS = st.text(alphabet="|;,\t\"'\r\n\0=+ a1") | st.text(max_size=5)
VALUES = TEXTS | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.none() | st.lists(TEXTS)
RECORDS = st.dictionaries(TEXTS, VALUES, max_size=4).map(record) | st.binary(min_size=1, max_size=9)


@given(st.lists(RECORDS, min_size=1, max_size=4))
async def test_every_table_is_read_again_and_sends_the_very_bytes(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("export") / "failed.csv"
    letters = await exported(path, *records)
    assert replayed(path, letters) == records
