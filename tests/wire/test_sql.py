"""A person's own SQL: what the engine makes of it, embedded and by HTTP, what the API answers, and the documents'."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schemas.registry import ADMINISTRATION
from schemas.stores import SqlRefusedError
from sinks import sql_questions
from sinks.clickhouse import ClickHouse, connect
from sinks.sql_questions import LIMITS, MOST_ROWS
from tests.support.clickhouse_http import clickhouse_http
from tests.support.edge import World, served
from tests.support.known import KEY, key_record
from tests.support.stored import engine_in

ROOT = Path(__file__).parents[2]
ADMIN_KEY = "df_key-of-the-administration"
STATEMENTS = [
    (document.name, statement)
    for document in (*ROOT.glob("docs/*.md"), *ROOT.glob("*.md"))
    for block in re.findall(r"```sql\n(.*?)```", document.read_text(), re.DOTALL)
    for statement in block.split(";\n")
    if statement and not statement.startswith("ALTER")  # for ClickHouse's own client: `test_clickhouse` runs those
] + [
    (document.name, statement)
    for document in (*ROOT.glob("docs/*.md"), *ROOT.glob("*.md"))
    for statement in re.findall(r"dialfeed sql (?:--json )?['\"](.*?)['\"]\n", document.read_text(), re.DOTALL)
]


@pytest.fixture(params=["embedded", "server"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ClickHouse]:
    if request.param == "embedded":
        async with engine_in(tmp_path) as clickhouse:
            yield clickhouse
        return
    with clickhouse_http(tmp_path) as front:
        clickhouse = connect(front.url("d"))
        await clickhouse.migrate()
        yield clickhouse
        await clickhouse.close()


async def refused(store: ClickHouse, statement: str) -> str:
    with pytest.raises(SqlRefusedError) as caught:
        await store.sql(statement)
    return str(caught.value)


async def test_a_question_is_answered_within_its_limits(store: ClickHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = await store.sql(
        "SELECT name, nan AS x, toUInt64(18446744073709551615) AS y FROM migrations FINAL LIMIT 1;"
    )
    assert [name for name, _ in answer.columns] == ["name", "x", "y"]
    assert (answer.rows, answer.truncated) == ([["0001_phone_log.sql", "nan", 2**64 - 1]], False)
    many = await store.sql("SELECT number FROM numbers(1000000)")
    assert (len(many.rows), many.rows[-1], many.truncated) == (MOST_ROWS, [MOST_ROWS - 1], True)
    assert "MEMORY_LIMIT" in await refused(store, "SELECT groupArray(number) FROM numbers(100000000)")
    assert "UNKNOWN_IDENTIFIER" in await refused(store, "SELECT nobody FROM phone_log")
    assert (await store.sql("SELECT 42")).rows == [[42]]  # nothing of a question that failed is left

    monkeypatch.setitem(LIMITS, "max_execution_time", 1)
    slow = "SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sipHash128(toString(number)))"
    assert "TIMEOUT_EXCEEDED" in await refused(store, slow)


async def test_the_engine_itself_refuses_to_write_and_to_change_limits(
    store: ClickHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were our own fences open."""
    monkeypatch.setattr(sql_questions, "only_statement", lambda statement: statement)
    monkeypatch.setattr(sql_questions, "refuse_words", lambda *_: None)
    for statement in (
        "DROP TABLE phone_log",
        "INSERT INTO migrations (name, checksum) VALUES ('x', 'y')",
        "SELECT 1 SETTINGS max_memory_usage = 0",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/x', 'LineAsString')",
    ):
        assert "READONLY" in await refused(store, statement), statement
    assert await store.sql("SELECT count() FROM phone_log")


@pytest.mark.parametrize("name", ["file", "url", "remote", "python", "s3", "executable", "mysql"])
async def test_every_table_function_of_the_engine_is_refused(store: ClickHouse, name: str) -> None:
    assert "cannot be used here" in await refused(store, f"SELECT * FROM {name}('x')")


async def test_no_column_of_ours_is_refused(store: ClickHouse) -> None:
    question = "SELECT table, name FROM system.columns WHERE database = currentDatabase()"
    for table, column in await store._ask(store._readers, lambda query: query(question)):
        await store.sql(f"SELECT `{column}` FROM `{table}` LIMIT 1")


async def test_the_sql_of_the_documents_can_be_asked(tmp_path: Path) -> None:
    assert len(STATEMENTS) >= 2
    async with engine_in(tmp_path) as clickhouse:
        for _, statement in STATEMENTS:
            await clickhouse.sql(statement)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with served() as world:
        record = key_record(ADMIN_KEY, ADMINISTRATION)
        world.registry.topic.append(record)
        world.registry.state.apply(record)
        yield world


async def test_the_api_answers_an_admin_key_only(world: World) -> None:
    async def post(key: str, body: object) -> tuple[int, object]:
        answer = await world.http.post("/api/admin/sql", json=body, headers={"x-api-key": key})
        data = answer.json()["data"]
        return answer.status_code, data.get("errors", data)

    question = {"sql": "SELECT count() FROM calls"}
    status, data = await post(ADMIN_KEY, question)
    columns = [{"name": "count()", "type": "UInt64"}]
    assert (status, data) == (200, {"columns": columns, "rows": [[7]], "truncated": False})
    assert (await post(KEY, question))[0] == 403
    for wrong in ({}, {"sql": 7}, {"sql": ""}, {"sql": "x" * 20_001}, {"sql": "DROP TABLE calls"}):
        status, errors = await post(ADMIN_KEY, wrong)
        assert (status, "/sql" in str(errors)) == (400, True)
    world.store.down = True
    assert (await post(ADMIN_KEY, question))[0] == 503
