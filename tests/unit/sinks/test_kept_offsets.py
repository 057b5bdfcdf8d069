from __future__ import annotations

import pytest
from aiokafka import TopicPartition

from sinks.kept_offsets import Kept, misfit

PLACE = TopicPartition("calls.phone-log", 3)


@pytest.mark.parametrize(
    ("committed", "kept", "store_is_empty", "said"),
    [
        (None, None, True, ""),  # the first start of all
        (None, None, False, ""),  # a partition that had no message yet
        (7, None, False, ""),  # written by a version that kept nothing
        (7, None, True, "ClickHouse is empty"),
        (0, None, True, "ClickHouse is empty"),  # set back to the beginning, for another ClickHouse
        (None, Kept(0, 5), False, ""),  # killed before the first commit
        (None, Kept(5, 9), False, "is gone"),
        (9, Kept(5, 9), False, ""),
        (5, Kept(5, 9), False, ""),  # killed before the commit
        (7, Kept(5, 9), False, ""),  # another process wrote less of it
        (4, Kept(5, 9), False, "was set back to 4"),
        (0, Kept(5, 9), False, "was set back to 0"),
        (10, Kept(5, 9), False, "up to offset 9 only"),  # ClickHouse is an older copy
    ],
)
def test_the_offset_of_a_partition_has_to_fit_to_the_store(
    committed: int | None, kept: Kept | None, store_is_empty: bool, said: str
) -> None:
    problem = misfit(PLACE, committed, kept, store_is_empty=store_is_empty)
    assert said in (problem or "")
    assert (problem is None) == (said == "")
    assert problem is None or "calls.phone-log, partition 3" in problem
