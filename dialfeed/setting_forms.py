"""What addresses look like in settings, and how they are shown without their passwords. Pure."""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "***"

_SERVER: Final = re.compile(r"(?:\[[0-9A-Fa-f:]+\]|[^\s,:/@]+):(?P<port>[0-9]{1,5})")
_HTTP_URL: Final = re.compile(
    r"https?://(?:[^\s/?#@]*@)?(?:\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)(?::[0-9]{1,5})?(?:[/?#]\S*)?"
)
_TOPIC_TEXT: Final = re.compile(r"[A-Za-z0-9._-]{0,100}")
_PASSWORD_PARAMETER: Final = re.compile(r"(password=)[^&]*", re.IGNORECASE)
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


def mask_password(address: str) -> str:
    """Return an address without its user and password."""
    address = _PASSWORD_PARAMETER.sub(rf"\1{MASK}", address)
    scheme, divider, rest = address.rpartition("://")
    if "@" not in rest:
        return address
    return f"{scheme}{divider}{MASK}@{rest.rpartition('@')[2]}"
