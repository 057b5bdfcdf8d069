"""The way of a record through `streams`, step by step: read this file first.

    calls.raw --cut-----> calls.chunks --clean--> calls.phone-log, and calls.dead-letter
    calls.records --gather--^

All steps are functions of what they are given; `agents.py` (cut, clean) and `gather.py` read, publish and acknowledge
around them. Gathering itself is in `gathering.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from schemas.codecs import encode
from schemas.dead_letters import DeadLetter, dead_letter
from schemas.messages import Message
from schemas.outcomes import Code, FieldError, Rejected
from schemas.phone_log_columns import no_rows
from schemas.records import Chunk, PhoneLogChunk, Returned
from schemas.returned import take_back
from schemas.topics import TopicName
from streams.campaigns import Campaign
from streams.chunking import RawMessage, cut_message
from streams.decoding import decode_records
from streams.validation import Checked, check
from streams.zones.clocks import TZ_DATABASE_VERSION

STAGE_CUT: Final = "cut"
STAGE_CLEAN: Final = "clean"
_encode_json: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Limits:
    """What a record may be at most, in bytes as sent, and who says so."""

    record_bytes: int = 16 * 1024
    app_version: str = ""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A chunk after cleaning: both outputs. The phone-log chunk may hold no rows, so that its receipt is still sent."""

    phone_log: PhoneLogChunk
    dead_letters: list[DeadLetter]


def cut(raw: RawMessage) -> list[Chunk]:
    """Cut one raw message into chunks."""
    return cut_message(raw)


def chunk_messages(chunks: Sequence[Chunk]) -> list[Message]:
    """Return what carries chunks to `clean`, spread over the workers."""
    return [
        Message(TopicName.CHUNKS, encode(chunk), key=f"{chunk.submission_id}/{chunk.first_index}".encode())
        for chunk in chunks
    ]


def clean(chunk: Chunk, campaign: Campaign | FieldError, limits: Limits, now: int, workspace_id: str = "") -> Cleaned:
    """Clean one chunk: decode, check, then part the good from the bad. `now` is ms since the epoch.

    `workspace_id` is that of the chunk's batch, whose the report and the dead letters are; empty where it is not known.
    """
    if chunk.rejected_code is not None:
        error = FieldError(Code(chunk.rejected_code), chunk.rejected_path, chunk.rejected_message)
        return _all_rejected(chunk, Rejected((error,), STAGE_CUT), limits, now, workspace_id)
    if isinstance(campaign, FieldError):
        return _all_rejected(chunk, Rejected((campaign,), STAGE_CLEAN), limits, now, workspace_id)
    decoded = decode_records(chunk.records, limits.record_bytes)
    returned = take_back(decoded.objects, chunk.first_index)
    checked = check(decoded, campaign)
    return Cleaned(
        _phone_log(chunk, campaign, checked, returned),
        _dead_letters(chunk, checked, limits, now, campaign.workspace_id),
    )


def messages_of(phone_log: PhoneLogChunk) -> list[Message]:
    """Return what goes on to the sink: one message, with the batch's others in one partition."""
    key = (phone_log.batch_id or phone_log.submission_id).encode()
    return [Message(TopicName.PHONE_LOG, encode(phone_log), key=key)]


def _all_rejected(chunk: Chunk, rejected: Rejected, limits: Limits, now: int, workspace_id: str) -> Cleaned:
    letters = [
        dead_letter(record, rejected, chunk, index, now, limits.app_version, workspace_id)
        for index, record in enumerate(chunk.records, chunk.first_index)
    ]
    return Cleaned(_columns(chunk, None, workspace_id, {}), letters)


def _dead_letters(chunk: Chunk, checked: Checked, limits: Limits, now: int, workspace_id: str) -> list[DeadLetter]:
    return [
        dead_letter(
            chunk.records[row],
            Rejected(errors, STAGE_CLEAN),
            chunk,
            chunk.first_index + row,
            now,
            limits.app_version,
            workspace_id,
        )
        for row, errors in checked.errors.items()
    ]


def _phone_log(chunk: Chunk, campaign: Campaign, checked: Checked, returned: Sequence[Returned]) -> PhoneLogChunk:
    rows = len(checked.objects)
    kept = [row for row in range(rows) if row not in checked.errors] if checked.errors else range(rows)

    def of_kept(column: Sequence[Any]) -> list[Any]:
        return [column[row] for row in kept] if checked.errors else list(column)

    objects = of_kept(checked.objects)
    columns: dict[str, list[Any]] = {
        "record_index": [chunk.first_index + row for row in kept],
        "phone_number": of_kept(checked.numbers),
        "phone_number_sent": [str(record.pop("phoneNumber")) for record in objects],
        "timezone": of_kept(checked.zones.names),
        "timezone_source": of_kept(checked.zones.sources),
        "variables": [_variables(record) for record in objects],
        **_uncertain(chunk.first_index, checked),
        "national": [chunk.first_index + row for row in sorted(checked.national) if row not in checked.errors],
        "returned": [one for one in returned if one.record_index - chunk.first_index not in checked.errors],
    }
    return _columns(chunk, campaign, campaign.workspace_id, columns)


def _uncertain(first_index: int, checked: Checked) -> dict[str, list[Any]]:
    """Return what is kept of rows whose zone is not certain: each area's text once, and which row has which."""
    areas = {row: area for row, area in checked.zones.uncertain.items() if row not in checked.errors}
    texts = dict.fromkeys(area.text for area in areas.values())
    places = {text: place for place, text in enumerate(texts)}
    return {
        "uncertain": [first_index + row for row in areas],
        "uncertain_area": [places[area.text] for area in areas.values()],
        "areas": list(texts),
    }


def _variables(record: dict[str, Any]) -> bytes:
    """Return what is left of a record beside the fields that have a column of their own."""
    record.pop("timezone", None)
    return _encode_json(record)


def _columns(
    chunk: Chunk, campaign: Campaign | None, workspace_id: str, columns: dict[str, list[Any]]
) -> PhoneLogChunk:
    return PhoneLogChunk(
        submission_id=chunk.submission_id,
        batch_id=chunk.batch_id,
        first_index=chunk.first_index,
        total=chunk.total,
        accepted_at=chunk.accepted_at,
        source_topic=chunk.source_topic,
        source_partition=chunk.source_partition,
        source_offset=chunk.source_offset,
        report_partition=chunk.report_partition,
        body_hash=chunk.body_hash,
        origins=chunk.origins,
        replay=chunk.replay,
        workspace_id=workspace_id,
        agent_id=campaign.agent_id if campaign else "",
        schema_version=campaign.schema_version if campaign else 0,
        size=len(chunk.records),
        tz_database=TZ_DATABASE_VERSION,
        country=(campaign.country or "") if campaign else "",
        **(no_rows() | columns),
    )
