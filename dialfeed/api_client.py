"""The API as a client sees it: one submission sent, however often that takes, and its report followed to its end.

What fails is sent again: refused before anything was published, never connected, or broken off after it was sent, when
nobody knows what became of it (counted as `repeated`). Every request has an Idempotency-Key that is a function of what
it sends, so whatever is sent again, by this process or by the next, is stored once and gets the first answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Final, Self

import httpx
import msgspec
import structlog

from dialfeed.exits import CommandError, UnreachableError, WrongUseError
from dialfeed.plain_text import one_line
from dialfeed.send_keys import portion_key

log = structlog.get_logger(__name__)

ADD_CALLS: Final = "/api/call/addCallsToBatch"
SUBMISSIONS: Final = "/api/call/submissions/"
REPLAYED: Final = "Idempotent-Replayed"
"""The header of an answer that was given before."""
ANSWER_WITHIN_SECONDS: Final = 330.0
"""Longer than any wait that can be set."""
FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 5.0
LONGEST_RETRY_AFTER_SECONDS: Final = 60.0
_LATER: Final = frozenset({409, 429, 503})  # 409: the same is still being worked on
_UNKNOWN: Final = frozenset({500, 502, 504})
_TOO_LARGE: Final = 413
_LOCAL: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class Error(msgspec.Struct, frozen=True):
    """One thing wrong with a record, as the contract's answers have it."""

    path: str
    code: str
    message: str


class FailedRecord(msgspec.Struct, frozen=True, rename="camel"):
    index: int
    errors: list[Error]


class FailedChunk(msgspec.Struct, frozen=True, rename="camel"):
    failed: int
    records: list[FailedRecord]
    records_omitted: int = 0


class ReportData(msgspec.Struct, frozen=True, rename="camel"):
    """What is used of `data`, of an answer or of a report. A missing `added` is that of a 400: none."""

    submission_id: str = ""
    added: int = 0
    complete: bool = True
    pending: int = 0
    failed_chunks: list[FailedChunk] = []
    errors: list[dict[str, Any]] = []


class Answer(msgspec.Struct, frozen=True, rename="camel"):
    error_message: str = ""
    data: ReportData = msgspec.field(default_factory=ReportData)


class UnknownOutcomeError(UnreachableError):
    """A request was sent, its answer never came, and nobody can be asked: its records may be stored, or not."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one record failed, and where it stands in its submission's report; None where it came into none."""

    errors: list[Error]
    submission_id: str | None = None
    index: int | None = None


@dataclass(slots=True)
class Outcome:
    """What became of some records that were sent. Keys of `rejections` count from 0 in what was sent."""

    submission_ids: list[str] = field(default_factory=list)
    added: int = 0
    failed: int = 0
    pending: int = 0
    repeated: int = 0  # requests sent again although the first may have gone through
    already_sent: int = 0  # records of requests that were sent before, by another run: their first answer came again
    rejections: dict[int, Rejection] = field(default_factory=dict)

    def join(self, other: Outcome, offset: int) -> None:
        """Add what became of further records, the first of which is number `offset` here."""
        self.submission_ids += other.submission_ids
        self.added += other.added
        self.failed += other.failed
        self.pending += other.pending
        self.repeated += other.repeated
        self.already_sent += other.already_sent
        self.rejections |= {offset + index: rejection for index, rejection in other.rejections.items()}


class ApiClient:
    """Sends with one key to one API; gives up when nothing has moved for `give_up_seconds`."""

    def __init__(self, url: str, api_key: str, give_up_seconds: float, salt: str = "") -> None:
        timeout = httpx.Timeout(ANSWER_WITHIN_SECONDS, connect=5.0)
        address = httpx.URL(url)
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"x-api-key": api_key},
            timeout=timeout,
            trust_env=address.host not in _LOCAL,  # a proxy of the environment is for what is far away
        )
        self._url = url
        self._give_up = give_up_seconds
        self._salt = salt

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def submit(self, batch_id: str, records: Sequence[bytes], position: int) -> Outcome:
        """Send records and return what became of them; raise WrongUseError, UnreachableError.

        The first of them is number `position` of its file, from 0.
        """
        body = b'{"batchId":%b,"call_data":[%b]}' % (msgspec.json.encode(batch_id), b",".join(records))
        response, repeated = await self._post(body, portion_key(batch_id, position, records, self._salt))
        if response.status_code == _TOO_LARGE:
            return await self._in_halves(batch_id, records, position, response)
        data = _data(response)
        if not data.submission_id:
            raise _refusal(response)
        if response.status_code == httpx.codes.ACCEPTED:
            data = await self._followed(data.submission_id, len(records))
        outcome = outcome_of(data, len(records), repeated)
        if REPLAYED in response.headers and not repeated:
            outcome.already_sent = len(records)
        return outcome

    async def outcome(self, submission_id: str, total: int) -> Outcome:
        """Return what became of a submission that got into Kafka some other way."""
        return outcome_of(await self._followed(submission_id, total), total, 0)

    async def known(self, submission_id: str) -> bool:
        """Return whether a submission has a complete report; raise UnreachableError."""
        try:
            return _data(await self.report(submission_id)).complete
        except WrongUseError:
            return False

    async def require(self) -> None:
        """Return if the API answers at all; raise UnreachableError at once."""
        try:
            await self._client.get("/healthz", timeout=10.0)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    async def report(self, submission_id: str) -> httpx.Response:
        """Return the answer that holds a submission's report; raise WrongUseError, UnreachableError."""
        return await self.get(SUBMISSIONS + submission_id)

    async def get(self, path: str, parameters: Mapping[str, str | int] | None = None) -> httpx.Response:
        """Return the answer to a question; raise WrongUseError, UnreachableError."""
        return await self._answered("GET", path, params=parameters, timeout=30.0)

    async def post(self, path: str, body: bytes) -> httpx.Response:
        """Return the answer to a question with a body; raise WrongUseError, UnreachableError."""
        json = {"content-type": "application/json"}
        return await self._answered("POST", path, content=body, headers=json, timeout=ANSWER_WITHIN_SECONDS)

    async def _answered(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            response = await self._client.request(method, path, **request)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if response.status_code in _LATER | _UNKNOWN:
            raise UnreachableError(f"the API answers {response.status_code}: {_sentence(response)}", "Try again later.")
        if response.status_code != httpx.codes.OK:
            raise _refusal(response)
        return response

    async def _post(self, body: bytes, key: str) -> tuple[httpx.Response, int]:
        """Send one body until there is an answer; return it, and how often the outcome before was unknown."""
        deadline, pause, repeated = time.monotonic() + self._give_up, FIRST_PAUSE_SECONDS, 0
        while True:
            failure: CommandError
            try:
                response = await self._client.post(
                    ADD_CALLS, content=body, headers={"content-type": "application/json", "idempotency-key": key}
                )
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                failure = self._unreachable(error)
            except httpx.TransportError as error:
                repeated += 1
                failure = self._unreachable(error)
            else:
                if response.status_code not in _LATER | _UNKNOWN:
                    return response, repeated
                repeated += response.status_code in _UNKNOWN
                pause = max(pause, _retry_after(response))
                what = f"the API answers {response.status_code}: {_sentence(response)}"
                failure = UnreachableError(what, "Try again later; `dialfeed doctor` looks for the cause.")
            if time.monotonic() + pause > deadline:
                raise failure if not repeated else UnknownOutcomeError(failure.sentence, failure.remedy)
            log.warning("sent_again_later", reason=failure.sentence, seconds=round(pause, 1))
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _in_halves(
        self, batch_id: str, records: Sequence[bytes], position: int, response: httpx.Response
    ) -> Outcome:
        if len(records) == 1:
            error = Error("", "too_large", _sentence(response))
            return Outcome(failed=1, rejections={0: Rejection([error])})
        half = len(records) // 2
        outcome = await self.submit(batch_id, records[:half], position)
        outcome.join(await self.submit(batch_id, records[half:], position + half), half)
        return outcome

    async def _followed(self, submission_id: str, total: int) -> ReportData:
        """Ask for the report until it is complete, or until nothing has moved for too long."""
        data, pause = ReportData(submission_id, complete=False, pending=total), FIRST_PAUSE_SECONDS
        deadline = time.monotonic() + self._give_up
        while not data.complete and time.monotonic() < deadline:
            await asyncio.sleep(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE_SECONDS)
            try:
                new = _data(await self.report(submission_id))
            except CommandError:  # away, or not known yet: the submission was accepted, so it will be
                continue
            if new.pending < data.pending:
                deadline = time.monotonic() + self._give_up
            data = new
        return data

    def _unreachable(self, error: httpx.TransportError) -> UnreachableError:
        what = type(error).__name__
        return UnreachableError(
            f"the API does not answer at {self._url} ({what})",
            "Start it with `dialfeed run`, or say where it is with --url; `dialfeed doctor` looks further.",
        )


def _data(response: httpx.Response) -> ReportData:
    try:
        return msgspec.json.decode(response.content, type=Answer).data
    except msgspec.MsgspecError:
        return ReportData()


def outcome_of(data: ReportData, total: int, repeated: int) -> Outcome:
    """Return an answer or report as what became of records."""
    failed = sum(chunk.failed for chunk in data.failed_chunks)
    shown = [record for chunk in data.failed_chunks for record in chunk.records]
    return Outcome(
        submission_ids=[data.submission_id],
        added=data.added,
        failed=failed,
        pending=0 if data.complete else total - data.added - failed,
        repeated=repeated,
        rejections={one.index: Rejection(one.errors, data.submission_id, one.index) for one in shown},
    )


def _sentence(response: httpx.Response) -> str:
    try:
        answer = msgspec.json.decode(response.content, type=Answer)
    except msgspec.MsgspecError:
        return "the answer is not dialfeed's"
    return one_line(answer.error_message) or "no reason given"


def _refusal(response: httpx.Response) -> WrongUseError:
    remedies = {
        403: "Check the key and the batch: `dialfeed key list`, `dialfeed batch list`.",
        404: "Check the id, and that the key is of the workspace it belongs to: of another's nothing is known.",
    }
    remedy = remedies.get(response.status_code, "Correct what it names.")
    return WrongUseError(f"the API answers {response.status_code}: {_sentence(response)}", remedy)


def _retry_after(response: httpx.Response) -> float:
    """Return the header's seconds, or those until its date (RFC 9110, section 10.2.3); 0 where it says nothing."""
    text = response.headers.get("retry-after", "")
    try:
        seconds = float(text) if text.strip().isdigit() else parsedate_to_datetime(text).timestamp() - time.time()
    except (TypeError, ValueError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)
