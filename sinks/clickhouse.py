"""The client of ClickHouse: a server by HTTP, or the embedded engine, behind the same methods.

The only place that touches the client library. Its exceptions become TryAgainError, MustStopError or
RowsRefusedError here and nowhere else. The library is synchronous: each lane of threads has a client a thread, so
that reading never waits for writing and the readiness probe waits for neither.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import clickhouse_connect
import structlog
from clickhouse_connect.driver.binding import must_escape
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, ProgrammingError
from urllib3.exceptions import HTTPError

from schemas.dead_letter_query import DeadLetterGroup, DeadLetterPage, DeadLetterQuery, GroupBy
from schemas.messages import MustStopError, TryAgainError, WorldError
from schemas.stores import (
    BatchCounts,
    CallPlace,
    ContactPage,
    ContactQuery,
    Figures,
    Foreseen,
    SqlAnswer,
    StoredSubmission,
)
from sinks import migrate, stored
from sinks.clickhouse_url import Folder, Server, parse
from sinks.contact_details import agrees, contacts_of, questions
from sinks.errors import RowsRefusedError, code_of, is_of_view, is_unknown, translated
from sinks.query import Query
from sinks.replay_facts import foresee
from sinks.rows import Insert
from sinks.sessions import Session
from sinks.sql_questions import LIMITS, ask_sql
from sinks.stored_contacts import read_page
from sinks.stored_counts import Counts
from sinks.stored_dead_letters import dismiss, read_dead_letters, read_groups
from sinks.stored_figures import read_figures

log = structlog.get_logger(__name__)
T = TypeVar("T")

CONNECT_SECONDS: Final = 5
CHANGED_MEANWHILE: Final = 3
"""How often a page is read anew at most, where statuses changed while it was read."""

_MB: Final = 1 << 20
_ENGINE: Final = {
    "mark_cache_size": 64 * _MB,
    "primary_index_cache_size": 64 * _MB,
    "index_mark_cache_size": 8 * _MB,
    "query_condition_cache_size": 8 * _MB,
    "compiled_expression_cache_size": 8 * _MB,
}
"""The embedded engine lives in a process with other work: its caches are kept small."""
_FOLDER_SETTINGS: Final = {"max_threads": 2, "max_insert_threads": 1, "max_memory_usage": 512 * _MB}
_MOST_UNCOMPRESSED: Final = 256 * _MB
"""Blocks that are kept as they are read: a batch of a million contacts, whose filters then take half the time."""
_READ_AGAIN: Final = {"use_uncompressed_cache": 1, "merge_tree_max_rows_to_use_cache": 3_000_000}
"""A batch that has many more rows would push its own blocks out before they are read again."""
_BYTES: Final = dict.fromkeys(stored.BYTES, "bytes")


def connect(
    url: str, *, write_within_seconds: int = 30, read_within_seconds: int = 20, probe_within_seconds: int = 3
) -> ClickHouse:
    """Return the store that a URL names, without reaching for it yet. Raise ValueError if it is no such URL.

    `clickhouse://user:password@host:8123/database`, `clickhouses://` for TLS, `chdb:///absolute/folder`.
    """
    for name in ("clickhouse_connect", "urllib3"):  # they log a line for each failed try
        logging.getLogger(name).setLevel(logging.CRITICAL)
    where = parse(url)
    return ClickHouse(
        where,
        writer=_Lane(where, "write", threads=1, within_seconds=write_within_seconds),
        readers=_Lane(where, "read", threads=3, within_seconds=read_within_seconds, settings=_READ_AGAIN),
        probe=_Lane(where, "probe", threads=1, within_seconds=probe_within_seconds),
        persons=_Lane(where, "sql", threads=1, within_seconds=read_within_seconds, settings=LIMITS, everywhere=True),
    )


class ClickHouse:
    """What is stored: written by the sink's consumers, asked by everybody (`schemas.stores.Store`).

    Writing raises TryAgainError, MustStopError or RowsRefusedError; asking raises TryAgainError only.
    """

    def __init__(self, where: Server | Folder, *, writer: _Lane, readers: _Lane, probe: _Lane, persons: _Lane) -> None:
        self._where = where
        self._writer, self._readers, self._probe, self._persons = writer, readers, probe, persons
        self._counts = Counts()
        self._last_failure: WorldError | None = None

    def __str__(self) -> str:
        return str(self._where)

    async def migrate(self) -> None:
        """Apply the migrations that are missing. Several processes may do it at once."""
        names = await self._writer.run(_apply_migrations)
        if names:
            log.info("migrations_applied", count=len(names), first=names[0], last=names[-1])

    async def insert(self, insert: Insert) -> None:
        """Write rows, all or none; the same rows again change nothing."""
        try:
            await self._writer.run(lambda client: _write(client, insert))
        except WorldError as error:
            self._last_failure = error
            raise
        self._last_failure = None

    async def consult(self, work: Callable[[Session], T]) -> T:
        """Let a consumer that writes ask and tell more than rows, in the order of its inserts; raises as they do."""
        return await self._writer.run(lambda client: work(_ClientSession(client)))

    async def submission(self, submission_id: str) -> StoredSubmission | None:
        return await self._ask(self._readers, lambda query: stored.read_submission(query, submission_id))

    async def contacts(self, query: ContactQuery) -> ContactPage:
        for _ in range(CHANGED_MEANWHILE):
            page = await self._contacts(query)
            if agrees(page.contacts, query):
                break
        return page

    async def _contacts(self, query: ContactQuery) -> ContactPage:
        total, numbers = await self._ask(self._readers, lambda ask: read_page(ask, query, self._counts))
        if not numbers:
            return ContactPage(total, [])
        asked = (self._ask(self._readers, question) for question in questions(query.batch_id, numbers))
        return ContactPage(total, await asyncio.to_thread(contacts_of, numbers, *await asyncio.gather(*asked)))

    async def batch_counts(self, batch_ids: Sequence[str]) -> dict[str, BatchCounts]:
        return await self._ask(self._readers, lambda ask: self._counts.batches(ask, batch_ids))

    async def calls(self, call_ids: Sequence[str]) -> dict[str, CallPlace]:
        return await self._ask(self._readers, lambda ask: stored.read_calls(ask, call_ids))

    async def dead_letters(self, query: DeadLetterQuery) -> DeadLetterPage:
        return await self._ask(self._readers, lambda ask: read_dead_letters(ask, query))

    async def dead_letter_groups(self, query: DeadLetterQuery, by: GroupBy) -> Sequence[DeadLetterGroup]:
        return await self._ask(self._readers, lambda ask: read_groups(ask, query, by))

    async def dismiss_dead_letters(self, query: DeadLetterQuery, reason: str, at_ms: int) -> int:
        return await self._look(self._writer, lambda session: dismiss(session, query, reason, at_ms))

    async def replay_outcomes(self, batch_id: str, records: Sequence[tuple[str, int, int]]) -> list[Foreseen]:
        return await self._look(self._readers, lambda session: foresee(session, batch_id, records))

    async def figures(self) -> Figures:
        return await self._ask(self._readers, read_figures)

    async def sql(self, statement: str) -> SqlAnswer:
        try:
            return await self._persons.run(lambda client: ask_sql(client, statement), anew=True)
        except (MustStopError, RowsRefusedError) as error:
            raise TryAgainError(str(error)) from None

    async def writable(self) -> None:
        """Return if ClickHouse answers, takes writes, and took this process's last one; raise TryAgainError."""
        why_not = await self._ask(self._probe, stored.why_not_writable)
        if why_not or self._last_failure:
            raise TryAgainError(why_not or str(self._last_failure))

    async def close(self) -> None:
        """Let what is under way end, and close every connection."""
        lanes = (self._writer, self._readers, self._probe, self._persons)
        await asyncio.gather(*(lane.close() for lane in lanes))

    async def _ask(self, lane: _Lane, read: Callable[[Query], T]) -> T:
        return await self._look(lane, lambda session: read(session.query))

    @staticmethod
    async def _look(lane: _Lane, read: Callable[[Session], T]) -> T:
        try:
            return await lane.run(lambda client: read(_ClientSession(client)))
        except (MustStopError, RowsRefusedError) as error:
            raise TryAgainError(str(error)) from None


class _ClientSession:
    """A `sinks.sessions.Session`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.query = _query_of(client)

    def packed(self, statement: str, **parameters: str | int) -> bytes:
        packed: bytes = self._client.raw_query(statement, parameters=_bound(parameters), fmt="RowBinary")
        return packed

    def tell(self, statement: str, **parameters: str | int) -> None:
        # `command` would put parameters into the address, however long they are.
        self._client.raw_query(statement, parameters=_bound(parameters), settings={"insert_deduplicate": 0})


def _write(client: Client, insert: Insert) -> None:
    """Write rows once: into their table and, each by itself, into the tables that views fill from it."""
    settings = {
        "async_insert": 0,
        "optimize_on_insert": 0,  # the same row twice in one insert is left to merges, as twice in two is
        "materialize_statistics_on_insert": 0,
        "insert_deduplicate": 1,
        "deduplicate_blocks_in_dependent_materialized_views": 1,
        "insert_deduplication_token": insert.token,
    }
    client.raw_insert(insert.table, insert.columns, insert.blocks, settings=settings, fmt="Native")


def _query_of(client: Client) -> Query:
    def query(statement: str, **parameters: str | int) -> Sequence[tuple[Any, ...]]:
        rows: Sequence[tuple[Any, ...]] = client.query(
            statement, parameters=_bound(parameters), column_formats=_BYTES
        ).result_rows
        return rows

    return query


class _AsItIs:
    """A parameter in which nothing is to be escaped: the client library would look at each character of a text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


def _bound(parameters: Mapping[str, str | int]) -> dict[str, Any]:
    return {name: value if _is_escaped(value) else _AsItIs(str(value)) for name, value in parameters.items()}


def _is_escaped(value: str | int) -> bool:
    return isinstance(value, str) and any(character in value for character in must_escape)


def _apply_migrations(client: Client) -> list[str]:
    client.command(migrate.TABLE)
    applied = dict(client.query("SELECT name, checksum FROM migrations FINAL").result_rows)
    missing = migrate.pending(migrate.known(), applied)
    for each in missing:
        client.command(each.statement)
        _write(client, migrate.record_of(each))
    return [each.name for each in missing]


class _Lane:
    """A few threads with a client each, made when first needed."""

    def __init__(
        self,
        where: Server | Folder,
        name: str,
        *,
        threads: int,
        within_seconds: int,
        settings: Mapping[str, Any] | None = None,
        everywhere: bool = False,
    ) -> None:
        """Ask with these settings where the engine is embedded; those of a server are its operator's.

        `everywhere`: ask a server with them too.
        """
        self._where, self._everywhere = where, everywhere
        self._within_seconds = within_seconds
        self._settings = settings or {}
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"clickhouse-{name}")
        self._own = threading.local()
        self._clients: list[Client] = []
        self._shouted: set[int | None] = set()

    async def run(self, work: Callable[[Client], T], *, anew: bool = False) -> T:
        """Return what `work` returns. `anew`: of a client of its own.

        Where a statement fails while it runs, the embedded engine puts what it had written before the next answer.
        """
        do = self._alone if anew else self._translating
        return await asyncio.get_running_loop().run_in_executor(self._threads, do, work)

    def _alone(self, work: Callable[[Client], T]) -> T:
        try:
            return self._translating(work)
        finally:
            client = self._own.__dict__.pop("client", None)
            if client is not None:
                self._clients.remove(client)
                client.close()

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        for client in self._clients:
            client.close()

    def _translating(self, work: Callable[[Client], T]) -> T:
        try:
            return work(self._client())
        except (ClickHouseError, HTTPError, OSError) as error:
            raise self._translated(error) from None  # the text may repeat values of rows

    def _translated(self, error: Exception) -> Exception:
        if isinstance(error, ProgrammingError) and error.code is None:  # said by the client library itself
            return MustStopError(_unusable(self._where))
        code = code_of(error)
        if is_unknown(code) and code not in self._shouted:
            self._shouted.add(code)
            log.error("clickhouse_error_unknown", code=code, kind=type(error).__name__, done="tried again")
        return translated(code, str(self._where), of_view=is_of_view(error))

    def _client(self) -> Client:
        if not hasattr(self._own, "client"):
            self._own.client = _make_client(
                self._where, self._within_seconds, self._settings, everywhere=self._everywhere
            )
            self._clients.append(self._own.client)
        client: Client = self._own.client
        return client


def _memory() -> int:
    """Return the machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _unusable(where: Server | Folder) -> str:
    if isinstance(where, Folder):
        return f"{where} cannot be opened: stop the process that has it open, or let this user write the folder"
    return f"ClickHouse at {where} cannot be used: let its user change the settings that dialfeed sends"


def _make_client(
    where: Server | Folder, within_seconds: int, settings: Mapping[str, Any], *, everywhere: bool
) -> Client:
    if isinstance(where, Folder):
        engine = _ENGINE | {"uncompressed_cache_size": min(_MOST_UNCOMPRESSED, _memory() // 16)}
        options: Mapping[str, Any] = {"chdb_options": engine, "settings": {**_FOLDER_SETTINGS, **settings}}
        return clickhouse_connect.get_client(interface="chdb", path=where.path, **options)
    return clickhouse_connect.get_client(
        host=where.host,
        port=where.port,
        username=where.username,
        password=where.password,
        database=where.database,
        secure=where.secure,
        connect_timeout=CONNECT_SECONDS,
        send_receive_timeout=within_seconds,
        autogenerate_session_id=False,
        client_name="dialfeed",
        settings=dict(settings) if everywhere else None,
        dedicated_pool=True,
    )
