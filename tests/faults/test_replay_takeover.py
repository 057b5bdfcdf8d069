"""An API process that runs a replay is killed: another one takes it over, and its end is as if nothing had been."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from dialfeed.kafka_ports import free_port
from schemas.codecs import UndecodableError, decode
from schemas.records import Chunk
from schemas.topics import TopicName
from tests.support.bus import Bus, bus_of_its_own, eventually
from tests.support.clickhouse_http import clickhouse_http
from tests.support.installation import Installation
from tests.support.samples import record

WITHIN_SECONDS = 90.0
CONTACTS, REPEATED, WRONG = 100, 40, 20
RECORDS = CONTACTS + REPEATED + WRONG
RATE = 20
"""Records a second, and so a slice: some eight seconds of replay, of which one is enough to be killed in."""


@asynccontextmanager
async def two_apis(kafka_bootstrap: str, folder: Path) -> AsyncIterator[list[Installation]]:
    """Run two API processes with a sink in each, and a worker, on one Kafka and one ClickHouse."""
    with clickhouse_http(folder / "clickhouse") as front:
        async with bus_of_its_own(kafka_bootstrap) as bus:
            made = [_made(bus, folder / name) for name in ("one", "other")]
            store = {"DIALFEED_CLICKHOUSE": front.url("dialfeed")}
            try:
                made[0].start("worker", "worker")
                for each in made:
                    each.start_api(**store)
                for each in made:
                    await each.ready()
                yield made
            finally:
                for each in made:
                    await each.close()


def _made(bus: Bus, folder: Path) -> Installation:
    folder.mkdir()
    return Installation(bus, folder, f"http://127.0.0.1:{free_port()}")


def sent() -> list[dict[str, Any]]:
    """Return records that all fail: most for a field that a replay sets, some of them twice, some for their number."""
    numbers = [*range(CONTACTS), *range(REPEATED)]
    good = [record(number, name=f"{place}", amount="much") for place, number in enumerate(numbers)]
    return [*good, *(record(0, phoneNumber="1", amount="much") for _ in range(WRONG))]


async def test_a_replay_whose_process_is_killed_is_ended_by_another_with_the_right_sums(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with two_apis(kafka_bootstrap, tmp_path) as apis:
        answer = await apis[0].post(*sent())
        assert answer.status_code == 400
        asked = {"batch": "b", "set": {"amount": 1.5}, "rate": RATE}
        location = (await apis[0].http.post("/api/call/replays", json=asked)).headers["location"]

        await apis[0].bus.read(TopicName.CHUNKS, lambda found: len(_parts(found)) >= 2)
        (runner,) = [each for each in apis if "replay_begun" in each.log()]
        (survivor,) = [each for each in apis if each is not runner]
        runner.kill("api")
        assert "replay_done" not in runner.log()

        shown = await eventually(partial(_ended, survivor, location), WITHIN_SECONDS)
        await _is_as_if_nothing_had_been(survivor, shown, answer.json()["data"]["submissionId"])
        assert "replay_done" in survivor.log()


async def _is_as_if_nothing_had_been(running: Installation, shown: dict[str, Any], submission_id: str) -> None:
    names = ("selected", "added", "updated", "superseded", "failed", "parked", "pending")
    assert [shown[name] for name in names] == [RECORDS, CONTACTS, REPEATED, 0, WRONG, 0, 0]
    contacts = await running.contacts()
    names_by_number = {one["phoneNumber"]: one["name"] for one in contacts}
    assert len(contacts) == len(names_by_number) == CONTACTS
    assert names_by_number["+12125550000"] == str(CONTACTS)
    assert {len(one["phoneLogs"]) for one in contacts} == {1}
    assert (await running.report(submission_id))["replayed"]["count"] == CONTACTS + REPEATED
    letters = (await running.http.get("/api/call/dead-letters", params={"limit": 1000})).json()["data"]
    assert (letters["total"], {one["attempt"] for one in letters["deadLetters"]}) == (WRONG, {2})


async def _ended(running: Installation, location: str) -> dict[str, Any] | None:
    data: dict[str, Any] = (await running.http.get(location)).json()["data"]
    return data if data["state"] == "done" else None


def _parts(messages: list[Any]) -> set[int]:
    found = set()
    for message in messages:
        try:
            chunk = decode(message.value, Chunk)
        except UndecodableError:
            continue
        if chunk.replay is not None:
            found.add(chunk.replay.part)
    return found
