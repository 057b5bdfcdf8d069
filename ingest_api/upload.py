"""upload: a table becomes a batch with its calls. Read and checked whole before anything is published.

The rows that can be stored wait in a temporary file: only at its end is their number known, which every message says.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import IO, BinaryIO, Final, cast

import msgspec
import structlog

from ingest_api.admission import Place
from ingest_api.edge import Edge
from ingest_api.envelope import Answer, RefusedError, RequestError, refused, with_headers, with_warnings
from ingest_api.field_errors import field_error
from ingest_api.idempotency import REPLAYED, Identity, claimed, first_report, other_body
from ingest_api.multipart import FILE_FIELD, MAX_NAME, Form
from ingest_api.new_batches import checked_batch
from ingest_api.publish import published
from ingest_api.registering import register
from ingest_api.report import Report
from ingest_api.requested import in_body
from ingest_api.submit import Asked, accepted_of, announcement, doubt_unless_done, raw_messages
from ingest_api.tables.encodings import EncodingError
from ingest_api.tables.rows import TableError
from ingest_api.upload_answers import answer_of, refusal_of
from ingest_api.upload_fields import (
    ENCODING,
    FIELDS,
    accepts_invalid,
    batch_fields,
    batch_type_error,
    named_encoding,
)
from ingest_api.upload_rows import CheckedRows, UploadedRows, chunks_of, read_rows
from ingest_api.waiting import wait_for_report
from schemas.agent_schemas import parse_schema
from schemas.identity import keyed_submission_id, new_submission_id
from schemas.messages import Message
from schemas.outcomes import HttpCode
from schemas.records import CHUNK_RECORDS, Agent, Batch, SubmissionAccepted
from schemas.registry import version_at

log = structlog.get_logger(__name__)

MEMORY_BYTES: Final = 1024 * 1024
"""Records up to here wait in memory, more in a temporary file."""

CHUNKS_AT_A_TIME: Final = 4
TRIES: Final = 3


async def upload(edge: Edge, workspace_id: str, form: Form, place: Place, asked: Asked) -> Answer:
    """Return the answer to an upload. Until the batch is published every refusal leaves no trace."""
    until = asyncio.get_running_loop().time() + asked.wait.seconds
    warnings = [*asked.warnings, *in_body(form.fields, FIELDS)]
    file = _file(form)
    accepts = accepts_invalid(form.fields)
    identity = await asyncio.to_thread(_identity, workspace_id, asked.key, form.fields, file)
    with claimed(edge.receipts.reports, identity), ExitStack() as stack:
        batch = await _batch(edge, workspace_id, form, identity)
        agent = await _agent(edge, batch)
        kept = stack.enter_context(_temporary())
        report = await first_report(edge, identity) if asked.key is not None else None
        replayed = report is not None
        accepted_at = edge.now_ms() if report is None else report.accepted.accepted_at
        rows = await _rows(edge, batch, agent, _Table(file, named_encoding(form.fields)), kept, accepted_at)
        warnings += rows.notes.warnings
        if not rows.rows or (rows.invalid and not accepts):
            return with_warnings(refusal_of(rows, accepts=accepts is True), warnings)
        if report is None:
            await edge.bus.require()
            await register(edge, batch)
            accepted = accepted_of(edge, identity, workspace_id, batch.batch_id, len(rows.rows))
            report = await _deliver(edge, accepted, kept, _Held(place.keep_bytes(), stack.pop_all()), until)
    answer = answer_of(report, batch, identity.submission_id, rows, asked.wait.applied)
    log.info(
        "upload_answered",
        submission_id=identity.submission_id,
        batch_id=batch.batch_id,
        total=rows.total,
        failed=rows.failed.count,
        status=answer.status,
    )
    return with_warnings(with_headers(answer, REPLAYED) if replayed else answer, warnings)


def _file(form: Form) -> BinaryIO:
    if form.file is None or form.file_field != FILE_FIELD:
        found = (
            "" if form.file_field is None else f"; the file of this form is in the field {form.file_field[:MAX_NAME]!r}"
        )
        raise refused(HttpCode.FIELD_INVALID, f"send the table in the field {FILE_FIELD}{found}", f"/{FILE_FIELD}")
    return form.file


def _identity(workspace_id: str, key: str | None, fields: dict[str, str], file: BinaryIO) -> Identity:
    """Return what the upload is known by. It always has a hash, so that what is published twice is stored once."""
    hashed = hashlib.sha256(msgspec.json.encode(sorted(fields.items())))
    file.seek(0)
    while piece := file.read(MEMORY_BYTES):
        hashed.update(piece)
    submission_id = new_submission_id() if key is None else keyed_submission_id(workspace_id, key)
    return Identity(submission_id, hashed.hexdigest())


async def _batch(edge: Edge, workspace_id: str, form: Form, identity: Identity) -> Batch:
    """Return the batch to be made. Its id is a function of the submission's: a repeat makes the same one."""
    fields, errors = batch_fields(form.fields)
    for found in (accepts_invalid(form.fields), batch_type_error(form.fields)):
        errors += [found] if isinstance(found, RequestError) else []
    batch_id = hashlib.sha256(b"batch of " + identity.submission_id.encode()).hexdigest()[:24]
    checked = await checked_batch(edge, workspace_id, fields, batch_id, errors)
    return edge.access.known.batches.get(batch_id, checked)


async def _agent(edge: Edge, batch: Batch) -> Agent:
    agent = edge.access.known.agent_of_batch(batch)
    if agent is None:
        await edge.access.catch_up()
        agent = edge.access.known.agent_of_batch(batch)
    if agent is None:
        raise refused(HttpCode.AGENT_NOT_FOUND, path="/callingNumbers")
    return agent


def _temporary() -> IO[bytes]:
    return cast("IO[bytes]", tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES))


@dataclass(frozen=True, slots=True)
class _Table:
    """A table before it is read, and the encoding that its sender names."""

    file: BinaryIO
    encoding: str | None


async def _rows(
    edge: Edge, batch: Batch, agent: Agent, table: _Table, kept: IO[bytes], accepted_at: int
) -> UploadedRows:
    """Read and check the table in a thread, few uploads at a time: others need threads and CPU too.

    It is judged as it was accepted, by the schema of that time: so a repeat is answered as the first one was.
    """
    variables = parse_schema(version_at(agent, accepted_at).schema).variables

    def check(records: Sequence[bytes]) -> CheckedRows:
        return edge.uploads.check_rows(batch, records, accepted_at)

    async with edge.uploads.places:
        try:
            return await asyncio.to_thread(read_rows, table.file, variables, check, kept, table.encoding)
        except EncodingError as error:
            raise RefusedError(field_error((ENCODING,), str(error))) from error
        except TableError as error:
            raise RefusedError(field_error((FILE_FIELD,), str(error))) from error


@dataclass(frozen=True, slots=True)
class _Held:
    """What is held until publishing has ended, which may be after the answer."""

    bytes_held: Place
    files: ExitStack

    def release(self) -> None:
        self.bytes_held.release()
        self.files.close()


async def _deliver(
    edge: Edge, accepted: SubmissionAccepted, kept: IO[bytes], held: _Held, until: float
) -> Report | None:
    """Publish and wait for the report, as `submit.deliver` does, but with some chunks at a time in memory."""
    reports = edge.receipts.reports
    partition = edge.receipts.choose_partition()
    with reports.expect(accepted, partition) as waiting:
        groups = _groups(accepted, kept, partition)
        publishing = edge.bus.begin_in_turn(groups, then=held.release, tries=TRIES)
        publishing.add_done_callback(partial(doubt_unless_done, reports, accepted.submission_id))
        if not await published(publishing, edge.settings.wait_seconds):
            return None
        await wait_for_report(waiting, until - asyncio.get_running_loop().time(), edge.receipts, edge.store)
        if waiting.other_body:
            raise other_body()
        return waiting.report


def _groups(accepted: SubmissionAccepted, kept: IO[bytes], partition: int | None) -> Iterator[Sequence[Message]]:
    yield [announcement(accepted, partition)]
    chunks = enumerate(chunks_of(kept))
    while group := list(islice(chunks, CHUNKS_AT_A_TIME)):
        yield [
            message
            for number, records in group
            for message in raw_messages(accepted, records, partition, number * CHUNK_RECORDS)
        ]
