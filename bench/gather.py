"""How many bare records a second one `gather` takes from calls.records to calls.chunks, alone in its process.

    python -m bench.gather [--records N] [--batches N ...]

Kafka is the one of the tests (DIALFEED_TEST_KAFKA, or a local broker). The records are there before the clock starts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import time

import structlog
import uvloop
from aiokafka import AIOKafkaProducer

from schemas.topics import TopicName
from streams.gather import GATHER_GROUP, Gather
from tests.support.bus import Bus, bus_of_its_own
from tests.support.kafka import kafka_for_tests
from tests.support.samples import record


async def _produce(bus: Bus, records: int, batches: int) -> None:
    topic = bus.connection.topic(TopicName.RECORDS)
    value = json.dumps(record(1, company="Example Limited", note="x" * 40)).encode()
    producer = AIOKafkaProducer(**bus.connection.client_options(), linger_ms=5, max_batch_size=256 * 1024)
    async with producer:
        sent = [
            await producer.send(topic, value, headers=[("batch-id", b"b%d" % (number % batches))])
            for number in range(records)
        ]
        await asyncio.gather(*sent)


async def _measure(bootstrap: str, records: int, batches: int) -> str:
    async with bus_of_its_own(bootstrap) as bus:
        await _produce(bus, records, batches)
        gather = Gather(bus.connection, bus.publisher)
        began, cpu = time.monotonic(), time.process_time()
        running = asyncio.create_task(gather.run())
        while await bus.committed(GATHER_GROUP, TopicName.RECORDS) < records:  # noqa: ASYNC110  # Kafka is asked
            await asyncio.sleep(0.05)
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
        gather.stop()
        await running
    return f"{batches:>6} batches: {records / seconds:>9,.0f} records/s, {cpu / records * 1e6:.1f} us CPU a record"


def main() -> None:
    """Measure one after the other and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=300_000)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 300])
    asked = parser.parse_args()
    logging.disable(logging.ERROR)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with kafka_for_tests() as bootstrap:
        for batches in asked.batches:
            print(uvloop.run(_measure(bootstrap, asked.records, batches)))


if __name__ == "__main__":
    main()
