"""`python -m bench`: dialfeed beside two ordinary ways to do the same work, in one run on one machine."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from typing import Final

import uvloop

from bench import parity, report
from bench.measure import Line
from bench.processes import BenchError
from bench.records import MOST_RECORDS
from bench.rounds import Sizes, kernels, measure

_DEFAULT: Final = Sizes(records=200_000, rounds=5, posts=100, kernel_seconds=0.1)
_QUICK: Final = Sizes(records=20_000, rounds=2, posts=20, kernel_seconds=0.05)
_LEAST_RECORDS: Final = 20_000
"""Below this a baseline would get less than one batch of 1000."""


def main() -> int:
    options = _options()
    preset = _QUICK if options.quick else _DEFAULT
    sizes = Sizes(
        options.records or preset.records, options.rounds or preset.rounds, preset.posts, preset.kernel_seconds
    )
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # topics are new: it asks before all have a leader
    try:
        busy, sections = uvloop.run(_measure(sizes))
    except BenchError as error:
        _say(f"bench: {error}")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        _say("bench: stopped; everything it started has ended")
        return 130
    print(json.dumps(report.as_json(sizes, busy, sections)) if options.json else report.as_text(sizes, busy, sections))
    return 0


async def _measure(sizes: Sizes) -> tuple[float, dict[str, list[Line]]]:
    this = asyncio.current_task()
    assert this is not None
    for name in (signal.SIGINT, signal.SIGTERM):  # so that everything that was started is ended
        asyncio.get_running_loop().add_signal_handler(name, this.cancel)
    if differences := parity.differences():
        raise BenchError("the baselines do other work than dialfeed:\n" + "\n".join(differences))
    steps = await kernels(sizes, _say)
    measured = await measure(sizes, _say)
    return report.others(measured), {
        "Records a second, end to end (a ratio above 1: dialfeed is faster)": report.rates(measured),
        "Latency (a ratio below 1: dialfeed is faster)": report.latencies(measured),
        "CPU of whole processes (below 1: dialfeed needs less)": report.cpu(measured),
        "CPU of each step, 1000 records a chunk (below 1: dialfeed needs less)": report.kernels(steps),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--records", type=_records, help=f"for dialfeed in each round (default {_DEFAULT.records})")
    parser.add_argument("--rounds", type=_rounds, help=f"rounds, medians are of (default {_DEFAULT.rounds})")
    parser.add_argument("--quick", action="store_true", help="fewer records and rounds: a look, not a result")
    parser.add_argument("--json", action="store_true", help="one JSON document, with every round's figure")
    return parser.parse_args()


def _records(text: str) -> int:
    if not _LEAST_RECORDS <= int(text) <= MOST_RECORDS:
        raise argparse.ArgumentTypeError(f"from {_LEAST_RECORDS} to {MOST_RECORDS}")
    return int(text) // 1000 * 1000


def _rounds(text: str) -> int:
    if not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError("from 1 to 100")
    return int(text)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
