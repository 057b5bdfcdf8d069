"""What is measured: CPU of processes, medians of rounds, and a ratio of ours to a baseline's."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import psutil  # type: ignore[import-untyped]  # it has no types

US: Final = 1e6


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the result: ours beside one baseline's, both medians. None where there is no such thing.

    `samples` and `baseline_samples` are what the medians are of, one a round.
    """

    what: str
    unit: str
    samples: Sequence[float]
    baseline: str = ""
    baseline_samples: Sequence[float] = ()

    @property
    def ours(self) -> float | None:
        return statistics.median(self.samples) if self.samples else None

    @property
    def theirs(self) -> float | None:
        return statistics.median(self.baseline_samples) if self.baseline_samples else None

    @property
    def ratio(self) -> float | None:
        """Ours to theirs: above 1 is good for rates, below 1 for costs and latencies."""
        return self.ours / self.theirs if self.ours is not None and self.theirs else None


def cpu_us_a_call(work: Callable[[], object], *, seconds: float, divide_by: int = 1) -> float:
    """Return the CPU time of this process for one call, over `divide_by`, in us; threads count."""
    calls, began = 0, time.process_time()
    while (spent := time.process_time() - began) < seconds or calls == 0:
        work()
        calls += 1
    return spent / calls / divide_by * US


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the user and system time of each process so far."""
    times = {name: psutil.Process(pid).cpu_times() for name, pid in pids.items()}
    return {name: used.user + used.system for name, used in times.items()}


@dataclass(frozen=True, slots=True)
class Pass:
    """One measured pass of records through something."""

    records: int
    seconds: float
    cpu: Mapping[str, float]
    """CPU seconds of each process meanwhile."""

    @property
    def rate(self) -> float:
        return self.records / self.seconds

    def cpu_us(self, process: str) -> float:
        """CPU of one process a record, in us."""
        return self.cpu[process] / self.records * US


class Watch:
    """Begins at its making; `done` gives the pass."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self._cpu = cpu_seconds(pids)
        self._began = time.perf_counter()

    def done(self, records: int) -> Pass:
        seconds = time.perf_counter() - self._began
        now = cpu_seconds(self._pids)
        return Pass(records, seconds, {name: now[name] - before for name, before in self._cpu.items()})


def percentile(values: Sequence[float], percent: int) -> float:
    """Return a percentile of at least two values."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
