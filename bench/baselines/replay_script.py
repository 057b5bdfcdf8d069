"""Dead letters tried again as a script would do it: read a message, mend its JSON, send it on, a message a record.

It remembers nothing: stopped in the middle it begins again, run twice it sends everything twice.
"""

from __future__ import annotations

import asyncio
import json
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

IDLE_MS: Final = 2000


async def replay(bootstrap: str, source: str, target: str, wrong: str, right: str) -> int:
    """Send every record of `source` with its field `wrong` called `right` to `target`; return how many."""
    consumer = AIOKafkaConsumer(
        source, bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    count = 0
    async with consumer, producer:
        ends = await consumer.end_offsets(consumer.assignment())
        wanted = sum(ends.values())
        while count < wanted:
            taken = await consumer.getmany(timeout_ms=IDLE_MS)
            sent = [
                await producer.send(target, _mended(message, wrong, right), headers=[("batch-id", _batch_of(message))])
                for messages in taken.values()
                for message in messages
            ]
            await asyncio.gather(*sent)
            count += len(sent)
    return count


def _mended(message: ConsumerRecord, wrong: str, right: str) -> bytes:
    record = json.loads(message.value)
    record[right] = record.pop(wrong)
    return json.dumps(record).encode()


def _batch_of(message: ConsumerRecord) -> bytes:
    return dict(message.headers)["batch-id"] or b""
