"""Repeats do not become second calls: two API processes, a sink and a worker of their own, before one ClickHouse."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from dialfeed.kafka_ports import free_port
from schemas.codecs import UndecodableError, decode
from schemas.messages import Message
from schemas.records import DialerCommand, SubmissionAccepted
from schemas.topics import TopicName
from tests.e2e.test_bad_inputs import new_batch
from tests.support.bus import API_KEY, bus_of_its_own, eventually
from tests.support.clickhouse_http import clickhouse_http
from tests.support.installation import Installation
from tests.support.samples import body, record

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Pair(Installation):
    """An installation with a second API process, asked through `second`."""

    second: httpx.AsyncClient


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pair(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    folder: Path = tmp_path_factory.mktemp("pair")
    with clickhouse_http(folder / "clickhouse") as front:
        async with bus_of_its_own(kafka_bootstrap) as bus:
            first, second = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
            made = Pair(bus, folder, first)
            made.second = httpx.AsyncClient(
                base_url=second, headers={"x-api-key": API_KEY}, timeout=60.0, trust_env=False
            )
            store = {"DIALFEED_CLICKHOUSE": front.url("dialfeed")}
            try:
                made.start("load", "load", **store)
                made.start_worker()
                for name, url in (("api", first), ("api-2", second)):
                    made.start(name, "api", DIALFEED_HTTP=url.removeprefix("http://"), **store)
                await made.ready()
                await eventually(lambda: _is_ready(made.second))
                yield made
            finally:
                await made.second.aclose()
                await made.close()


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).is_success
    except httpx.TransportError:
        return False


async def send(client: httpx.AsyncClient, content: bytes, key: str, **headers: str) -> httpx.Response:
    given = {"idempotency-key": key, **headers}
    return await client.post("/api/call/addCallsToBatch", content=content, headers=given)


async def answered(client: httpx.AsyncClient, content: bytes, key: str) -> httpx.Response:
    """Send until the answer is no 409, as a client does that keeps to Retry-After."""

    async def once() -> httpx.Response | None:
        answer = await send(client, content, key)
        return answer if answer.status_code != 409 else None

    found: httpx.Response = await eventually(once)
    return found


async def complete_call(pair: Pair, batch: str, call_id: str) -> None:
    """Report over Kafka that a call is over, and return once that is stored."""
    event = json.dumps({"callId": call_id, "status": "completed", "callDuration": 12}).encode()
    await pair.bus.publisher.publish([Message(TopicName.STATUS, event, batch.encode())])

    async def is_stored() -> bool:
        logs = (log for contact in await pair.contacts(batch) for log in contact["phoneLogs"])
        return any((log["callId"], log["callStatus"]) == (call_id, "completed") for log in logs)

    await eventually(is_stored)


async def commands(pair: Pair, submission_id: str) -> list[DialerCommand]:
    messages = await pair.bus.read(TopicName.DIALER, lambda found: any(_is_start(m, submission_id) for m in found))
    return [decode(m.value, DialerCommand) for m in messages if _is_start(m, submission_id)]


def _is_start(message: Any, submission_id: str) -> bool:
    return decode(message.value, DialerCommand).request_id == f"{submission_id}/0"


async def announced(pair: Pair, submission_id: str) -> list[str | None]:
    """Return the body hashes that were announced of a submission."""
    key = submission_id.encode()
    messages = await pair.bus.read(TopicName.RECEIPTS, lambda found: any(m.key == key for m in found))
    found = []
    for message in messages:
        try:
            found += [decode(message.value, SubmissionAccepted).body_hash] if message.key == key else []
        except UndecodableError:
            continue
    return found


async def test_a_repeat_after_the_call_gets_the_first_answer_and_calls_nobody_again(pair: Pair) -> None:
    batch, key = await new_batch(pair), str(uuid.uuid4())
    content = body(record(1), record(2, amount="wrong"), record(3), batch=batch)
    first = await send(pair.http, content, key)
    assert first.status_code == 207
    await complete_call(pair, batch, first.json()["data"]["callIds"][0])
    for client in (pair.http, pair.second):
        again = await answered(client, content, key)
        assert (again.status_code, again.json()) == (207, first.json())
    assert [len(contact["phoneLogs"]) for contact in await pair.contacts(batch)] == [1, 1]
    assert len(await commands(pair, first.json()["data"]["submissionId"])) == 1
    assert len(await announced(pair, first.json()["data"]["submissionId"])) == 1


async def test_without_the_key_the_same_records_are_a_second_call(pair: Pair) -> None:
    batch = await new_batch(pair)
    first = await pair.post(record(1), batch=batch)
    await complete_call(pair, batch, first.json()["data"]["callIds"][0])
    second = await pair.post(record(1), batch=batch)
    assert second.json()["data"]["callIds"] != first.json()["data"]["callIds"]
    [contact] = await pair.contacts(batch)
    assert [log["callStatus"] for log in contact["phoneLogs"]] == ["pending", "completed"]


async def test_another_body_is_a_422_at_every_process(pair: Pair) -> None:
    batch, key = await new_batch(pair), str(uuid.uuid4())
    assert (await send(pair.http, body(record(1), batch=batch), key)).status_code == 200
    for client in (pair.http, pair.second):
        answer = await send(client, body(record(1, name="other"), batch=batch), key)
        assert (answer.status_code, answer.json()["data"]["errors"][0]["code"]) == (422, "idempotency_body_differs")
    assert [contact["name"] for contact in await pair.contacts(batch)] == ["Ann Example"]


async def test_the_same_request_at_two_processes_at_once_is_stored_once_and_answered_alike(pair: Pair) -> None:
    batch, key = await new_batch(pair), str(uuid.uuid4())
    content = body(*(record(number) for number in range(1500)), record(1, amount=None), batch=batch)
    answers = await asyncio.gather(*(answered(client, content, key) for client in (pair.http, pair.second)))
    assert [answer.status_code for answer in answers] == [207, 207]
    assert answers[0].json() == answers[1].json()
    assert await pair.total(batch) == 1500
    assert len(await commands(pair, answers[0].json()["data"]["submissionId"])) == 1


async def test_of_two_bodies_at_two_processes_at_once_one_is_stored_and_the_other_a_422(pair: Pair) -> None:
    for _ in range(3):
        batch, key = await new_batch(pair), str(uuid.uuid4())
        bodies = [body(record(1, name=name), record(2, name=name, **bad), batch=batch) for name, bad in BODIES]
        clients = (pair.http, pair.second)
        answers = await asyncio.gather(*(answered(c, content, key) for c, content in zip(clients, bodies, strict=True)))
        assert sorted(answer.status_code for answer in answers) in ([200, 422], [207, 422])
        won = 0 if answers[1].status_code == 422 else 1
        assert {contact["name"] for contact in await pair.contacts(batch)} == {BODIES[won][0]}
        again = await answered(clients[1 - won], bodies[won], key)
        assert again.json() == answers[won].json()


BODIES: tuple[tuple[str, dict[str, Any]], ...] = (("one", {}), ("two", {"amount": None}))


async def test_what_is_published_again_by_hand_gets_its_first_receipts_again(pair: Pair) -> None:
    batch, key = await new_batch(pair), str(uuid.uuid4())
    content = body(record(1), batch=batch)
    first = await send(pair.http, content, key)
    submission_id, [call_id] = (first.json()["data"][name] for name in ("submissionId", "callIds"))
    await complete_call(pair, batch, call_id)
    [body_hash] = await announced(pair, submission_id)
    headers = {"submission-id": submission_id, "first-index": "0", "total": "1", "body-hash": body_hash or ""}
    pairs = tuple((name, text.encode()) for name, text in headers.items())
    await pair.bus.publisher.publish([Message(TopicName.RAW, content, batch.encode(), pairs)])
    marker = await pair.post(record(2), batch=batch)
    assert marker.status_code == 200
    logs = {contact["phoneNumber"]: len(contact["phoneLogs"]) for contact in await pair.contacts(batch)}
    assert logs == {"+12125550001": 1, "+12125550002": 1}


async def test_respond_async_is_a_409_until_it_is_done_and_then_the_answer(pair: Pair) -> None:
    batch, key = await new_batch(pair), str(uuid.uuid4())
    content = body(*(record(number) for number in range(3000)), batch=batch)
    first = await send(pair.http, content, key, prefer="respond-async")
    again = await send(pair.second, content, key)
    assert (first.status_code, again.status_code) in ((202, 409), (202, 200), (202, 202))
    done = await answered(pair.second, content, key)
    assert (done.status_code, done.json()["data"]["added"]) == (200, 3000)
    assert done.json()["data"]["submissionId"] == first.json()["data"]["submissionId"]
