"""A calling service that knows docs/calling-service.md and nothing else: it dials what starts lead it to, and no more.

Each start makes it read the batch's pending calls to their end (section 2), also while it reads them. It reports
`dialing`, waits until that is taken, dials, and reports how the call ended (section 4). It never looks by itself, so
that a call which no start announces is never made.
"""

from __future__ import annotations

import asyncio
from binascii import crc32
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import httpx
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas.codecs import decode
from schemas.kafka_connection import KafkaConnection
from schemas.records import DialerCommand
from schemas.topics import TopicName

PAGE: Final = 1000
AGAIN_SECONDS: Final = 0.2

Event = dict[str, str]
Report = Callable[[str, Sequence[Event]], Awaitable[None]]
"""Gives statuses of a batch to dialfeed, and returns once they are taken."""


class DiallingService:
    """`started` is called with each batch that is started; `dialled` counts the calls made by (batch, number)."""

    def __init__(self, http: httpx.AsyncClient, report: Report) -> None:
        self.dialled: Counter[tuple[str, str]] = Counter()
        self.starts: Counter[str] = Counter()
        self.taken: set[str] = set()
        self._http, self._report = http, report
        self._unread: set[str] = set()
        self._reading: dict[str, asyncio.Task[None]] = {}

    def started(self, batch_id: str) -> None:
        """Note the start, and read the batch: once more if it is being read."""
        self.starts[batch_id] += 1
        self._unread.add(batch_id)
        if batch_id not in self._reading or self._reading[batch_id].done():
            self._reading[batch_id] = asyncio.create_task(self._read(batch_id))

    async def close(self) -> None:
        for task in self._reading.values():
            task.cancel()
        for result in await asyncio.gather(*self._reading.values(), return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    def calls_of(self, batch_id: str) -> Counter[str]:
        """Return how often each number of a batch was called."""
        return Counter({number: count for (batch, number), count in self.dialled.items() if batch == batch_id})

    async def _read(self, batch_id: str) -> None:
        while batch_id in self._unread:
            self._unread.discard(batch_id)
            after = ""
            while contacts := await self._page(batch_id, after):
                await self._call(batch_id, contacts)
                after = contacts[-1]["phoneNumber"]

    async def _page(self, batch_id: str, after: str) -> list[dict[str, Any]]:
        asked = {"filter": '{"callStatus":"pending"}', "limit": str(PAGE)} | ({"after": after} if after else {})
        while True:
            with suppress(httpx.TransportError):
                answer = await self._http.get(f"/api/call/batch-details/{batch_id}", params=asked)
                if answer.is_success:
                    found: list[dict[str, Any]] = answer.json()["data"]["data"]
                    return found
            await asyncio.sleep(AGAIN_SECONDS)

    async def _call(self, batch_id: str, contacts: Sequence[dict[str, Any]]) -> None:
        new = [contact for contact in contacts if contact["callId"] not in self.taken]
        if not new:
            return
        await self._report(batch_id, [{"callId": one["callId"], "status": "dialing"} for one in new])
        self.taken |= {one["callId"] for one in new}
        self.dialled.update((batch_id, one["phoneNumber"]) for one in new)
        await self._report(batch_id, [{"callId": one["callId"], "status": "completed"} for one in new])


def over_http(http: httpx.AsyncClient) -> Report:
    async def report(batch_id: str, events: Sequence[Event]) -> None:  # noqa: ARG001  # it is found from the callId
        while True:
            with suppress(httpx.TransportError):
                if (await http.post("/api/call/status", json=events)).is_success:
                    return
            await asyncio.sleep(AGAIN_SECONDS)

    return report


def on_the_topic(producer: AIOKafkaProducer, connection: KafkaConnection) -> Report:
    """Publish as most clients do that are not Java's: made with `elsewhere`."""

    async def report(batch_id: str, events: Sequence[Event]) -> None:
        topic, key = connection.topic(TopicName.STATUS), batch_id.encode()
        sent = [await producer.send(topic, msgspec.json.encode(event), key=key) for event in events]
        await asyncio.gather(*sent)

    return report


def elsewhere(key: bytes | None, all_partitions: Sequence[int], available: Sequence[int]) -> int:  # noqa: ARG001
    """Choose the partition as librdkafka does by default, by CRC-32 where Java's client takes murmur2."""
    return all_partitions[crc32(key or b"") % len(all_partitions)]


async def follow(connection: KafkaConnection, started: Callable[[str], None]) -> None:
    """Give every start of the topic, from its beginning on, until cancelled."""
    consumer = AIOKafkaConsumer(
        connection.topic(TopicName.DIALER),
        **connection.client_options(),
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    async with consumer:
        async for message in consumer:
            started(decode(message.value, DialerCommand).batch_id)
