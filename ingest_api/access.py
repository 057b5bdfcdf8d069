"""Who may do what, asked of the registry; before "no" is said, the registry is read to its end."""

from __future__ import annotations

import asyncio

from ingest_api.envelope import RefusedError, refused
from schemas.messages import TryAgainError
from schemas.outcomes import HttpCode
from schemas.records import Batch
from schemas.registry import Registry, RegistryReader


class Access:
    """Answers from what is known; asks again where that is not enough, once for all who ask at the same time."""

    __slots__ = ("_begun", "_failed", "_lock", "_registry", "_retry_after_seconds", "_seconds")

    def __init__(self, registry: RegistryReader, *, seconds: float, retry_after_seconds: int) -> None:
        self._registry = registry
        self._seconds = seconds
        self._retry_after_seconds = retry_after_seconds
        self._lock = asyncio.Lock()
        self._begun = 0
        self._failed = False

    @property
    def known(self) -> Registry:
        """What is known now."""
        return self._registry.state

    async def workspace(self, api_key: str | None) -> str:
        """Return the workspace that a key opens; refuse (403) a key that opens none."""
        key = (api_key or "").strip()
        if not key:
            raise refused(
                HttpCode.FORBIDDEN,
                "send an API key in the header x-api-key, or as Authorization: Bearer KEY",
                "x-api-key",
            )
        workspace_id = self.known.workspace_of_key(key)
        if workspace_id is None:
            await self.catch_up()
            workspace_id = self.known.workspace_of_key(key)
        if workspace_id is None:
            raise refused(HttpCode.FORBIDDEN, "the API key is not valid", "x-api-key")
        return workspace_id

    async def reader(self, api_key: str | None) -> str | None:
        """Return the workspace whose a key may read, None for everybody's: an admin key; refuse (403) other keys."""
        key = (api_key or "").strip()
        if self.known.is_admin_key(key):
            return None
        try:
            return await self.workspace(api_key)
        except RefusedError:
            if self.known.is_admin_key(key):  # the registry has been read to its end since
                return None
            raise

    async def administrator(self, api_key: str | None) -> None:
        """Return if the key opens the administration; refuse it (403) if it does not, whatever else it opens."""
        key = (api_key or "").strip()
        if not key:
            raise refused(
                HttpCode.FORBIDDEN,
                "send an admin key in the header x-api-key, or as Authorization: Bearer KEY",
                "x-api-key",
            )
        if not self.known.is_admin_key(key):
            await self.catch_up()
        if not self.known.is_admin_key(key):
            raise refused(HttpCode.FORBIDDEN, "the API key does not open the administration", "x-api-key")

    async def batch(self, batch_id: str) -> Batch | None:
        """Return a batch of whichever workspace, or None."""
        batch = self.known.batches.get(batch_id)
        if batch is None:
            await self.catch_up()
            batch = self.known.batches.get(batch_id)
        return batch

    async def sendable(self, workspace_id: str, batch_id: str) -> Batch:
        """Return the batch that a workspace wants to add calls to; refuse it (403, 404) if that cannot be."""
        batch = await self.batch(batch_id)
        if batch is None:
            raise refused(HttpCode.BATCH_NOT_FOUND, path="/batchId")
        if batch.workspace_id != workspace_id:
            raise refused(HttpCode.FORBIDDEN, "the API key does not own this batch", "/batchId")
        await self._require_agent(batch)
        return batch

    async def visible(self, workspace_id: str | None, batch_id: str, path: str | None = "/batchId") -> Batch:
        """Return the batch of a workspace, None for any; refuse it (404) if there is none, as that of another."""
        batch = await self.batch(batch_id)
        if batch is None or workspace_id not in (None, batch.workspace_id):
            raise refused(HttpCode.BATCH_NOT_FOUND, path=path)
        return batch

    async def callable(self, workspace_id: str, batch_id: str) -> Batch:
        """Return the batch that a workspace wants to be called; refuse it (404) if that cannot be."""
        batch = await self.visible(workspace_id, batch_id)
        await self._require_agent(batch)
        return batch

    async def _require_agent(self, batch: Batch) -> None:
        if self.known.agent_of_batch(batch) is None:
            await self.catch_up()
        if self.known.agent_of_batch(batch) is None:
            raise refused(HttpCode.AGENT_NOT_FOUND, path="/batchId")

    async def unknown_numbers(self, workspace_id: str, phone_ids: list[str]) -> list[int]:
        """Return the places in the list of phone ids that are no numbers of the workspace."""
        if self._unknown(workspace_id, phone_ids):
            await self.catch_up()
        return self._unknown(workspace_id, phone_ids)

    def _unknown(self, workspace_id: str, phone_ids: list[str]) -> list[int]:
        numbers = self.known.numbers
        return [at for at, i in enumerate(phone_ids) if (n := numbers.get(i)) is None or n.workspace_id != workspace_id]

    async def catch_up(self) -> None:
        """Read the registry to its end; refuse (503) if that cannot be done now.

        One reading at a time: those who ask meanwhile share the one that begins after they asked, so that wrong keys
        cost the brokers one reading at a time, however many come.
        """
        wanted = self._begun + 1
        async with self._lock:
            if self._begun < wanted:
                await self._read()
        if self._failed:
            raise self._unavailable()

    async def _read(self) -> None:
        self._begun += 1
        self._failed = True
        try:
            async with asyncio.timeout(self._seconds):
                await self._registry.refresh()
        except (TryAgainError, TimeoutError):
            return
        self._failed = False

    def _unavailable(self) -> RefusedError:
        return refused(HttpCode.BUS_UNAVAILABLE, headers={"Retry-After": str(self._retry_after_seconds)})
