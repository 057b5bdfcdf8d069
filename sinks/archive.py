"""From `calls.dead-letter`, `calls.parking` and `calls.receipts` to ClickHouse: reports outlive who was asked.

Of the receipts' topic only what is not yet stored is kept: `SubmissionAccepted`, sent by the edge. The receipts
themselves are stored by `load`, before they are sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import structlog
from aiokafka import ConsumerRecord

from schemas.codecs import UndecodableError, decode_message
from schemas.dead_letters import DeadLetter, DeadLetterDecoder
from schemas.kafka_connection import KafkaConnection
from schemas.records import SubmissionAccepted
from schemas.topics import TopicName
from sinks.consume import Consumer, Consuming, group_member
from sinks.report_rows import NumberOf, dead_letters_insert, submissions_insert
from sinks.rows import Insert, Tables

log = structlog.get_logger(__name__)

GROUP: Final = "archive"
MOST_MESSAGES: Final = 8_000
MOST_BYTES: Final = 16 * 1024 * 1024


class Archive:
    """The consumer of dead letters and accepted submissions. `run` until `stop`, as `sinks.load.Load`."""

    def __init__(
        self,
        kafka: KafkaConnection,
        clickhouse: Tables,
        *,
        number_of: NumberOf = lambda _: "",
        make_consumer: Callable[[KafkaConnection, str], Consumer] = group_member,
    ) -> None:
        self._clickhouse, self._number_of = clickhouse, number_of
        self._dead_letters, self._parking = kafka.topic(TopicName.DEAD_LETTER), kafka.topic(TopicName.PARKING)
        self._receipts = kafka.topic(TopicName.RECEIPTS)
        self._consuming = Consuming(
            GROUP,
            [self._dead_letters, self._parking, self._receipts],
            lambda: make_consumer(kafka, GROUP),
            self.read,
            self.write,
            most_messages=MOST_MESSAGES,
            most_bytes=MOST_BYTES,
        )

    async def run(self) -> None:
        """Consume until stopped. Raise MustStopError, with nothing of the flush in progress committed."""
        await self._consuming.run()

    def trouble(self) -> str:
        """Return why nothing is consumed now, or an empty text."""
        return self._consuming.trouble()

    async def stop(self) -> bool:
        """Let the flush in progress end and be committed; return whether it did in time."""
        return await self._consuming.stop()

    def read(self, messages: Sequence[ConsumerRecord]) -> list[DeadLetter | SubmissionAccepted]:
        """Return what is kept of the messages; one that is not dialfeed's is passed over. Raise NewerError."""
        decoder = DeadLetterDecoder()
        letters = [
            decoder.decode_message(message, parked=message.topic == self._parking)
            for message in messages
            if message.topic != self._receipts
        ]
        ours = [letter for letter in letters if letter is not None]
        if len(ours) < len(letters):
            log.warning("foreign_messages_skipped", count=len(letters) - len(ours), topic=self._dead_letters)
        return [*ours, *_accepted(message for message in messages if message.topic == self._receipts)]

    async def write(self, items: Sequence[DeadLetter | SubmissionAccepted]) -> None:
        """Store what `read` returned; raise TryAgainError or MustStopError."""
        for insert in await asyncio.to_thread(_inserts, items, self._number_of):
            await self._clickhouse.insert(insert)


def _inserts(items: Sequence[DeadLetter | SubmissionAccepted], number_of: NumberOf) -> list[Insert]:
    accepted = [item for item in items if isinstance(item, SubmissionAccepted)]
    letters = [item for item in items if not isinstance(item, SubmissionAccepted)]
    inserts = [dead_letters_insert(letters, number_of)] if letters else []
    return [*inserts, submissions_insert(accepted)] if accepted else inserts


def _accepted(messages: Iterator[ConsumerRecord]) -> Iterator[SubmissionAccepted]:
    for message in messages:
        try:
            yield decode_message(message, SubmissionAccepted)
        except UndecodableError:
            continue  # a receipt, as nearly all are
