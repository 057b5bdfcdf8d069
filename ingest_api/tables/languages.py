"""Whether a text looks like words of a language that its encoding was made for. Pure.

A byte of an 8-bit encoding is a letter in many others as well: `Hélène` of Windows-1252 is `Hélčne` in Windows-1250.
But no language has the letters of `Muńoz` and of `García`, so a list of names tells its encoding.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import Final

_WESTERN: Final = [
    *("äöüß", "àâæçéèêëîïôœùûüÿ", "áéíñóúü", "áâãàçéêíóôõúü", "àèéìíîòóù"),
    *("éèëïöüó", "åäöéü", "æøåéüö", "åäöšž", "áðéíóúýþæö"),
]
_CENTRAL: Final = ["ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîșțşţ", "čćđšž", "äöüß"]
_BALTIC: Final = ["ąčęėįšųūž", "āčēģīķļņšūžō", "äöõüšž"]
_CYRILLIC: Final = ["абвгдеёжзийклмнопрстуфхцчшщъыьэюя", "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя"]
_GREEK: Final = ["αβγδεζηθικλμνξοπρστυφχψωςάέήίόύώϊϋΐΰ"]
_HEBREW: Final = ["".join(map(chr, range(0x5D0, 0x5EB)))]
_ARABIC: Final = ["".join(map(chr, range(0x621, 0x653))) + "پچژگک"]
_THAI: Final = ["".join(map(chr, range(0xE01, 0xE5C)))]

ALPHABETS: Final[dict[str, list[frozenset[str]]]] = {
    encoding: [frozenset(letters) | frozenset(letters.upper()) for letters in alphabets]
    for alphabets, encodings in (
        (_WESTERN, ("cp1252", "iso8859_15", "mac_roman", "cp850")),
        (_CENTRAL, ("cp1250", "iso8859_2", "cp852")),
        (_BALTIC, ("cp1257",)),
        (["çğıİöşüâî"], ("cp1254",)),
        (_CYRILLIC, ("cp1251", "koi8_r", "koi8_u", "cp866")),
        (_GREEK, ("cp1253",)),
        (_HEBREW, ("cp1255",)),
        (_ARABIC, ("cp1256",)),
        (_THAI, ("cp874",)),
        ([], ("cp932", "gb18030", "big5", "cp949")),
    )
    for encoding in encodings
}
"""Encodings that programs write tables in, the likeliest first, and the letters beyond ASCII of their languages."""

EAST_ASIAN: Final = frozenset(("cp932", "gb18030", "big5", "cp949"))
_BETWEEN_WORDS: Final = re.compile(r"[\s\-/&]+")
_AROUND_WORDS: Final = "’‘“”«»¿¡…–—'\"().:/&"  # noqa: RUF001  meant
_SIGNS: Final = frozenset("€£°§ºª²³½")
_OTHER_SCRIPT: Final = "\u0370"
_THAI_ENDS: Final = re.compile("[\u0e30-\u0e3a\u0e45-\u0e4e]")
"""Vowels and marks that no Thai word begins with."""

_LATIN: Final = re.compile("[A-Za-z]")


def shares(text: str, encoding: str) -> tuple[float, float]:
    """Return which share of the words beyond ASCII is of some language of the encoding, and of its likeliest one."""
    words = [word for each in _BETWEEN_WORDS.split(text) if not (word := each.strip(_AROUND_WORDS)).isascii()]
    fits = [_languages(word, encoding) for word in words]
    if not fits:
        return (1.0, 1.0)
    languages = {language for one in fits for language in one}
    one = max((sum(language in some for some in fits) for language in languages), default=0)
    return sum(map(bool, fits)) / len(fits), one / len(fits)


def _languages(word: str, encoding: str) -> set[int]:
    """Return the languages of the encoding that a word may be of, by their numbers."""
    beyond = {character for character in word if not character.isascii()}
    if beyond <= _SIGNS:
        return set() if any(map(str.isalpha, word)) else {0}
    mixed = _LATIN.search(word) is not None
    if encoding in EAST_ASIAN:
        return {0} if not mixed and all(map(_is_east_asian, beyond)) else set()
    if (mixed and min(beyond) > _OTHER_SCRIPT) or _has_a_capital_inside(word) or _THAI_ENDS.match(word):
        return set()
    return {number for number, letters in enumerate(ALPHABETS[encoding]) if beyond <= letters}


def _is_east_asian(character: str) -> bool:
    """Whether it is Chinese, Japanese or Korean; katakana of half the width are what Western letters look like."""
    return character in "々ー・" or ("\u3040" <= character < "\ue000" and unicodedata.category(character) == "Lo")


def _has_a_capital_inside(word: str) -> bool:
    return any(before.islower() and after.isupper() and not after.isascii() for before, after in pairwise(word))
