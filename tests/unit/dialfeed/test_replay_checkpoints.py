"""Where a replay writes down how far it is; that it goes on there is tested on a real Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from dialfeed.replay_checkpoints import by_checkpoint, checkpoint_offsets


@pytest.mark.parametrize(("rate", "offsets"), [(None, 20_000), (1, 500), (100, 3_000), (1_000_000, 20_000)])
def test_a_checkpoint_comes_about_every_half_minute_whatever_the_rate(rate: int | None, offsets: int) -> None:
    assert checkpoint_offsets(rate) == offsets


@pytest.mark.parametrize("fetches", [[12], [1] * 12, [5, 7], [7, 1, 4]])
def test_checkpoints_are_at_the_same_offsets_however_messages_are_fetched(fetches: Sequence[int]) -> None:
    offsets = [3, 4, 5, 8, 9, 10, 11, 19, 31, 32, 40, 41]
    found: dict[int, list[int]] = {}
    for size in fetches:
        taken, offsets = offsets[:size], offsets[size:]
        for mark, messages in by_checkpoint([SimpleNamespace(offset=one) for one in taken], 10):
            found.setdefault(mark, []).extend(message.offset for message in messages)
    assert found == {0: [3, 4, 5, 8, 9], 10: [10, 11, 19], 30: [31, 32], 40: [40, 41]}
