"""What addresses look like in settings, and how wrong ones are shown without a password. Pure."""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "***"

_SERVER: Final = re.compile(r"(?:\[[0-9A-Fa-f:]+\]|[^\s,:/@]+):(?P<port>[0-9]{1,5})")
_HTTP_URL: Final = re.compile(
    r"https?://(?:[^\s/?#@]*@)?(?:\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)(?::[0-9]{1,5})?(?:[/?#]\S*)?"
)
_TOPIC_TEXT: Final = re.compile(r"[A-Za-z0-9._-]{0,100}")
_HOST_AND_PORT: Final = r"[\w.-]{0,100}(?::\d{0,5})?"
_WITHOUT_PASSWORD: Final = re.compile(
    rf"(?:[a-z+]{{1,15}}:/{{0,3}})?{_HOST_AND_PORT}(?:,{_HOST_AND_PORT}|/[\w.-]{{0,100}}){{0,9}}", re.ASCII
)
_SCHEME: Final = re.compile(r"[a-z+]{1,15}://")
_MAX_PORT: Final = 65_535


def is_server(text: str, lowest: int) -> bool:
    """Whether the text is host:port, with a port of at least `lowest`."""
    match = _SERVER.fullmatch(text)
    return match is not None and lowest <= int(match["port"]) <= _MAX_PORT


def is_http_url(text: str) -> bool:
    """Whether the text is an http or https URL with a host, on one line."""
    return _HTTP_URL.fullmatch(text) is not None


def is_topic_text(text: str) -> bool:
    """Whether Kafka allows the text in a topic's name, with room for the name itself."""
    return _TOPIC_TEXT.fullmatch(text) is not None


def shown_address(text: str) -> str:
    """Return a wrong address as it may be shown: one that may hold a password by its scheme and length only."""
    if _WITHOUT_PASSWORD.fullmatch(text):
        return repr(text)
    scheme = _SCHEME.match(text)
    return f"{scheme[0] if scheme else ''}{MASK} ({len(text)} characters)"
