"""The columns of a phone-log chunk: taken, moved and joined by one rule each, so that none is left behind. Pure.

A column has one item for each accepted record, unless it is one of SPARSE: those name their records by index.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final, get_origin

import msgspec

from schemas.records import PhoneLogChunk

COLUMNS: Final = tuple(field.name for field in msgspec.structs.fields(PhoneLogChunk) if get_origin(field.type) is list)
SPARSE: Final = frozenset({"national", "uncertain", "uncertain_area", "areas", "returned"})
PARALLEL: Final = tuple(name for name in COLUMNS if name not in SPARSE)
_INDICES: Final = frozenset({"record_index", "national", "uncertain"})


def no_rows() -> dict[str, list[Any]]:
    """Return every column of a chunk without accepted records."""
    return {name: [] for name in COLUMNS}


def rows_of(log: PhoneLogChunk, rows: Sequence[int]) -> PhoneLogChunk:
    """Return the chunk with these of its rows. Sparse columns stay: they name records, and may name others too."""
    return msgspec.structs.replace(log, **{name: [getattr(log, name)[row] for row in rows] for name in PARALLEL})


def joined(logs: Sequence[PhoneLogChunk], places: Sequence[Sequence[int]]) -> dict[str, list[Any]]:
    """Return the columns of several chunks as those of one. Index i of a chunk becomes item i of its `places`."""
    areas_before = accumulate((len(log.areas) for log in logs), initial=0)
    moved = [_moved(*each) for each in zip(logs, places, areas_before, strict=False)]
    return {name: [item for columns in moved for item in columns[name]] for name in COLUMNS}


def _moved(log: PhoneLogChunk, places: Sequence[int], areas_before: int) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: getattr(log, name) for name in COLUMNS}
    moved = {name: [places[index] for index in columns[name]] for name in _INDICES}
    moved["uncertain_area"] = [area + areas_before for area in log.uncertain_area]
    moved["returned"] = [msgspec.structs.replace(one, record_index=places[one.record_index]) for one in log.returned]
    return columns | moved
