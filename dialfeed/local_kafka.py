"""A real single-node Apache Kafka as a child of this process, without Docker.

    kafka = await start(data_dir, report=print)
    ...                                  # clients use kafka.bootstrap
    await kafka.stop()

In the data folder, kept between starts: `log` (Kafka's data), `ports.json`, `logs`. Nobody can reach it from outside
the machine, and it cannot outlive the thread that called `start`.
"""

from __future__ import annotations

import asyncio
import base64
import shutil
import threading
import uuid
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from dialfeed import kafka_config as config
from dialfeed.bound_child import spawn
from dialfeed.java import find_java
from dialfeed.kafka_errors import BrokerFailedError
from dialfeed.kafka_jars import default_cache_dir, ensure_kafka
from dialfeed.kafka_ports import choose_ports
from dialfeed.ownership import Running, forget, own

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

T = TypeVar("T")

READY_WITHIN_SECONDS = 90.0
STOP_WITHIN_SECONDS = 8.0  # an ordinary stop takes half a second
ASK_AGAIN_AFTER_SECONDS = 0.05
ANSWER_WITHIN_SECONDS = 3.0
PROBE_GROUP = "dialfeed-ready"  # asked for its offsets, never joined: the broker keeps nothing of it
LOG_TAIL = 64 * 1024  # bytes


class LocalKafka:
    """A broker that runs. `bootstrap` is what clients connect to."""

    def __init__(self, data_dir: Path, bootstrap: str, process: asyncio.subprocess.Process) -> None:
        self.data_dir = data_dir
        self.bootstrap = bootstrap
        self.log_file = data_dir / config.LOG_FILE
        self._process = process
        self._undo = AsyncExitStack()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        """Wait until the broker ends and return its exit code, negative for a signal. Call `stop` all the same."""
        return await self._process.wait()

    async def stop(self) -> None:
        """SIGTERM, after 8 s SIGKILL; then the data folder is free. May be repeated; cancelling it kills the broker."""
        try:
            if self._process.returncode is None:
                await _end(self._process)
        finally:
            await self._undo.aclose()


async def start(
    data_dir: Path,
    *,
    report: Callable[[str], None],
    port: int | None = None,
    cache_dir: Path | None = None,
    ready_within_seconds: float = READY_WITHIN_SECONDS,
) -> LocalKafka:
    """Start a broker and come back when it answers; the first time, Kafka is fetched into `cache_dir` before that.

    Without `port`, the one of the last start, or a free one. A broker left behind in `data_dir` is ended first.
    `report` gets lines for people, perhaps from another thread. Raises LocalKafkaError.
    """
    data_dir = data_dir.resolve()  # noqa: ASYNC240 - microseconds, before anything else runs
    async with AsyncExitStack() as undo:
        undo.enter_context(own(data_dir))
        java = await _aside(find_java)
        libs = await _aside(lambda: ensure_kafka((cache_dir or default_cache_dir()).resolve(), report))
        if left_behind := Running.kept_in(data_dir):
            report(f"Ending the Kafka that was left behind in {data_dir} (process {left_behind.pid})")
            await left_behind.end(within_seconds=STOP_WITHIN_SECONDS)
        ports = choose_ports(data_dir, port, report)
        command = config.java_command(java, libs, data_dir=data_dir)
        _write_files(data_dir, ports)
        if not (data_dir / config.STORAGE).exists():
            await _format(data_dir, ports, command)
        kafka = await _launch(data_dir, f"{config.LOCALHOST}:{ports.broker}", command)
        kafka._undo = undo.pop_all()  # noqa: SLF001 - handing over what `stop` is to undo
        kafka._undo.callback(forget, data_dir)  # noqa: SLF001 - as above
    try:
        await _until_ready(kafka, ready_within_seconds)
    except BaseException:
        await kafka.stop()
        raise
    return kafka


@asynccontextmanager
async def running(
    data_dir: Path, *, report: Callable[[str], None], port: int | None = None
) -> AsyncIterator[LocalKafka]:
    kafka = await start(data_dir, report=report, port=port)
    try:
        yield kafka
    finally:
        await kafka.stop()


async def _aside(work: Callable[[], T]) -> T:
    """`work` in a daemon thread: unlike the loop's executor, it does not hold up a process that wants to end."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(setter: Callable[[], None]) -> None:
        if not outcome.done():
            setter()

    def do() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where it is awaited
            failure = error
            tell = lambda: outcome.set_exception(failure)  # noqa: E731 - the two ways side by side
        else:
            tell = lambda: outcome.set_result(result)  # noqa: E731 - as above
        with suppress(RuntimeError):  # the loop is closed, so nobody waits any more
            loop.call_soon_threadsafe(settle, tell)

    threading.Thread(target=do, name="local-kafka", daemon=True).start()
    return await outcome


def _write_files(data_dir: Path, ports: config.Ports) -> None:
    shutil.rmtree(data_dir / config.TEMPORARY, ignore_errors=True)  # native libraries that a killed JVM left
    for folder in (data_dir / config.TEMPORARY, (data_dir / config.LOG_FILE).parent):
        folder.mkdir(exist_ok=True)
    with suppress(FileNotFoundError):  # so that an error we quote is always one of this start
        (data_dir / config.LOG_FILE).replace(data_dir / config.PREVIOUS_LOG_FILE)
    (data_dir / config.SERVER_PROPERTIES).write_text(config.server_properties(ports))
    (data_dir / config.LOG4J2_PROPERTIES).write_text(config.LOG4J2)


async def _format(data_dir: Path, ports: config.Ports, java: list[str]) -> None:
    """Give the broker its storage with a cluster id of its own; under another name until it is whole."""
    new, properties = data_dir / f"{config.STORAGE}.new", data_dir / "format.properties"
    shutil.rmtree(new, ignore_errors=True)
    properties.write_text(config.server_properties(ports, storage=new.name))
    # Kafka's own ids are such, too; the tool would take one that begins with a dash for an option.
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
    process = await _spawn(data_dir, config.format_command(java, cluster_id, properties.name))
    try:
        code = await process.wait()
    finally:
        if process.returncode is None:
            await _end(process)
    if code != 0:
        raise BrokerFailedError(f"Kafka's storage could not be made (exit code {code}). {_log_says(data_dir)}")
    properties.unlink()
    new.rename(data_dir / config.STORAGE)


async def _launch(data_dir: Path, bootstrap: str, java: list[str]) -> LocalKafka:
    process = await _spawn(data_dir, config.broker_command(java))
    if identity := Running.of(process.pid):
        identity.keep_in(data_dir)
    return LocalKafka(data_dir, bootstrap, process)


async def _spawn(data_dir: Path, command: list[str]) -> asyncio.subprocess.Process:
    with (data_dir / config.CONSOLE_FILE).open("wb") as console:
        return await spawn(command, cwd=data_dir, output=console)


async def _end(process: asyncio.subprocess.Process) -> None:
    try:
        with suppress(ProcessLookupError):
            process.terminate()
        async with asyncio.timeout(STOP_WITHIN_SECONDS):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _until_ready(kafka: LocalKafka, within_seconds: float) -> None:
    exited, answered = asyncio.ensure_future(kafka.wait()), asyncio.ensure_future(_until_it_answers(kafka.bootstrap))
    try:
        await asyncio.wait({exited, answered}, timeout=within_seconds, return_when=asyncio.FIRST_COMPLETED)
        if answered.done():
            return answered.result()
        what = f"ended with code {exited.result()}" if exited.done() else f"did not answer within {within_seconds:g} s"
        raise BrokerFailedError(f"Kafka {what}. {_log_says(kafka.data_dir)}")
    finally:
        exited.cancel()
        answered.cancel()
        await asyncio.gather(exited, answered, return_exceptions=True)


async def _until_it_answers(bootstrap: str) -> None:
    while not (await _listens(bootstrap) and await _coordinates(bootstrap)):  # noqa: ASYNC110 - it sets no event of ours
        await asyncio.sleep(ASK_AGAIN_AFTER_SECONDS)


async def _listens(bootstrap: str) -> bool:
    """Asked first because aiokafka logs an error for each connection that is refused."""
    host, _, port = bootstrap.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True


async def _coordinates(bootstrap: str) -> bool:
    """Whether a group's offsets can be read: then the broker is registered and has loaded its coordinator."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=int(ANSWER_WITHIN_SECONDS * 1000))
    try:
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
            await admin.start()
            await admin.list_consumer_group_offsets(PROBE_GROUP)
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await admin.close()
    return True


def _log_says(data_dir: Path) -> str:
    """Where to read on, and the last errors of the log; of the console where the log has nothing to say."""
    files = [data_dir / name for name in (config.LOG_FILE, config.CONSOLE_FILE)]
    said = [line for file in files for line in config.last_errors(_tail(file))]
    return f"See {files[0]} and {files[1]}. Last errors:\n" + "\n".join(said)


def _tail(file: Path) -> str:
    try:
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - LOG_TAIL))
            return log.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
