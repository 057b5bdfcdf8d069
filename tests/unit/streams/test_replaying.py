from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codecs import decode, encode
from schemas.dead_letters import from_message, to_message
from schemas.outcomes import Code, FieldError
from schemas.phone_log_columns import COLUMNS, PARALLEL
from schemas.records import Agent, AgentVersion, Batch, CallingNumber, Chunk, PhoneLogChunk, Replay, Replayed, Workspace
from schemas.registry import Registry
from schemas.topics import TopicName
from streams.campaigns import Campaigns
from streams.pipeline import Cleaned, Limits
from streams.replaying import clean_replay, groups_of, is_whole, left_as_it_is
from tests.support.samples import SCHEMA, chunk, record

NOW = 1_700_000_000_500
LOOSER = json.dumps({"type": "record", "name": "Variables", "fields": []})


@pytest.fixture
def campaigns() -> Campaigns:
    registry = Registry()
    versions = [
        AgentVersion(version=number, schema=schema, created_at=1000 * number)
        for number, schema in enumerate((SCHEMA, LOOSER), 1)
    ]
    registry.apply(Agent(agent_id="a", workspace_id="w", name="n", versions=versions, created_at=1))
    registry.apply(CallingNumber(phone_id="n", workspace_id="w", number="+12125550199", agent_id="a", created_at=1))
    registry.apply(Batch(batch_id="b", workspace_id="w", name="n", phone_ids=["n"], created_at=1))
    return Campaigns(registry)


def failed_before(accepted_at: int = 1500, **fields: Any) -> Replayed:
    values: dict[str, Any] = {
        "submission_id": "first",
        "record_index": 7,
        "accepted_at": accepted_at,
        "source_topic": "calls.raw",
        "source_partition": 2,
        "source_offset": 9,
        "attempt": 1,
        "first_failed_at": 1600,
    }
    return Replayed(**values | fields)


def a_slice(*records: Any, history: list[Replayed] | None = None, **fields: Any) -> Chunk:
    values: dict[str, Any] = {
        "replay_id": "r",
        "part": 0,
        "max_attempts": 3,
        "records": history or [failed_before() for _ in records],
    }
    batch = fields.pop("batch_id", "b")
    return chunk(*records, submission_id="r", batch_id=batch, replay=Replay(**values | fields))


def cleaned(campaigns: Campaigns, slice_of: Chunk) -> Cleaned:
    slice_of = decode(encode(slice_of), Chunk)
    assert slice_of.replay is not None
    groups = groups_of(slice_of, slice_of.replay, campaigns)
    return clean_replay(slice_of, slice_of.replay, groups, Limits(), NOW, "w")


def test_what_passes_goes_on_with_its_history(campaigns: Campaigns) -> None:
    history = [failed_before(record_index=index) for index in (5, 8)]
    result = cleaned(campaigns, a_slice(record(1), record(2), history=history))
    log = decode(encode(result.phone_log), PhoneLogChunk)
    assert (log.record_index, log.size, log.submission_id, result.dead_letters) == ([0, 1], 2, "r", [])
    assert log.replay is not None
    assert [(each.record_index, each.schema_version) for each in log.replay.records] == [(5, 1), (8, 1)]
    assert json.loads(log.replay.records[0].sent or b"") == record(1)


def test_what_fails_again_keeps_its_identity_and_counts_the_attempt(campaigns: Campaigns) -> None:
    (letter,) = cleaned(campaigns, a_slice(b'{"phoneNumber":"x"}', history=[failed_before(attempt=2)])).dead_letters
    assert (letter.submission_id, letter.record_index, letter.attempt, letter.replay_id) == ("first", 7, 3, "r")
    assert (letter.source_topic, letter.source_partition, letter.source_offset) == ("calls.raw", 2, 9)
    assert (letter.accepted_at, letter.first_failed_at, letter.failed_at) == (1500, 1600, NOW)
    assert (letter.record, letter.tried, letter.workspace_id) == (b'{"phoneNumber":"x"}', None, "w")
    assert to_message(letter).topic == TopicName.DEAD_LETTER


def test_a_record_that_failed_too_often_is_parked(campaigns: Campaigns) -> None:
    (letter,) = cleaned(campaigns, a_slice({}, history=[failed_before(attempt=3)])).dead_letters
    message = to_message(letter)
    assert (letter.attempt, message.topic, message.partition) == (4, TopicName.PARKING, None)
    assert from_message(message.value, message.headers, parked=True) == letter


def test_the_bytes_first_sent_stay_beside_those_that_were_tried(campaigns: Campaigns) -> None:
    history = [failed_before(sent=b"{first", changes="set phoneNumber")]
    (letter,) = cleaned(campaigns, a_slice(b'{"phoneNumber":"y"}', history=history)).dead_letters
    message = to_message(letter)
    assert (message.value, letter.tried, letter.changes) == (b"{first", b'{"phoneNumber":"y"}', "set phoneNumber")
    assert from_message(message.value, message.headers) == letter


def test_each_record_is_checked_against_the_schema_of_its_time(campaigns: Campaigns) -> None:
    bare = {"phoneNumber": "12125550001"}
    history = [failed_before(2500, record_index=1), failed_before(record_index=2), failed_before(2600, record_index=3)]
    result = cleaned(campaigns, a_slice(bare, bare, bare, history=history))
    assert sorted(result.phone_log.record_index) == [0, 2]
    assert [letter.record_index for letter in result.dead_letters] == [2]
    assert result.phone_log.size == 3
    assert result.phone_log.replay is not None
    assert [each.schema_version for each in result.phone_log.replay.records] == [2, None, 2]


@pytest.mark.parametrize("named", [{"agent_version": 2}, {"counts_from": 2000}])
def test_a_replay_may_name_the_version_or_the_time(campaigns: Campaigns, named: dict[str, Any]) -> None:
    assert cleaned(campaigns, a_slice({"phoneNumber": "12125550001"}, **named)).dead_letters == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"agent_version": 9}, Code.SCHEMA_UNUSABLE),
        ({"batch_id": "gone"}, Code.BATCH_UNKNOWN),
        ({"batch_id": None}, Code.BATCH_MISSING),
    ],
)
def test_what_cannot_be_checked_fails_again_whole(campaigns: Campaigns, fields: dict[str, Any], code: Code) -> None:
    result = cleaned(campaigns, a_slice(record(1), record(2), **fields))
    assert [letter.errors[0].code for letter in result.dead_letters] == [code, code]
    assert (result.phone_log.size, result.phone_log.record_index) == (2, [])


def test_a_first_failure_knows_its_workspace_too(campaigns: Campaigns) -> None:
    assert campaigns.registry.workspace_of("b") == "w"
    assert campaigns.registry.workspace_of("gone") == campaigns.registry.workspace_of(None) == ""


def test_a_slice_without_the_history_of_each_record_is_not_whole() -> None:
    assert is_whole(a_slice({}))
    assert not is_whole(a_slice({}, {}, history=[failed_before()]))


def test_what_no_campaign_is_found_for_is_one_group(campaigns: Campaigns) -> None:
    slice_of = a_slice({}, {}, batch_id="gone")
    assert slice_of.replay is not None
    ((places, why),) = groups_of(slice_of, slice_of.replay, campaigns)
    assert places == [0, 1]
    assert isinstance(why, FieldError)


@pytest.fixture(scope="module")
def changing() -> Campaigns:
    """Return a campaign whose country, agent and schema have changed: at 3000, at 4000, and at 2000 and 5000."""
    registry = Registry()
    for agent, first in (("a", 1000), ("b", 3500)):
        versions = [
            AgentVersion(version=number, schema=schema, created_at=first + 1000 * number - 1000)
            for number, schema in enumerate((SCHEMA, LOOSER), 1)
        ]
        registry.apply(Agent(agent_id=agent, workspace_id="w", name="n", versions=versions, created_at=1))
    was = CallingNumber(phone_id="n", workspace_id="w", number="+12125550199", agent_id="a", created_at=1)
    registry.apply(msgspec.structs.replace(was, agent_id="b", earlier=[was], changed_at=4000))
    workspace = Workspace(workspace_id="w", name="n", created_at=1, country="US")
    registry.apply(msgspec.structs.replace(workspace, country="FR", earlier=[workspace], changed_at=3000))
    registry.apply(Batch(batch_id="b", workspace_id="w", name="n", phone_ids=["n"], created_at=1))
    return Campaigns(registry)


REJECT = {"_errors": [], "_index": 4, "_submission": "corrected"}
SENT = [
    {"phoneNumber": text, **fields, **added}
    for text in ("+12125550123", "(606) 274-0123", "06 12 34 56 78", "+18005550123", "+5511987654321", "nonsense")
    for fields in ({}, {"name": "Ann", "amount": 1.5, "timezone": "Europe/Paris"}, {"name": "Bo", "amount": 2.0})
    for added in ({}, REJECT)
]


def rows_by_record(log: PhoneLogChunk) -> dict[int, dict[str, Any]]:
    """Return all that a chunk says of each accepted record, by the record's own index; fails for a column unknown."""
    assert log.replay is not None
    facts: dict[int, dict[str, Any]] = {}
    for row, index in enumerate(log.record_index):
        one = log.replay.records[index]
        fact = facts[one.record_index] = {name: getattr(log, name)[row] for name in PARALLEL if name != "record_index"}
        fact["checked"] = (
            one.schema_version,
            log.agent_id if one.agent_id is None else one.agent_id,
            log.country if one.country is None else one.country,
        )
        fact["sent"] = one.sent
        fact["national"] = index in log.national
        areas = dict(zip(log.uncertain, log.uncertain_area, strict=True))
        fact["area"] = log.areas[areas[index]] if index in areas else None
        fact["returned"] = [(each.submission_id, each.index) for each in log.returned if each.record_index == index]
    assert set(COLUMNS) - set(PARALLEL) == {"national", "uncertain", "uncertain_area", "areas", "returned"}
    return facts


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(SENT), st.sampled_from([1500, 2500, 3500, 4500])), min_size=1, max_size=8))
def test_a_record_has_the_same_row_in_any_slice(changing: Campaigns, sent: list[tuple[Any, int]]) -> None:
    history = [failed_before(time, record_index=index) for index, (_, time) in enumerate(sent)]
    alone = [cleaned(changing, a_slice(one, history=[of])) for (one, _), of in zip(sent, history, strict=True)]

    together = cleaned(changing, a_slice(*(one for one, _ in sent), history=history))

    expected: dict[int, Any] = {}
    for each in alone:
        expected |= rows_by_record(each.phone_log)
    assert rows_by_record(decode(encode(together.phone_log), PhoneLogChunk)) == expected
    failed = sorted(letter.record_index for each in alone for letter in each.dead_letters)
    assert sorted(letter.record_index for letter in together.dead_letters) == failed


def test_each_record_of_several_versions_has_its_own_number_and_zone(changing: Campaigns) -> None:
    sent = [("(606) 274-0123", 2500), ("+12125550123", 1500), ("06 12 34 56 78", 3500), ("+18005550123", 4400)]
    records = [{"phoneNumber": text, "name": "Ann", "amount": 1.5} for text, _ in sent]
    history = [failed_before(time, record_index=index) for index, (_, time) in enumerate(sent)]

    facts = rows_by_record(cleaned(changing, a_slice(*records, history=history)).phone_log)

    assert [facts[index]["phone_number"] for index in range(4)] == [
        "+16062740123",
        "+12125550123",
        "+33612345678",
        "+18005550123",
    ]
    assert [facts[index]["national"] for index in range(4)] == [True, False, True, False]
    assert [facts[index]["checked"] for index in range(4)] == [
        (2, "a", "US"),
        (1, "a", "US"),
        (2, "a", "FR"),
        (1, "b", "FR"),
    ]
    assert [(facts[index]["area"] or "").partition(" ")[0] for index in (0, 1, 3)] == ["candidates", "", "country"]


def test_nothing_is_left_of_a_slice_that_is_held(changing: Campaigns) -> None:
    slice_of = a_slice({"phoneNumber": "(606) 274-0123", **REJECT}, history=[failed_before(2500)])
    result = cleaned(changing, slice_of)
    assert slice_of.replay is not None
    assert result.phone_log.national
    held = left_as_it_is(result, slice_of.replay, "why").phone_log
    assert [name for name in COLUMNS if getattr(held, name)] == []
