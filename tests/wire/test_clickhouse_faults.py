"""What a ClickHouse server does when it does not do what is asked: faults 27 to 31, by HTTP, on the real engine."""

from __future__ import annotations

import socket
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from schemas.messages import MustStopError, TryAgainError
from sinks.clickhouse import ClickHouse, connect
from sinks.errors import RowsRefusedError
from tests.support.clickhouse_http import Fault, Front, clickhouse_http
from tests.unit.sinks.chunks import a_chunk, numbers
from tests.wire.test_clickhouse import ask, insert_of


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with clickhouse_http(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@pytest.fixture
async def clickhouse(front: Front) -> AsyncIterator[ClickHouse]:
    front.inject()
    store = connect(
        front.url(f"t{uuid.uuid4().hex}"), write_within_seconds=1, read_within_seconds=1, probe_within_seconds=1
    )
    await store.migrate()
    yield store
    await store.close()


ROWS = insert_of(a_chunk(numbers(10)))


@pytest.mark.parametrize("code", [252, 202, 241, 159, 209, 164, 242, 243, 987_654])
async def test_a_server_that_cannot_now_is_tried_again(front: Front, clickhouse: ClickHouse, code: int) -> None:
    front.inject(Fault("error", code))

    with pytest.raises(TryAgainError, match=f"code {code}"):
        await clickhouse.insert(ROWS)

    await clickhouse.insert(ROWS)
    assert await ask(clickhouse, "SELECT count() FROM phone_log") == [(10,)]


async def test_an_unknown_code_is_shouted_once(front: Front, clickhouse: ClickHouse) -> None:
    front.inject(Fault("error", 987_654, times=2))

    with capture_logs() as logs:
        for _ in range(2):
            with pytest.raises(TryAgainError):
                await clickhouse.insert(ROWS)

    assert [(line["event"], line["code"]) for line in logs] == [("clickhouse_error_unknown", 987_654)]


@pytest.mark.parametrize("code", [60, 81, 16, 516, 193, 497])
async def test_what_a_person_has_to_mend_stops_the_process(front: Front, clickhouse: ClickHouse, code: int) -> None:
    front.inject(Fault("error", code))

    with pytest.raises(MustStopError, match=f"code {code}"):
        await clickhouse.insert(ROWS)


async def test_a_refused_value_is_the_row_s_own_fault(front: Front, clickhouse: ClickHouse) -> None:
    front.inject(Fault("error", 53))

    with pytest.raises(RowsRefusedError):
        await clickhouse.insert(ROWS)


async def test_an_insert_whose_answer_is_lost_leaves_no_double_row(front: Front, clickhouse: ClickHouse) -> None:
    front.inject(Fault("lose_answer"))

    await clickhouse.insert(ROWS)  # the client itself tries once more

    assert await ask(clickhouse, "SELECT count() FROM phone_log") == [(10,)]


async def test_an_insert_whose_answer_is_lost_twice_may_be_repeated(front: Front, clickhouse: ClickHouse) -> None:
    front.inject(Fault("lose_answer", times=2))
    with pytest.raises(TryAgainError):
        await clickhouse.insert(ROWS)

    await clickhouse.insert(ROWS)

    assert await ask(clickhouse, "SELECT count() FROM phone_log") == [(10,)]


async def test_a_server_that_never_answers_is_given_up_in_time(front: Front, clickhouse: ClickHouse) -> None:
    front.inject(Fault("hang", times=2))

    with pytest.raises(TryAgainError, match="does not answer"):
        await clickhouse.insert(ROWS)

    front.inject()
    await clickhouse.insert(ROWS)
    assert await ask(clickhouse, "SELECT count() FROM phone_log") == [(10,)]


async def test_readiness_does_not_wait_for_a_write_that_hangs(front: Front, clickhouse: ClickHouse) -> None:
    front.inject(Fault("hang", on="getSetting"))

    with pytest.raises(TryAgainError, match="does not answer"):
        await clickhouse.writable()
    await clickhouse.writable()


async def test_a_server_that_is_away_is_tried_again() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        clickhouse = connect(f"clickhouse://me:s3cret@127.0.0.1:{taken.getsockname()[1]}/default")
        for question in (clickhouse.migrate(), clickhouse.writable(), clickhouse.insert(ROWS)):
            with pytest.raises(TryAgainError, match="does not answer") as error:
                await question
            assert "s3cret" not in str(error.value)
        await clickhouse.close()


async def test_a_wrong_password_is_named_and_not_repeated(front: Front) -> None:
    clickhouse = connect(front.url("default").replace("s3cret", "wr0ng"))

    with pytest.raises(MustStopError, match="set user and password") as error:
        await clickhouse.migrate()

    assert "wr0ng" not in str(error.value)
    await clickhouse.close()


async def test_a_folder_that_another_process_has_open_stops_the_process(tmp_path: Path) -> None:
    with clickhouse_http(tmp_path / "chdb"):
        clickhouse = connect(f"chdb://{tmp_path}/chdb")

        with pytest.raises(MustStopError, match="stop the process that has it open"):
            await clickhouse.migrate()
        await clickhouse.close()


async def test_a_missing_database_stops_the_process(front: Front) -> None:
    clickhouse = connect(front.url("default").replace("/default", "/missing"))

    with pytest.raises(MustStopError, match="create the database"):
        await clickhouse.migrate()
    await clickhouse.close()


def test_tokens_of_different_rows_differ() -> None:
    assert ROWS.token != replace(ROWS, blocks=ROWS.blocks + b"x").token
