"""What a request's headers say about its body and about waiting. Pure.

Prefer: RFC 7240. Content-Type and Content-Encoding: RFC 9110, sections 8.3 and 8.4; zstd: RFC 8878.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.request import parse_http_list

from ingest_api.envelope import refused
from schemas.invisible_characters import without_invisible
from schemas.outcomes import HttpCode

_JSON_TYPE: Final = re.compile(r"[a-z0-9!#$&^_.+-]+/(?:[a-z0-9!#$&^_.+-]+\+)?json")
_FORM: Final = "application/x-www-form-urlencoded"  # what `curl -d` says of anything
_CHARSET: Final = re.compile(r";\s*charset\s*=\s*\"?([^\";\s]*)", re.IGNORECASE)
_UTF8: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii", ""})
MOST_WAIT_DIGITS: Final = 9


def require_json(content_type: str | None) -> None:
    """Refuse (415) a content type that is not read as JSON in UTF-8."""
    if content_type is None or not content_type.strip():
        return
    media_type = media_type_of(content_type)
    if not _JSON_TYPE.fullmatch(media_type) and media_type != _FORM:
        raise refused(HttpCode.UNSUPPORTED_MEDIA_TYPE, "send application/json", "Content-Type")
    require_utf8(content_type)


def media_type_of(content_type: str) -> str:
    """Return a content type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def require_utf8(content_type: str) -> None:
    """Refuse (415) a content type that names another encoding of text."""
    charset = _CHARSET.search(content_type)
    if charset is not None and charset[1].lower() not in _UTF8:
        raise refused(HttpCode.UNSUPPORTED_MEDIA_TYPE, "send text as UTF-8", "Content-Type")


def coding_of(content_encoding: Iterable[str]) -> str | None:
    """Return the coding that the body is to be inflated from, None for a plain one; refuse (415) other encodings.

    Several headers are one list (RFC 9110, section 5.3).
    """
    names = [name.strip().lower() for name in ",".join(content_encoding).split(",")]
    match [name for name in names if name not in ("", "identity")]:
        case []:
            return None
        case ["gzip" | "x-gzip"]:
            return "gzip"
        case ["zstd"]:
            return "zstd"
        case _:
            sentence = "send the body plain, with gzip or with zstd"
            headers = {"Accept-Encoding": "gzip, zstd"}  # RFC 9110, section 12.5.3
            raise refused(HttpCode.UNSUPPORTED_MEDIA_TYPE, sentence, "Content-Encoding", headers)


def api_key_of(headers: Mapping[str, str]) -> str | None:
    """Return the API key of a request: `x-api-key`, else the token of `Authorization: Bearer` (RFC 6750, section 2.1).

    `x-api-key` wins, so that a gateway before dialfeed may have a token of its own.
    """
    key = _pasted(headers.get("x-api-key", ""))
    if key:
        return key
    scheme, _, token = headers.get("authorization", "").strip().partition(" ")
    return _pasted(token) or None if scheme.lower() == "bearer" else None


def _pasted(value: str) -> str:
    """Return a header's value without what nobody sees, which comes along in UTF-8 when a key is copied."""
    try:
        return without_invisible(value.encode("latin-1").decode()).strip()
    except UnicodeError:
        return value.strip()


@dataclass(frozen=True, slots=True)
class Wait:
    """How long the answer may wait for the report, and what `Preference-Applied` says of it ("" for nothing)."""

    seconds: float
    applied: str


def wait_of(prefer: Iterable[str], most_seconds: float) -> Wait:
    """Return the wait that the `Prefer` headers ask for: `wait` shortens it, `respond-async` alone makes it nothing.

    Both together mean: wait so long, then answer 202 (RFC 7240, section 4.3). What cannot be read is ignored.
    """
    preferences = _preferences(prefer)
    word = preferences.get("wait", "")
    seconds = int(word) if word.isascii() and word.isdigit() and len(word) <= MOST_WAIT_DIGITS else None
    applied = ["respond-async"] if "respond-async" in preferences else []
    if seconds is None:
        return Wait(0.0 if applied else most_seconds, ", ".join(applied))
    if seconds <= most_seconds:
        applied.append(f"wait={seconds}")
    return Wait(min(float(seconds), most_seconds), ", ".join(applied))


def _preferences(values: Iterable[str]) -> dict[str, str]:
    """Return each preference's word; of a repeated one the first counts. Parameters mean nothing here."""
    text = ", ".join(values)
    if text.count('"') % 2:  # the last quote begins no text
        text = "".join(text.rsplit('"', 1))
    found: dict[str, str] = {}
    for preference in parse_http_list(text):
        name, _, word = preference.partition(";")[0].partition("=")
        found.setdefault(name.strip().lower(), word.strip().strip('"'))
    return found
