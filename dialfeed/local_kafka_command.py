"""`dialfeed kafka`: only the local broker, in the foreground, with the topics made."""

from __future__ import annotations

import asyncio
import sys

from dialfeed.local_kafka import running
from dialfeed.settings import Settings
from dialfeed.topics_admin import create_missing
from dialfeed.worker import in_order
from schemas.messages import MustStopError


def run_kafka(settings: Settings) -> int:
    """Run until SIGTERM or Ctrl-C; return the exit code. Raise LocalKafkaError."""
    return asyncio.run(in_order(lambda stop: _serve(settings, stop)))


async def _serve(settings: Settings, stop: asyncio.Event) -> None:
    async with running(settings.kafka_folder, report=_say) as kafka:
        await create_missing(settings.kafka_connection(kafka.bootstrap))
        _say(f"Kafka answers at {kafka.bootstrap}. Ctrl-C stops it.")
        ended, stopped = asyncio.create_task(kafka.wait()), asyncio.create_task(stop.wait())
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            raise MustStopError(f"Kafka ended by itself (exit code {ended.result()}): see {kafka.log_file}")
        ended.cancel()


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
