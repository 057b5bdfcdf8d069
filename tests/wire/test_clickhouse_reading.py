"""What the store answers about contacts, batches and calls, compared with plain Python on the real engine."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.statuses import CallStatus, StatusEvent
from schemas.stores import BatchCounts, CallPlace, Contact, ContactQuery, PhoneLogEntry
from sinks import stored_contacts
from sinks.clickhouse import ClickHouse, connect
from sinks.facts import read_calls
from sinks.query import Query
from sinks.statuses import Reported, call_status_insert, merged
from tests.support.clickhouse_http import Front, clickhouse_http
from tests.support.contact_pages import page_of
from tests.support.stored import CANDIDATES, call_id_of, report, store

AT = 1_767_225_600_000
TEXTS = [
    "Ada", "ada", "Zoë", "", "a", "100%", "a_b", "back\\slash", 'quo"te', "line\nbreak", "nul\0", "x" * 3000, "名前",
    '{"segment":"gold"}', ',"segment":"gold",', "'; DROP TABLE contacts --", "{p0:String}", "null", "5", "🙂", "\x7f/",
]  # fmt: skip
NUMBERS = [0, 5, -7, 12.5, 5.0, 1e16, 10**16, 2**53 + 1, 2**53 + 2, -0.5, 250, 1000]
OTHERS = [None, True, False, [1, "Ada"], {"segment": "gold"}, {"deep": {"name": "Ada"}}, [], {}]
NAMES = ["name", "segment", "amount", "", "a.b", 'q"n', "b\\s", ":", "名前", "%", "callId2", "x'y", "n", "per cent"]


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with clickhouse_http(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@pytest.fixture(params=["chdb", "http"])
async def clickhouse(request: pytest.FixtureRequest, front: Front, tmp_path: Path) -> AsyncIterator[ClickHouse]:
    url = f"chdb://{tmp_path}/chdb" if request.param == "chdb" else front.url(f"t{uuid.uuid4().hex}")
    clickhouse = connect(url)
    await clickhouse.migrate()
    yield clickhouse
    await clickhouse.close()


def a_value(chance: random.Random) -> Any:
    values: list[Any] = chance.choice([TEXTS, NUMBERS, OTHERS])
    return chance.choice(values)


def some_variables(chance: random.Random) -> dict[str, Any]:
    names = chance.sample(NAMES, chance.randint(0, 6))
    return {name: a_value(chance) for name in names}


def a_contact(number: str, variables: dict[str, Any], zone: str | None, accepted_at: int) -> Contact:
    entry = PhoneLogEntry(call_id_of(number), 0, "pending", accepted_at)
    return Contact(
        number,
        zone or "UTC",
        "record" if zone else "default",
        variables,
        [entry],
        accepted_at,
        timezone_confidence="certain" if zone else "country",
        timezone_candidates=[] if zone else list(CANDIDATES),
        phone_number_read_as="international",
    )


async def fill(clickhouse: ClickHouse, chance: random.Random, count: int) -> list[Contact]:
    """Store so many contacts in several inserts, some of them again and again, some called; return them."""
    numbers = [f"+{chance.choice([1, 44, 4930])}{chance.randrange(10**6, 10**8)}" for _ in range(count)]
    zones = {number: chance.choice(["America/New_York", "Asia/Tokyo"]) for number in numbers[::3]}
    accepted: dict[str, int] = {}
    variables: dict[str, dict[str, Any]] = {}
    for again in range(6):
        part = {number: some_variables(chance) for number in chance.sample(numbers, count // 2)}
        await store(clickhouse, part, AT + again, zones=zones)
        variables |= part
        accepted = dict.fromkeys(part, AT + again) | accepted
    await store(clickhouse, {"+19999999999": {"name": "Ada"}}, AT, "another batch")
    contacts = {
        number: a_contact(number, variables[number], zones.get(number), accepted[number]) for number in accepted
    }
    for number in chance.sample(sorted(accepted), len(accepted) // 3):
        contacts[number] = await called(clickhouse, contacts[number], chance)
    return list(contacts.values())


async def called(clickhouse: ClickHouse, contact: Contact, chance: random.Random) -> Contact:
    (entry,) = contact.entries
    status = chance.choice([status.value for status in CallStatus])
    await report(clickhouse, entry.call_id, status, AT + 100)
    return replace(contact, entries=[replace(entry, status=status, at=AT + 100)])


def a_query(chance: random.Random, contacts: list[Contact]) -> ContactQuery:
    known = chance.choice(contacts)
    filters: list[tuple[str, Any]] = []
    for _ in range(chance.choice([0, 0, 1, 1, 2])):
        name = chance.choice([*NAMES, *known.variables, "callStatus", "timezone", "timezoneSource", "phoneNumber"])
        wanted = {"callStatus": "pending", "timezone": "Asia/Tokyo", "phoneNumber": known.phone_number}.get(name)
        value = wanted or known.variables.get(name, a_value(chance))
        filters.append((name, None if isinstance(value, dict | list) else value))
    number = known.phone_number
    searches = [
        "",
        "",
        "",
        chance.choice(TEXTS),
        number[2:6],
        " " + number[1:4],
        "a",
        *chance.sample(["5", ".0", "1e16", "e", "-", ".5", "00"], 2),
        "segment",
        "name",
        '"',
        "\\",
    ]
    sort_by = chance.choice(["phoneNumber", "phoneNumber", "createdAt", "timezone", "callStatus", *NAMES])
    return ContactQuery(
        batch_id="batch",
        page=chance.choice([1, 1, 2, 3, 9]),
        limit=chance.choice([1, 3, 10, 100]),
        filters=tuple(filters),
        sort_by=sort_by,
        descending=chance.random() < 0.4,
        search=chance.choice(searches),
        after=chance.choice([None, None, None, number]),
    )


@pytest.mark.parametrize("few", [0, 5, 1000])
async def test_every_page_is_what_plain_python_makes_of_the_same_contacts(
    clickhouse: ClickHouse, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_contacts, "FEW", few)
    chance = random.Random(few)
    contacts = await fill(clickhouse, chance, 60)

    for _ in range(60):
        query = a_query(chance, contacts)
        found, expected = await clickhouse.contacts(query), page_of(contacts, query)
        assert found.total == expected.total, query
        for one, other in zip(found.contacts, expected.contacts, strict=True):
            assert one == other, query


@pytest.mark.parametrize("descending", [False, True])
async def test_pages_without_a_filter_are_right_from_either_end(clickhouse: ClickHouse, descending: bool) -> None:
    numbers = [f"+1{n}" for n in random.Random(1).sample(range(10**5, 10**7), 500)]
    for part in (numbers[:300], numbers[200:], numbers[::7]):
        await store(clickhouse, {number: {} for number in part}, AT)

    pages = [
        await clickhouse.contacts(ContactQuery("batch", page, 7, descending=descending)) for page in range(1, 74, 3)
    ]

    expected = sorted(numbers, reverse=descending)
    for place, page in enumerate(pages):
        assert [contact.phone_number for contact in page.contacts] == expected[place * 21 : place * 21 + 7]
        assert page.total == 500


@pytest.mark.parametrize("sort_by", ["phoneNumber", "n"])
async def test_pages_deeper_than_what_is_picked_at_once_are_right(
    clickhouse: ClickHouse, sort_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_contacts, "FEW", 15)
    numbers = [f"+1{n}" for n in range(1000, 1060)]
    await store(clickhouse, {number: {"n": place % 7, "kept": place % 2} for place, number in enumerate(numbers)}, AT)

    query = ContactQuery("batch", 1, 10, filters=(("kept", 1),), sort_by=sort_by)
    pages = [await clickhouse.contacts(replace(query, page=page)) for page in (1, 2, 3, 4)]

    expected = sorted(numbers[1::2], key=lambda number: (numbers.index(number) % 7 if sort_by == "n" else 0, number))
    assert [contact.phone_number for page in pages for contact in page.contacts] == expected
    assert {page.total for page in pages} == {30}


@pytest.mark.parametrize("few", [25, 1000])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort_by", ["createdAt", "callStatus", "n"])
async def test_rows_that_were_replaced_have_no_place_in_an_order(
    clickhouse: ClickHouse, sort_by: str, descending: bool, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_contacts, "FEW", few)
    numbers = [f"+1{n}" for n in range(1000, 1040)]
    for again in range(3):
        part = {number: {"n": (place * 7 + again) % 10} for place, number in enumerate(numbers) if place % 3 >= again}
        await store(clickhouse, part, AT + again)
    contacts = [
        a_contact(number, {"n": (place * 7 + place % 3) % 10}, None, AT) for place, number in enumerate(numbers)
    ]
    for place in range(0, 40, 5):
        contacts[place] = await called(clickhouse, contacts[place], random.Random(place))

    for query in (ContactQuery("batch", page, 7, sort_by=sort_by, descending=descending) for page in range(1, 8)):
        found, expected = await clickhouse.contacts(query), page_of(contacts, query)
        assert [one.phone_number for one in found.contacts] == [one.phone_number for one in expected.contacts]
        assert found.total == expected.total


@pytest.mark.parametrize("others", [{}, {"deep": {"n": 0}}], ids=["flat", "nested"])
async def test_a_number_is_found_by_its_value_however_large(clickhouse: ClickHouse, others: dict[str, Any]) -> None:
    numbers = [*NUMBERS, 2**53 - 1, 2**53, -(2**53), -(2**53) - 1, 2**63 - 1, 2**64 - 1]
    stored = {f"+1{1000 + place}": {"n": number, **others} for place, number in enumerate(numbers)}
    await store(clickhouse, stored, AT)
    for wanted in numbers:
        page = await clickhouse.contacts(ContactQuery("batch", filters=(("n", wanted),)))
        found = [contact.phone_number for contact in page.contacts]
        assert found == [phone for phone, variables in stored.items() if variables["n"] == wanted], wanted


@pytest.mark.parametrize("others", [{}, {"deep": {"n": 0}}, {"e-1.0": 0}], ids=["flat", "nested", "name"])
async def test_a_number_is_searched_as_its_json(clickhouse: ClickHouse, others: dict[str, Any]) -> None:
    values = [*NUMBERS, 1e300, 1.5e-7, [1.0, 2], "1.0", "e", True, None]
    contacts = [
        a_contact(f"+4{place:03}", {"n": value, **others}, None, AT) for place, value in enumerate(values, start=300)
    ]
    await store(clickhouse, {contact.phone_number: contact.variables for contact in contacts}, AT)
    for search in (".0", "1.0", "1e16", "e", "E", "-", "1.5e-", "e30", "00000", "+", "."):
        query = ContactQuery("batch", search=search)
        assert (await clickhouse.contacts(query)).contacts == page_of(contacts, query).contacts, search


async def test_a_call_id_is_found_in_either_case(clickhouse: ClickHouse) -> None:
    await store(clickhouse, {"+11000": {}, "+11001": {}}, AT)
    (first, _) = (await clickhouse.contacts(ContactQuery("batch"))).contacts
    call_id = first.entries[0].call_id

    for spelled in (call_id, call_id.upper()):
        found = await clickhouse.contacts(ContactQuery("batch", filters=(("callId", spelled),)))
        assert [contact.phone_number for contact in found.contacts] == ["+11000"]


@pytest.mark.parametrize("few", [1, 100])
async def test_a_total_that_was_counted_before_is_counted_again_once_rows_have_come(
    clickhouse: ClickHouse, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_contacts, "FEW", few)
    numbers = [f"+1{n}" for n in range(1000, 1010)]
    gold, silver = (ContactQuery("batch", filters=(("segment", name),)) for name in ("gold", "silver"))
    await store(clickhouse, {number: {"segment": "gold"} for number in numbers}, AT)
    before = [(await clickhouse.contacts(query)).total for query in (gold, silver, gold)]

    await store(clickhouse, {number: {"segment": "silver"} for number in numbers[:3]}, AT + 1)

    assert before == [10, 0, 10]
    assert [(await clickhouse.contacts(query)).total for query in (gold, silver)] == [7, 3]


async def test_paging_by_after_sees_every_pending_contact_once_while_calls_leave_pending(
    clickhouse: ClickHouse,
) -> None:
    numbers = [f"+1{n}" for n in range(1000, 1025)]
    await store(clickhouse, {number: {} for number in numbers}, AT)
    query = ContactQuery("batch", limit=10, filters=(("callStatus", "pending"),))
    seen: list[str] = []

    while page := (await clickhouse.contacts(replace(query, after=seen[-1] if seen else None))).contacts:
        seen += [contact.phone_number for contact in page]
        for contact in page:
            await report(clickhouse, contact.entries[0].call_id, "dialing", AT + 1)

    assert seen == numbers


async def test_a_contact_shows_its_entries_newest_first_with_what_was_reported(clickhouse: ClickHouse) -> None:
    number = "+12125551001"
    await store(clickhouse, {number: {"v": 1}}, AT)
    details: dict[str, Any] = {
        "call_duration": 61.5,
        "recording_url": "https://recordings.example/ü",
        "transcript": "Hi\n'there'\\",
    }
    await report(clickhouse, call_id_of(number), "completed", AT + 10, **details)
    await store(clickhouse, {number: {"v": 2}}, AT + 20)

    (contact,) = (await clickhouse.contacts(ContactQuery("batch"))).contacts

    assert contact.variables == {"v": 2}
    assert contact.created_at == AT
    assert contact.entries == [
        PhoneLogEntry(call_id_of(number, 1), 1, "pending", AT + 20),
        PhoneLogEntry(call_id_of(number), 0, "completed", AT, **details, at=AT + 10),
    ]


async def test_a_filter_on_the_status_is_about_the_newest_entry(clickhouse: ClickHouse) -> None:
    await store(clickhouse, {"+1001": {}, "+1002": {}}, AT)
    for number in ("+1001", "+1002"):
        await report(clickhouse, call_id_of(number), "completed", AT + 10)
    await store(clickhouse, {"+1002": {}}, AT + 20)

    async def with_status(status: str) -> list[str]:
        found = await clickhouse.contacts(ContactQuery("batch", filters=(("callStatus", status),)))
        return [contact.phone_number for contact in found.contacts]

    assert await with_status("completed") == ["+1001"]
    assert await with_status("pending") == ["+1002"]


async def test_what_was_canceled_is_counted_apart(clickhouse: ClickHouse) -> None:
    await store(clickhouse, {f"+{n}": {} for n in range(1000, 1005)}, AT)
    for number, status in (("+1000", "canceled"), ("+1001", "canceled"), ("+1002", "completed"), ("+1003", "dialing")):
        await report(clickhouse, call_id_of(number), status, AT + 10)

    counts = (await clickhouse.batch_counts(["batch"]))["batch"]

    assert (counts.total_calls, counts.picked, counts.completed, counts.canceled) == (5, 2, 1, 2)
    assert (counts.finished, counts.pending) == (3, 1)


async def test_a_filter_agrees_with_what_is_shown_while_a_status_is_being_written(clickhouse: ClickHouse) -> None:
    await store(clickhouse, {"+1001": {}}, AT)
    event = StatusEvent(call_id_of("+1001"), CallStatus.COMPLETED)
    calls = await clickhouse.consult(lambda session: read_calls(session, [event.call_id]))
    await clickhouse.insert(call_status_insert([merged(calls[event.call_id], [Reported(event, AT + 10)])]))

    for status in CallStatus:  # `contacts` comes a moment later
        page = await clickhouse.contacts(ContactQuery("batch", filters=(("callStatus", status),)))
        shown = [contact.entries[0].status for contact in page.contacts]
        assert (page.total, shown) == ((1, ["pending"]) if status == CallStatus.PENDING else (0, []))


async def test_batches_are_counted_by_entries_whatever_comes_twice(clickhouse: ClickHouse) -> None:
    await store(clickhouse, {f"+{n}": {} for n in range(1000, 1010)}, AT, "a'b\\,ü")
    await store(clickhouse, {f"+{n}": {} for n in range(1000, 1002)}, AT, "other")
    for status, number in (("completed", "+1000"), ("busy", "+1001"), ("dialing", "+1002"), ("pending", "+1003")):
        await report(clickhouse, call_id_of(number, 0, "a'b\\,ü"), status, AT + 10)
    for _ in range(2):
        await store(clickhouse, {"+1000": {}, "+1005": {}}, AT + 20, "a'b\\,ü")

    counts = await clickhouse.batch_counts(["a'b\\,ü", "other", "unknown", "other"])

    assert set(counts) == {"a'b\\,ü", "other"}
    of_one = counts["a'b\\,ü"]
    assert (of_one.total_calls, of_one.picked, of_one.completed, of_one.finished) == (11, 3, 1, 2)
    assert replace(counts["other"], updated_at=0) == BatchCounts(2, 0, 0, 0)
    assert of_one.updated_at > AT


async def test_counts_are_those_of_now_after_every_change(clickhouse: ClickHouse) -> None:
    batches = ["a", "b", "c"]
    for turn in range(1, 6):
        for batch in batches:
            await store(clickhouse, {f"+{turn}": {}}, AT + turn, batch)
            await report(clickhouse, call_id_of(f"+{turn}", 0, batch), "completed", AT + 100)
        counts = await clickhouse.batch_counts(batches)
        assert {batch: (each.total_calls, each.completed) for batch, each in counts.items()} == dict.fromkeys(
            batches, (turn, turn)
        )
        assert (await clickhouse.contacts(ContactQuery("c"))).total == turn


async def test_what_was_counted_is_not_counted_again_while_no_row_changes(clickhouse: ClickHouse) -> None:
    await store(clickhouse, {"+1": {}}, AT, "a")
    await store(clickhouse, {"+1": {}, "+2": {}}, AT, "c")
    asked: list[str] = []

    def ask(query: Query) -> dict[str, BatchCounts]:
        def counting(statement: str, **parameters: str | int) -> Sequence[tuple[Any, ...]]:
            asked.append(statement)
            return query(statement, **parameters)

        return clickhouse._counts.batches(counting, ["a", "c"])

    first, again = [await clickhouse._ask(clickhouse._readers, ask) for _ in range(2)]

    assert first == again
    assert sum("FROM contacts FINAL" in statement for statement in asked) == 1


async def test_a_call_is_found_by_its_id_and_an_unknown_one_is_not(clickhouse: ClickHouse) -> None:
    numbers = [f"+1212{n}" for n in range(5000)]
    await store(clickhouse, {number: {} for number in numbers}, AT)
    ids = {call_id_of(number): number for number in numbers}

    found = await clickhouse.calls([*ids, str(uuid.uuid4())])

    assert found == {call_id: CallPlace("workspace", "batch", number, 0) for call_id, number in ids.items()}
    assert await clickhouse.calls([]) == {}
