"""The edge over a real socket, with everything behind it in memory: a pipeline of some lines instead of Kafka.

`World` holds the parts and the switches that tests turn: what is down, what is lost, what stays silent.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.applications import Starlette

from dialfeed.row_check import row_check
from ingest_api import openapi_replays
from ingest_api.app import create_app
from ingest_api.server import listen, serve
from ingest_api.settings import EdgeSettings
from ingest_api.waiting import WaitingReports
from schemas.codecs import decode, decode_any, encode
from schemas.dead_letter_query import DeadLetterGroup, DeadLetterPage, DeadLetterQuery, GroupBy, KeptLetter
from schemas.dead_letters import dead_letter, from_message, phone_number_sent, to_message
from schemas.identity import call_ids, hash_api_key, uuid_texts
from schemas.messages import Message, TryAgainError, int_header, text_header
from schemas.outcomes import Code, FieldError, Rejected
from schemas.records import (
    CHUNK_RECORDS,
    Agent,
    AgentVersion,
    ApiKey,
    Batch,
    CallingNumber,
    Receipt,
    RegistryRecord,
    Slice,
    SubmissionAccepted,
    Workspace,
    chunk_number,
)
from schemas.registry import Registry
from schemas.replay_board import ReplayBoard
from schemas.replay_jobs import ReplayJob
from schemas.stores import (
    RECORDS_REPORTED,
    BatchCounts,
    CallPlace,
    Contact,
    ContactPage,
    ContactQuery,
    Failure,
    Figures,
    StoredSubmission,
)
from schemas.submission_body import SubmissionBody, parse_body
from schemas.topics import TopicName
from tests.support.contact_pages import counts_of, page_of
from tests.support.letter_pages import groups_of, letters_page

KEY = "df_key-of-workspace-1"
OTHER_KEY = "df_key-of-workspace-2"
WORKSPACE = "workspace-1"
BATCH = "batch-1"
BATCH_WITHOUT_AGENT = "batch-without-agent"
OTHER_BATCH = "batch-of-workspace-2"
PHONE = "phone-1"
OTHER_PHONE = "phone-of-workspace-2"
NOW_MS = 1_800_000_000_000
REHEARSAL: dict[str, Any] = openapi_replays.TRIED


class MemoryRegistry:
    """A registry whose topic is a list: what is in it is known after the next refresh."""

    def __init__(self) -> None:
        self.state = Registry()
        self.topic: list[RegistryRecord] = []
        self.down = False
        self.refreshes = 0
        self.held = asyncio.Event()
        self.held.set()

    async def refresh(self) -> None:
        self.refreshes += 1
        topic = list(self.topic)
        await self.held.wait()
        if self.down:
            raise TryAgainError("the registry cannot be read")
        for record in topic:
            self.state.apply(record)


class MemoryReplays:
    """A board whose topic is a list: what is in it is known after the next refresh."""

    def __init__(self) -> None:
        self.board = ReplayBoard()
        self.topic: list[bytes | None] = []
        self.down = False
        self.refreshes = 0
        self.rehearsed: list[ReplayJob] = []
        self.rehearsal: dict[str, Any] = REHEARSAL

    async def rehearse(self, job: ReplayJob) -> dict[str, Any]:
        """Answer as the rehearsal of a replay does; without an answer it takes for ever."""
        if self.down:
            raise TryAgainError("Kafka does not answer")
        self.rehearsed.append(job)
        if not self.rehearsal:
            await asyncio.Event().wait()
        return self.rehearsal

    async def refresh(self) -> None:
        self.refreshes += 1
        if self.down:
            raise TryAgainError("the replays cannot be read")
        for value in self.topic:
            self.board.apply(value, NOW_MS)
        self.topic.clear()


class MemoryStore:
    """A store that knows what it is told."""

    def __init__(self) -> None:
        self.submissions: dict[str, StoredSubmission] = {}
        self.batches: dict[str, list[Contact]] = {}
        self.counts: dict[str, BatchCounts] = {}
        self.places: dict[str, CallPlace] = {}
        self.letters: list[KeptLetter] = []
        self.told = Figures()
        self.questions = 0
        self.down = False

    def _require_up(self) -> None:
        self.questions += 1
        if self.down:
            raise TryAgainError("the store is down")

    async def submission(self, submission_id: str) -> StoredSubmission | None:
        self._require_up()
        return self.submissions.get(submission_id)

    async def contacts(self, query: ContactQuery) -> ContactPage:
        self._require_up()
        return page_of(self.batches.get(query.batch_id, []), query)

    async def calls(self, call_ids: Sequence[str]) -> dict[str, CallPlace]:
        self._require_up()
        return {call_id: self.places[call_id] for call_id in call_ids if call_id in self.places}

    async def batch_counts(self, batch_ids: Sequence[str]) -> dict[str, BatchCounts]:
        self._require_up()
        counted = {batch_id: counts_of(self.batches[batch_id]) for batch_id in batch_ids if self.batches.get(batch_id)}
        return counted | {batch_id: self.counts[batch_id] for batch_id in batch_ids if batch_id in self.counts}

    async def dead_letters(self, query: DeadLetterQuery) -> DeadLetterPage:
        self._require_up()
        return letters_page(self.letters, query)

    async def dead_letter_groups(self, query: DeadLetterQuery, by: GroupBy) -> Sequence[DeadLetterGroup]:
        self._require_up()
        return groups_of(self.letters, query, by)

    async def replay_outcomes(self, batch_id: str, records: Sequence[tuple[str, int, int]]) -> list[str]:
        self._require_up()
        known = {contact.phone_number for contact in self.batches.get(batch_id, [])}
        return ["updated" if number in known else "added" for number, _, _ in records]

    async def figures(self) -> Figures:
        self._require_up()
        return self.told

    async def writable(self) -> None:
        self._require_up()

    def take(self, receipts: Sequence[Receipt], failures: Sequence[Failure]) -> None:
        """Keep a submission as ClickHouse would."""
        by_chunk: dict[int, list[Failure]] = {}
        for failure in failures:
            by_chunk.setdefault(chunk_number(failure.record_index), []).append(failure)
        kept = [failure for of_chunk in by_chunk.values() for failure in of_chunk[:RECORDS_REPORTED]]
        counts = {chunk: len(of_chunk) for chunk, of_chunk in by_chunk.items()}
        self.submissions[receipts[0].submission_id] = StoredSubmission(None, receipts, kept, counts)
        for receipt in receipts:
            place = CallPlace(receipt.workspace_id, receipt.batch_id or "", "", 0)
            self.places |= dict.fromkeys(uuid_texts(receipt.call_ids), place)


class LoopbackReceipts:
    """Feeds the reports at once; `partitions` are those read here."""

    def __init__(self) -> None:
        self.reports = WaitingReports()
        self.partitions: list[int] = [3]
        self.failing = False

    def choose_partition(self) -> int | None:
        return self.partitions[0] if self.partitions else None

    def reads(self, partition: int) -> bool:
        return partition in self.partitions

    async def check(self) -> None:
        if self.failing:
            raise TryAgainError("the consumer of receipts is not in its group yet")


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
        call_ids=b"".join(call_ids(origin.batch_id or "", [(number, 0) for number in numbers])),
        body_hash=origin.body_hash,
    )


@dataclass
class World:
    """Everything behind the edge, and the client before it."""

    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    store: MemoryStore = field(default_factory=MemoryStore)
    receipts: LoopbackReceipts = field(default_factory=LoopbackReceipts)
    replays: MemoryReplays = field(default_factory=MemoryReplays)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    pipeline: LoopbackPipeline = field(init=False)
    http: httpx.AsyncClient = field(init=False)
    app: Starlette = field(init=False)
    now_ms: int = NOW_MS
    address: tuple[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.pipeline = LoopbackPipeline(self.registry, self.store, self.receipts, self.replays)
        for record in known_records():
            self.registry.state.apply(record)

    async def send(self, records: Any, batch_id: str = BATCH, **options: Any) -> httpx.Response:
        """POST records to the batch."""
        body = json.dumps({"batchId": batch_id, "call_data": records}).encode()
        return await self.post("addCallsToBatch", body, **options)

    async def post(self, call: str, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        """POST a body as it is, with the workspace's key unless another is given."""
        return await self.http.post(f"/api/call/{call}", content=body, headers={"x-api-key": KEY, **(headers or {})})

    async def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        """GET with the workspace's key unless another is given."""
        return await self.http.get(path, headers={"x-api-key": KEY, **(headers or {})})

    async def bytes_exchanged(self, request: bytes) -> bytes:
        """Return all that the server answers to raw bytes, until it closes."""
        reader, writer = await asyncio.open_connection(*self.address)
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()
        return answer


def e164(number: str) -> str | FieldError:
    """Read a number, simply."""
    digits = number.removeprefix("+")
    return f"+{digits}" if digits.isdigit() else FieldError(Code.PHONE_INVALID, "/phoneNumber", "it has no digits")


def known_records() -> list[RegistryRecord]:
    """Return a registry with two workspaces, of which the first has an agent, a number and two batches."""
    other = "workspace-2"
    return [
        Workspace(workspace_id=WORKSPACE, name="one", created_at=NOW_MS),
        Workspace(workspace_id=other, name="two", created_at=NOW_MS),
        key_record(KEY, WORKSPACE),
        key_record(OTHER_KEY, other),
        Agent(
            agent_id="agent-1",
            workspace_id=WORKSPACE,
            name="agent",
            versions=[AgentVersion(version=1, schema="{}", created_at=NOW_MS)],
            created_at=NOW_MS,
        ),
        number_record(PHONE, WORKSPACE, "agent-1"),
        number_record("phone-without-agent", WORKSPACE, None),
        number_record(OTHER_PHONE, other, None),
        batch_record(BATCH, WORKSPACE, PHONE),
        batch_record(BATCH_WITHOUT_AGENT, WORKSPACE, "phone-without-agent"),
        batch_record(OTHER_BATCH, other, OTHER_PHONE),
    ]


def key_record(key: str, workspace_id: str) -> ApiKey:
    return ApiKey(
        key_id=key[-5:] + workspace_id,
        workspace_id=workspace_id,
        name="",
        key_hash=hash_api_key(key),
        created_at=NOW_MS,
    )


def number_record(phone_id: str, workspace_id: str, agent_id: str | None) -> CallingNumber:
    return CallingNumber(
        phone_id=phone_id, workspace_id=workspace_id, number="+12125550000", agent_id=agent_id, created_at=NOW_MS
    )


def batch_record(batch_id: str, workspace_id: str, phone_id: str) -> Batch:
    return Batch(batch_id=batch_id, workspace_id=workspace_id, name="a batch", phone_ids=[phone_id], created_at=NOW_MS)


@asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[World]:
    """Serve the edge on a free port; the world's switches may be turned meanwhile."""
    world = World()
    chosen = EdgeSettings(port=0, **{"wait_seconds": 5.0, "drain_seconds": 0.0, "stop_seconds": 2.0, **settings})
    world.app = create_app(
        chosen,
        registry=world.registry,
        publisher=world.pipeline,
        store=world.store,
        receipts=world.receipts,
        known_timezone={"America/New_York", "UTC"}.__contains__,
        normalise=e164,
        check_rows=row_check(world.registry.state, 16 * 1024),
        replays=world.replays,
        rehearse=world.replays.rehearse,
        checks={"store": world.store.writable},
        now_ms=lambda: world.now_ms,
    )
    listening = listen(chosen)
    world.address = listening.getsockname()[:2]
    started = asyncio.Event()
    serving = asyncio.create_task(serve(world.app, listening, stop=world.stop, started=started.set))
    await asyncio.wait_for(started.wait(), 5)
    url = f"http://{world.address[0]}:{world.address[1]}"
    async with httpx.AsyncClient(base_url=url, timeout=20, trust_env=False) as world.http:
        yield world
    world.stop.set()
    await asyncio.wait_for(serving, 10)


async def until(happened: Callable[[], bool], seconds: float = 10) -> None:
    """Return once it has happened; raise TimeoutError."""
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110  # what is waited for is state of others, without an event
            await asyncio.sleep(0.005)
