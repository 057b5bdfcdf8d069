"""Records that come back: rejects and exported dead letters, corrected and posted again. Pure.

dialfeed adds members to a rejected record that say where it comes from and what was wrong with it. A record with an
array `_errors` is such a reject: the members that were added are no part of it, at every door. In a record without that
array they are fields like any other.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any, Final

import msgspec

from schemas.records import INDEX_BITS, Returned
from schemas.submission_body import MAX_RECORDS

ERRORS: Final = "_errors"
EXPORTED: Final = (ERRORS, "_index", "_submission", "_attempt", "_batch")
ADDED: Final = frozenset((*EXPORTED, "_line", "_lines", "_row", "_position"))
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_texts: Final = msgspec.json.Decoder(str).decode


def is_exported(names: Container[object]) -> bool:
    """Say whether a record with members of these names comes from an export."""
    return "_attempt" in names and "_batch" in names


def added_among(names: Container[str]) -> frozenset[str]:
    """Return which names were added beside these: an export has no place in a file, so there that is a field's name."""
    return frozenset(EXPORTED) if is_exported(names) else ADDED


def take_back(objects: Sequence[dict[str, Any]], first_index: int) -> list[Returned]:
    """Drop what was added to the rejects among decoded records; return which dead letters they correct."""
    rejects = [row for row, record in enumerate(objects) if ERRORS in record and type(record[ERRORS]) is list]
    found = (_taken_back(objects[row], first_index + row) for row in rejects)
    return [returned for returned in found if returned is not None]


def _taken_back(record: dict[str, Any], record_index: int) -> Returned | None:
    added = {name: record.pop(name) for name in added_among(record) if name in record}
    submission_id, index = added.get("_submission"), added.get("_index")
    if type(submission_id) is not str or type(index) is not int or not 0 <= index < 2**INDEX_BITS:
        return None
    return Returned(record_index=record_index, submission_id=submission_id, index=index)


def cleared(text: bytes) -> bytes:
    """Return the JSON text of a record without what was added to it; one that is no reject as it is.

    A table holds the array of errors as text.
    """
    members = _reject_in(text)
    if members is None:
        return text
    added = added_among(members)
    return msgspec.json.encode({name: value for name, value in members.items() if name not in added})


def shortened(text: bytes) -> bytes:
    """Do as `cleared`, but keep what says that it is a reject and of which dead letter, so that this is resolved."""
    members = _reject_in(text)
    if members is None:
        return text
    added = added_among(members)
    own: dict[str, Any] = {name: value for name, value in members.items() if name not in added}
    place = {"_submission": members.get("_submission"), "_index": _index(members.get("_index"))}
    export = {name: members[name] for name in EXPORTED if name in members} if is_exported(members) else {}
    return msgspec.json.encode(own if None in place.values() else own | export | {ERRORS: []} | place)


def _reject_in(text: bytes) -> dict[str, msgspec.Raw] | None:
    """Return the members of a record that is a reject, else None."""
    if b'"_errors"' not in text:
        return None
    try:
        members = _members(text)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None
    errors = bytes(members.get(ERRORS, b""))
    if errors[:1] == b'"':
        errors = _texts(errors).lstrip().encode()
    return members if errors[:1] == b"[" else None


def _index(value: msgspec.Raw | None) -> int | None:
    """Return an index, which a table may hold as text."""
    text = bytes(value or b"").strip(b'"')
    return int(text) if text.isdigit() and len(text) <= len(str(MAX_RECORDS)) else None
