from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from dialfeed.replay_reading import LetterReader, Read
from dialfeed.replay_rehearsal import Rehearsal
from schemas.dead_letters import DeadLetter, to_message
from schemas.messages import TryAgainError
from schemas.records import AgentVersion
from schemas.registry import Registry
from schemas.replay_jobs import ReplayMove
from schemas.stores import Foreseen
from schemas.topics import TopicName
from tests.support.bus import CAMPAIGN
from tests.support.samples import record
from tests.unit.schemas.test_replays import job, letter


@dataclass
class Letters:
    """A reader of one partition."""

    letters: Sequence[DeadLetter]

    async def bounds(self, topic: TopicName) -> tuple[list[int], list[int]]:
        return [0], [len(self.letters) if topic is TopicName.DEAD_LETTER else 0]

    async def read(self, topic: TopicName, _starts: Sequence[int], ends: Sequence[int]) -> AsyncIterator[Read]:
        messages = [to_message(one) for one in self.letters] if topic is TopicName.DEAD_LETTER else []
        yield Read(0, [SimpleNamespace(value=one.value, headers=one.headers) for one in messages], ends[0])


@dataclass
class Stored:
    """Answers what a replay would do, each time it is asked with the same."""

    outcomes: list[str] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)

    async def replay_outcomes(self, batch_id: str, records: Sequence[tuple[str, int, int]]) -> list[Foreseen]:
        if not self.outcomes:
            raise TryAgainError("the store is down")
        self.asked += [(batch_id, *each) for each in records]
        return [Foreseen(one, 0) for one in self.outcomes]


def registry(*versions: AgentVersion) -> Registry:
    state = Registry()
    for one in CAMPAIGN:
        state.apply(one)
    agent = state.agents["a"]
    state.apply(msgspec.structs.replace(agent, versions=[*agent.versions, *versions]))
    return state


async def tried(letters: Sequence[DeadLetter], judge: Stored | None = None, **fields: Any) -> dict[str, Any]:
    state = fields.pop("registry", registry())
    reader = cast("LetterReader", Letters(letters))
    return await Rehearsal(job(**fields), state, judge=judge).run(reader)


def good(index: int, **fields: Any) -> DeadLetter:
    return letter(index, record=json.dumps(record(index)).encode(), **fields)


async def test_what_is_stored_decides_on_records_that_pass() -> None:
    stored = Stored(["added", "superseded"])
    facts = await tried([good(0), good(1)], stored)
    assert (facts["replayed"], facts["added"], facts["superseded"], facts["notAsked"]) == (1, 1, 1, 0)
    accepted = letter().accepted_at
    assert stored.asked == [("b", f"+1212555000{n}", accepted, n) for n in (0, 1)]


async def test_a_record_comes_after_those_of_the_same_contact_in_slices_before_it() -> None:
    contact = json.dumps(record(0)).encode()
    letters = [
        letter(index, record=contact, batch_id=batch, submission_id=batch)
        for batch in ("b", "b2")
        for index in (1, 0, 2)
    ]
    state = registry()
    state.apply(msgspec.structs.replace(state.batches["b"], batch_id="b2"))

    facts = await tried(letters, Stored(["added"]), registry=state, rate=1)

    assert (facts["added"], facts["updated"], facts["superseded"]) == (2, 2, 2)


async def test_a_bare_records_version_comes_from_its_offset() -> None:
    stored = Stored(["added"])
    await tried([good(0, source_topic="calls.records", source_offset=2**24 + 7)], stored)
    assert stored.asked[0][2:] == (letter().accepted_at, 7)


async def test_where_the_store_is_away_records_pass_without_being_asked_for() -> None:
    facts = await tried([good(0)], Stored())
    assert (facts["replayed"], facts["added"], facts["notAsked"]) == (1, 0, 1)


async def test_of_a_batch_that_the_one_asked_may_not_speak_of_others_are_asked_still() -> None:
    class OfOneBatch(Stored):
        async def replay_outcomes(  # type: ignore[override]  # as a Judge may
            self, batch_id: str, records: Sequence[tuple[str, int, int]]
        ) -> list[Foreseen] | None:
            return await super().replay_outcomes(batch_id, records) if batch_id == "b" else None

    state = registry()
    state.apply(msgspec.structs.replace(state.batches["b"], batch_id="b2"))
    facts = await tried([good(0, batch_id="b2"), good(1)], OfOneBatch(["added"]), registry=state)
    assert (facts["replayed"], facts["added"], facts["notAsked"]) == (2, 1, 1)


async def test_each_record_is_checked_against_the_schema_of_its_time_or_the_one_named() -> None:
    stricter = json.dumps({"type": "record", "name": "V", "fields": [{"name": "plan", "type": "string"}]})
    accepted = letter().accepted_at
    state = registry(AgentVersion(version=2, schema=stricter, created_at=accepted + 10))
    letters = [good(0), good(1, accepted_at=accepted + 10)]
    assert (await tried(letters, registry=state))["failedByCode"] == {"required": 1}
    assert (await tried(letters, registry=state, agent_version=2))["failed"] == 2
    assert (await tried(letters, registry=state, agent_version=1))["failed"] == 0
    assert (await tried(letters, registry=state, as_new=True))["failed"] == 2


async def test_a_field_to_be_renamed_that_no_selected_record_has_is_told() -> None:
    moves = [ReplayMove(old="phoneNumbr", new="phoneNumber"), ReplayMove(old="plan", new="tariff")]
    letters = [good(0), letter(1, record=b'{"plan":"gold"}')]
    assert (await tried(letters, moves=moves))["mapNotFound"] == ["phoneNumbr"]
    assert "mapNotFound" not in await tried(letters, moves=moves[1:])
    assert "mapNotFound" not in await tried(letters, moves=moves, code="timezone_unknown")


async def test_a_version_named_of_one_agent_leaves_the_letters_of_others_alone() -> None:
    stricter = json.dumps({"type": "record", "name": "V", "fields": [{"name": "plan", "type": "string"}]})
    state = registry(AgentVersion(version=2, schema=stricter, created_at=2))
    state.apply(msgspec.structs.replace(state.agents["a"], agent_id="a2"))
    state.apply(msgspec.structs.replace(state.numbers["n"], phone_id="p2", agent_id="a2"))
    state.apply(msgspec.structs.replace(state.batches["b"], batch_id="b2", phone_ids=["p2"]))
    letters = [good(0), good(1, batch_id="b2"), good(2, batch_id=None)]
    facts = await tried(letters, registry=state, agent="a2", agent_version=2)
    assert (facts["selected"], facts["failedByCode"], facts["skipped"]) == (1, {"required": 1}, 0)


async def test_a_record_of_no_batch_fails_as_such() -> None:
    assert (await tried([good(0, batch_id=None)]))["failedByCode"] == {"batch_missing": 1}
