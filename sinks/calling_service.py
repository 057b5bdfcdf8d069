"""From `calls.dialer` to the calling service's URL: each command as a signed POST, told until it is heard.

A consumer of its own: nothing else waits for it. Each command is tried until the service answers 2xx, nearly as long as
the topic keeps it; then it is logged as an error and passed over: the calls stay pending, and any later start of the
batch leads to them.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import httpx
import msgspec
import structlog
from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaConnectionError, KafkaError

from schemas.codecs import UndecodableError, decode_message
from schemas.kafka_connection import KafkaConnection
from schemas.messages import MustStopError
from schemas.records import DialerCommand
from schemas.topics import TopicName
from sinks.consume import Consumer, group_member
from sinks.deliveries import Deliveries, Delivery

log = structlog.get_logger(__name__)

GROUP: Final = "calling-service"
ANSWER_WITHIN_SECONDS: Final = 10.0
GIVE_UP_SECONDS: Final = 6 * 86_400.0
"""Less than `calls.dialer` is kept: where a service is away for less, no start is lost."""

AT_A_TIME: Final = 8
MOST_WAITING: Final = 10_000
"""Batches, in all, that are to be told of."""

MOST_TAKEN: Final = 1000
LOOK_EVERY_MS: Final = 100
STOP_WITHIN_SECONDS: Final = 3.0
CONNECT_AGAIN_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Service:
    """Where commands are told, and the secret they are signed with."""

    url: str
    secret: bytes | None = None
    answer_within_seconds: float = ANSWER_WITHIN_SECONDS
    give_up_seconds: float = GIVE_UP_SECONDS


class CallingService:
    """The consumer of start commands. `run` until `stop`, as `sinks.load.Load`."""

    def __init__(
        self,
        kafka: KafkaConnection,
        service: Service,
        *,
        make_consumer: Callable[[KafkaConnection, str], Consumer] = group_member,
    ) -> None:
        self._kafka, self._service, self._make_consumer = kafka, service, make_consumer
        self._deliveries = Deliveries(service.give_up_seconds)
        self._trying: set[asyncio.Task[None]] = set()
        self._silent = False
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Tell commands until stopped. Raise MustStopError."""
        try:
            # A proxy of the environment is not asked: it would see who is called for whom, and local services fail.
            async with httpx.AsyncClient(timeout=self._service.answer_within_seconds, trust_env=False) as http:
                await self._follow(http)
        except KafkaError as error:
            kind = type(error).__name__
            raise MustStopError(f"Kafka refuses consumer {GROUP} ({kind}): see `dialfeed topics`") from error
        finally:
            self._ended.set()

    async def stop(self) -> bool:
        """Give up what is being tried, commit what is done; return whether that was possible in time."""
        self._stopping.set()
        try:
            async with asyncio.timeout(STOP_WITHIN_SECONDS):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    async def _follow(self, http: httpx.AsyncClient) -> None:
        consumer = await self._started()
        if consumer is None:
            return
        try:
            while not self._stopping.is_set():
                await self._take(consumer)
                self._try_what_is_due(http)
                await self._commit(consumer)
            await self._give_up_trying()
            await self._commit(consumer)
        finally:
            await self._give_up_trying()
            await consumer.stop()

    async def _give_up_trying(self) -> None:
        for task in self._trying:
            task.cancel()
        await asyncio.gather(*self._trying, return_exceptions=True)

    async def _started(self) -> Consumer | None:
        while not self._stopping.is_set():
            consumer = self._make_consumer(self._kafka, GROUP)
            consumer.subscribe([self._kafka.topic(TopicName.DIALER)], listener=_Rebalance(self._deliveries))
            try:
                await consumer.start()
            except KafkaConnectionError:
                log.warning("waiting", consumer=GROUP, why="Kafka does not answer")
                await consumer.stop()
                await self._pause(CONNECT_AGAIN_SECONDS)
            else:
                return consumer
        return None

    async def _take(self, consumer: Consumer) -> None:
        if len(self._deliveries) >= MOST_WAITING:
            await self._pause(LOOK_EVERY_MS / 1000)
            return
        taken = await consumer.getmany(timeout_ms=LOOK_EVERY_MS, max_records=MOST_TAKEN)
        for messages in taken.values():
            for message in messages:
                self._deliveries.add(delivery_of(message))

    def _try_what_is_due(self, http: httpx.AsyncClient) -> None:
        for delivery in list(self._deliveries.due(time.monotonic()))[: AT_A_TIME - len(self._trying)]:
            self._deliveries.begin(delivery, time.monotonic())
            task = asyncio.create_task(self._try(http, delivery))
            self._trying.add(task)
            task.add_done_callback(self._trying.discard)

    async def _try(self, http: httpx.AsyncClient, delivery: Delivery) -> None:
        assert delivery.body is not None
        headers = headers_of(delivery.body, self._service.secret, now=int(time.time()))
        try:
            answer = await http.post(self._service.url, content=delivery.body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            self._failed(delivery, type(error).__name__, 0.0)
            return
        if answer.is_success:
            self._heard(delivery)
        elif answer.status_code == httpx.codes.GONE:
            log.warning("calling_service_declined", batch_id=delivery.batch_id, request_id=delivery.request_id)
            self._deliveries.finish(delivery)
        else:
            self._failed(delivery, f"status {answer.status_code}", retry_after(answer.headers))

    def _heard(self, delivery: Delivery) -> None:
        self._deliveries.finish(delivery)
        log.info("calling_service_told", batch_id=delivery.batch_id, request_id=delivery.request_id)
        if self._silent:
            log.info("calling_service_answers_again")
        self._silent = False

    def _failed(self, delivery: Delivery, why: str, wait: float) -> None:
        """Wait for the next try, or give up. One line tells that the service is away, not one a try."""
        if not self._silent:
            log.warning("calling_service_not_heard", why=why)
        self._silent = True
        share = random.random()  # noqa: S311  spreads tries, guards nothing
        if self._deliveries.fail(delivery, time.monotonic(), share=share, retry_after=wait):
            return
        log.error(
            "calling_service_given_up",
            batch_id=delivery.batch_id,
            request_id=delivery.request_id,
            tries=delivery.tries,
            why=why,
            remedy="its calls stay pending: start the batch again once the service answers",
        )
        self._deliveries.finish(delivery)

    async def _commit(self, consumer: Consumer) -> None:
        moved = self._deliveries.committable()
        if not moved:
            return
        try:
            await consumer.commit({TopicPartition(*partition): offset for partition, offset in moved.items()})
        except (CommitFailedError, IllegalStateError) as error:
            # The partitions have moved; whoever has them now tells the same again.
            log.warning("commit_refused", consumer=GROUP, error=type(error).__name__)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass


def delivery_of(message: ConsumerRecord) -> Delivery:
    """Return what is to be told of a message; nothing of one that is no command. Raise NewerError."""
    place = (message.topic, message.partition)
    try:
        command = decode_message(message, DialerCommand)
    except UndecodableError:
        log.warning("foreign_messages_skipped", count=1, topic=message.topic)
        return Delivery(place, message.offset, "", "", None)
    return Delivery(place, message.offset, command.batch_id, command.request_id, msgspec.json.encode(command))


def headers_of(body: bytes, secret: bytes | None, *, now: int) -> dict[str, str]:
    """Return the headers of a POST; `now` in seconds since the epoch. The signature is an HMAC-SHA-256 of the body."""
    headers = {"content-type": "application/json", "x-dialfeed-timestamp": str(now)}
    if secret is not None:
        headers["x-dialfeed-signature"] = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    return headers


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that an answer asks to wait; 0 where it names none in seconds."""
    text = headers.get("retry-after", "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < len("1000000") else 0.0


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self._deliveries.forget((one.topic, one.partition) for one in revoked)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        log.info("partitions_assigned", consumer=GROUP, partitions=len(assigned))
