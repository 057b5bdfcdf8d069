"""What a text sent as `phoneNumber` is, where it is not simply a number: one message a kind, each with its remedy.

Pure text: nothing here knows a number plan. `phone_numbers.py` asks.
"""

from __future__ import annotations

import re
from typing import Final

from schemas.outcomes import Code, FieldError

PATH: Final = "/phoneNumber"
MAX_CHARACTERS: Final = 64


def invalid(reason: str) -> FieldError:
    """Return the error of a number that cannot be dialled."""
    return FieldError(Code.PHONE_INVALID, PATH, reason)


MISSING: Final = FieldError(
    Code.REQUIRED, PATH, "the phone number is missing or blank; send it with its country code, such as +12125551001"
)
WRONG_TYPE: Final = FieldError(
    Code.TYPE, PATH, "the phone number must be text (or a positive whole number of at most 15 digits); quote it"
)
BROKEN_TEXT: Final = FieldError(
    Code.INVALID_TEXT, PATH, "the phone number holds half a surrogate pair; send valid UTF-8"
)
TOO_MUCH_TEXT: Final = invalid(
    f"the text is longer than {MAX_CHARACTERS} characters; send one phone number, such as +12125551001"
)
SCIENTIFIC: Final = invalid(
    "the text is a number in scientific notation, as spreadsheets write long numbers, and digits may be lost;"
    " format the column as text and send every digit, such as +12125551001"
)
DECIMAL: Final = invalid(
    "the text is a decimal number: a program took the phone number for an amount;"
    " send the digits without a decimal part, such as +12125551001"
)
COMMAS: Final = invalid(
    "the text has commas between its digits, as amounts have; send the digits without commas, such as +12125551001"
)
TWO_NUMBERS: Final = invalid("the text holds more than one phone number; send one number in each record")
EXTENSION: Final = invalid("an extension cannot be dialled; send the number without it")
LETTERS: Final = invalid("a phone number has no letters; send digits only, such as +12125551001")
NOT_A_NUMBER: Final = invalid(
    "the text is not one phone number; send a plus, the country code and digits, such as +12125551001"
)

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_LETTER: Final = re.compile(r"[^\W\d_]")
_SCIENTIFIC: Final = re.compile(r"[+\-]?\d+(?:[.,]\d*)?[eE][+\-]?\d{1,3}").fullmatch
_DECIMAL: Final = re.compile(r"\+?\d{7,}(?:\.\d{1,2}|,0{1,2})").fullmatch
_COMMAS: Final = re.compile(r"\+?\(?\d{1,4}\)?(?: ?, ?\d{1,4}){2,}(?:\.\d{1,2})?|\d{1,3}(?:['\u2019]\d{3})+").fullmatch
_EXTENSION: Final = re.compile(
    r"\d[\s.,;:()\-]*(?:x|ext|extn|extension|int|anexo|доб|[#,;]|;ext=)[\s.:=#]*\d{1,7}\W*$", re.IGNORECASE
)
_BETWEEN_NUMBERS: Final = re.compile(r"[,;|&/\\\n\r\t+]|\b(?:or|and|und|oder|ou|et|o|y|e)\b", re.IGNORECASE)
_DIGIT: Final = re.compile(r"\d")
_ALTERNATIVES: Final = re.compile(r"[/~|\\\n\r\t\u223c\uff5e\uff0f]")
_MOST_OF_A_NUMBER: Final = 7
"""Digits from which on a piece of a text counts as a number of its own."""


def why_not(text: str) -> FieldError:
    """Return what a text is that is not digits with separators; digits of every script are ASCII by now."""
    if _SURROGATE.search(text):
        return BROKEN_TEXT
    for is_kind, error in ((_SCIENTIFIC, SCIENTIFIC), (_DECIMAL, DECIMAL), (_COMMAS, COMMAS)):
        if is_kind(text):
            return error
    if sum(len(re.sub(r"\D", "", piece)) >= _MOST_OF_A_NUMBER for piece in _BETWEEN_NUMBERS.split(text)) > 1:
        return TWO_NUMBERS
    if _EXTENSION.search(text):
        return EXTENSION
    return LETTERS if _LETTER.search(text) else NOT_A_NUMBER


def is_decimal(text: str) -> bool:
    """Return whether a text is a number with a decimal part: taken for a separator, its point would add digits."""
    return "." in text and _DECIMAL(text) is not None


def first_of_several(text: str) -> list[str]:
    """Return what stands before each mark that may separate numbers (`/`, a line break), where digits follow it."""
    if not _ALTERNATIVES.search(text):
        return []
    marks = _ALTERNATIVES.finditer(text)
    return [text[: mark.start()] for mark in marks if _DIGIT.search(text, mark.end())]
