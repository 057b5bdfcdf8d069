"""The result, for people and for programs. A ratio is dialfeed's figure over the baseline's."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

from bench.measure import Line, Pass, percentile
from bench.rounds import CONNECTIONS, LATENCY_RECORDS, Measured, Sizes

FAUST: Final = "Faust guide"
FASTAPI: Final = "FastAPI handler"
_MS: Final = 1000.0
_LIBRARIES: Final = (
    "faust-streaming",
    "fastapi",
    "pydantic",
    "phonenumbers",
    "rphonenumbers",
    "clickhouse-connect",
    "chdb",
)


def rates(measured: Measured) -> list[Line]:
    """Return records a second, end to end."""
    topic, posts, faust, fastapi = (
        [one.rate for one in passes] for passes in (measured.topic, measured.posts, measured.faust, measured.fastapi)
    )
    return [
        Line("raw topic -> stored row", "records/s", topic, FAUST, faust),
        Line("raw topic -> stored row", "records/s", topic, FASTAPI, fastapi),
        Line(f"POST -> 200, {CONNECTIONS} connections", "records/s", posts, FASTAPI, fastapi),
    ]


def cpu(measured: Measured) -> list[Line]:
    """Return CPU a record of whole processes while records went through."""
    return [
        *_cpu("topic", measured.topic, FAUST, measured.faust),
        *_cpu("POST", measured.posts, FASTAPI, measured.fastapi),
    ]


def _cpu(way: str, ours: Sequence[Pass], name: str, theirs: Sequence[Pass]) -> list[Line]:
    total = Line(
        f"{way}: all processes",
        "us/record",
        [sum(map(one.cpu_us, one.cpu)) for one in ours],
        name,
        [sum(map(one.cpu_us, one.cpu)) for one in theirs],
    )
    names = dict.fromkeys([*ours[0].cpu, *theirs[0].cpu])
    return [
        *(
            Line(
                f"{way}: {process}",
                "us/record",
                [one.cpu_us(process) for one in ours if process in one.cpu],
                name,
                [one.cpu_us(process) for one in theirs if process in one.cpu],
            )
            for process in names
        ),
        total,
    ]


def latencies(measured: Measured) -> list[Line]:
    """Return how long one POST takes when nothing else happens."""
    return [
        Line(
            f"POST of {LATENCY_RECORDS} records, p{percent}",
            "ms",
            [percentile(measured.latency, percent) * _MS],
            FASTAPI,
            [percentile(measured.fastapi_latency, percent) * _MS],
        )
        for percent in (50, 99)
    ]


def kernels(steps: Sequence[dict[str, Any]]) -> list[Line]:
    """Return CPU a record of each step."""
    return [
        Line(step["step"], "us/record", step["ours"], "both" if step["baseline"] else "", step["baseline"])
        for step in steps
    ]


def machine() -> dict[str, Any]:
    """Return what the figures are of."""
    return {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def as_json(sizes: Sizes, sections: dict[str, list[Line]]) -> dict[str, Any]:
    """Return everything, every round's figure included."""
    return {
        "machine": machine(),
        "recordsARound": sizes.records,
        "rounds": sizes.rounds,
        "sections": {title: [_line_as_json(line) for line in lines] for title, lines in sections.items()},
    }


def _line_as_json(line: Line) -> dict[str, Any]:
    return {
        "what": line.what,
        "unit": line.unit,
        "dialfeed": line.ours,
        "against": line.baseline or None,
        "baseline": line.theirs,
        "ratio": line.ratio,
        "samples": list(line.samples),
        "baselineSamples": list(line.baseline_samples),
    }


def as_text(sizes: Sizes, sections: dict[str, list[Line]]) -> str:
    """Return tables, medians only."""
    about = machine()
    head = f"{about['cores']} cores ({about['machine']}), Python {about['python']}; medians of {sizes.rounds} rounds"
    parts = [head, *(f"{title}\n{_table(lines)}" for title, lines in sections.items())]
    return "\n\n".join(parts)


def _table(lines: Sequence[Line]) -> str:
    header = f"  {'':<36}{'unit':<12}{'dialfeed':>10}{'baseline':>10}{'ratio':>8}  against"
    return "\n".join([header, *map(_row, lines)])


def _row(line: Line) -> str:
    figures = f"{_shown(line.ours):>10}{_shown(line.theirs):>10}{_shown(line.ratio):>8}"
    return f"  {line.what:<36}{line.unit:<12}{figures}  {line.baseline}".rstrip()


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return (
        f"{value:,.0f}"
        if value >= 1000
        else f"{value:.0f}"
        if value >= 100
        else f"{value:.2g}"
        if value < 1
        else f"{value:.1f}"
    )
