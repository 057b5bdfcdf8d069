"""Where the API is and which key opens it: what `send` and `report` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
import httpx

from dialfeed.exits import WrongUseError
from dialfeed.help_layout import SharedOption
from dialfeed.installation import find_api
from dialfeed.settings import Settings
from schemas.invisible_characters import without_invisible

R = TypeVar("R")


def key_option(command: Callable[..., R]) -> Callable[..., R]:
    """Add `--key-file`."""
    return click.option(
        "--key-file",
        cls=SharedOption,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="File with the API key. [DIALFEED_API_KEY]",
    )(command)


def api_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add `--url` and `--key-file`."""
    url = click.option(
        "--url", cls=SharedOption, metavar="URL", help="The API. [DIALFEED_URL, else the installation that runs]"
    )
    return url(key_option(command))


def key_and_url(settings: Settings, key_file: Path | None, url: str | None) -> tuple[str, str]:
    """Return the API key and the API's URL; raise WrongUseError or UnreachableError."""
    return _key(settings, key_file), _checked(url) if url else find_api(settings)


def _key(settings: Settings, key_file: Path | None) -> str:
    key = key_in(settings, key_file)
    if key is None:
        raise WrongUseError(
            "no API key is given",
            "Set DIALFEED_API_KEY, or name a --key-file; `dialfeed key create --workspace W` makes a key.",
        )
    return key


def key_in(settings: Settings, key_file: Path | None) -> str | None:
    """Return the API key, None where none is given; raise WrongUseError."""
    if key_file is not None:
        try:
            key = key_file.read_text().strip()
        except (OSError, UnicodeDecodeError):
            raise WrongUseError(f"the key file {key_file} cannot be read", "Name another one.") from None
    else:
        key = without_invisible(settings.api_key.get_secret_value()).strip() if settings.api_key is not None else ""
    if not key.isascii() or not key.isprintable():
        raise WrongUseError("the API key has characters that no key has", "Copy it again.")
    return key or None


def _checked(url: str) -> str:
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL:
        address = httpx.URL("")
    if address.scheme not in ("http", "https") or not address.host:
        raise WrongUseError("--url is no address of an API", "Give it as http://host:port or https://host.")
    return url.rstrip("/")
