"""How long pages, filters, orders, searches and counts take on a batch of a million contacts, while inserts go on.

    python -m bench.reading [--contacts N] [--batches N] [--rounds N] [--only TEXT] [--url URL] [--folder FOLDER]

The rows are made by ClickHouse itself. Without a URL the embedded engine is used, in a folder that is kept if named.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from schemas.stores import ContactQuery
from sinks.clickhouse import ClickHouse, connect
from sinks.stored_counts import Counts

ROWS_AN_INSERT = 50_000
LIVE_ROWS = 500
LIVE_EVERY_SECONDS = 0.5
BATCH = "batch-0"
START = 1_767_225_600_000

Question = Callable[[], Awaitable[object]]

_RECORDS = """
INSERT INTO phone_log (batch_id, phone_number, entry, version, call_id, workspace_id, submission_id, record_index,
    accepted_at, phone_number_sent, timezone, timezone_source, variables, agent_id, schema_version)
SELECT '{batch}', '+1' || toString(2000000000 + (number * 2654435761) % 8000000000) AS phone, 0,
    bitShiftLeft(toUInt64({at} - 1577836800000), 24) + number % 16777216,
    reinterpretAsUUID(MD5('{batch}' || phone)), 'workspace', 'submission-' || toString(intDiv(number, 1000)),
    number % 1000, fromUnixTimestamp64Milli(toInt64({at}), 'UTC'), phone, 'America/New_York', 'number',
    concat('{{"firstName":"Name', toString(intHash32(number) % 5000), '","lastName":"Last',
        toString(intHash64(number) % 100000), '","amount":', toString(number % 1000), '.5,"segment":"',
        ['gold', 'silver', 'bronze'][number % 3 + 1], '","active":', if(number % 2, 'true', 'false'),
        ',"note":"please call about order ', toString(number), '"}}'),
    'agent', 1
FROM numbers({first}, {rows})
"""
_CALLED = """
INSERT INTO call_status (batch_id, phone_number, entry, version, call_id, workspace_id, status, at, left_at,
    call_duration, recording_url, transcript)
SELECT batch_id, phone_number, 0, bitShiftLeft(toUInt64(3), 42) + {at}, call_id, workspace_id,
    ['completed', 'no-answer', 'voicemail'][cityHash64(phone_number) % 3 + 1],
    fromUnixTimestamp64Milli(toInt64({at}), 'UTC'), {at}, 61.5, 'https://recordings.example/1', 'Hello.'
FROM contacts WHERE batch_id = '{batch}' AND cityHash64(phone_number) % 10 < 3
"""
_CONTACTS_OF_CALLED = """
INSERT INTO contacts (batch_id, phone_number, write_version, entry, call_id, workspace_id, status, variables, timezone,
    timezone_source, submission_id, accepted_at)
SELECT batch_id, phone_number, bitOr(bitShiftLeft(toUInt128(3), 106), write_version), entry, call_id, workspace_id,
    ['completed', 'no-answer', 'voicemail'][cityHash64(phone_number) % 3 + 1], variables, timezone, timezone_source,
    submission_id, accepted_at
FROM contacts WHERE batch_id = '{batch}' AND cityHash64(phone_number) % 10 < 3
"""


async def tell(clickhouse: ClickHouse, statement: str) -> None:
    await clickhouse.consult(lambda session: session.tell(statement))


async def build(clickhouse: ClickHouse, batch: str, contacts: int) -> None:
    """Make a batch of which three calls in ten have been made."""
    for first in range(0, contacts, ROWS_AN_INSERT):
        rows = min(ROWS_AN_INSERT, contacts - first)
        await tell(clickhouse, _RECORDS.format(batch=batch, at=START + first, first=first, rows=rows))
    for statement in (_CALLED, _CONTACTS_OF_CALLED):
        await tell(clickhouse, statement.format(batch=batch, at=START + contacts * 2))


async def insert_on(clickhouse: ClickHouse, contacts: int) -> None:
    """Go on inserting: every second chunk updates contacts that are there."""
    for turn in range(1_000_000):
        first = contacts + turn * LIVE_ROWS if turn % 2 else random.randrange(contacts - LIVE_ROWS)
        at = START + contacts * 4 + turn
        await tell(clickhouse, _RECORDS.format(batch=BATCH, at=at, first=first, rows=LIVE_ROWS))
        await asyncio.sleep(LIVE_EVERY_SECONDS)


def questions(clickhouse: ClickHouse, contacts: int, batches: int, calls: list[str]) -> dict[str, Question]:
    """Return what is asked, by its name. Values change, so that no answer is a repeated one.

    How many match is remembered while a batch does not change: of three values, only the first to ask for each waits
    for the count. `first_asked` remembers nothing.
    """
    chance = random.Random(7)

    def page(**asked: object) -> Awaitable[object]:
        return clickhouse.contacts(ContactQuery(BATCH, **asked))  # type: ignore[arg-type]  # values from below

    def first_asked(**asked: object) -> Awaitable[object]:
        clickhouse._counts = Counts()  # noqa: SLF001  # to forget what others have asked for
        return page(**asked)

    def somewhere() -> str:
        return f"+1{chance.randrange(2, 10)}{chance.randrange(10**9):09}"

    def equal(name: str, value: object) -> tuple[tuple[str, object], ...]:
        return ((name, value),)

    pages = contacts // 10
    names = [f"batch-{number}" for number in range(batches)]
    return {
        "page 1": page,
        "page in the middle": lambda: page(page=pages // 2 + chance.randrange(99)),
        "last page": lambda: page(page=pages),
        "page 500 of 1000 contacts": lambda: page(page=500, limit=1000),
        "after a number, 1000": lambda: page(after=somewhere(), limit=1000),
        "after a number, pending, 1000": lambda: page(
            after=somewhere(), limit=1000, filters=equal("callStatus", "pending")
        ),
        "filter callStatus": lambda: page(filters=equal("callStatus", "pending"), page=chance.randrange(1, 99)),
        "filter callStatus, deep": lambda: page(filters=equal("callStatus", "pending"), page=pages // 3),
        "filter variable, a third match": lambda: page(
            filters=equal("segment", chance.choice(["gold", "silver", "bronze"])), page=chance.randrange(1, 99)
        ),
        "filter variable, a third match, first asked": lambda: first_asked(
            filters=equal("segment", chance.choice(["gold", "silver", "bronze"])), page=chance.randrange(1, 99)
        ),
        "filter variable, few match": lambda: page(filters=equal("lastName", f"Last{chance.randrange(100000)}")),
        "filter number": lambda: page(filters=equal("amount", chance.randrange(1000) + 0.5)),
        "filter status and two variables": lambda: page(
            filters=(("callStatus", "completed"), ("segment", "gold"), ("active", chance.random() < 0.5))
        ),
        "sort by status": lambda: page(sort_by="callStatus", page=chance.randrange(1, 9)),
        "sort by createdAt": lambda: page(sort_by="createdAt", page=chance.randrange(1, 9)),
        "sort by variable, text": lambda: page(sort_by="lastName", descending=chance.random() < 0.5),
        "sort by variable, number": lambda: page(sort_by="amount", descending=chance.random() < 0.5),
        "search, few match": lambda: page(search=f"order {chance.randrange(100000, 999999)}"),
        "search, none match": lambda: page(search=f"nobody {chance.randrange(10**6)}"),
        "search digits": lambda: page(search=str(chance.randrange(1000, 9999))),
        "search, all match": lambda: page(search="order"),
        "search, a third match": lambda: page(search="gold"),
        f"counts of {batches} batches": lambda: clickhouse.batch_counts(names),
        "10,000 calls": lambda: clickhouse.calls(calls),
    }


async def measure(ask: Question, rounds: int) -> tuple[list[float], list[float]]:
    """Return how long each round took and how much CPU this process used meanwhile, ms, least first."""
    took, used = [], []
    for _ in range(rounds):
        begun, cpu = time.perf_counter(), time.process_time()
        await ask()
        took.append((time.perf_counter() - begun) * 1000)
        used.append((time.process_time() - cpu) * 1000)
    return sorted(took), sorted(used)


def at(times: list[float], share: float) -> str:
    return f"{times[int(len(times) * share)]:.0f}"


async def some_calls(clickhouse: ClickHouse) -> list[str]:
    statement = "SELECT toString(call_id) FROM calls ORDER BY cityHash64(call_id) LIMIT 10000"
    return [row[0] for row in await clickhouse.consult(lambda session: session.query(statement))]


async def run(url: str, options: argparse.Namespace) -> None:
    clickhouse = connect(url)
    console = Console()
    await clickhouse.migrate()
    known = await clickhouse.batch_counts([f"batch-{number}" for number in range(options.batches)])
    begun = time.perf_counter()
    for number in range(options.batches):
        if f"batch-{number}" not in known:
            await build(clickhouse, f"batch-{number}", options.contacts)
    console.print(f"{options.batches} x {options.contacts:,} contacts after {time.perf_counter() - begun:.0f} s")
    asked = questions(clickhouse, options.contacts, options.batches, await some_calls(clickhouse))
    asked = {name: ask for name, ask in asked.items() if options.only in name}
    table = Table("ms", "CPU p50", "quiet p50", "p95", "inserting p50", "p95")
    quiet = {name: await measure(ask, options.rounds) for name, ask in asked.items()}
    inserting = asyncio.create_task(insert_on(clickhouse, options.contacts))
    for name, ask in asked.items():
        (took, used), (took_then, _) = quiet[name], await measure(ask, options.rounds)
        figures = [at(used, 0.5), *(at(times, share) for times in (took, took_then) for share in (0.5, 0.95))]
        table.add_row(name, *figures)
    inserting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await inserting
    console.print(table)
    await clickhouse.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--batches", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", default="", help="ask only what has this in its name")
    parser.add_argument("--url")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.url or f"chdb://{(options.folder or Path(folder) / 'chdb').resolve()}"
        asyncio.run(run(url, options))


if __name__ == "__main__":
    main()
