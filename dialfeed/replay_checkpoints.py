"""Where a replay writes down how far it is: at offsets that depend on its rate only. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

CHECKPOINT_OFFSETS: Final = 20_000
"""Of a partition, at most, between two checkpoints; a slice never holds letters from both sides of one."""

CHECKPOINT_SECONDS: Final = 30
"""Where a rate is set a checkpoint comes about as often: what was sent since the last one has to go out again."""

FEWEST_OFFSETS: Final = 500


def checkpoint_offsets(rate: int | None) -> int:
    """Return how many offsets of a partition are between two checkpoints of a replay at this rate."""
    if rate is None:
        return CHECKPOINT_OFFSETS
    return min(CHECKPOINT_OFFSETS, max(FEWEST_OFFSETS, CHECKPOINT_SECONDS * rate))


def by_checkpoint(messages: Sequence[Any], every: int) -> Iterator[tuple[int, Sequence[Any]]]:
    """Yield messages with the offset of the checkpoint before them: a multiple of `every`.

    So neither the places of checkpoints nor what a slice holds depend on how Kafka hands the messages out.
    """
    for number, group in groupby(messages, key=lambda message: message.offset // every):
        yield number * every, list(group)
