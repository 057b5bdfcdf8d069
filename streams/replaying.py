"""Slices of a replay, cleaned: each record against the schema of its own time, or the one that the replay names. Pure.

The slice stays one: it is counted by one receipt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from schemas.outcomes import Code, FieldError
from schemas.records import Chunk, PhoneLogChunk, Replay
from schemas.registry import NOW
from streams import pipeline
from streams.campaigns import Campaign, Campaigns

Group = tuple[list[int], Campaign | FieldError]
"""Places of records in the slice, and what they are checked against, or why that cannot be known."""

COLUMNS: Final = (
    "record_index",
    "phone_number",
    "phone_number_sent",
    "timezone",
    "timezone_source",
    "variables",
    "returned",
)
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
    logs = [_placed(each.phone_log, places) for each, (places, _) in zip(cleaned, groups, strict=True)]
    settled = {(one.submission_id, one.record_index) for one in replay.records if one.settled}
    letters = [
        letter
        for each in cleaned
        for letter in each.dead_letters
        if (letter.submission_id, letter.record_index) not in settled
    ]
    return pipeline.Cleaned(_joined(chunk, replay, logs), letters)


def left_as_it_is(cleaned: pipeline.Cleaned, replay: Replay, reason: str) -> pipeline.Cleaned:
    """Return a slice of which nothing is tried: no row, no new dead letter, only why, for its receipt."""
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    held = msgspec.structs.replace(replay, held=reason)
    return pipeline.Cleaned(msgspec.structs.replace(cleaned.phone_log, replay=held, **columns), [])


def _only(chunk: Chunk, replay: Replay, places: Sequence[int]) -> Chunk:
    history = msgspec.structs.replace(replay, records=[replay.records[place] for place in places])
    return msgspec.structs.replace(chunk, records=[chunk.records[place] for place in places], replay=history)


def _placed(log: PhoneLogChunk, places: Sequence[int]) -> PhoneLogChunk:
    returned = [msgspec.structs.replace(one, record_index=places[one.record_index]) for one in log.returned]
    return msgspec.structs.replace(log, record_index=[places[index] for index in log.record_index], returned=returned)


def _joined(chunk: Chunk, replay: Replay, logs: Sequence[PhoneLogChunk]) -> PhoneLogChunk:
    """Return the slice as one chunk again, in which each record that goes on has its bytes and schema version."""
    records = list(replay.records)
    for log in logs:
        for place in log.record_index:
            sent = chunk.records[place] if records[place].sent is None else records[place].sent
            version = log.schema_version
            records[place] = msgspec.structs.replace(records[place], sent=sent, schema_version=version)
    newest = max(logs, key=lambda log: log.schema_version)
    columns = {name: [item for log in logs for item in getattr(log, name)] for name in COLUMNS}
    history = msgspec.structs.replace(replay, records=records)
    return msgspec.structs.replace(newest, size=len(chunk.records), replay=history, **columns)
