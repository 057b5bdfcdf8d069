from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from dialfeed import logs
from dialfeed.logs import LogForm, RateLimit


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in (*logs.KAFKA_CLIENTS, *logs.TALKATIVE, *logs.INDISCREET):
        logging.getLogger(name).setLevel(logging.NOTSET)
    structlog.reset_defaults()


def configured(form: LogForm | None) -> io.StringIO:
    stream = io.StringIO()
    logs.configure(form, stream=stream)
    return stream


def only(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def test_a_json_line_has_event_logger_level_time_and_values() -> None:
    stream = configured("json")
    structlog.get_logger("streams.clean").info("chunk_done", size=3, batch_id="b")
    line = only(stream)
    assert (line["event"], line["logger"], line["level"]) == ("chunk_done", "streams.clean", "info")
    assert (line["size"], line["batch_id"]) == (3, "b")
    assert line["timestamp"].endswith("Z")


def test_lines_of_libraries_look_the_same() -> None:
    stream = configured("json")
    logging.getLogger("some.library").warning("lost %s", "it")
    line = only(stream)
    assert (line["event"], line["logger"], line["level"]) == ("lost it", "some.library", "warning")


def test_without_a_terminal_and_a_wish_lines_are_json() -> None:
    stream = configured(None)
    structlog.get_logger("x").info("hello")
    assert only(stream)["event"] == "hello"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("no_color", "colored"), [(None, True), ("", True), ("1", False)])
def test_on_a_terminal_lines_are_for_people_in_color_unless_no_color_is_set(
    no_color: str | None, colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    stream = Terminal()
    logs.configure(None, stream=stream)
    structlog.get_logger("x").info("hello")
    assert ("\x1b[" in stream.getvalue(), "hello" in stream.getvalue()) == (colored, True)


@pytest.mark.parametrize("form", ["human", "json"])
@pytest.mark.parametrize("text", ["a\nb", "a\r\nERROR forged", "a\u2028b", "\x1b[31mred", "a\u202eb"])
def test_no_value_makes_a_line_or_commands_the_terminal(form: LogForm, text: str) -> None:
    stream = configured(form)
    structlog.get_logger("x").info(text, batch_id=text, several=[text])
    logging.getLogger("y").info("%s", text)
    written = stream.getvalue()
    assert len(written.splitlines()) == 2
    assert written.replace("\n", "").isprintable()


def test_people_get_the_time_of_day_and_words_and_where_it_comes_from_only_of_complaints() -> None:
    stream = configured("human")
    structlog.get_logger("sinks.load").info("chunks_stored", chunks=2)
    structlog.get_logger("sinks.load").warning("commit_refused", consumer="load")
    told, complained = stream.getvalue().splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d \[info     \] chunks stored +chunks=2", told)
    assert re.fullmatch(r"\d\d:\d\d:\d\d \[warning  \] commit refused +\[sinks.load\] consumer=load", complained)


def test_programs_get_names_of_events_and_modules() -> None:
    stream = configured("json")
    structlog.get_logger("sinks.load").info("chunks_stored", chunks=2)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["logger"], line["timestamp"][-1]) == ("chunks_stored", "sinks.load", "Z")


def test_a_huge_value_is_capped() -> None:
    stream = configured("json")
    structlog.get_logger("x").info("hello", text="x" * 100_000)
    assert len(stream.getvalue()) < 1_000


def test_a_traceback_keeps_its_lines_but_cannot_pass_for_another_line() -> None:
    stream = configured("human")
    try:
        int("a\n2026-01-01 [info] forged")
    except ValueError:
        structlog.get_logger("x").exception("failed")
    first, *rest = stream.getvalue().splitlines()
    assert "failed" in first
    assert len(rest) > 2
    assert all(line.startswith("  | ") for line in rest)


@pytest.mark.parametrize("name", ["aiokafka.conn", "uvicorn.error"])
def test_a_complaint_of_a_library_that_others_can_make_complain_is_logged_once_in_a_while(name: str) -> None:
    stream = configured("json")
    for port in range(100):
        logging.getLogger(name).error("Unable to connect to %s", port)
    assert only(stream)["event"] == "Unable to connect to 0"


def test_what_the_reader_of_forms_says_of_their_bytes_is_not_logged() -> None:
    stream = configured("json")
    logging.getLogger("python_multipart.multipart").warning("Expected boundary character %r, got %r", 45, 112)
    assert stream.getvalue() == ""


def test_our_own_lines_are_never_left_out() -> None:
    stream = configured("json")
    for number in range(3):
        structlog.get_logger("streams.clean").info("chunk_done", number=number)
    assert len(stream.getvalue().splitlines()) == 3


def test_what_was_left_out_is_counted_with_the_next_line() -> None:
    now = 0.0
    limit = RateLimit(5.0, clock=lambda: now)
    records = [logging.LogRecord("a", logging.ERROR, "f", 1, "lost %s", ("it",), None) for _ in range(4)]
    passed = [limit.filter(record) for record in records[:3]]
    now = 5.0
    assert [*passed, limit.filter(records[3])] == [True, False, False, True]
    assert records[3].getMessage() == "lost it (2 more like it left out)"


def test_different_complaints_do_not_hide_one_another() -> None:
    limit = RateLimit(5.0)
    records = [logging.LogRecord(name, logging.ERROR, "f", 1, text, (), None) for name, text in ("ax", "bx", "ay")]
    assert all(limit.filter(record) for record in records)
