"""Which characters count as invisible; Python's own tables of Unicode are the reference."""

from __future__ import annotations

import sys
import unicodedata
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.invisible_characters import without_invisible

EVERY_CHARACTER: Final = [chr(code) for code in range(sys.maxunicode + 1)]
INVISIBLE: Final = frozenset(char for char in EVERY_CHARACTER if not without_invisible(char))
# How Unicode derives the property (UAX 44): format characters, but for those that are drawn or annotate, and the
# variation selectors, and some letters that are blank by definition.
DRAWN: Final = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
ANNOTATING: Final = frozenset(map(chr, (*range(0xFFF9, 0xFFFC), *range(0x13430, 0x13460))))
BLANK_BY_DEFINITION: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")


def test_the_invisible_characters_are_those_that_unicode_derives_and_the_object_replacement() -> None:
    formats = {char for char in EVERY_CHARACTER if unicodedata.category(char) == "Cf"} - DRAWN - ANNOTATING
    selectors = {char for char in EVERY_CHARACTER if "VARIATION SELECTOR" in unicodedata.name(char, "")}
    assigned = {char for char in INVISIBLE if unicodedata.category(char) != "Cn"}
    assert assigned == formats | selectors | BLANK_BY_DEFINITION | {"\ufffc"}


def test_every_character_that_steers_the_direction_of_text_is_invisible() -> None:
    steering = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    found = {char for char in EVERY_CHARACTER if unicodedata.bidirectional(char) in steering}
    assert found | {"\u061c", "\u200e", "\u200f"} <= INVISIBLE


def test_blanks_and_control_characters_are_left_to_whoever_trims() -> None:
    assert not any(char.isspace() or unicodedata.category(char) == "Cc" for char in INVISIBLE)


@pytest.mark.parametrize("text", ["", "phoneNumber", "Größe", "名前", "a b", "\u00a0x", "\U0001f600"])
def test_text_without_them_stays_as_it_is(text: str) -> None:
    assert without_invisible(text) == text


@given(st.text(), st.lists(st.sampled_from(sorted(INVISIBLE)), min_size=1), st.integers(0, 50))
def test_adding_invisible_characters_anywhere_changes_nothing(text: str, added: list[str], place: int) -> None:
    assert without_invisible(text[:place] + "".join(added) + text[place:]) == without_invisible(text)
