"""What `dialfeed doctor` looks at. Each check says what it found and, where that is not well, what to do.

A check that does not apply here (no local Kafka because one is set, nothing runs yet) is well and found "not used".
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

import httpx

from dialfeed import kafka_config
from dialfeed.clock import now_ms
from dialfeed.exits import WrongUseError
from dialfeed.installation import RUN_FILE, Installation, find_installation, running_installation
from dialfeed.java import find_java
from dialfeed.kafka_errors import JavaMissingError
from dialfeed.kafka_jars import VERSION, default_cache_dir
from dialfeed.plain_text import one_line
from dialfeed.private_files import require_private
from dialfeed.registry_topic import RegistryTopic
from dialfeed.settings import Settings
from dialfeed.topics_admin import REMEDY, describe
from schemas.kafka_connection import KafkaConnection
from schemas.messages import WorldError
from sinks.clickhouse_url import Folder, parse
from streams.zones.number_zones import as_of

Where = TypeVar("Where")

NOT_USED: Final = "not used"
OLDEST_PYTHON: Final = (3, 11)
FREE_BYTES: Final = 1024**3
ANSWER_WITHIN_SECONDS: Final = 15.0
LOG_TAIL_BYTES: Final = 64 * 1024
ZONE_TABLE_LASTS: Final = timedelta(days=365)
START_ONE: Final = "Start one with `dialfeed run`."


@dataclass(frozen=True, slots=True)
class Check:
    """One check: whether it is well, what was found, and what to do if it is not."""

    check: str
    ok: bool
    found: str
    remedy: str = ""


async def examine(settings: Settings) -> AsyncIterator[Check]:
    """Yield every check as it is done: this machine first, then what runs."""
    installation = find_installation(settings)
    yield python()
    yield await asyncio.to_thread(java, settings)
    yield kafka_jars(settings)
    yield zone_table(now_ms())
    yield data_folder(settings)
    yield installed(settings, installation)
    connection = installation.kafka
    yield await _checked("Kafka answers", connection, kafka)
    yield await _checked("topics", connection, topics)
    yield await _checked("registry", connection, registry)
    yield await _checked("API alive", installation.http, alive)
    yield await _checked("API ready", installation.http, ready)
    yield await _checked("ClickHouse", settings, clickhouse)
    yield kafka_log(settings)


def python() -> Check:
    """Look at the interpreter."""
    found = ".".join(map(str, sys.version_info[:3]))
    return Check("Python", sys.version_info[:2] >= OLDEST_PYTHON, found, "Install Python 3.11 or newer.")


def java(settings: Settings) -> Check:
    """Look for the runtime of the local Kafka."""
    if settings.kafka is not None:
        return Check("Java", ok=True, found=NOT_USED)
    try:
        return Check("Java", ok=True, found=str(find_java()))
    except JavaMissingError as error:
        return Check("Java", ok=False, found="none that is new enough", remedy=str(error))


def kafka_jars(settings: Settings) -> Check:
    """Look for the local Kafka itself; what is not there yet is fetched by the first `dialfeed run`."""
    if settings.kafka is not None:
        return Check("local Kafka", ok=True, found=NOT_USED)
    jars = default_cache_dir() / f"kafka-{VERSION}" / "libs"
    found = str(jars) if jars.is_dir() else f"{VERSION} is not fetched yet; `dialfeed run` does it (45 MB)"
    return Check("local Kafka", ok=True, found=found)


def zone_table(at_ms: int) -> Check:
    """Look at the age of the table of area codes. An old one is no fault: only newer area codes are missing."""
    made = date.fromisoformat(as_of())
    old = datetime.fromtimestamp(at_ms / 1000, UTC).date() - made > ZONE_TABLE_LASTS
    advice = ", over a year old: update dialfeed, or run `dialfeed zones --refresh npa_report.csv` (from nanpa.com)"
    return Check("zones of area codes", ok=True, found=f"as of {made}{advice if old else ''}")


def data_folder(settings: Settings) -> Check:
    """Try to write where everything local is kept, and look at the room that is left there."""
    folder = next(path for path in (settings.data, *settings.data.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
        if settings.data.exists():
            require_private(settings.data)
    except WrongUseError as refused:
        return Check("data folder", ok=False, found=str(refused), remedy=refused.remedy)
    except OSError as error:
        found = f"{settings.data}: {error.strerror}"
        return Check("data folder", ok=False, found=found, remedy="Make it writable, or set DIALFEED_DATA to another.")
    free = shutil.disk_usage(folder).free
    found = f"{settings.data}, {free / FREE_BYTES:.1f} GiB free"
    return Check("data folder", free >= FREE_BYTES, found, "Make room, or set DIALFEED_DATA to a folder elsewhere.")


def installed(settings: Settings, installation: Installation) -> Check:
    """Look for a running installation."""
    run = running_installation(settings.data)
    if run is not None:
        return Check("installation", ok=True, found=f"process {run.pid}, {run.http}, Kafka at {run.kafka}")
    left_behind = settings.data / RUN_FILE
    if left_behind.exists():
        return Check("installation", ok=False, found=f"{left_behind} is of a process that is gone", remedy=START_ONE)
    addresses = {"Kafka": installation.kafka and installation.kafka.bootstrap, "API": installation.http}
    told = ", ".join(f"{name} at {address}" for name, address in addresses.items() if address)
    elsewhere = f"what is set is looked at: {told}" if told else "`dialfeed run` starts everything"
    return Check("installation", ok=True, found=f"nothing runs in {settings.data}; {elsewhere}")


async def kafka(connection: KafkaConnection) -> Check:
    """Ask Kafka for its topics."""
    await describe(connection)
    return Check("Kafka answers", ok=True, found=connection.bootstrap)


async def topics(connection: KafkaConnection) -> Check:
    """Compare Kafka's topics with what they should be."""
    described = await describe(connection)
    wrong = [f"{status.name}: {', '.join(status.differences)}" for status in described if not status.ok]
    told = [f"{status.name}: {', '.join(status.warnings)} (works)" for status in described if status.warnings]
    return Check("topics", not wrong, "; ".join(wrong + told) or "as they should be", REMEDY)


async def registry(connection: KafkaConnection) -> Check:
    """Read the registry to its end."""
    async with RegistryTopic(connection) as topic:
        state = topic.state
        found = (
            f"{len(state.workspaces)} workspaces, {len(state.keys)} keys, {len(state.agents)} agents, "
            f"{len(state.numbers)} numbers, {len(state.batches)} batches"
        )
    return Check("registry", ok=True, found=found)


async def alive(url: str) -> Check:
    """Ask the API whether it is there."""
    answer = await _get(f"{url}/healthz")
    return Check("API alive", answer.is_success, f"{url} answers {answer.status_code}", "Is it dialfeed's address?")


async def ready(url: str) -> Check:
    """Ask the API whether everything it needs is there: Kafka, the registry, workers, the sink."""
    answer = await _get(f"{url}/readyz")
    found = "yes" if answer.is_success else one_line(answer.text, 1000)
    return Check("API ready", answer.is_success, found, "Mend what it names; the log of `dialfeed run` says more.")


async def clickhouse(settings: Settings) -> Check:
    """Ask a ClickHouse server for its version; embedded, only the process that owns the folder can say (API ready)."""
    run = running_installation(settings.data)
    if run is not None and settings.clickhouse is None:
        return Check("ClickHouse", ok=True, found=f"{run.clickhouse}: see API ready")
    where = parse(settings.clickhouse_url)
    if isinstance(where, Folder):
        return Check("ClickHouse", ok=True, found=f"embedded in {where.path}: see API ready")
    url = f"{'https' if where.secure else 'http'}://{where.host}:{where.port}/"
    query = {"query": "SELECT version()", "database": where.database}
    answer = await _get(url, auth=(where.username, where.password), params=query)
    found = f"{where}: {one_line(answer.text.strip(), 200)}"
    return Check(
        "ClickHouse",
        answer.is_success,
        found,
        "Correct DIALFEED_CLICKHOUSE (user, database) or DIALFEED_CLICKHOUSE_PASSWORD.",
    )


def kafka_log(settings: Settings) -> Check:
    """Say where the local Kafka's log is, and its last errors."""
    file = settings.kafka_folder / kafka_config.LOG_FILE
    if settings.kafka is not None or not file.is_file():
        return Check("local Kafka's log", ok=True, found=NOT_USED)
    errors = [line for line in kafka_config.last_errors(_tail(file)) if " ERROR " in line or " FATAL " in line]
    found = f"{file}: {one_line(errors[-1]) if errors else 'no errors'}"
    return Check("local Kafka's log", ok=True, found=found)


def _tail(file: Path) -> str:
    with file.open("rb") as log:
        log.seek(max(0, file.stat().st_size - LOG_TAIL_BYTES))
        return log.read().decode(errors="replace")


async def _get(url: str, **options: object) -> httpx.Response:
    async with httpx.AsyncClient(timeout=ANSWER_WITHIN_SECONDS, trust_env=False) as client:
        return await client.get(url, **options)  # type: ignore[arg-type]  # auth and params, given above


async def _checked(name: str, where: Where | None, look: Callable[[Where], Awaitable[Check]]) -> Check:
    """Look, if there is something to look at; what does not answer is a red check, not an error."""
    if where is None:
        return Check(name, ok=True, found=NOT_USED)
    try:
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
            return await look(where)
    except TimeoutError:
        found = f"no answer within {ANSWER_WITHIN_SECONDS:.0f} s"
    except (WorldError, httpx.HTTPError) as error:
        found = one_line(str(error) or type(error).__name__)
    return Check(name, ok=False, found=found, remedy=_REMEDIES.get(name, START_ONE))


_REMEDIES: Final = {
    "Kafka answers": "Start it (`dialfeed run`, or `dialfeed kafka`), or correct DIALFEED_KAFKA.",
    "topics": "See the check of Kafka above.",
    "registry": "`dialfeed topics --create` makes the topic if it is missing.",
    "API alive": "Start it with `dialfeed run` or `dialfeed api`, or correct DIALFEED_HTTP.",
    "API ready": "See the check of the API above.",
    "ClickHouse": "Start the server, or correct DIALFEED_CLICKHOUSE.",
}
