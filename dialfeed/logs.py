"""Logs on stderr: lines for people or JSON lines, one renderer for ours and for the libraries'.

No value can forge a line or flood the log: each is put on one line and capped. Kafka's clients complain a hundred times
a second while no broker answers, and the HTTP server of each request that is none; of theirs, each complaint is logged
once in some seconds, with how many were left out.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, MutableMapping
from datetime import datetime
from typing import IO, Any, Final, Literal

import structlog

from dialfeed.plain_text import one_line

LogForm = Literal["human", "json"]

REPEAT_AFTER_SECONDS: Final = 5.0
MOST_KINDS: Final = 1_000
MOST_VALUE_CHARACTERS: Final = 500
MOST_TRACEBACK_CHARACTERS: Final = 8_000
KAFKA_CLIENTS: Final = ("aiokafka", "faust", "mode", "kafka")
TALKATIVE: Final = ("httpx", "httpcore", "uvicorn", "asyncio")
LIMITED: Final = (*KAFKA_CLIENTS, "uvicorn")
INDISCREET: Final = ("python_multipart",)
"""Their warnings hold bytes of what a caller sent; what is wrong with it is said by the answer."""

_EventDict = MutableMapping[str, Any]
_NAME_OF_EVENT: Final = re.compile("[a-z_]+")


class RateLimit(logging.Filter):
    """Let one record of a kind (logger and text before its values are put in) through in `every_seconds`."""

    def __init__(self, every_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._every = every_seconds
        self._clock = clock
        self._kinds: dict[tuple[str, str], tuple[float, int]] = {}  # when last let through, how many left out since
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        kind, now = (record.name, str(record.msg)), self._clock()
        with self._lock:
            if len(self._kinds) > MOST_KINDS:  # somebody puts values into the text itself
                self._kinds.clear()
            passed_at, left_out = self._kinds.get(kind, (float("-inf"), 0))
            if now - passed_at < self._every:
                self._kinds[kind] = (passed_at, left_out + 1)
                return False
            self._kinds[kind] = (now, 0)
        if left_out:
            record.msg = f"{record.getMessage()} ({left_out} more like it left out)"
            record.args = ()
        return True


def configure(form: LogForm | None, *, clients: int = logging.WARNING, stream: IO[str] | None = None) -> None:
    """Set up logging for this process. Without a form: for people on a terminal, else JSON.

    `clients` is the level of Kafka's clients: a command that ends soon says itself that Kafka does not answer.
    """
    out = stream or sys.stderr
    shared = _shared_processors()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.addFilter(RateLimitOfLibraries())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(form, out)],
        )
    )
    _install(handler, clients)


class RateLimitOfLibraries(RateLimit):
    """Limits Kafka's clients and the HTTP server only."""

    def __init__(self) -> None:
        super().__init__(REPEAT_AFTER_SECONDS)

    def filter(self, record: logging.LogRecord) -> bool:
        return record.name.partition(".")[0] not in LIMITED or super().filter(record)


def _install(handler: logging.Handler, clients: int) -> None:
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in KAFKA_CLIENTS:
        logging.getLogger(name).setLevel(clients)
    for name in INDISCREET:
        logging.getLogger(name).setLevel(logging.ERROR)


def _shared_processors() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        clean_values,
    ]


def _renderers(form: LogForm | None, out: IO[str]) -> list[Any]:
    on_terminal = out.isatty()
    if (form or ("human" if on_terminal else "json")) == "json":
        return [structlog.processors.JSONRenderer(default=str, ensure_ascii=False)]
    return [
        for_people,
        structlog.dev.ConsoleRenderer(
            colors=on_terminal and not os.environ.get("NO_COLOR"), pad_event_to=28, sort_keys=False
        ),
    ]


def for_people(_logger: object, _method: str, event: _EventDict) -> _EventDict:
    """Shorten an event to what a person reads: the time of day, words, and where it comes from only if it complains."""
    said = str(event.get("event", ""))
    if _NAME_OF_EVENT.fullmatch(said):
        event["event"] = said.replace("_", " ")
    if isinstance(at := event.get("timestamp"), str):
        event["timestamp"] = f"{datetime.fromisoformat(at).astimezone():%H:%M:%S}"
    if event.get("level") in ("debug", "info"):
        event.pop("logger", None)
    return event


def clean_values(_logger: object, _method: str, event: _EventDict) -> _EventDict:
    """Put every text of an event on one line and cap it; a traceback keeps its lines, each clearly part of it."""
    for name, value in event.items():
        if name in ("exception", "stack") and isinstance(value, str):
            event[name] = _indented(value)
        elif isinstance(value, str):
            event[name] = one_line(value, MOST_VALUE_CHARACTERS)
        elif not isinstance(value, int | float | None) and name[:1] != "_":
            event[name] = one_line(str(value), MOST_VALUE_CHARACTERS)
    return event


def _indented(traceback: str) -> str:
    lines = traceback[-MOST_TRACEBACK_CHARACTERS:].splitlines()
    return "\n".join(f"  | {one_line(line)}" for line in lines)
