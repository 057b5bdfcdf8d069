"""What a part of a file is known by: a function of the batch, its place and its content, so that a repeat is one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def portion_key(batch_id: str, position: int, records: Iterable[bytes], salt: str) -> str:
    """Return 64 hex digits. Another `salt` makes another key of the same records."""
    hashed = hashlib.sha256(f"{batch_id}\0{position}\0{salt}".encode())
    for record in records:
        hashed.update(b"\0%d\0" % len(record))
        hashed.update(record)
    return hashed.hexdigest()
