"""Start commands on their way to a calling service: a real HTTP server that refuses, is slow, dies and comes back."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from schemas.codecs import encode
from schemas.kafka_connection import KafkaConnection
from schemas.messages import Message
from schemas.records import DialerCommand
from schemas.topics import TopicName
from sinks import deliveries
from sinks.calling_service import GROUP, CallingService, Service
from sinks.first_offsets import begin_at_the_end
from tests.support.bus import Bus, bus_of_its_own, eventually
from tests.support.edge import until
from tests.support.listening_service import Heard, ListeningService, listening_service
from tests.unit.sinks.consuming import MemoryConsumer, record

SECRET = b"a secret of the tests"


@pytest.fixture
async def service() -> AsyncIterator[ListeningService]:
    async with listening_service() as service:
        yield service


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(deliveries, "LONGEST_PAUSE_SECONDS", 0.05)


def command(request_id: str, batch_id: str = "b") -> bytes:
    return encode(
        DialerCommand(
            command="start",
            request_id=request_id,
            workspace_id="w",
            batch_id=batch_id,
            requested_at=1_700_000_000_000,
            reason="submission",
            pending=-1,
        )
    )


@asynccontextmanager
async def told(service: Service, *commands: bytes) -> AsyncIterator[list[Any]]:
    """Run the consumer on these messages; yield what it does to Kafka."""
    actions: list[Any] = []
    waiting = [record(offset, value, topic="calls.dialer") for offset, value in enumerate(commands)]
    teller = CallingService(
        KafkaConnection("unused"), service, make_consumer=lambda *_: MemoryConsumer(waiting, actions)
    )
    running = asyncio.create_task(teller.run())
    try:
        yield actions
    finally:
        assert await teller.stop()
        await running


def committed(actions: list[Any]) -> int:
    return max((action[1] for action in actions if action[0] == "commit"), default=0)


def answering(*answers: int | None) -> Callable[[Heard], int | None]:
    """Give these answers in turn, then the last one for ever."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


async def test_a_start_is_told_as_json_with_a_signature_of_its_body(service: ListeningService) -> None:
    async with told(Service(service.url, SECRET), command("r")) as actions:
        await until(lambda: committed(actions) == 1)
    [heard] = service.heard
    assert heard.command == {
        "command": "start",
        "requestId": "r",
        "workspaceId": "w",
        "batchId": "b",
        "requestedAt": 1_700_000_000_000,
        "reason": "submission",
        "pending": -1,
    }
    signature = hmac.new(SECRET, heard.body, hashlib.sha256).hexdigest()
    assert heard.headers["x-dialfeed-signature"] == f"sha256={signature}"
    assert heard.headers["content-type"] == "application/json"
    assert int(heard.headers["x-dialfeed-timestamp"]) > 1_700_000_000


async def test_without_a_secret_nothing_is_signed(service: ListeningService) -> None:
    async with told(Service(service.url), command("r")) as actions:
        await until(lambda: committed(actions) == 1)
    assert "x-dialfeed-signature" not in service.heard[0].headers


@pytest.mark.parametrize("first", [500, 503, 429, 404, 401, 302, None])
async def test_whatever_is_not_2xx_is_told_again(service: ListeningService, first: int | None) -> None:
    service.answer = answering(first, 204)
    async with told(Service(service.url), command("r")) as actions:
        await until(lambda: committed(actions) == 1)
    assert service.request_ids == ["r", "r"]


async def test_a_service_that_is_away_is_told_when_it_is_back(service: ListeningService) -> None:
    await service.stop()
    async with told(Service(service.url), command("r"), command("s")) as actions:
        await until(lambda: "start" in actions)
        await service.start()
        await until(lambda: committed(actions) == 2)
    assert service.request_ids == ["s"]  # which stands for both


async def test_a_service_that_is_too_slow_is_told_again(service: ListeningService) -> None:
    service.held.clear()
    async with told(Service(service.url, answer_within_seconds=0.1), command("r")) as actions:
        await until(lambda: len(service.heard) > 1)
        assert committed(actions) == 0
        service.held.set()
        await until(lambda: committed(actions) == 1)


async def test_the_last_of_a_batch_is_told_for_all_that_wait_over_failures(service: ListeningService) -> None:
    service.answer = answering(500, 500, 200)
    async with told(Service(service.url), command("1"), command("2"), command("3"), command("x", "other")) as actions:
        await until(lambda: committed(actions) == 4)
    assert set(service.request_ids) == {"3", "x"}


async def test_one_batch_that_fails_keeps_no_other_waiting(service: ListeningService) -> None:
    service.answer = lambda heard: 500 if heard.command["batchId"] == "bad" else 200
    async with told(Service(service.url), command("1", "bad"), command("2", "good")) as actions:
        await until(lambda: "2" in service.request_ids)
        assert committed(actions) == 0


async def test_gone_ends_the_telling_of_a_start(service: ListeningService) -> None:
    service.answer = answering(410)
    async with told(Service(service.url), command("r")) as actions:
        await until(lambda: committed(actions) == 1)
    assert service.request_ids == ["r"]


async def test_after_its_time_a_start_is_passed_over_and_logged(
    service: ListeningService, capsys: pytest.CaptureFixture[str]
) -> None:
    service.answer = lambda heard: 500 if heard.command["requestId"] == "bad" else 200
    async with told(Service(service.url, give_up_seconds=0.2), command("bad"), command("good", "other")) as actions:
        await until(lambda: committed(actions) == 2)
    assert set(service.request_ids) == {"bad", "good"}
    assert "calling_service_given_up" in capsys.readouterr().out


async def test_what_is_no_command_is_passed_over(service: ListeningService) -> None:
    async with told(Service(service.url), b"nonsense", b"", command("r")) as actions:
        await until(lambda: committed(actions) == 3)
    assert service.request_ids == ["r"]


async def test_what_was_not_heard_is_told_by_the_next_process(service: ListeningService, kafka_bootstrap: str) -> None:
    service.answer = answering(500)
    async with bus_of_its_own(kafka_bootstrap) as bus:
        await bus.publisher.publish([Message(TopicName.DIALER, command("r"), b"b")])
        first = CallingService(bus.connection, Service(service.url))
        running = asyncio.create_task(first.run())
        await until(lambda: len(service.heard) > 1, 30)
        assert await first.stop()
        await running
        service.heard.clear()
        service.answer = answering(200)
        second = CallingService(bus.connection, Service(service.url))
        running = asyncio.create_task(second.run())
        await until(lambda: service.request_ids == ["r"], 30)
        await eventually(lambda: _is_committed(bus))
        assert await second.stop()
        await running


async def test_a_service_that_is_new_hears_what_comes_from_now_on_whatever_is_killed(
    service: ListeningService, kafka_bootstrap: str
) -> None:
    async with bus_of_its_own(kafka_bootstrap) as bus:
        await bus.publisher.publish([Message(TopicName.DIALER, command("before"), b"b")])
        await asyncio.gather(*(begin_at_the_end(bus.connection, GROUP, TopicName.DIALER) for _ in range(2)))
        meanwhile = [Message(TopicName.DIALER, command("meanwhile", batch), batch.encode()) for batch in "bc"]
        # here every process is killed
        await bus.publisher.publish(meanwhile)
        await begin_at_the_end(bus.connection, GROUP, TopicName.DIALER)
        teller = CallingService(bus.connection, Service(service.url))
        running = asyncio.create_task(teller.run())
        await until(lambda: service.request_ids == ["meanwhile"] * 2, 30)
        await begin_at_the_end(bus.connection, GROUP, TopicName.DIALER)  # another process, while this one runs
        assert await teller.stop()
        await running
    assert service.request_ids == ["meanwhile"] * 2


async def _is_committed(bus: Bus) -> bool:
    return await bus.committed(GROUP, TopicName.DIALER) == 1
