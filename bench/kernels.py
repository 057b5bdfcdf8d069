"""CPU a record of each step, by the pure functions alone, on chunks of 1000 records; beside the baselines' own.

`python -m bench.kernels ROUNDS SECONDS FOLDER` prints `[{step, ours: [us, ...], baseline: [us, ...]}]`: in a process of
its own, so that nothing else's threads are counted.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import count, cycle
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import phonenumbers
import structlog
from phonenumbers import timezone as phone_zones

from bench.baselines.checks import CallRecord, Row, judge
from bench.baselines.checks import Submission as BaselineSubmission
from bench.baselines.table import insert, open_table
from bench.measure import US, cpu_us_a_call
from bench.parity import campaign, chunk_of
from bench.records import BATCH_ZONE, body, record_texts
from schemas.codecs import decode, encode
from schemas.records import CHUNK_RECORDS, Chunk, PhoneLogChunk
from schemas.submission_body import parse_body
from sinks.clickhouse import connect
from sinks.rows import phone_log_insert, prepare, receipt_of
from streams.campaigns import Campaign
from streams.chunking import RawMessage
from streams.decoding import decode_records
from streams.phone_numbers import normalise_all
from streams.pipeline import Limits, chunk_messages, clean, cut, messages_of
from streams.timezones import zones_for

BATCH: Final = "5f0c7b1e2d3a4b5c6d7e8f90"
CHUNKS: Final = 8
"""Different chunks, so that what is remembered of numbers is not all that is measured."""
LARGE_INSERT_CHUNKS: Final = 10
INSERTS: Final = 20
INSERT: Final = "load: insert of 1000"
LARGE_INSERT: Final = "load: insert of 10,000"
_MOST_BYTES: Final = Limits().record_bytes

T = TypeVar("T")
Work = Callable[[], object]


@dataclass(slots=True)
class Step:
    """One step's costs, in us a record, one a round."""

    step: str
    ours: list[float] = field(default_factory=list)
    baseline: list[float] = field(default_factory=list)


def dialfeed_steps(texts: list[list[bytes]]) -> dict[str, Work]:
    """Return dialfeed's steps by name, each a call that does one chunk.

    `share` is the way over `calls.chunks`, which a worker that is alone saves.
    """
    checked_by = campaign()
    raw = [RawMessage("calls.raw", 0, 0, 1_800_000_000_000, None, body(BATCH, records), ()) for records in texts]
    chunks = [chunk_of(records, BATCH) for records in texts]
    chunk_values = [encode(chunk) for chunk in chunks]
    objects = [decode_records(records, _MOST_BYTES).objects for records in texts]
    sent = [[record.get("phoneNumber") for record in several] for several in objects]
    numbers = [[number for number in normalise_all(values).found if isinstance(number, str)] for values in sent]
    nothing = [None] * CHUNK_RECORDS
    cleaned = [clean(chunk, checked_by, Limits(), 0).phone_log for chunk in chunks]
    cleaned_values = [encode(phone_log) for phone_log in cleaned]
    return {
        "cut": _in_turn(raw, cut),
        "cut: split the body": _in_turn(raw, lambda one: parse_body(one.value or b"")),
        "share: write Avro": _in_turn(chunks, lambda chunk: chunk_messages([chunk])),
        "share: read Avro": _in_turn(chunk_values, lambda value: decode(value, Chunk)),
        "clean": _in_turn(chunks, lambda chunk: messages_of(_cleaned(chunk, checked_by))),
        "clean: decode": _in_turn(texts, lambda records: decode_records(records, _MOST_BYTES)),
        "clean: validate": _in_turn(objects, checked_by.validator.errors),
        "clean: numbers": _in_turn(sent, normalise_all),
        "clean: zones": _in_turn(numbers, lambda values: zones_for(values, nothing, BATCH_ZONE, None)),
        "clean: write Avro": _in_turn(cleaned, messages_of),
        "load: read Avro": _in_turn(cleaned_values, lambda value: decode(value, PhoneLogChunk)),
        "load: rows": _in_turn(cleaned, lambda chunk: receipt_of(prepare(chunk))),
    }


class _OtherFields(CallRecord):
    phoneNumber: Any  # noqa: N815  the contract's name


def baseline_steps(texts: list[list[bytes]]) -> dict[str, Work]:
    """Return the same of the baselines, under the same names where they have such a step."""
    submission = BaselineSubmission(BATCH, BATCH_ZONE, dt.datetime.now(dt.UTC))
    objects = [[json.loads(text) for text in records] for records in texts]
    calls = [[CallRecord.model_validate(record) for record in several] for several in objects]
    return {
        "clean": _in_turn(texts, lambda records: [judge(json.loads(text), submission) for text in records]),
        "clean: decode": _in_turn(texts, lambda records: [json.loads(text) for text in records]),
        "clean: validate": _in_turn(objects, lambda x: [_OtherFields.model_validate(record) for record in x]),
        "clean: numbers": _in_turn(objects, lambda several: [_number(record["phoneNumber"]) for record in several]),
        "clean: zones": _in_turn(calls, lambda x: [phone_zones.time_zones_for_number(call.phoneNumber) for call in x]),
    }


class Inserts:
    """dialfeed's inserts and the baselines' into one embedded ClickHouse: a process can have one only."""

    def __init__(self, folder: Path, texts: list[list[bytes]]) -> None:
        self._store = connect(f"chdb://{folder}")
        self._loop = asyncio.Runner()
        self._loop.run(self._store.migrate())
        self._table = open_table(folder)
        self._cleaned = [_cleaned(chunk_of(records, BATCH), campaign()) for records in texts]
        submission = BaselineSubmission(BATCH, BATCH_ZONE, dt.datetime.now(dt.UTC))
        self._rows = [[judge(json.loads(text), submission) for text in records] for records in texts]
        self._times = count(1_800_000_000_000)

    def close(self) -> None:
        self._loop.run(self._store.close())
        self._loop.close()
        self._table.close()

    def ours(self, inserts: int, chunks: int) -> float:
        """Return the cost of inserts of so many chunks each, in us a record."""
        ready = [phone_log_insert([prepare(self._again(n)) for n in range(chunks)]) for _ in range(inserts)]
        # Another time of acceptance for each: ClickHouse leaves out what it has just been given.
        began = time.process_time()
        for one in ready:
            assert one is not None
            self._loop.run(self._store.insert(one))
        return (time.process_time() - began) / (inserts * chunks * CHUNK_RECORDS) * US

    def baseline(self, inserts: int) -> float:
        """Return the cost of inserts of 1000 rows each, in us a record."""
        began = time.process_time()
        for number in range(inserts):
            insert(self._table, [row for row in self._rows[number % CHUNKS] if isinstance(row, Row)])
        return (time.process_time() - began) / (inserts * CHUNK_RECORDS) * US

    def _again(self, number: int) -> PhoneLogChunk:
        return msgspec.structs.replace(self._cleaned[number % CHUNKS], accepted_at=next(self._times))


def measure(rounds: int, seconds: float, folder: Path) -> list[Step]:
    """Return every step, ours and the baselines' measured in turns, `seconds` for each and round."""
    everything = record_texts(CHUNKS * CHUNK_RECORDS)
    texts = [everything[start : start + CHUNK_RECORDS] for start in range(0, len(everything), CHUNK_RECORDS)]
    ours, theirs = dialfeed_steps(texts), baseline_steps(texts)
    steps = {name: Step(name) for name in (*ours, INSERT, LARGE_INSERT)}
    with closing(Inserts(folder, texts)) as store:
        for _ in range(rounds):
            for name, work in ours.items():
                steps[name].ours.append(cpu_us_a_call(work, seconds=seconds, divide_by=CHUNK_RECORDS))
            for name, work in theirs.items():
                steps[name].baseline.append(cpu_us_a_call(work, seconds=seconds, divide_by=CHUNK_RECORDS))
            steps[INSERT].ours.append(store.ours(INSERTS, 1))
            steps[INSERT].baseline.append(store.baseline(INSERTS))
            steps[LARGE_INSERT].ours.append(store.ours(INSERTS // 4, LARGE_INSERT_CHUNKS))
    return list(steps.values())


def _cleaned(chunk: Chunk, checked_by: Campaign) -> PhoneLogChunk:
    return clean(chunk, checked_by, Limits(), 0).phone_log


def _number(sent: str) -> str:
    number = phonenumbers.parse("+" + sent.removeprefix("+"), None)
    assert phonenumbers.is_possible_number(number)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _in_turn(chunks: Sequence[T], work: Callable[[T], object]) -> Work:
    """Return a call that does the work for one chunk after the other."""
    turn = cycle(chunks)
    return lambda: work(next(turn))


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))  # stdout is for the answer
    print(json.dumps([asdict(step) for step in measure(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]))]))
