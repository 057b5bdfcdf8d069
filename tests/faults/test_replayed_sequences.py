"""Whatever is done to a batch in whatever order, and whatever is killed meanwhile: nothing lost, nothing called twice.

Campaigns of their own go through random sequences side by side on one installation, against `ReplayModel`. After each
step all that is readable is compared. A failure names the seed, the campaign and its steps so far.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import httpx
import pytest

from dialfeed.registry_topic import write
from schemas.codecs import decode
from schemas.dead_letters import DeadLetter, from_message
from schemas.messages import Message
from schemas.records import Agent, AgentVersion, Batch, CallingNumber, Chunk, DialerCommand, PhoneLogChunk
from schemas.topics import TopicName
from sinks import starts
from tests.support.bus import Bus, eventually
from tests.support.installation import Installation, installation
from tests.support.replay_model import STORED, ReplayModel
from tests.support.samples import SCHEMA, body, record

CAMPAIGNS = 4
ROUNDS = 9
MOMENTS = {"": "", "as a chunk is cleaned": '"cleaned"', "as rows are stored": '_stored"'}
"""What parts log when something is killed: cleaned but not stored, stored but not acknowledged."""

FAULTS = (
    *(("worker", moment) for moment in ("", "as a chunk is cleaned")),
    *(("api", moment) for moment in MOMENTS),
)
"""Each costs the ten seconds after which Kafka gives the partitions of the dead away."""
WITHIN_SECONDS = 90.0
NUMBERS = tuple(range(1, 5))
MENDED = json.dumps(
    {"type": "record", "name": "Variables", "fields": [{"name": n, "type": "string"} for n in ("name", "amount")]}
)
NEVER = 2**52
"""The corrected schema counts for replays that name it, and for no record by its time: then nothing races."""

STATUSES = ("completed", "busy", "no-answer", "failed")
BEFORE = ("submit", "dial", "replay", "replay parked", "redeliver")
AFTER = ("submit", "submit", "dial", "replay", "replay", "replay parked", "two at once", "redeliver")

Settle = Callable[[], Awaitable[None]]


def plan(chance: random.Random) -> list[str]:
    """Return the steps of a campaign, whose schema is mended on the way; in the end all is delivered again."""
    before = ["submit", *chance.choices(BEFORE, k=chance.randint(1, 3)), "mend"]
    after = ["replay", "redeliver", *chance.choices(AFTER, k=ROUNDS - len(before) - 4)]
    chance.shuffle(after)
    return [*before, *after, "replay", "redeliver"]


class Campaign:
    """A batch with an agent of its own, its steps, and the model of what must come of them.

    A step asks for something and returns what waits for it and looks at it: a kill fits between.
    """

    def __init__(self, name: str, running: Installation, chance: random.Random) -> None:
        self.name, self.running, self.chance = name, running, chance
        self.model = ReplayModel(name)
        self.plan = plan(chance)
        self.done: list[str] = []
        self.sent: dict[str, list[dict[str, Any]]] = {}
        self.replays: list[str] = []
        self.version: int | None = None
        self.starts: set[str] = set()
        self.first_reports: dict[str, tuple[int, int, int]] = {}

    @property
    def bus(self) -> Bus:
        return self.running.bus

    async def begin(self) -> None:
        await self._register(SCHEMA)
        number = CallingNumber(
            phone_id=self.name, workspace_id="w", number="+12125550199", agent_id=self.name, created_at=1
        )
        await write(self.bus.publisher, number)
        await write(
            self.bus.publisher,
            Batch(batch_id=self.name, workspace_id="w", name="Batch", phone_ids=[self.name], created_at=1),
        )

    async def _register(self, *schemas: str) -> None:
        versions = [
            AgentVersion(version=place + 1, schema=schema, created_at=NEVER if place else 1)
            for place, schema in enumerate(schemas)
        ]
        await write(
            self.bus.publisher,
            Agent(agent_id=self.name, workspace_id="w", name="Agent", versions=versions, created_at=1),
        )

    async def ask(self, step: str) -> Settle:
        """Begin a step; return what ends it."""
        self.done.append(step)
        match step.split():
            case ["submit"]:
                return await self._submit()
            case ["dial"]:
                return await self._dial()
            case ["mend"]:
                return await self._mend()
            case ["redeliver"]:
                return await self._redeliver()
            case ["replay", *parked]:
                return await self._replay(1, parked=bool(parked))
            case _:
                return await self._replay(2, parked=False)

    async def _submit(self) -> Settle:
        submission_id = f"{self.name}-{len(self.sent)}"
        chosen = [(self.chance.choice(NUMBERS), self.chance.random() < 0.4) for _ in range(self.chance.randint(1, 4))]
        notes = [f"{submission_id}/{index}" for index in range(len(chosen))]
        records = [
            record(number, name=note, amount=1.5 if good else "one")
            for (number, good), note in zip(chosen, notes, strict=True)
        ]
        self.sent[submission_id] = records
        self.done[-1] += " " + " ".join(f"{number}{'' if good else '!'}" for number, good in chosen)
        await self.bus.produce(body(*records, batch=self.name), submission_id=submission_id)

        async def settle() -> None:
            report = await self._report(submission_id)
            good = sum(good for _, good in chosen)
            self.first_reports[submission_id] = (len(chosen), good, len(chosen) - good)
            assert self._counts(report) == self.first_reports[submission_id]
            numbers = [f"+1212555{number:04d}" for number, _ in chosen]
            self.model.submit(submission_id, [(n, m, g) for n, m, (_, g) in zip(numbers, notes, chosen, strict=True)])
            if good:
                self.starts.add(submission_id)

        return settle

    async def _dial(self) -> Settle:
        pending = sorted(number for number, contact in self.model.contacts.items() if contact.pending)
        if pending:
            number, status = self.chance.choice(pending), self.chance.choice(STATUSES)
            self.done[-1] += f" {number[-1]}"
            event = {"callId": self.model.call_id(number, len(self.model.contacts[number].left)), "status": status}
            await self.bus.publisher.publish(
                [Message(TopicName.STATUS, json.dumps(event).encode(), key=self.name.encode())]
            )
            self.model.dial(number, status)
        return _nothing

    async def _mend(self) -> Settle:
        await self._register(SCHEMA, MENDED)
        self.version = 2
        return _nothing

    async def _redeliver(self) -> Settle:
        """Put everything of this batch that is under way to worker and sink on its topics again, in its order."""
        slices = [
            Message(TopicName.CHUNKS, each.value, key=each.key)
            for each in await self.bus.everything(TopicName.CHUNKS)
            if decode(each.value, Chunk).submission_id in self.replays
        ]
        rows = [
            Message(TopicName.PHONE_LOG, each.value, key=each.key)
            for each in await self.bus.everything(TopicName.PHONE_LOG)
            if decode(each.value, PhoneLogChunk).batch_id == self.name
        ]
        for messages in (slices, rows):
            if messages:
                await self.bus.publisher.publish(messages)

        async def settle() -> None:
            for group, topic in (("worker", TopicName.CHUNKS), ("load", TopicName.PHONE_LOG)):
                await eventually(partial(self._has_read, group, topic, await self.bus.end(topic)), WITHIN_SECONDS)

        return settle

    async def _has_read(self, group: str, topic: TopicName, end: int) -> bool:
        return await self.bus.committed(group, topic) >= end

    async def _replay(self, at_once: int, *, parked: bool) -> Settle:
        max_attempts = self.chance.choice((2, 3))
        asked = {"batch": self.name, "maxAttempts": max_attempts, "parked": parked, "agentVersion": self.version}
        ids = await asyncio.gather(*(self._asked(asked) for _ in range(at_once)))
        self.replays += ids

        async def settle() -> None:
            shown = [await eventually(partial(self._ended, of), WITHIN_SECONDS) for of in ids]
            before = self.model.selected(parked=parked)
            counts = Counter[str]()
            if self.version is None:
                self.model.fail(parked=parked, max_attempts=max_attempts)
                counts.update("parked" if one.parked else "failed" for one in before)
                told = [counts for _ in ids]
            else:
                outcomes = {of: await self._outcomes(of) for of in ids}
                for of in ids:
                    assert outcomes[of].keys() == {one.place for one in before}, "some records came to nothing"
                self.model.pass_through(ids, outcomes)
                told = [Counter(outcomes[of].values()) for of in ids]
                self.starts |= {of for of in ids if set(outcomes[of].values()) & set(STORED)}
            for one, expected in zip(shown, told, strict=True):
                names = ("added", "updated", "superseded", "failed", "parked")
                assert {name: one[name] for name in names if one[name]} == expected
                assert (one["selected"], one["pending"]) == (len(before), 0)

        return settle

    async def _asked(self, job: dict[str, Any]) -> str:
        key = {"Idempotency-Key": f"{self.name}-{len(self.done)}-{self.chance.random()}"}

        async def accepted() -> Any:
            answer = await self._http("POST", "/api/call/replays", json=job, headers=key)
            return answer and answer["replayId"]

        replay_id: str = await eventually(accepted, WITHIN_SECONDS)
        return replay_id

    async def _ended(self, replay_id: str) -> Any:
        shown = await self._http("GET", f"/api/call/replays/{replay_id}")
        return shown if shown and shown["state"] == "done" else None

    async def _outcomes(self, replay_id: str) -> dict[tuple[str, int], str]:
        """Return what became of each record of a replay, as the reports of their submissions tell it."""
        found = {}
        for submission_id in self.sent:
            for one in (await self._report(submission_id))["replayed"]["records"]:
                if one["replayId"] == replay_id:
                    found[submission_id, one["index"]] = one["outcome"]
        return found

    async def _report(self, submission_id: str) -> Any:
        async def complete() -> Any:
            data = await self._http("GET", f"/api/call/submissions/{submission_id}")
            return data if data and data["complete"] else None

        return await eventually(complete, WITHIN_SECONDS)

    @staticmethod
    def _counts(report: Any) -> tuple[int, int, int]:
        return report["total"], report["added"], report["failed"]

    async def _http(self, method: str, path: str, **options: Any) -> Any:
        """Return the data of an answer that is a success; None while the API is being started again."""
        try:
            answer = await self.running.http.request(method, path, **options)
        except httpx.TransportError:
            return None
        assert answer.status_code in (200, 202, 404, 429, 503), answer.text
        return answer.json()["data"] if answer.is_success else None

    async def compare(self) -> None:
        """Wait until what is readable is what the model says."""
        await _becomes(self._contacts, self.model.logs())
        await _becomes(self._listed, sorted((*one.place, one.attempt) for one in self.model.failed if not one.mended))

    async def _contacts(self) -> Any:
        data = await self._http("GET", f"/api/call/batch-details/{self.name}?limit=1000")
        return data and {
            one["phoneNumber"]: (one["name"], [(log["callId"], log["callStatus"]) for log in one["phoneLogs"]])
            for one in data["data"]
        }

    async def _listed(self) -> Any:
        data = await self._http("GET", f"/api/call/dead-letters?batch={self.name}&limit=1000")
        shown = data and [(one["submissionId"], one["recordIndex"], one["attempt"]) for one in data["deadLetters"]]
        return shown if shown is None else sorted(shown)

    async def compare_topics(self, letters: list[DeadLetter], commands: list[DialerCommand]) -> None:
        """Compare the first answers, every attempt at every record, and what the calling service was told."""
        for submission_id, counts in self.first_reports.items():
            assert self._counts(await self._report(submission_id)) == counts, submission_id
        for replay_id in self.replays:
            expected = {one.place: one.outcomes[replay_id] for one in self.model.failed if replay_id in one.outcomes}
            assert await self._outcomes(replay_id) == expected
        ours = [letter for letter in letters if letter.batch_id == self.name]
        attempts = {(one.submission_id, one.record_index, one.attempt, one.parked) for one in ours}
        assert attempts == {
            (*one.place, attempt, one.parked if attempt == one.attempt else attempt in _parked_at(ours, one.place))
            for one in self.model.failed
            for attempt in range(1, one.attempt + 1)
        }
        for one in ours:
            assert json.loads(one.record or b"") == self.sent[one.submission_id][one.record_index]
            assert one.workspace_id == "w"
        accepted = {(one.submission_id, one.accepted_at) for one in ours}
        assert len(accepted) == len({submission_id for submission_id, _ in accepted})
        told = {
            each.request_id.partition("/")[0]
            for each in commands
            if each.batch_id == self.name and each.reason != starts.MOVED
        }
        assert told <= self.starts  # what is stored together has one start
        assert bool(told) == bool(self.starts)


def _parked_at(letters: list[DeadLetter], place: tuple[str, int]) -> set[int]:
    """Return which attempts at a record were parked: one before the last may be, where it was taken from there."""
    return {one.attempt for one in letters if (one.submission_id, one.record_index) == place and one.parked}


async def _nothing() -> None:
    pass


async def _becomes(shown: Callable[[], Awaitable[Any]], expected: Any) -> None:
    """Wait until it is shown; fail with both where it never is."""
    last: Any = None

    async def is_shown() -> bool:
        nonlocal last
        last = await shown()
        return bool(last == expected)

    try:
        await eventually(is_shown, WITHIN_SECONDS)
    except AssertionError:
        assert last == expected


async def _letters(bus: Bus) -> list[DeadLetter]:
    found = []
    for topic, parked in ((TopicName.DEAD_LETTER, False), (TopicName.PARKING, True)):
        for each in await bus.everything(topic):
            letter = from_message(each.value, each.headers, parked=parked)
            assert letter is not None
            found.append(letter)
    return found


def _kill(running: Installation, what: str) -> None:
    running.kill(what)
    if what == "api":
        running.start_api()
    else:
        running.start_worker()


async def _round(running: Installation, campaigns: list[Campaign], place: int, fault: tuple[str, str] | None) -> None:
    """Let each campaign do its step; kill something on the way."""
    logged = running.log()
    settles = await asyncio.gather(*(each.ask(each.plan[place]) for each in campaigns))
    ends = [asyncio.create_task(_ended(each, settle)) for each, settle in zip(campaigns, settles, strict=True)]
    if fault is not None:
        what, moment = fault
        for each in campaigns:
            each.done[-1] += f" ({what} killed {moment or 'at once'})"
        event = MOMENTS[moment]
        logs: asyncio.Future[Any] = asyncio.create_task(_comes(running, event, logged.count(event)))
        all_end: asyncio.Future[Any] = asyncio.ensure_future(asyncio.wait(ends))
        await asyncio.wait([logs, all_end], return_when=asyncio.FIRST_COMPLETED)
        logs.cancel()
        _kill(running, what)
    await asyncio.gather(*ends)


async def _comes(running: Installation, event: str, before: int) -> None:
    while event and running.log().count(event) <= before:  # noqa: ASYNC110  # what is waited for is a log of others
        await asyncio.sleep(0.002)


async def _ended(campaign: Campaign, settle: Settle) -> None:
    try:
        await settle()
        await campaign.compare()
    except AssertionError as error:
        raise AssertionError(f"{_story(campaign)}\n{error}") from error


def _story(campaign: Campaign) -> str:
    return f"campaign {campaign.name} after:\n  " + "\n  ".join(campaign.done)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1])
async def test_replays_among_everything_else_do_as_the_model(kafka_bootstrap: str, seed: int) -> None:
    chance = random.Random(seed)
    async with installation(kafka_bootstrap) as running:
        campaigns = [
            Campaign(f"seed-{seed}-{number}", running, random.Random(chance.random())) for number in range(CAMPAIGNS)
        ]
        await asyncio.gather(*(each.begin() for each in campaigns))
        faults = [*FAULTS, *[None] * (ROUNDS - len(FAULTS))]
        chance.shuffle(faults)
        for place, fault in enumerate(faults):
            await _round(running, campaigns, place, fault)
        letters = await _letters(running.bus)
        commands = [decode(each.value, DialerCommand) for each in await running.bus.everything(TopicName.DIALER)]
        for each in campaigns:
            try:
                await each.compare_topics(letters, commands)
            except AssertionError as error:
                raise AssertionError(f"{_story(each)}\n{error}") from error
