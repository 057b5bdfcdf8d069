"""Dead letters as the API has them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import msgspec

from dialfeed.api_client import ApiClient
from dialfeed.exits import WrongUseError
from ingest_api.batch_details import utc
from schemas.dead_letter_query import DeadLetterFilter, GroupBy

PATH: Final = "/api/call/dead-letters"
DISMISSALS: Final = f"{PATH}/dismissals"
PAGE: Final = 1000


class ApiLetters:
    """A `dialfeed.letters.Letters`: those of the key's workspace, of everybody with an admin key."""

    def __init__(self, api: ApiClient, wanted: DeadLetterFilter, *, parked: bool, resolved: bool = False) -> None:
        self._api = api
        self._filters = parameters_of(wanted, parked=parked)
        self._resolved = {"resolved": "true"} if resolved else {}

    async def rows(self, *, records: bool) -> AsyncIterator[dict[str, Any]]:
        walking: dict[str, str | int] = {"sortBy": "record", "limit": PAGE, "records": "true" if records else "false"}
        after: str | None = ""
        while after is not None:
            data = await self._data(**self._filters, **walking, after=after)
            for row in data["deadLetters"]:
                yield row
            after = data["next"]

    async def newest(self, count: int, *, records: bool) -> tuple[list[dict[str, Any]], int]:
        rows: list[dict[str, Any]] = []
        total, page = count, 1
        while len(rows) < min(count, total):
            data = await self._data(**self._filters, page=page, limit=min(count, PAGE))
            rows += data["deadLetters"]
            total, page = data["total"] if data["deadLetters"] else len(rows), page + 1
        shown = rows[:count]
        return ([await self._in_full(row) for row in shown] if records else shown), total

    async def groups(self, by: GroupBy) -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = (await self._data(**self._filters, groupBy=str(by)))["groups"]
        return groups

    async def dismiss(self, reason: str) -> int:
        """Have them all dismissed and return how many they were."""
        filters = {name: value == "true" if name == "parked" else value for name, value in self._filters.items()}
        response = await self._api.post(DISMISSALS, msgspec.json.encode({"reason": reason, **filters}))
        return int(_data_in(response)["dismissed"])

    async def _in_full(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the letter with its record; as it is if it has meanwhile failed again, or another way."""
        one: dict[str, str | int] = {name: row[key] for name, key in _ONE.items()}
        found = (await self._data(**one, sortBy="record", records="true", limit=1))["deadLetters"]
        return found[0] if found else row

    async def _data(self, **parameters: str | int) -> dict[str, Any]:
        return _data_in(await self._api.get(PATH, parameters | self._resolved))


def _data_in(response: httpx.Response) -> dict[str, Any]:
    try:
        data: dict[str, Any] = msgspec.json.decode(response.content, type=dict[str, Any])["data"]
    except (msgspec.MsgspecError, KeyError):
        raise WrongUseError("the answer is not that of dialfeed", "Correct --url or DIALFEED_HTTP.") from None
    return data


_ONE: Final = {"submission": "submissionId", "index": "recordIndex", "attempt": "attempt"}


def parameters_of(wanted: DeadLetterFilter, *, parked: bool) -> dict[str, str | int]:
    """Return a filter as the API's parameters; times are fixed, however long the asking takes."""
    given = {
        "agent": wanted.agent,
        "batch": wanted.batch,
        "submission": wanted.submission,
        "code": wanted.code,
        "class": wanted.failure_class,
        "stage": wanted.stage,
        "path": wanted.path,
        "since": utc(wanted.since) if wanted.since is not None else None,
        "until": utc(wanted.until) if wanted.until is not None else None,
        "attempt": wanted.attempt,
        "index": wanted.record_index,
        "parked": "true" if parked else None,
    }
    return {name: value for name, value in given.items() if value is not None}
