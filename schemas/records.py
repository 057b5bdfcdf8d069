"""What travels between the parts and what the registry holds: one struct an `.avsc` file, same names, same order.

Field meanings are in the `doc` of the `.avsc` files in `schemas/avro`. Times are ms since the epoch.
"""

from __future__ import annotations

from typing import Final

import msgspec

CHUNK_RECORDS: Final = 1000
"""Records a chunk holds at most; also what `chunkNum` counts by."""

INDEX_BITS: Final = 24
"""Of a record's index in its submission, which is a part of the version of its row."""


class Record(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Base of everything with an `.avsc` file; Avro names are the camelCase of the attribute names."""


class Origins(Record, frozen=True, kw_only=True):
    """Where each record of a gathered slice comes from, a column each: a message of `calls.records` of its own."""

    partition: list[int]
    offset: list[int]
    accepted_at: list[int]


class Replayed(Record, frozen=True, kw_only=True, array_like=True):
    """A dead-lettered record that is tried again, and its history. New fields go last, with a default."""

    submission_id: str
    record_index: int
    accepted_at: int
    source_topic: str
    source_partition: int
    source_offset: int
    attempt: int
    first_failed_at: int
    sent: bytes | None = None
    changes: str = ""
    schema_version: int | None = None
    body_hash: str | None = None
    settled: bool = False
    agent_id: str | None = None
    country: str | None = None


class Replay(Record, frozen=True, kw_only=True):
    """Which replay a slice belongs to, and how it is to be done; `records` has one item a record of the slice."""

    replay_id: str
    part: int
    counts_from: int | None = None
    agent_version: int | None = None
    max_attempts: int
    held: str = ""
    records: list[Replayed]


class Returned(Record, frozen=True, kw_only=True):
    """A record that was rejected once and comes again: which of the chunk it is, and the dead letter it corrects."""

    record_index: int
    submission_id: str
    index: int


class Slice(Record, frozen=True, kw_only=True):
    """Where a run of consecutive records comes from: what `Chunk` and `PhoneLogChunk` share.

    With `origins` the slice was gathered from bare records. Each is a submission of its own (`identity.record_id`,
    index 0, total 1); the other fields are then those of the first record, and indices count in the slice.
    """

    submission_id: str
    batch_id: str | None
    first_index: int
    total: int
    accepted_at: int
    source_topic: str
    source_partition: int
    source_offset: int
    report_partition: int | None = None
    body_hash: str | None = None
    origins: Origins | None = None
    replay: Replay | None = None


class Chunk(Slice, frozen=True, kw_only=True):
    rejected_code: str | None = None
    rejected_path: str = ""
    rejected_message: str = ""
    records: list[bytes]


class PhoneLogChunk(Slice, frozen=True, kw_only=True):
    workspace_id: str
    agent_id: str
    schema_version: int
    size: int
    tz_database: str = ""
    record_index: list[int]
    phone_number: list[str]
    phone_number_sent: list[str]
    timezone: list[str]
    timezone_source: list[str]
    variables: list[bytes]
    country: str = ""
    national: list[int] = []
    uncertain: list[int] = []
    uncertain_area: list[int] = []
    areas: list[str] = []
    returned: list[Returned] = msgspec.field(default_factory=list)


class Receipt(Record, frozen=True, kw_only=True):
    submission_id: str
    workspace_id: str
    batch_id: str | None
    first_index: int
    size: int
    total: int
    added: int
    failed: int
    accepted_at: int
    call_ids: bytes
    body_hash: str | None = None


class ReplayReceipt(Record, frozen=True, kw_only=True):
    replay_id: str
    part: int
    batch_id: str | None
    size: int
    added: int
    updated: int
    superseded: int
    failed: int
    parked: int
    reason: str = ""
    done_at: int


class SubmissionAccepted(Record, frozen=True, kw_only=True):
    submission_id: str
    workspace_id: str
    batch_id: str
    total: int
    accepted_at: int
    body_hash: str | None = None


class DialerCommand(Record, frozen=True, kw_only=True):
    command: str
    request_id: str
    workspace_id: str
    batch_id: str
    requested_at: int
    reason: str
    pending: int


class Workspace(Record, frozen=True, kw_only=True):
    workspace_id: str
    name: str
    timezone: str | None = None
    created_at: int
    deleted_at: int | None = None
    country: str | None = None
    earlier: list[Workspace] = []
    changed_at: int = 0


class ApiKey(Record, frozen=True, kw_only=True):
    key_id: str
    workspace_id: str
    name: str
    key_hash: bytes
    created_at: int
    revoked_at: int | None = None


class AgentVersion(Record, frozen=True, kw_only=True):
    version: int
    schema: str
    created_at: int


class Agent(Record, frozen=True, kw_only=True):
    agent_id: str
    workspace_id: str
    name: str
    versions: list[AgentVersion]
    created_at: int
    deleted_at: int | None = None


class CallingNumber(Record, frozen=True, kw_only=True):
    phone_id: str
    workspace_id: str
    number: str
    agent_id: str | None = None
    created_at: int
    earlier: list[CallingNumber] = []
    changed_at: int = 0
    deleted_at: int | None = None


class Batch(Record, frozen=True, kw_only=True):
    batch_id: str
    workspace_id: str
    name: str
    phone_ids: list[str]
    retry: int = 0
    delay: int = 0
    timezone: str | None = None
    calling_hour_start: str | None = None
    calling_hour_end: str | None = None
    allowed_days: list[int] = []
    created_at: int
    earlier: list[Batch] = []
    changed_at: int = 0
    deleted_at: int | None = None
    country: str | None = None


RegistryRecord = Workspace | ApiKey | Agent | CallingNumber | Batch


def chunk_number(record_index: int) -> int:
    """Return the chunk, counted from 1, that a record of a submission belongs to."""
    return record_index // CHUNK_RECORDS + 1
