from __future__ import annotations

from pathlib import Path

from dialfeed.kafka_config import Ports, java_command, last_errors, server_properties

PROPERTIES = dict(line.split("=", 1) for line in server_properties(Ports(9092, 9093)).splitlines())


def test_every_listener_is_on_the_loopback_address() -> None:
    for name in ("listeners", "advertised.listeners"):
        assert PROPERTIES[name] == "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"


def test_a_request_has_room_for_the_largest_message() -> None:
    assert int(PROPERTIES["socket.request.max.bytes"]) > int(PROPERTIES["message.max.bytes"]) > 32 * 1024 * 1024


def test_the_jars_are_given_as_a_class_path_pattern() -> None:
    command = java_command(Path("/java"), Path("/cache/libs"), data_dir=Path("/data"))
    assert command[command.index("-cp") + 1] == "/cache/libs/*"


def test_errors_are_picked_from_a_log_with_their_exceptions_newest_last() -> None:
    log = """\
2026-01-01T00:00:00,000 ERROR one (a)
java.lang.RuntimeException: because
\tat a.b.C
Caused by: java.io.IOException: of that
\t... 3 more
2026-01-01T00:00:01,000 WARN fine (a)
java.lang.RuntimeException: harmless

2026-01-01T00:00:02,000 FATAL two (a)
"""
    assert last_errors(log) == [
        "2026-01-01T00:00:00,000 ERROR one (a)",
        "java.lang.RuntimeException: because",
        "Caused by: java.io.IOException: of that",
        "2026-01-01T00:00:02,000 FATAL two (a)",
    ]


def test_only_the_newest_errors_are_picked() -> None:
    log = "\n".join(f"2026-01-01T00:00:0{n},000 ERROR {n} (a)" for n in range(9))
    assert last_errors(log, at_most=2) == ["2026-01-01T00:00:07,000 ERROR 7 (a)", "2026-01-01T00:00:08,000 ERROR 8 (a)"]


def test_the_last_lines_stand_in_for_errors_where_there_are_none() -> None:
    log = "Unrecognized VM option 'x'\nError: Could not create the Java Virtual Machine."
    assert last_errors(log, at_most=1) == ["Error: Could not create the Java Virtual Machine."]
