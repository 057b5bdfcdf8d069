"""`dialfeed simulate` against an API over a real socket: what it reads, what it reports, how it ends."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from schemas.statuses import FINAL_RANK, RANKS, CallStatus
from tests.support.command import Type, typing
from tests.support.scripted_api import Asked, Scripted, scripted_api

PAGE = 1000


@dataclass
class Batch:
    """A batch in some lines: calls by number, with the statuses they have reached."""

    calls: dict[str, CallStatus]
    rules: dict[str, Any] = field(default_factory=dict)
    reported: list[dict[str, Any]] = field(default_factory=list)
    failures: int = 0
    deaf: bool = False  # takes statuses and shows none

    def answer(self, asked: Asked) -> Scripted:
        if self.failures:
            self.failures -= 1
            return Scripted(503, error="not now") if self.failures % 2 else Scripted(drop=True)
        path, query = urlsplit(asked.path).path, parse_qs(urlsplit(asked.path).query)
        match path.rpartition("/")[2]:
            case "batches":
                rows = [{"_id": "b", "queue_status": "in-progress"}, {"_id": "done", "queue_status": "completed"}]
                return Scripted(data={"batches": rows, "pagination": {"totalPages": 1}})
            case "b":
                return Scripted(data={**self.rules, "data": self._page(query)})
            case "status":
                return self._take(asked.body)
        return Scripted(404, error="there is no batch with this id")

    def _page(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        wanted = json.loads(query.get("filter", ["{}"])[0]).get("callStatus")
        after = query.get("after", [""])[0]
        assert int(query["limit"][0]) <= PAGE
        numbers = [n for n in sorted(self.calls) if n > after and wanted in (None, self.calls[n])]
        return [{"callId": f"call-{n}", "phoneNumber": n, "timezone": "UTC"} for n in numbers[: int(query["limit"][0])]]

    def _take(self, events: list[dict[str, Any]]) -> Scripted:
        self.reported += events
        for event in events:
            number, status = event["callId"].removeprefix("call-"), CallStatus(event["status"])
            if not self.deaf and RANKS[status] >= RANKS[self.calls[number]]:
                self.calls[number] = status
        return Scripted(data={"accepted": len(events)})


def pending(count: int) -> dict[str, CallStatus]:
    return {f"+1212{number:07d}": CallStatus.PENDING for number in range(count)}


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Type:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIALFEED_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DIALFEED_API_KEY", "df_a-key")
    return typing(capsys)


def simulated(typed: Type, batch: Batch, *options: str) -> Any:
    with scripted_api(batch.answer) as api:
        ended = typed("simulate", "--once", "--leap", "--lines", "500", "--json", "--url", api.url, *options)
    assert ended.code == 0, ended.err
    return ended.json


def test_every_pending_call_comes_to_an_end_and_is_counted(typed: Type) -> None:
    batch = Batch(pending(PAGE + 500))
    summary = simulated(typed, batch)
    assert (summary["batches"], summary["calls"], summary["unfinished"]) == (1, PAGE + 500, 0)
    assert {RANKS[status] for status in batch.calls.values()} == {FINAL_RANK}
    assert summary["statuses"]["completed"] == list(batch.calls.values()).count(CallStatus.COMPLETED)
    assert summary["reported"] == len(batch.reported)


def test_the_answer_rate_is_kept(typed: Type) -> None:
    assert simulated(typed, Batch(pending(100)), "--answer-rate", "1")["statuses"] == {"completed": 100}
    assert "completed" not in simulated(typed, Batch(pending(100)), "--answer-rate", "0")["statuses"]


def test_the_same_seed_gives_every_call_the_same_end(typed: Type) -> None:
    first, second, other = Batch(pending(200)), Batch(pending(200)), Batch(pending(200))
    simulated(typed, first, "--seed", "1")
    simulated(typed, second, "--seed", "1")
    simulated(typed, other, "--seed", "2")
    assert first.calls == second.calls != other.calls


def test_the_rules_of_the_batch_are_kept(typed: Type) -> None:
    batch = Batch(
        pending(30),
        {
            "retry": 2,
            "delay": 3600,
            "callingHour": {"start": "09:00", "end": "10:30"},
            "allowedDays": [2],
        },
    )
    summary = simulated(typed, batch, "--answer-rate", "0")
    assert summary["attempts"] > 30
    dialled = [event["at"] for event in batch.reported if event["status"] == "dialing"]
    assert {at[11:13] for at in dialled} <= {"09", "10"}


def test_dialing_is_reported_before_anything_else_of_a_call(typed: Type) -> None:
    batch = Batch(pending(50))
    simulated(typed, batch)
    first = {event["callId"]: event["status"] for event in reversed(batch.reported)}
    assert set(first.values()) == {"dialing"}


def test_an_api_that_fails_for_a_while_is_asked_again(typed: Type) -> None:
    assert simulated(typed, Batch(pending(10), failures=4))["unfinished"] == 0


def test_calls_left_behind_by_another_are_taken_up(typed: Type) -> None:
    calls = pending(2)
    left, talking = calls
    batch = Batch({left: CallStatus.DIALING, talking: CallStatus.IN_PROGRESS}, {"retry": 1})
    simulated(typed, batch, "--answer-rate", "1")
    assert batch.calls == {left: CallStatus.COMPLETED, talking: CallStatus.FAILED}


def test_a_batch_of_others_is_wrong_use(typed: Type) -> None:
    with scripted_api(Batch({}).answer) as api:
        ended = typed("simulate", "--once", "--batch", "no-such", "--url", api.url)
    assert (ended.code, "404" in ended.err) == (2, True)


def test_calls_that_stay_pending_end_with_1(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialfeed.simulate.SETTLE_WITHIN_SECONDS", 0.5)
    with scripted_api(Batch(pending(3), deaf=True).answer) as api:
        ended = typed("simulate", "--once", "--leap", "--json", "--url", api.url)
    assert (ended.code, ended.json["unfinished"]) == (1, 0)
    assert "not shown as ended yet" in ended.err


def test_numbers_are_passed_on_with_their_plus(typed: Type) -> None:
    with scripted_api(Batch(pending(2)).answer) as api:
        typed("simulate", "--once", "--leap", "--json", "--url", api.url)
    after = [one.path for one in api.asked if "after=" in one.path]
    assert all("after=+1212" in unquote(path) and "after=%2B" in path for path in after)
    assert after
