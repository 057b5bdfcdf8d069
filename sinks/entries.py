"""Which entry of its contact each record is: how many entries of the contact left pending before it was accepted."""

from __future__ import annotations

from collections.abc import Sequence


def entries_of(batch_id: str, numbers: Sequence[str], accepted_at: int) -> list[int]:  # noqa: ARG001 - what statuses will be looked up by
    """Return the entry of each of a batch's numbers for records accepted at that time (ms since the epoch).

    A function of facts that do not change, so that a record that comes again gets the entry it had.
    Nothing leaves pending yet, so that every record updates its contact's entry 0.
    """
    return [0] * len(numbers)
