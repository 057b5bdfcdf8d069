"""A pipeline of some lines instead of Kafka: what is published is stored and reported at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from schemas.codecs import decode, decode_any, encode
from schemas.dead_letters import dead_letter, from_message, phone_number_sent, to_message
from schemas.identity import call_ids
from schemas.messages import Message, TryAgainError, int_header, text_header
from schemas.outcomes import Code, FieldError, Rejected
from schemas.records import (
    CHUNK_RECORDS,
    Agent,
    ApiKey,
    Batch,
    CallingNumber,
    Receipt,
    Slice,
    SubmissionAccepted,
    Workspace,
)
from schemas.stores import (
    Failure,
)
from schemas.submission_body import SubmissionBody, parse_body
from schemas.topics import TopicName
from tests.support.edge_memory import LoopbackReceipts, MemoryRegistry, MemoryReplays, MemoryStore
from tests.support.known import (
    NOW_MS,
    WORKSPACE,
)


class LoopbackPipeline:
    """A publisher whose messages are cut, checked and reported in the same breath.

    A record with a `phoneNumber` is stored, anything else fails as `required`. What came with an Idempotency-Key is
    remembered as `load` does: its slice gets its first receipt again, another body gets nothing.
    """

    def __init__(
        self, registry: MemoryRegistry, store: MemoryStore, receipts: LoopbackReceipts, replays: MemoryReplays
    ) -> None:
        self._registry = registry
        self._replays = replays
        self._store = store
        self._receipts = receipts
        self._given: dict[tuple[str, int], Receipt] = {}
        self._bodies: dict[str, str | None] = {}
        self.published: list[Message] = []
        self.readings = 0
        self.down = False
        self.dead = False  # does not even refuse
        self.answer_lost = False
        self.silent = False
        self.held = asyncio.Event()
        self.held.set()

    async def ready(self) -> None:
        self.readings += 1
        if self.dead:
            await asyncio.Event().wait()
        if self.down:
            raise TryAgainError("no broker answers")

    async def publish(self, messages: Sequence[Message]) -> None:
        await self.held.wait()
        if self.down:
            raise TryAgainError("no broker answers")
        self.published += messages
        self._replays.topic += [message.value for message in messages if message.topic is TopicName.REPLAYS]
        receipts: list[Receipt] = []
        failures: list[Failure] = []
        for message in messages:
            if message.topic is TopicName.REGISTRY:
                record = decode_any(message.value)
                assert isinstance(record, Workspace | ApiKey | Agent | CallingNumber | Batch)
                self._registry.topic.append(record)
            elif message.topic is TopicName.RAW and not self.silent:
                self._process(message, receipts, failures)
        if receipts:
            self._store.take(receipts, failures)
        if self.answer_lost:
            raise TryAgainError("the answer was lost")

    def raw(self) -> list[Message]:
        """Return what was published to `calls.raw`."""
        return [message for message in self.published if message.topic is TopicName.RAW]

    def announced(self) -> list[SubmissionAccepted]:
        """Return the submissions announced on `calls.receipts`."""
        receipts = [message for message in self.published if message.topic is TopicName.RECEIPTS]
        return [decode(message.value, SubmissionAccepted) for message in receipts]

    def _process(self, message: Message, receipts: list[Receipt], failures: list[Failure]) -> None:
        body = parse_body(message.value or b"")
        assert isinstance(body, SubmissionBody)
        assert body.batch_id is not None
        first = int_header(message.headers, "first-index")
        assert first is not None
        for start in range(first, first + len(body.records), CHUNK_RECORDS):
            records = body.records[start - first : start - first + CHUNK_RECORDS]
            origin = _slice(message, body.batch_id, start)
            if self._bodies.setdefault(origin.submission_id, origin.body_hash) != origin.body_hash:
                continue
            bad = [start + at for at, record in enumerate(records) if phone_number_sent(record) is None]
            place = (origin.submission_id, start)
            receipts.append(self._given.setdefault(place, _receipt(origin, records, len(bad))))
            failures += [self._fail(origin, records[index - start], index) for index in bad]
            if origin.report_partition in self._receipts.partitions:
                self._receipts.reports.take_receipt(origin.submission_id.encode(), encode(receipts[-1]))

    def _fail(self, origin: Slice, record: bytes, index: int) -> Failure:
        errors = (FieldError(Code.REQUIRED, "/phoneNumber", "phoneNumber is missing"),)
        message = to_message(dead_letter(record, Rejected(errors, "clean"), origin, index, NOW_MS, "test"))
        assert from_message(message.value, message.headers) is not None
        if origin.report_partition in self._receipts.partitions:
            self._receipts.reports.take_dead_letter(message.key, message.value, message.headers)
        return Failure(index, None, errors)


def _slice(message: Message, batch_id: str, first_index: int) -> Slice:
    submission_id = text_header(message.headers, "submission-id")
    total = int_header(message.headers, "total")
    assert submission_id is not None
    assert total is not None
    return Slice(
        submission_id=submission_id,
        batch_id=batch_id,
        first_index=first_index,
        total=total,
        accepted_at=NOW_MS,
        source_topic="calls.raw",
        source_partition=0,
        source_offset=0,
        report_partition=int_header(message.headers, "report-partition"),
        body_hash=text_header(message.headers, "body-hash"),
    )


def _receipt(origin: Slice, records: Sequence[bytes], failed: int) -> Receipt:
    numbers = [number for record in records if (number := phone_number_sent(record)) is not None]
    return Receipt(
        submission_id=origin.submission_id,
        workspace_id=WORKSPACE,
        batch_id=origin.batch_id,
        first_index=origin.first_index,
        size=len(records),
        total=origin.total,
        added=len(numbers),
        failed=failed,
        accepted_at=origin.accepted_at,
        call_ids=call_ids(origin.batch_id or "", [(number, 0) for number in numbers]),
        body_hash=origin.body_hash,
    )
