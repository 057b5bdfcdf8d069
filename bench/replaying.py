"""How fast dead letters are listed, counted by code and replayed, beside a script that only reads, mends and sends.

    python -m bench.replaying [--letters N] [--json]

A real broker, embedded ClickHouse, one worker. The letters are records with a field of a wrong name, which the replay
renames. It is timed as a person sees it: from typing the command to the last receipt.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import sys
import tempfile
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import uvloop
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench import installation
from bench.baselines import replay_script
from bench.http_client import connected
from bench.installation import Dialfeed
from bench.measure import Watch
from bench.processes import BenchError, json_from, until_true
from bench.records import record_texts
from dialfeed import local_kafka
from dialfeed.replays_topic import ReplaysTopic
from dialfeed.topics_admin import create_missing
from schemas.kafka_connection import KafkaConnection
from schemas.topics import RAW_PARTITIONS, TopicName

RIGHT: Final = "amount_due"
WRONG: Final = "amount_dux"
FAILED_WITHIN_SECONDS: Final = 300.0
_LETTERS: Final = "/api/call/dead-letters"


async def _failed(dialfeed: Dialfeed, letters: int) -> str:
    """Make so many dead letters of a new batch, and return its id once all are kept."""
    batch_id = await dialfeed.new_batch()
    texts = [text.replace(f'"{RIGHT}":'.encode(), f'"{WRONG}":'.encode()) for text in record_texts(letters)]
    await dialfeed.publish(batch_id, texts)

    async def all_kept() -> bool:
        groups, _ = await _asked(dialfeed, f"{_LETTERS}?batch={batch_id}&groupBy=code")
        kept: int = sum(group["count"] for group in groups["groups"])
        return kept == letters

    await until_true(all_kept, FAILED_WITHIN_SECONDS)
    return batch_id


async def _asked(dialfeed: Dialfeed, path: str) -> tuple[Any, float]:
    """Return the data of an answer, and the seconds it took."""
    async with connected(dialfeed.address, dialfeed.api_key) as connection:
        began = time.perf_counter()
        status, answer = await connection.get(path)
        seconds = time.perf_counter() - began
    if status != HTTPStatus.OK:
        raise BenchError(f"{path.partition('?')[0]} answered {status}")
    return answer["data"], seconds


def _cpu_of_ended_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _most_mb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


async def _replayed(
    dialfeed: Dialfeed, kafka: KafkaConnection, env: Mapping[str, str], batch_id: str, letters: int
) -> dict[str, Any]:
    """Return the rate of the whole command, and that from its job's acceptance on, without the start of Python."""
    watch, before = Watch(dialfeed.pids), _cpu_of_ended_children()
    report = await json_from("dialfeed", "replay", "--batch", batch_id, "--map", f"{WRONG}={RIGHT}", "--json", env=env)
    measured = watch.done(letters)
    if report["replayed"] != letters:
        raise BenchError(f"{report['replayed']} of {letters} dead letters were replayed: {report}")
    async with ReplaysTopic(kafka) as topic:
        state = topic.board.replays[report["replayId"]]
    assert state.progress is not None
    running = (state.progress.updated_at - state.accepted_at) / 1000
    command = (_cpu_of_ended_children() - before) / letters * 1e6
    cpu = {name: measured.cpu_us(name) for name in dialfeed.pids} | {"command": command}
    return {"lettersPerSecond": measured.rate, "onceAccepted": letters / running, "cpuUsALetter": cpu}


async def _scripted(kafka: KafkaConnection, letters: int) -> dict[str, float]:
    source, target = kafka.topic(TopicName.DEAD_LETTER), "bench.replay-script"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(target, RAW_PARTITIONS, 1)])
    await admin.close()
    began, cpu = time.perf_counter(), time.process_time()
    count = await replay_script.replay(kafka.bootstrap, source, target, WRONG, RIGHT)
    if count < letters:
        raise BenchError(f"the script read {count} of {letters} dead letters")
    seconds = time.perf_counter() - began
    return {"lettersPerSecond": count / seconds, "cpuUsALetter": (time.process_time() - cpu) / count * 1e6}


async def _measure(letters: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="dialfeed-bench-") as name:
        folder = Path(name)
        async with local_kafka.running(folder / "kafka", report=_say) as broker:
            kafka = KafkaConnection(broker.bootstrap)
            await create_missing(kafka)
            (folder / "dialfeed").mkdir()
            async with installation.running(kafka, broker.pid, folder / "dialfeed") as dialfeed:
                _say(f"Making {letters:,} dead letters ...")
                batch_id = await _failed(dialfeed, letters)
                _say("Listing, counting, replaying ...")
                _, listed = await _asked(dialfeed, f"{_LETTERS}?batch={batch_id}&limit=1000")
                _, counted = await _asked(dialfeed, f"{_LETTERS}?batch={batch_id}&groupBy=code")
                script = await _scripted(kafka, letters)
                env = {"DIALFEED_DATA": str(folder / "command"), "DIALFEED_KAFKA": kafka.bootstrap}
                replayed = await _replayed(dialfeed, kafka, env, batch_id, letters)
                memory = {name: _most_mb(pid) for name, pid in dialfeed.pids.items()}
    return {
        "letters": letters,
        "pageOf1000Ms": listed * 1000,
        "countedByCodeMs": counted * 1000,
        "replay": replayed,
        "script": script,
        "ratio": replayed["lettersPerSecond"] / script["lettersPerSecond"],
        "mostMb": memory,
    }


def _as_text(found: Mapping[str, Any]) -> str:
    replay, script = found["replay"], found["script"]
    cpu = ", ".join(f"{name} {us:.0f}" for name, us in replay["cpuUsALetter"].items())
    memory = ", ".join(f"{name} {mb}" for name, mb in found["mostMb"].items())
    return f"""{found["letters"]:,} dead letters
  a page of 1000     {found["pageOf1000Ms"]:>9,.0f} ms
  counted by code    {found["countedByCodeMs"]:>9,.0f} ms
  replayed           {replay["lettersPerSecond"]:>9,.0f} a second; CPU us a letter: {cpu}
    once accepted    {replay["onceAccepted"]:>9,.0f} a second
  a script           {script["lettersPerSecond"]:>9,.0f} a second; CPU us a letter: {script["cpuUsALetter"]:.0f}
  ratio              {found["ratio"]:>9.2f}
  most memory, MB: {memory}"""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Measure once and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--letters", type=int, default=100_000)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    asked = parser.parse_args()
    logging.disable(logging.ERROR)
    try:
        found = uvloop.run(_measure(asked.letters))
    except BenchError as error:
        _say(f"bench: {error}")
        return 1
    print(json.dumps(found) if asked.json else _as_text(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
