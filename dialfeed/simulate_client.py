"""dialfeed as a calling service sees it over HTTP: batches, their pending calls, and where statuses are reported."""

from __future__ import annotations

import asyncio
import time as clock
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, time
from types import TracebackType
from typing import Any, Final, Self

import httpx
import msgspec
import structlog

from dialfeed.exits import UnreachableError, WrongUseError
from dialfeed.plain_text import one_line
from dialfeed.simulate_calls import BatchRules, Call, StatusReport
from dialfeed.simulate_hours import CallingHours
from schemas.statuses import CallStatus

log = structlog.get_logger(__name__)

PAGE: Final = 1000
EVENTS_A_REQUEST: Final = 1000
UNFINISHED: Final = ("pending", "in-progress")
ANSWER_WITHIN_SECONDS: Final = 60.0
GIVE_UP_SECONDS: Final = 120.0
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 5.0
_LATER: Final = frozenset({429, 500, 502, 503, 504})


class NotOursError(WrongUseError):
    """The batch does not exist, or belongs to another workspace than the key."""


class CallingApi:
    """Reads and reports with the key of one workspace; what fails for the world's sake is tried again."""

    def __init__(self, url: str, api_key: str) -> None:
        local = httpx.URL(url).host in ("127.0.0.1", "localhost", "::1")
        self._url = url
        self._client = httpx.AsyncClient(
            base_url=url, headers={"x-api-key": api_key}, timeout=ANSWER_WITHIN_SECONDS, trust_env=not local
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def unfinished_batches(self) -> list[str]:
        """Return the batches of the workspace that may have calls which are pending or under way."""
        found: list[str] = []
        page, pages = 1, 1
        while page <= pages:
            data = await self._data("GET", "/api/call/batches", params={"page": page, "limit": 100})
            found += [one["_id"] for one in data["batches"] if one["queue_status"] in UNFINISHED]
            pages = data["pagination"]["totalPages"]
            page += 1
        return found

    async def rules(self, batch_id: str) -> BatchRules:
        """Return what a batch says of calling; raise NotOursError."""
        return rules_of(await self._page(batch_id, {"limit": 1}))

    async def calls(self, batch_id: str, status: CallStatus) -> AsyncIterator[list[Call]]:
        """Yield the batch's calls of that status, a page at a time, by number: calls may leave it meanwhile."""
        query: dict[str, Any] = {"filter": msgspec.json.encode({"callStatus": status}).decode(), "limit": PAGE}
        while rows := (await self._page(batch_id, query))["data"]:
            yield [Call(row["callId"], batch_id, row["timezone"], status) for row in rows]
            query["after"] = rows[-1]["phoneNumber"]

    async def report(self, reports: Sequence[StatusReport]) -> None:
        """Report statuses, and return once dialfeed has them for good."""
        for start in range(0, len(reports), EVENTS_A_REQUEST):
            events = [event_of(one) for one in reports[start : start + EVENTS_A_REQUEST]]
            await self._data("POST", "/api/call/status", json=events)

    async def _page(self, batch_id: str, query: dict[str, Any]) -> dict[str, Any]:
        page: dict[str, Any] = await self._data("GET", f"/api/call/batch-details/{batch_id}", params=query)
        return page

    async def _data(self, method: str, path: str, **options: Any) -> Any:
        deadline, pause = clock.monotonic() + GIVE_UP_SECONDS, FIRST_PAUSE_SECONDS
        while True:
            try:
                answer = await self._client.request(method, path, **options)
            except httpx.TransportError as error:
                why = type(error).__name__
            else:
                if answer.status_code not in _LATER:
                    return _data_of(answer)
                why = f"status {answer.status_code}"
            if clock.monotonic() + pause > deadline:
                raise UnreachableError(f"the API does not answer at {self._url} ({why})", "See `dialfeed doctor`.")
            log.warning("asked_again_later", why=why, seconds=round(pause, 1))
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def rules_of(data: dict[str, Any]) -> BatchRules:
    """Return what the `data` of batch-details says of calling."""
    hours = data.get("callingHour") or {}
    return BatchRules(
        retry=data.get("retry") or 0,
        delay=data.get("delay") or 0,
        hours=CallingHours(
            start=time.fromisoformat(hours["start"]) if hours else None,
            end=time.fromisoformat(hours["end"]) if hours else None,
            days=frozenset(data.get("allowedDays") or ()),
        ),
    )


def event_of(report: StatusReport) -> dict[str, Any]:
    """Return a report as the JSON that is sent."""
    event: dict[str, Any] = {
        "callId": report.call_id,
        "status": str(report.status),
        "at": datetime.fromtimestamp(report.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    if report.call_duration is not None:
        event["callDuration"] = round(report.call_duration, 1)
        event["transcript"] = "(simulated)"
    return event


def _data_of(answer: httpx.Response) -> Any:
    try:
        body = msgspec.json.decode(answer.content)
        sentence = one_line(str(body.get("errorMessage", "")))
    except (msgspec.MsgspecError, AttributeError):
        raise WrongUseError("what answers is not dialfeed", "Check --url or DIALFEED_HTTP.") from None
    if answer.is_success:
        return body["data"]
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise NotOursError(f"the API answers 404: {sentence}", "Check the batch and the key's workspace.")
    raise WrongUseError(f"the API answers {answer.status_code}: {sentence}", "Correct what it names.")
