"""FastAPI alone, no Kafka: the handler validates and inserts, then answers.

`python -m bench.baselines.fastapi_handler` with BENCH_HTTP and BENCH_FOLDER set.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from bench.baselines.checks import Refused, Submission, judge
from bench.baselines.table import insert, open_table
from bench.records import BATCH_ZONE


class Body(BaseModel):
    """The body of addCallsToBatch. A wrong record must fail alone, so each is validated by itself."""

    batchId: str  # noqa: N815  the contract's name
    call_data: list[Any] = Field(min_length=1)


def create_app(folder: Path) -> FastAPI:
    """Return the app."""
    app = FastAPI()
    table = open_table(folder / "chdb")

    @app.post("/api/call/addCallsToBatch")
    async def add_calls(body: Body) -> JSONResponse:
        submission = Submission(body.batchId, BATCH_ZONE, dt.datetime.now(dt.UTC))
        judged = [judge(record, submission) for record in body.call_data]
        rows = [row for row in judged if not isinstance(row, Refused)]
        if rows:
            await asyncio.to_thread(insert, table, rows)
        failed = [
            {"index": index, "errors": refused.errors}
            for index, refused in enumerate(judged)
            if isinstance(refused, Refused)
        ]
        status = 200 if not failed else 207 if rows else 400
        content = {"added": len(rows), "callIds": [str(row.call_id) for row in rows], "failed": failed}
        return JSONResponse(content, status)

    return app


def main() -> None:
    host, _, port = os.environ["BENCH_HTTP"].rpartition(":")
    app = create_app(Path(os.environ["BENCH_FOLDER"]))
    uvicorn.run(app, host=host, port=int(port), loop="uvloop", http="httptools", access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
