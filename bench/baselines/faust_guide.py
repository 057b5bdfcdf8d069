"""The way of Faust's guide: a record a message, a `faust.Record`, an agent that takes batches and stores each.

`python -m bench.baselines.faust_guide` with BENCH_KAFKA and BENCH_FOLDER set. It prints how many records it has dealt
with after every batch, which is how the benchmark knows that they are stored.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
from pathlib import Path
from typing import Any, Final

import faust
import mode.loop

from bench.baselines.checks import Refused, Submission, judge
from bench.baselines.table import insert, open_table
from bench.records import BATCH_ZONE

CALLS: Final = "bench.faust-guide.calls"
REJECTED: Final = "bench.faust-guide.rejected"
TAKE_RECORDS: Final = 1000
TAKE_WITHIN_SECONDS: Final = 0.5


class Call(faust.Record, serializer="json"):  # type: ignore[misc,call-arg]  # Faust is untyped
    """One record and the batch it is for."""

    batch_id: str
    record: dict[str, Any]


def message(batch_id: str, record: bytes) -> bytes:
    """Return the message of a record given as JSON text."""
    return b'{"batch_id":%b,"record":%b}' % (json.dumps(batch_id).encode(), record)


def build_app(kafka: str, folder: Path) -> faust.App:
    """Return the app with its one agent."""
    app = faust.App(
        "bench-faust-guide",
        broker=f"kafka://{kafka}",
        datadir=folder / "faust",
        value_serializer="json",
        topic_allow_declare=False,
        topic_disable_leader=True,
        cython_optimizations=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    calls = app.topic(CALLS, value_type=Call)
    rejected = app.topic(REJECTED)
    table = open_table(folder / "chdb")
    done = 0

    @app.agent(calls)  # type: ignore[untyped-decorator]  # Faust is untyped
    async def store(stream: Any) -> None:
        nonlocal done
        async for batch in stream.take(TAKE_RECORDS, within=TAKE_WITHIN_SECONDS):
            accepted_at = dt.datetime.now(dt.UTC)
            judged = [judge(call.record, Submission(call.batch_id, BATCH_ZONE, accepted_at)) for call in batch]
            for call, refused in zip(batch, judged, strict=True):
                if isinstance(refused, Refused):
                    await rejected.send(value={"record": call.record, "errors": refused.errors})
            rows = [row for row in judged if not isinstance(row, Refused)]
            if rows:
                await asyncio.to_thread(insert, table, rows)
            done += len(batch)
            print(f"stored {done}", flush=True)

    return app


def main() -> None:
    mode.loop.use("uvloop")
    app = build_app(os.environ["BENCH_KAFKA"], Path(os.environ["BENCH_FOLDER"]))
    faust.Worker(app, loglevel="WARN", quiet=True).execute_from_commandline()


if __name__ == "__main__":
    main()
