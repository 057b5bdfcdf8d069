"""The first key of the administration: made at the first start of an API, shown this once on stderr.

Only its hash is kept. Two API processes that start for the first time at the same moment may each make one.
"""

from __future__ import annotations

import sys
from typing import Final

import structlog

from dialfeed.clock import now_ms
from dialfeed.registry_topic import write
from schemas.messages import Publisher
from schemas.registrations import new_admin_key
from schemas.registry import ADMINISTRATION, RegistryReader

log = structlog.get_logger(__name__)

NAME: Final = "first admin key"
_BLOCK: Final = """
  ------------------------------------------------------------------
  The key of the administration (/api/admin). It is shown this once:

      {api_key}

  Lost it? `dialfeed key create --admin` makes another one,
  `dialfeed key revoke {key_id}` ends this one.
  ------------------------------------------------------------------

"""


async def ensure_admin_key(registry: RegistryReader, publisher: Publisher) -> None:
    """Make and show a key if there never was one; raise TryAgainError or MustStopError.

    Where all have been revoked none is made: whoever revoked them can make one.
    """
    await registry.refresh()
    if any(key.workspace_id == ADMINISTRATION for key in registry.state.keys.values()):
        return
    record, api_key = new_admin_key(NAME, now_ms())
    await write(publisher, record)
    log.info("admin_key_made", key_id=record.key_id)
    sys.stderr.write(_BLOCK.format(api_key=api_key, key_id=record.key_id))
    sys.stderr.flush()
