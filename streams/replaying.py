"""Slices of a replay, cleaned: each record against the schema of its own time, or the one that the replay names. Pure.

The slice stays one: it is counted by one receipt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from schemas.outcomes import Code, FieldError
from schemas.phone_log_columns import joined, no_rows
from schemas.records import Chunk, PhoneLogChunk, Replay, Replayed
from schemas.registry import NOW
from streams import pipeline
from streams.campaigns import Campaign, Campaigns

Group = tuple[list[int], Campaign | FieldError]
"""Places of records in the slice, and what they are checked against, or why that cannot be known."""

_MISSING: Final = FieldError(Code.BATCH_MISSING, "/batchId", "no batch is named: send the records again with batchId")


def is_whole(chunk: Chunk) -> bool:
    """Return whether a slice of a replay has the history of each of its records."""
    return chunk.replay is None or (chunk.first_index == 0 and len(chunk.replay.records) == len(chunk.records))


def groups_of(chunk: Chunk, replay: Replay, campaigns: Campaigns) -> list[Group]:
    """Return the slice's records by what they are checked against."""
    if not chunk.batch_id:
        return [(list(range(len(chunk.records))), _MISSING)]
    groups: dict[Campaign | FieldError, Group] = {}
    at_time: dict[int, Campaign | FieldError] = {}
    for place, each in enumerate(replay.records):
        time = each.accepted_at if replay.counts_from is None else replay.counts_from
        if time not in at_time:
            at_time[time] = _found(campaigns, chunk.batch_id, time, replay.agent_version)
        found = at_time[time]
        groups.setdefault(found, ([], found))[0].append(place)
    return list(groups.values())


def _found(campaigns: Campaigns, batch_id: str, time: int, version: int | None) -> Campaign | FieldError:
    """Return the campaign of that time. Where the batch had no agent then, the one assigned since is what mends it."""
    found = campaigns.find(batch_id, time, version)
    if isinstance(found, FieldError) and found.code is Code.AGENT_UNKNOWN:
        return campaigns.find(batch_id, NOW, version)
    return found


def clean_replay(
    chunk: Chunk,
    replay: Replay,
    groups: Sequence[Group],
    limits: pipeline.Limits,
    now: int,
    workspace_id: str = "",
) -> pipeline.Cleaned:
    """Clean a slice of a replay; its places are kept. `now` is ms since the epoch."""
    cleaned = [
        pipeline.clean(_only(chunk, replay, places), campaign, limits, now, workspace_id) for places, campaign in groups
    ]
    settled = {(one.submission_id, one.record_index) for one in replay.records if one.settled}
    letters = [
        letter
        for each in cleaned
        for letter in each.dead_letters
        if (letter.submission_id, letter.record_index) not in settled
    ]
    return pipeline.Cleaned(
        _joined(chunk, replay, [each.phone_log for each in cleaned], [places for places, _ in groups]), letters
    )


def left_as_it_is(cleaned: pipeline.Cleaned, replay: Replay, reason: str) -> pipeline.Cleaned:
    """Return a slice of which nothing is tried: no row, no new dead letter, only why, for its receipt."""
    held = msgspec.structs.replace(replay, held=reason)
    return pipeline.Cleaned(msgspec.structs.replace(cleaned.phone_log, replay=held, **no_rows()), [])


def _only(chunk: Chunk, replay: Replay, places: Sequence[int]) -> Chunk:
    history = msgspec.structs.replace(replay, records=[replay.records[place] for place in places])
    return msgspec.structs.replace(chunk, records=[chunk.records[place] for place in places], replay=history)


def _joined(
    chunk: Chunk, replay: Replay, logs: Sequence[PhoneLogChunk], places: Sequence[Sequence[int]]
) -> PhoneLogChunk:
    """Return the slice as one chunk again. Each record that goes on has its bytes, and what it was checked against."""
    newest = max(logs, key=lambda log: log.schema_version)
    records = list(replay.records)
    for log, of_log in zip(logs, places, strict=True):
        for place in (of_log[index] for index in log.record_index):
            records[place] = _checked(records[place], chunk.records[place], log, newest)
    history = msgspec.structs.replace(replay, records=records)
    return msgspec.structs.replace(newest, size=len(chunk.records), replay=history, **joined(logs, places))


def _checked(one: Replayed, tried: bytes, log: PhoneLogChunk, of_slice: PhoneLogChunk) -> Replayed:
    """Return the history of a record that went through in `log`: what is the same for the whole slice is not noted."""
    return msgspec.structs.replace(
        one,
        sent=tried if one.sent is None else one.sent,
        schema_version=log.schema_version,
        agent_id=None if log.agent_id == of_slice.agent_id else log.agent_id,
        country=None if log.country == of_slice.country else log.country,
    )
