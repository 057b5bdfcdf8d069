"""Whose dead letters `dialfeed replay` takes, and which batch they go to; a real Kafka."""

from __future__ import annotations

import pytest

from dialfeed.kafka_publisher import KafkaPublisher
from dialfeed.registry_topic import write
from schemas.identity import hash_api_key
from schemas.kafka_connection import KafkaConnection
from schemas.records import ApiKey, Batch
from schemas.registry import ADMINISTRATION
from tests.support.bus import OTHER_API_KEY
from tests.support.command import Type
from tests.wire.test_cli_replay import kafka, now, numbered, pipeline, places, put, slices, typed

__all__ = ["kafka", "typed"]

ADMIN_KEY = "df_admin"


@pytest.fixture
def two(kafka: KafkaConnection) -> KafkaConnection:
    """Dead letters of two workspaces, and some of a batch that never was."""

    async def fill() -> None:
        async with KafkaPublisher(kafka) as publisher:
            admin = ApiKey(
                key_id="admin", workspace_id=ADMINISTRATION, name="a", key_hash=hash_api_key(ADMIN_KEY), created_at=1
            )
            theirs = Batch(batch_id="theirs", workspace_id="other", name="Theirs", phone_ids=[], created_at=1)
            for record in (admin, theirs):
                await write(publisher, record)

    now(fill())
    put(
        kafka,
        numbered(0),
        numbered(1, workspace_id=""),
        numbered(2, workspace_id="other", batch_id="theirs"),
        numbered(3, workspace_id="", batch_id="theirs"),
        numbered(4, workspace_id="", batch_id="never was"),
    )
    return kafka


def indices(kafka: KafkaConnection) -> list[int]:
    return sorted(index for _, index in places(slices(kafka)))


@pytest.mark.parametrize(("key", "found"), [("df_test-key", [0, 1]), (OTHER_API_KEY, [2, 3])])
def test_a_key_of_a_workspace_limits_a_replay_to_it(
    two: KafkaConnection, typed: Type, monkeypatch: pytest.MonkeyPatch, key: str, found: list[int]
) -> None:
    monkeypatch.setenv("DIALFEED_API_KEY", key)
    assert typed("replay", "--dry-run", "--json").json["selected"] == 2
    with pipeline(two):
        assert (typed("replay", "--json").code, indices(two)) == (0, found)


def test_all_workspaces_need_an_admin_key_and_a_yes(
    two: KafkaConnection, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALFEED_API_KEY", ADMIN_KEY)
    asked = typed("replay", "--json")
    assert (asked.code, asked.out, slices(two)) == (2, "", [])
    assert "2 of Other (other), 2 of Acme (w), 1 of no known workspace" in asked.err
    assert "--yes" in asked.err
    with pipeline(two):
        done = typed("replay", "--yes", "--json")
    assert (done.code, indices(two)) == (0, [0, 1, 2, 3, 4])
    assert "2 of Acme (w)" in done.err


@pytest.mark.parametrize("yes", ["", "--yes"])
def test_without_a_key_nothing_of_several_workspaces_is_reached(
    two: KafkaConnection, typed: Type, monkeypatch: pytest.MonkeyPatch, yes: str
) -> None:
    monkeypatch.delenv("DIALFEED_API_KEY")
    ended = typed("replay", *filter(None, [yes]))
    assert (ended.code, ended.out, slices(two)) == (2, "", [])
    assert "DIALFEED_API_KEY" in ended.err


def test_a_key_that_opens_nothing_replays_nothing(
    two: KafkaConnection, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALFEED_API_KEY", "df_revoked")
    assert (typed("replay", "--yes").code, slices(two)) == (2, [])


def test_nobody_resumes_the_replay_of_another_workspace(
    two: KafkaConnection, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = typed("replay", "--give-up-after", "1", "--json").json["replayId"]
    monkeypatch.setenv("DIALFEED_API_KEY", OTHER_API_KEY)
    assert typed("replay", "--resume", begun).code == 2
    monkeypatch.setenv("DIALFEED_API_KEY", ADMIN_KEY)
    with pipeline(two):
        assert typed("replay", "--resume", begun).code == 0


@pytest.mark.parametrize(("key", "found"), [("df_test-key", [0, 1]), (ADMIN_KEY, [0, 1, 2, 3, 4])])
@pytest.mark.usefixtures("two")
def test_a_list_from_the_topic_is_limited_alike(
    typed: Type, monkeypatch: pytest.MonkeyPatch, key: str, found: list[int]
) -> None:
    monkeypatch.setenv("DIALFEED_API_KEY", key)
    listed = typed("dead-letters", "--from-topic", "--group-by", "batch", "--json")
    assert sum(row["count"] for row in listed.json) == len(found)
    monkeypatch.delenv("DIALFEED_API_KEY")
    assert typed("dead-letters", "--from-topic").code == 2


def test_a_replay_to_another_batch_sends_all_there(two: KafkaConnection, typed: Type) -> None:
    with pipeline(two):
        assert typed("replay", "--to-batch", "unassigned", "--json").code == 0
    assert (indices(two), {chunk.batch_id for chunk in slices(two)}) == ([0, 1], {"unassigned"})


def test_an_admin_moves_what_belongs_to_nobody_but_nothing_of_another_workspace(
    two: KafkaConnection, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALFEED_API_KEY", ADMIN_KEY)
    with pipeline(two):
        done = typed("replay", "--to-batch", "b", "--yes", "--json")
    assert (done.code, indices(two)) == (0, [0, 1, 4])
    assert "2 of Acme (w), 1 of no known workspace" in done.err


@pytest.mark.parametrize("batch", ["theirs", "never was"])
def test_a_batch_that_the_workspace_does_not_have_is_no_target(two: KafkaConnection, typed: Type, batch: str) -> None:
    ended = typed("replay", "--to-batch", batch)
    assert (ended.code, slices(two)) == (2, [])
    assert f"there is no batch {batch} to replay to" in ended.err
