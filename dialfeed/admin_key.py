"""The first key of the administration: made at the first start of an API, shown this once on stderr.

The registry has only its hash; the key itself is kept in the data folder, for commands of the same user. Two API
processes that start for the first time at the same moment may each make one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import structlog

from dialfeed.clock import now_ms
from dialfeed.exits import WrongUseError
from dialfeed.private_files import create_private
from dialfeed.registry_topic import write
from dialfeed.settings import Settings
from schemas.invisible_characters import without_invisible
from schemas.messages import Publisher
from schemas.registrations import new_admin_key
from schemas.registry import ADMINISTRATION, RegistryReader

log = structlog.get_logger(__name__)

NAME: Final = "first admin key"
FILE: Final = "admin.key"
_BLOCK: Final = """
  ------------------------------------------------------------------
  The admin key (for /api/admin). It is shown this once,
  and kept in {file}:

      {api_key}

  Lost it? `dialfeed key create --admin` makes another one,
  `dialfeed key revoke {key_id}` ends this one.
  ------------------------------------------------------------------

"""


def admin_key(settings: Settings) -> str:
    """Return the key that commands ask the administration with; raise WrongUseError where none is known."""
    if settings.admin_key is not None:
        return without_invisible(settings.admin_key.get_secret_value()).strip()
    try:
        return (settings.data / FILE).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise WrongUseError(
            f"no admin key is set, and there is none in {settings.data}",
            "Set DIALFEED_ADMIN_KEY; `dialfeed key create --admin` makes a key.",
        ) from None


async def ensure_admin_key(registry: RegistryReader, publisher: Publisher, data: Path) -> None:
    """Make and show a key if there never was one; raise TryAgainError or MustStopError.

    Where all have been revoked none is made: whoever revoked them can make one.
    """
    await registry.refresh()
    if any(key.workspace_id == ADMINISTRATION for key in registry.state.keys.values()):
        return
    record, api_key = new_admin_key(NAME, now_ms())
    await write(publisher, record)
    with create_private(data / FILE) as file:
        file.write(f"{api_key}\n".encode())
    log.info("admin_key_made", key_id=record.key_id)
    sys.stderr.write(_BLOCK.format(api_key=api_key, key_id=record.key_id, file=data / FILE))
    sys.stderr.flush()
