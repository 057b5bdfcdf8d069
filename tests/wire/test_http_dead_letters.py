"""GET /api/call/dead-letters over a real socket."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from schemas.dead_letter_query import KeptLetter
from schemas.outcomes import Code, FieldError
from schemas.registry import ADMINISTRATION
from tests.support.edge import World, served
from tests.support.known import BATCH, KEY, NOW_MS, OTHER_KEY, key_record
from tests.support.letter_pages import a_letter

ADMIN_KEY = "df_key-of-the-administration"
LETTERS = "/api/call/dead-letters"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with served() as world:
        world.registry.state.apply(key_record(ADMIN_KEY, ADMINISTRATION))
        yield world


def keep(world: World, *letters: Any) -> None:
    world.store.letters += [one if isinstance(one, KeptLetter) else KeptLetter(one) for one in letters]


async def ask(world: World, key: str = KEY, **parameters: Any) -> httpx.Response:
    return await world.http.get(LETTERS, params=parameters, headers={"x-api-key": key})


async def data(world: World, key: str = KEY, **parameters: Any) -> dict[str, Any]:
    answer = await ask(world, key, **parameters)
    assert (answer.status_code, answer.json()["status"]) == (200, True), answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


async def indices(world: World, key: str = KEY, **parameters: Any) -> list[int]:
    return [one["recordIndex"] for one in (await data(world, key, **parameters))["deadLetters"]]


async def test_a_letter_says_what_failed_where_when_and_why(world: World) -> None:
    keep(world, a_letter(17, failed_at=NOW_MS, first_failed_at=NOW_MS - 1, accepted_at=NOW_MS - 2))
    [letter] = (await data(world))["deadLetters"]
    message = "n is wrong in attempt 1"
    assert letter == {
        "code": "type",
        "class": "data",
        "stage": "clean",
        "path": "/n",
        "message": message,
        "batchId": "batch-1",
        "submissionId": "s",
        "recordIndex": 17,
        "attempt": 1,
        "failedAt": "2027-01-15T08:00:00.000Z",
        "topic": "calls.raw",
        "partition": 3,
        "offset": 42,
        "firstFailedAt": "2027-01-15T07:59:59.999Z",
        "acceptedAt": "2027-01-15T07:59:59.998Z",
        "replayId": None,
        "parked": False,
        "changes": "",
        "errors": [{"path": "/n", "code": "type", "message": message}],
    }


async def test_a_key_sees_the_letters_of_its_workspace_only_and_an_admin_key_all(world: World) -> None:
    keep(world, a_letter(1), a_letter(2, workspace_id="workspace-2"), a_letter(3, workspace_id=""))
    assert await indices(world) == [1]
    assert await indices(world, OTHER_KEY) == [2]
    assert await indices(world, ADMIN_KEY) == [3, 2, 1]
    assert (await data(world, OTHER_KEY, groupBy="code"))["total"] == 1


@pytest.mark.parametrize("key", ["", "df_unknown"])
async def test_other_keys_see_nothing(world: World, key: str) -> None:
    assert (await ask(world, key)).status_code == 403


async def test_an_admin_key_made_a_moment_ago_is_known(world: World) -> None:
    world.registry.topic.append(key_record("df_new", ADMINISTRATION))
    keep(world, a_letter(3, workspace_id=""))
    assert await indices(world, "df_new") == [3]


async def test_a_known_admin_key_is_not_asked_of_kafka(world: World) -> None:
    world.registry.down = True
    keep(world, a_letter(3, workspace_id=""))
    assert await indices(world, ADMIN_KEY) == [3]
    assert (await data(world, ADMIN_KEY, groupBy="agent"))["total"] == 1


async def test_filters_reach_the_store(world: World) -> None:
    keep(
        world,
        a_letter(0, Code.REQUIRED, submission_id="t", batch_id="b2", stage="load"),
        a_letter(1, Code.BATCH_UNKNOWN, errors=(FieldError(Code.BATCH_UNKNOWN, "", "no such batch"),)),
        a_letter(2, failed_at=NOW_MS - 3_600_000),
    )
    for parameters, expected in (
        ({"batch": "b2"}, [0]),
        ({"submission": "s"}, [1, 2]),
        ({"index": "0"}, [0]),
        ({"code": "required"}, [0]),
        ({"class": "policy"}, [1]),
        ({"stage": "load"}, [0]),
        ({"path": "/n"}, [0, 2]),
        ({"since": "30m"}, [1, 0]),
        ({"until": "30m"}, [2]),
        ({"until": "2027-01-15T08:30:00+01:00"}, [2]),
        ({"batch": "", "since": "", "attempt": "", "groupBy": "", "after": ""}, [1, 0, 2]),
    ):
        assert sorted(await indices(world, **parameters)) == sorted(expected), parameters


async def test_the_newest_attempt_counts_unless_one_is_asked_for(world: World) -> None:
    keep(world, a_letter(1), a_letter(1, Code.ENUM, attempt=2), KeptLetter(a_letter(1, attempt=3), parked=True))
    assert [one["attempt"] for one in (await data(world))["deadLetters"]] == [3]
    assert await indices(world, code="enum") == []
    assert await indices(world, attempt=2) == [1]
    assert [one["parked"] for one in (await data(world, parked="true"))["deadLetters"]] == [True]


async def test_pages_are_newest_first_and_count_all(world: World) -> None:
    keep(world, *(a_letter(index) for index in range(5)))
    page = await data(world, page=2, limit=2)
    assert [one["recordIndex"] for one in page["deadLetters"]] == [2, 1]
    assert (page["page"], page["limit"], page["total"]) == (2, 2, 5)


async def test_all_letters_can_be_walked_through_with_their_records(world: World) -> None:
    keep(world, *(a_letter(index, record=b"%d" % index) for index in range(5)))
    after, seen = "", []
    while after is not None:
        page = await data(world, sortBy="record", limit=2, records="true", after=after)
        seen += [one["record"] for one in page["deadLetters"]]
        after = page["next"]
    assert seen == ["0", "1", "2", "3", "4"]


async def test_a_record_that_is_no_text_is_shown_in_base64(world: World) -> None:
    keep(world, a_letter(0, record=b"\xff", tried=b"{}"))
    [letter] = (await data(world, sortBy="record", records="true"))["deadLetters"]
    assert (letter["record"], letter["tried"]) == (None, "{}")
    assert base64.b64decode(letter["recordBase64"]) == b"\xff"


async def test_counts_have_ages_and_an_example(world: World) -> None:
    keep(world, a_letter(0), a_letter(1), a_letter(2, Code.ENUM))
    counted = await data(world, groupBy="code")
    assert (counted["groupBy"], counted["total"], counted["groupsOmitted"]) == ("code", 3, 0)
    assert counted["groups"][0] == {
        "key": "type",
        "count": 2,
        "oldest": "2027-01-15T08:00:00.000Z",
        "newest": "2027-01-15T08:00:01.001Z",
        "message": "n is wrong in attempt 1",
    }
    assert [one["key"] for one in counted["groups"]] == ["type", "enum"]


async def test_an_agents_letters_are_those_of_its_batches_as_the_topic_has_them(world: World) -> None:
    world.registry.topic.append(batch_of_the_same_agent(world))
    keep(world, a_letter(0), a_letter(1, batch_id="batch-3"), a_letter(2, batch_id=None))
    assert await indices(world, agent="agent-1") == [1, 0]
    assert await indices(world, agent="nobody") == []
    assert (await data(world, agent="agent-1", groupBy="code"))["total"] == 2


async def test_counts_by_agent_are_those_of_its_batches(world: World) -> None:
    world.registry.state.apply(batch_of_the_same_agent(world))
    keep(world, a_letter(0), a_letter(1, batch_id="batch-3"), a_letter(2, batch_id=None))
    counted = await data(world, groupBy="agent")
    assert [(one["key"], one["count"]) for one in counted["groups"]] == [("agent-1", 2), ("", 1)]


def batch_of_the_same_agent(world: World) -> Any:
    known = world.registry.state.batches[BATCH]
    return type(known)(
        batch_id="batch-3", workspace_id=known.workspace_id, name="", phone_ids=known.phone_ids, created_at=NOW_MS
    )


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"code": "wrong"}, "code"),
        ({"class": "wrong"}, "class"),
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-02-31T00:00:00Z"}, "until"),
        ({"attempt": "0"}, "attempt"),
        ({"attempt": "٣"}, "attempt"),
        ({"index": "-1"}, "index"),
        ({"groupBy": "phone"}, "groupBy"),
        ({"parked": "yes"}, "parked"),
        ({"sortBy": "code"}, "sortBy"),
        ({"records": "true"}, "records"),
        ({"after": "s/1"}, "after"),
        ({"after": "s", "sortBy": "record"}, "after"),
        ({"after": "s/x", "sortBy": "record"}, "after"),
        ({"batch": "x" * 257}, "batch"),
        ({"limit": "0"}, "limit"),
    ],
)
async def test_what_is_wrong_is_named(world: World, parameters: dict[str, str], name: str) -> None:
    answer = await ask(world, **parameters)
    assert answer.status_code == 400
    [error] = answer.json()["data"]["errors"]
    assert (error["code"], error["path"]) == ("field_invalid", name)


async def test_without_the_store_the_answer_is_to_come_again(world: World) -> None:
    world.store.down = True
    for parameters in ({}, {"groupBy": "code"}):
        answer = await ask(world, **parameters)
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


async def test_what_is_dismissed_is_neither_listed_nor_counted_and_shows_why(world: World) -> None:
    keep(world, a_letter(1), a_letter(2), a_letter(3, submission_id="t"))
    keep(world, a_letter(4, workspace_id="workspace-2"))
    body = {"submission": "s", "reason": "the customer has left"}

    first = await world.http.post(f"{LETTERS}/dismissals", json=body, headers={"x-api-key": KEY})
    again = await world.http.post(f"{LETTERS}/dismissals", json=body, headers={"x-api-key": KEY})

    assert (first.status_code, first.json()["data"], again.json()["data"]) == (200, {"dismissed": 2}, {"dismissed": 0})
    assert await indices(world) == [3]
    assert (await data(world, groupBy="code"))["total"] == 1
    resolved = (await data(world, resolved="true", sortBy="record"))["deadLetters"]
    assert [(one["recordIndex"], one["resolvedBy"]["by"], one["resolvedBy"]["reason"]) for one in resolved] == [
        (1, "dismissal", "the customer has left"),
        (2, "dismissal", "the customer has left"),
    ]
    assert await indices(world, OTHER_KEY) == [4]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"reason": "x"}, ""),
        ({"batch": "b"}, "/reason"),
        ({"batch": "b", "reason": " "}, "/reason"),
        ({"batch": "b", "reason": "x", "cod": "type"}, "/cod"),
        ({"since": "yesterday", "reason": "x"}, "/since"),
    ],
)
async def test_a_dismissal_without_reason_or_filter_is_refused(world: World, body: dict[str, Any], path: str) -> None:
    keep(world, a_letter(1))
    answer = await world.http.post(f"{LETTERS}/dismissals", json=body, headers={"x-api-key": KEY})
    assert (answer.status_code, answer.json()["data"]["errors"][0]["path"]) == (400, path)
    assert await indices(world) == [1]
