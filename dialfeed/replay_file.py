"""The file of corrected records that stand in place of dead letters: as `--export` and `send` write them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from dialfeed.exits import WrongUseError
from schemas.replay_changes import Place

MARKS: Final = frozenset({"_errors", "_index", "_submission", "_attempt", "_batch", "_line", "_row", "_position"})
"""Members that say where a record comes from and what was wrong with it; they are not part of it."""

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_elements: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


def read_replacements(file: Path) -> tuple[dict[Place, bytes], str]:
    """Return the records by their place, and the file's SHA-256; raise WrongUseError, repeating no content."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise WrongUseError(f"{file} cannot be read: {error.strerror}", "Name another file.") from None
    found: dict[Place, bytes] = {}
    for number, text in enumerate(_records(content), start=1):
        place, record = _record(text, number)
        found[place] = record
    if not found:
        raise WrongUseError("the file is empty", "Write one with `dialfeed dead-letters --export FILE`.")
    return found, hashlib.sha256(content).hexdigest()


def _records(content: bytes) -> list[bytes]:
    text = content.removeprefix(b"\xef\xbb\xbf").strip()
    if not text.startswith(b"["):
        return [line for line in text.splitlines() if line.strip()]
    try:
        return [bytes(raw) for raw in _elements(text)]
    except (ValueError, RecursionError):
        raise WrongUseError("the array in the file is not JSON", "Nothing was sent. Correct the file.") from None


def _record(text: bytes, number: int) -> tuple[Place, bytes]:
    try:
        members = _members(text)
        place = (
            msgspec.json.decode(members["_submission"], type=str),
            msgspec.json.decode(members["_index"], type=int),
        )
    except (ValueError, KeyError, RecursionError):
        raise WrongUseError(
            f"record {number} of the file is no JSON object with `_submission` and `_index`",
            "Nothing was sent. Keep these two members as they were exported.",
        ) from None
    return place, msgspec.json.encode({name: value for name, value in members.items() if name not in MARKS})
