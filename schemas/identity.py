"""Ids that are functions of facts, so that the same work done twice has the same names."""

from __future__ import annotations

import hashlib
import re
import secrets
import uuid
from collections.abc import Iterable
from typing import Final

CALL_ID_BYTES: Final = 16
SAMPLE_WORKSPACE: Final = "sample"
"""The workspace of `dialfeed run --sample`: nothing that is stored for it starts a calling service."""

_SUBMISSIONS: Final = uuid.UUID("6d1bf2c4-0a6f-5c51-9a38-5d1d7cf7e0c1")
_SUBMISSION_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def call_ids(batch_id: str, contacts: Iterable[tuple[str, int]]) -> bytes:
    """Return the callId (16 bytes, an RFC 9562 version 8 UUID) of each (E.164 number, entry) of a batch, packed."""
    copy = hashlib.blake2b(batch_id.encode() + b"\0", digest_size=CALL_ID_BYTES, person=b"dialfeed call").copy
    digests = []
    for number, entry in contacts:
        hashed = copy()
        hashed.update(b"%s\0%d" % (number.encode(), entry))
        digests.append(hashed.digest())
    return _as_uuid8(b"".join(digests))


_OF_DIGEST: Final = bytes.fromhex("ffffffffffff0fff3fffffffffffffff")
_OF_VERSION_8: Final = bytes.fromhex("00000000000080008000000000000000")


def _as_uuid8(digests: bytes) -> bytes:
    """Return 16-byte digests as UUIDs: version and variant take six bits of each, of all of them at once."""
    count = len(digests) // CALL_ID_BYTES
    kept = int.from_bytes(digests) & int.from_bytes(_OF_DIGEST * count)
    return (kept | int.from_bytes(_OF_VERSION_8 * count)).to_bytes(len(digests))


def uuid_texts(packed: bytes) -> list[str]:
    """Return the UUIDs of a packed column, 16 bytes each, in their canonical text."""
    t = packed.hex()
    return [
        f"{t[i : i + 8]}-{t[i + 8 : i + 12]}-{t[i + 12 : i + 16]}-{t[i + 16 : i + 20]}-{t[i + 20 : i + 32]}"
        for i in range(0, len(t), 2 * CALL_ID_BYTES)
    ]


def new_submission_id() -> str:
    """Return a fresh submission id."""
    return str(uuid.uuid4())


def keyed_submission_id(workspace_id: str, idempotency_key: str) -> str:
    """Return the submission id of every request of a workspace with this Idempotency-Key."""
    named = hashlib.blake2b(f"{workspace_id}\0{idempotency_key}".encode(), digest_size=16, person=b"dialfeed submit")
    return str(uuid.UUID(bytes=_as_uuid8(named.digest())))


def submission_id_of(topic: str, partition: int, offset: int) -> str:
    """Return the submission id of a direct producer's message that brings none."""
    return str(uuid.uuid5(_SUBMISSIONS, f"{topic}/{partition}/{offset}"))


def record_id(partition: int, offset: int) -> str:
    """Return the submission id of a bare record: its producer knows partition and offset, and so can ask for it."""
    return f"calls.records:{partition}:{offset}"


def valid_submission_id(text: str | None) -> str | None:
    """Return a direct producer's submission id if it can be one: 1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    return text if text is not None and _SUBMISSION_ID.fullmatch(text) else None


def new_id() -> str:
    """Return a fresh id of a workspace, agent, number or batch: 24 hex digits."""
    return secrets.token_hex(12)


def new_api_key() -> str:
    """Return a fresh API key: `df_` and 256 random bits."""
    return f"df_{secrets.token_urlsafe(32)}"


def hash_api_key(api_key: str) -> bytes:
    """Return what is kept of an API key. The keys are random, so plain SHA-256 is enough."""
    return hashlib.sha256(api_key.encode("utf-8", "surrogatepass")).digest()
