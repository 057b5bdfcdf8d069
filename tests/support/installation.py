"""A whole dialfeed, started as its users start it, and the verbs that tests use on its public doors."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from dialfeed.kafka_ports import free_port
from schemas.topics import TOPICS
from tests.support.bus import API_KEY, Bus, bus_of_its_own, eventually, part

READY_WITHIN_SECONDS = 60.0


class Installation:
    """API, sink and worker on topics of their own."""

    def __init__(self, bus: Bus, folder: Path, url: str) -> None:
        self.bus = bus
        self.folder = folder
        self.url = url
        self.http = httpx.AsyncClient(base_url=url, headers={"x-api-key": API_KEY}, timeout=60.0, trust_env=False)
        self.parts: dict[str, subprocess.Popen[bytes]] = {}
        self._running: dict[str, ExitStack] = {}

    def start(self, name: str, *arguments: str, **environment: str) -> None:
        stack = ExitStack()
        self.parts[name] = stack.enter_context(part(self.bus, self.folder, *arguments, **environment))
        self._running[name] = stack

    def start_api(self, **environment: str) -> None:
        self.start("api", "api", "--with-load", DIALFEED_HTTP=self.url.removeprefix("http://"), **environment)

    def start_worker(self, name: str = "worker") -> None:
        self.start(name, "worker")

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self._running.pop(name).close()
        del self.parts[name]

    async def ready(self) -> None:
        await eventually(self._is_ready, READY_WITHIN_SECONDS)

    async def _is_ready(self) -> bool:
        for process in self.parts.values():
            assert process.poll() is None, (self.folder / "parts.log").read_text()[-3000:]
        try:
            return (await self.http.get("/readyz")).is_success
        except httpx.TransportError:
            return False

    async def close(self) -> None:
        await self.http.aclose()
        for name in list(self._running):
            self.kill(name)

    def log(self) -> str:
        return (self.folder / "parts.log").read_text()

    # verbs

    async def post(self, *call_data: Any, batch: str = "b", **headers: str) -> httpx.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(
            "/api/call/addCallsToBatch", json={"batchId": batch, "call_data": call_data}, headers=given
        )

    async def post_bytes(self, content: bytes, **headers: str) -> httpx.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post("/api/call/addCallsToBatch", content=content, headers=given)

    async def report(self, submission_id: str) -> dict[str, Any]:
        """Return the complete report of a submission."""

        async def complete() -> dict[str, Any] | None:
            answer = await self.http.get(f"/api/call/submissions/{submission_id}")
            data: dict[str, Any] = answer.json()["data"]
            return data if answer.is_success and data["complete"] else None

        found: dict[str, Any] = await eventually(complete)
        return found

    async def contacts(self, batch: str = "b", limit: int = 1000) -> list[dict[str, Any]]:
        """Return every stored contact of a batch."""
        found: list[dict[str, Any]] = []
        page = 1
        while True:
            answer = await self.http.get(f"/api/call/batch-details/{batch}", params={"page": page, "limit": limit})
            data = answer.json()["data"]
            found += data["data"]
            if page >= data["totalPages"]:
                return found
            page += 1

    async def total(self, batch: str = "b") -> int:
        answer = await self.http.get(f"/api/call/batch-details/{batch}", params={"limit": 1})
        total: int = answer.json()["data"]["total"]
        return total


@asynccontextmanager
async def installation(
    bootstrap: str, *, workers: int = 1, partitions: int | None = None, **environment: str
) -> AsyncIterator[Installation]:
    """Run one until the block ends. `partitions`: as many of each topic that may have more than it is made with."""
    with tempfile.TemporaryDirectory(prefix="dialfeed-") as folder:
        async with bus_of_its_own(bootstrap) as bus:
            if partitions is not None:
                await bus.add_partitions({topic.name: partitions for topic in TOPICS if topic.partitions > 1})
            made = Installation(bus, Path(folder), f"http://127.0.0.1:{free_port()}")
            try:
                made.start_api(**environment)
                for number in range(workers):
                    made.start_worker("worker" if number == 0 else f"worker-{number}")
                await made.ready()
                yield made
            finally:
                await made.close()


def failed_records(data: dict[str, Any]) -> dict[int, set[tuple[str, str]]]:
    """Return (code, path) of each error by index, as a report tells them."""
    return {
        record["index"]: {(error["code"], error["path"]) for error in record["errors"]}
        for chunk in data["failedChunks"]
        for record in chunk["records"]
    }
