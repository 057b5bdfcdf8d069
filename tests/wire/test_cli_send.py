from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from tests.support.command import Type, typing
from tests.support.samples import SCHEMA
from tests.support.scripted_api import Asked, Scripted, ScriptedApi, everything_added, scripted_api
from tests.support.uploads import xlsx

REQUIRED = {"path": "/phoneNumber", "code": "required", "message": "missing"}


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIALFEED_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DIALFEED_API_KEY", "df_test")
    monkeypatch.setattr("dialfeed.api_client.FIRST_PAUSE_SECONDS", 0.01)


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Type:
    return typing(capsys)


def contacts(count: int) -> list[dict[str, Any]]:
    return [{"phoneNumber": f"1212555{number:04}", "n": number} for number in range(count)]


def lines_file(records: list[dict[str, Any]], name: str = "contacts.ndjson") -> str:
    Path(name).write_text("".join(json.dumps(record) + "\n" for record in records))
    return name


def send(typed: Type, api: ScriptedApi, *arguments: str) -> Any:
    return typed("send", "--batch", "b1", "--url", api.url, "--json", *arguments)


def without_numbers_divisible_by_three(asked: Asked) -> Scripted:
    """Reject those records, as the contract's 207 does."""
    records = asked.body["call_data"]
    bad = [{"index": i, "phoneNumber": None, "errors": [REQUIRED]} for i, r in enumerate(records) if r["n"] % 3 == 0]
    chunk = {"chunkNum": 1, "error": "some", "failed": len(bad), "records": bad, "recordsOmitted": 0}
    data = {"added": len(records) - len(bad), "callIds": [], "submissionId": f"s-{records[0]['n']}"}
    return Scripted(207, {**data, "failedChunks": [chunk]}, "some failed")


def test_every_record_is_sent_in_order_and_counted(typed: Type) -> None:
    with scripted_api() as api:
        ended = send(typed, api, "--chunk", "10", "--parallel", "1", lines_file(contacts(25)))
    assert ended.code == 0
    assert api.records == contacts(25)
    assert [len(asked.body["call_data"]) for asked in api.asked] == [10, 10, 5]
    assert (ended.json["sent"], ended.json["added"], ended.json["failed"]) == (25, 25, 0)


def test_a_request_names_the_batch_and_has_the_key(typed: Type) -> None:
    with scripted_api() as api:
        send(typed, api, lines_file(contacts(1)))
    assert (api.asked[0].key, api.asked[0].body["batchId"]) == ("df_test", "b1")


def test_the_key_may_come_from_a_file(typed: Type) -> None:
    Path("key").write_text("df_other\n")
    with scripted_api() as api:
        send(typed, api, "--key-file", "key", lines_file(contacts(1)))
    assert api.asked[0].key == "df_other"


def test_records_come_from_stdin_too(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"n":1}\n{"n":2}\n')))
    with scripted_api() as api:
        ended = send(typed, api, "-")
    assert (ended.code, api.records) == (0, [{"n": 1}, {"n": 2}])


def test_rejected_records_are_written_as_sent_with_their_errors_and_places(typed: Type) -> None:
    with scripted_api(without_numbers_divisible_by_three) as api:
        ended = send(typed, api, "--chunk", "4", lines_file(contacts(8)))
    assert ended.code == 1
    assert ended.json["rejectedFile"] == "contacts.ndjson.rejected.ndjson"
    rejected = [json.loads(line) for line in Path("contacts.ndjson.rejected.ndjson").read_text().splitlines()]
    places = [(0, "s-0", 1), (3, "s-0", 4), (2, "s-4", 7)]
    assert rejected == [
        {**contacts(8)[line - 1], "_errors": [REQUIRED], "_index": index, "_submission": submission, "_line": line}
        for index, submission, line in places
    ]


def test_rejected_records_can_be_corrected_and_sent_again(typed: Type) -> None:
    with scripted_api(without_numbers_divisible_by_three) as api:
        send(typed, api, lines_file(contacts(4)))
    with scripted_api() as api:
        ended = send(typed, api, "contacts.ndjson.rejected.ndjson")
    assert ended.code == 0
    of = {"_errors": [], "_submission": "s-0"}  # which dead letters these correct: the API takes it off again
    assert api.records == [contacts(4)[0] | of | {"_index": 0}, contacts(4)[3] | of | {"_index": 3}]


def test_no_file_of_rejected_records_is_left_if_there_are_none(typed: Type) -> None:
    with scripted_api() as api:
        send(typed, api, lines_file(contacts(3)))
    assert sorted(path.name for path in Path().iterdir()) == ["contacts.ndjson"]


def test_an_older_file_of_rejected_records_survives_a_run_that_could_not_send(typed: Type) -> None:
    Path("contacts.ndjson.rejected.ndjson").write_text("mine")
    ended = typed("send", "--batch", "b1", "--url", "http://127.0.0.1:1", lines_file(contacts(3)))
    assert ended.code == 3
    assert Path("contacts.ndjson.rejected.ndjson").read_text() == "mine"


def test_a_line_that_is_not_json_is_rejected_here_with_its_line_number(typed: Type) -> None:
    Path("broken.ndjson").write_text('{"n":1}\n{"n":2\n{"n":3}\n')
    with scripted_api() as api:
        ended = send(typed, api, "broken.ndjson")
    assert (ended.code, ended.json["unreadable"], ended.json["sent"]) == (1, 1, 2)
    assert api.records == [{"n": 1}, {"n": 3}]
    rejected = json.loads(Path("broken.ndjson.rejected.ndjson").read_text())
    assert (rejected["_line"], rejected["_text"], rejected["_errors"][0]["code"]) == (2, '{"n":2', "undecodable")


def test_errors_that_the_answers_left_out_are_counted(typed: Type) -> None:
    chunk = {"chunkNum": 1, "error": "many", "failed": 5, "records": [], "recordsOmitted": 5}
    answer = Scripted(207, {"added": 1, "submissionId": "s", "failedChunks": [chunk]})
    with scripted_api(lambda _: answer) as api:
        ended = send(typed, api, lines_file(contacts(6)))
    assert (ended.json["failed"], ended.json["notInRejectedFile"]) == (5, 5)


@pytest.mark.parametrize("status", [429, 503])
def test_what_was_refused_before_anything_was_published_is_sent_again(typed: Type, status: int) -> None:
    answers = iter([Scripted(status, error="later", headers={"retry-after": "0"})] * 2)
    with scripted_api(lambda asked: next(answers, None) or everything_added(asked)) as api:
        ended = send(typed, api, lines_file(contacts(2)))
    assert (ended.code, len(api.asked), ended.json["requestsRepeated"]) == (0, 3, 0)


def test_a_connection_that_breaks_after_sending_is_an_unknown_outcome_sent_again(typed: Type) -> None:
    answers = iter([Scripted(drop=True)])
    with scripted_api(lambda asked: next(answers, None) or everything_added(asked)) as api:
        ended = send(typed, api, lines_file(contacts(2)))
    assert (ended.code, ended.json["added"], ended.json["requestsRepeated"]) == (0, 2, 1)


def test_where_the_outcome_stays_unknown_the_lines_are_named(typed: Type) -> None:
    with scripted_api(lambda _: Scripted(drop=True)) as api:
        ended = send(typed, api, "--give-up-after", "1", lines_file(contacts(2)))
    assert (ended.code, ended.json["unknown"], ended.json["added"]) == (3, [{"first": 1, "last": 2}], 0)
    assert "lines 1 to 2" in ended.err


def test_people_read_which_lines_are_unknown(typed: Type) -> None:
    with scripted_api(lambda _: Scripted(drop=True)) as api:
        arguments = ("--give-up-after", "1", "--chunk", "1", lines_file(contacts(2)))
        ended = typed("send", "--batch", "b1", "--url", api.url, *arguments)
    assert ["unknown", "1", "to", "1,", "2", "to", "2"] in [line.split() for line in ended.out.splitlines()]


def test_an_answer_that_is_not_known_yet_is_followed_to_its_end(typed: Type) -> None:
    reports = iter(
        [
            Scripted(202, {"submissionId": "s-9"}),
            Scripted(404, error="not yet"),
            Scripted(data={"submissionId": "s-9", "added": 0, "pending": 2, "complete": False}),
            Scripted(data={"submissionId": "s-9", "added": 2, "pending": 0, "complete": True, "failedChunks": []}),
        ]
    )
    with scripted_api(lambda _: next(reports)) as api:
        ended = send(typed, api, lines_file(contacts(2)))
    assert (ended.code, ended.json["added"], ended.json["submissionIds"]) == (0, 2, ["s-9"])
    assert {asked.path for asked in api.asked[1:]} == {"/api/call/submissions/s-9"}


def test_what_is_never_reported_is_pending_not_added(typed: Type) -> None:
    with scripted_api(
        lambda asked: Scripted(202 if asked.body else 200, {"submissionId": "s", "complete": False})
    ) as api:
        ended = send(typed, api, "--give-up-after", "1", lines_file(contacts(2)))
    assert (ended.code, ended.json["added"], ended.json["pending"]) == (1, 0, 2)


def test_a_body_over_the_limit_is_halved_and_a_single_record_over_it_is_rejected(typed: Type) -> None:
    def small_only(asked: Asked) -> Scripted:
        fits = sum(record["n"] for record in asked.body["call_data"]) <= 3
        return everything_added(asked) if fits else Scripted(413, error="over the limit")

    with scripted_api(small_only) as api:
        ended = send(typed, api, lines_file([{"n": n} for n in (1, 2, 3, 9)]))
    assert (ended.code, ended.json["added"], ended.json["failed"]) == (1, 3, 1)
    rejected = json.loads(Path("contacts.ndjson.rejected.ndjson").read_text())
    assert (rejected["n"], rejected["_errors"][0]["code"]) == (9, "too_large")


def test_a_refusal_stops_the_sending_and_says_why(typed: Type) -> None:
    with scripted_api(lambda _: Scripted(404, error="there is no batch with this id")) as api:
        ended = send(typed, api, "--chunk", "1", "--parallel", "1", lines_file(contacts(9)))
    assert ended.code == 2
    assert "there is no batch with this id" in ended.err
    assert len(api.asked) == 1


def test_no_submission_with_a_valid_record_is_rejected_as_a_whole(typed: Type) -> None:
    chunk = {"chunkNum": 1, "error": "all", "failed": 1, "records": [{"index": 0, "errors": [REQUIRED]}]}
    data = {"errors": [], "submissionId": "s", "failedChunks": [chunk]}
    with scripted_api(lambda _: Scripted(400, data, "not one of the records was valid")) as api:
        ended = send(typed, api, lines_file([{}]))
    assert (ended.code, ended.json["failed"], ended.json["added"]) == (1, 1, 0)


def test_a_file_for_another_batch_is_not_sent(typed: Type) -> None:
    Path("body.json").write_text('{"batchId": "b2", "call_data": [{}]}')
    with scripted_api() as api:
        ended = send(typed, api, "body.json")
    assert (ended.code, api.asked) == (2, [])


def test_without_a_key_nothing_is_sent(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DIALFEED_API_KEY")
    with scripted_api() as api:
        ended = send(typed, api, lines_file(contacts(1)))
    assert (ended.code, api.asked) == (2, [])
    assert "dialfeed key create" in ended.err


def test_without_an_installation_or_url_it_says_how_to_start_one(typed: Type) -> None:
    ended = typed("send", "--batch", "b1", lines_file(contacts(1)))
    assert ended.code == 3
    assert "dialfeed run" in ended.err


def test_people_get_a_table_and_no_key_or_number_is_logged(typed: Type) -> None:
    with scripted_api(without_numbers_divisible_by_three) as api:
        ended = typed("send", "--batch", "b1", "--url", api.url, lines_file(contacts(4)))
    assert "added" in ended.out
    assert "df_test" not in ended.out + ended.err
    assert "1212555" not in ended.out + ended.err


def keys(api: ScriptedApi) -> list[str | None]:
    return [asked.idempotency_key for asked in api.asked]


def test_the_same_command_sends_the_same_requests_so_that_nothing_is_stored_twice(typed: Type) -> None:
    file = lines_file(contacts(25))
    with scripted_api() as api:
        for _ in range(2):
            send(typed, api, "--chunk", "10", "--parallel", "1", file)
    assert keys(api)[:3] == keys(api)[3:]
    assert len(set(keys(api))) == 3


def test_the_same_records_at_another_place_or_for_another_batch_are_other_requests(typed: Type) -> None:
    with scripted_api() as api:
        send(typed, api, "--chunk", "1", lines_file([{"n": 1}] * 3))
        typed("send", "--batch", "b2", "--url", api.url, "--chunk", "1", lines_file([{"n": 1}]))
    assert len(set(keys(api))) == 4


def test_anew_sends_what_was_sent_before_once_more(typed: Type) -> None:
    file = lines_file(contacts(1))
    with scripted_api() as api:
        send(typed, api, file)
        send(typed, api, "--anew", file)
    assert len(set(keys(api))) == 2


def test_a_request_that_is_still_being_worked_on_is_asked_again_until_it_is_done(typed: Type) -> None:
    answers = iter([Scripted(drop=True), Scripted(409, error="still being worked on", headers={"retry-after": "0"})])
    with scripted_api(lambda asked: next(answers, None) or everything_added(asked)) as api:
        ended = send(typed, api, lines_file(contacts(2)))
    assert (ended.code, ended.json["added"], len(api.asked)) == (0, 2, 3)
    assert len(set(keys(api))) == 1


TABLE = "Phone Number;name;amount;visits\n12125550001;007;1,5;3\n12125550003;Bob;2;\n"
TYPED = [
    {"phoneNumber": "12125550001", "name": "007", "amount": 1.5, "visits": 3},
    {"phoneNumber": "12125550003", "name": "Bob", "amount": 2},
]


def schema_file() -> str:
    Path("schema.avsc").write_text(SCHEMA)
    return "schema.avsc"


def test_a_table_is_sent_by_the_schema_given(typed: Type) -> None:
    Path("contacts.txt").write_text(TABLE, "utf-16")
    with scripted_api() as api:
        ended = send(typed, api, "--schema", schema_file(), "contacts.txt")
    assert (ended.code, api.records) == (0, TYPED)


def test_a_workbook_is_told_by_its_content(typed: Type) -> None:
    rows: list[list[Any]] = [
        ["phoneNumber", "name", "amount", "visits"],
        [12125550001, "007", 1.5, 3],
        [12125550003, "Bob", 2],
    ]
    Path("contacts").write_bytes(xlsx(*rows))
    with scripted_api() as api:
        ended = send(typed, api, "--schema", schema_file(), "contacts")
    assert (ended.code, api.records) == (0, TYPED)


def test_without_a_schema_cells_are_sent_as_text_with_a_warning(typed: Type) -> None:
    Path("contacts.csv").write_text(TABLE)
    with scripted_api() as api:
        ended = send(typed, api, "contacts.csv")
    assert api.records[0] == {"phoneNumber": "12125550001", "name": "007", "amount": "1,5", "visits": "3"}
    assert "--schema" in ended.err


def test_a_table_comes_from_a_pipe_too() -> None:
    with scripted_api() as api:
        command = [sys.executable, "-m", "dialfeed", "send", "--batch", "b1", "--url", api.url, "--json", "-"]
        done = subprocess.run(command, input=TABLE.encode(), capture_output=True, check=False)
    assert (done.returncode, len(api.records)) == (0, 2)


def test_rejected_rows_of_a_table_are_records_with_their_row_and_can_be_sent_again(typed: Type) -> None:
    def refuse_bob(asked: Asked) -> Scripted:
        bad = [{"index": i, "errors": [REQUIRED]} for i, r in enumerate(asked.body["call_data"]) if r["name"] == "Bob"]
        chunk = {"chunkNum": 1, "failed": len(bad), "records": bad, "recordsOmitted": 0}
        return Scripted(207, {"added": 1, "submissionId": "s", "failedChunks": [chunk]})

    Path("contacts.csv").write_text("\n" + TABLE + "12125550004;two;many;cells;here\n")
    with scripted_api(refuse_bob) as api:
        ended = send(typed, api, "--schema", schema_file(), "contacts.csv")
    assert (ended.code, ended.json["sent"], ended.json["unreadable"]) == (1, 2, 1)
    bob, odd = [json.loads(line) for line in Path("contacts.csv.rejected.ndjson").read_text().splitlines()]
    assert bob == {**TYPED[1], "_errors": [REQUIRED], "_index": 1, "_submission": "s", "_row": 4, "_lines": [4]}
    assert (odd["_row"], odd["_errors"][0]["code"], odd["phoneNumber"]) == (5, "row_unreadable", "12125550004")
    with scripted_api() as api:
        send(typed, api, "contacts.csv.rejected.ndjson")
    assert api.records[0] == TYPED[1] | {"_errors": [], "_submission": "s", "_index": 1}


def test_the_encoding_of_a_table_may_be_named(typed: Type) -> None:
    Path("contacts.csv").write_bytes("phoneNumber,name\n1,Thérèse\n".encode("cp1252"))
    with scripted_api() as api:
        refused = send(typed, api, "--schema", schema_file(), "contacts.csv")
        ended = send(typed, api, "--schema", schema_file(), "--encoding", "windows-1252", "contacts.csv")
    assert (refused.code, "--encoding" in refused.err) == (2, True)
    assert (ended.code, ended.json["encoding"], api.records[0]["name"]) == (0, "windows-1252", "Thérèse")


def test_every_line_that_a_broken_quote_hides_counts_as_failed(typed: Type) -> None:
    hidden = '12125550004;x;1;1\n12125550005;"y;1;1\n12125550006;z;1;1\n12125550007;"w";1;1\n'
    Path("contacts.csv").write_text(TABLE + hidden)
    with scripted_api() as api:
        ended = send(typed, api, "--schema", schema_file(), "contacts.csv")
    told = ended.json
    assert (ended.code, told["totalCalls"], told["added"], told["failed"], told["unreadable"]) == (1, 6, 3, 3, 3)
    assert [(one["row"], one["lines"]) for one in told["failedRows"]] == [(5, [5, 6, 7]), (6, [6]), (7, [7])]
    rejected = [json.loads(line) for line in Path("contacts.csv.rejected.ndjson").read_text().splitlines()]
    assert [(one["phoneNumber"][-1], one["_lines"]) for one in rejected] == [("5", [5, 6, 7]), ("6", [6]), ("7", [7])]


def test_a_file_that_was_sent_before_is_told_as_such(typed: Type) -> None:
    def answered_before(asked: Asked) -> Scripted:
        return replace(everything_added(asked), headers={"Idempotent-Replayed": "true"})

    with scripted_api(answered_before) as api:
        ended = send(typed, api, lines_file(contacts(3)))
    assert (ended.code, ended.json["added"], ended.json["alreadySent"]) == (0, 3, 3)
    assert "Already sent, nothing changed" in ended.err
    assert "--anew" in ended.err


def test_a_request_that_this_run_had_to_repeat_was_not_sent_before(typed: Type) -> None:
    answers = iter([Scripted(drop=True)])

    def answering(asked: Asked) -> Scripted:
        return next(answers, None) or replace(everything_added(asked), headers={"Idempotent-Replayed": "true"})

    with scripted_api(answering) as api:
        ended = send(typed, api, lines_file(contacts(3)))
    assert (ended.json["alreadySent"], "Already sent" in ended.err) == (0, False)


@pytest.mark.parametrize("content", [b"name,age\nAnn,3\n", b"PK\3\4broken", b"\xd0\xcf\x11\xe0", b'phone,n\n1,"a\n'])
def test_a_table_that_cannot_be_read_is_told_and_nothing_is_sent(typed: Type, content: bytes) -> None:
    Path("contacts.csv").write_bytes(content)
    with scripted_api() as api:
        ended = send(typed, api, "contacts.csv")
    assert (ended.code, api.records) == (2, [])
    assert "the file cannot be read" in ended.err


def test_a_wrong_schema_file_is_told(typed: Type) -> None:
    Path("contacts.csv").write_text(TABLE)
    Path("schema.avsc").write_text("[]")
    with scripted_api() as api:
        ended = send(typed, api, "--schema", "schema.avsc", "contacts.csv")
    assert (ended.code, api.asked) == (2, [])


def test_without_a_kafka_to_send_to_it_says_how_to_start_one(typed: Type) -> None:
    ended = typed("send", "--batch", "b1", "--kafka", lines_file(contacts(1)))
    assert ended.code == 3
    assert "dialfeed run" in ended.err


def test_a_table_without_rows_is_told(typed: Type) -> None:
    Path("contacts.csv").write_text("phoneNumber,n\n\n")
    with scripted_api() as api:
        ended = send(typed, api, "contacts.csv")
    assert (ended.code, ended.json["sent"], api.asked) == (2, 0, [])
    assert "the table has a header and no rows" in ended.err


def test_a_long_file_is_not_held_in_memory(typed: Type) -> None:
    import tracemalloc  # noqa: PLC0415 - only here

    Path("short.ndjson").write_text('{"n":0}\n')
    with Path("long.ndjson").open("w") as file:
        file.writelines(f'{{"n":{number},"text":"{"x" * 150}"}}\n' for number in range(60_000))
    with scripted_api(
        lambda asked: Scripted(data={"added": len(asked.body.pop("call_data")), "submissionId": "s"})
    ) as api:
        send(typed, api, "short.ndjson")  # what is imported once is not counted
        tracemalloc.start()
        try:
            ended = send(typed, api, "--chunk", "500", "long.ndjson")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert ended.json["added"] == 60_000
    assert peak < Path("long.ndjson").stat().st_size / 2


def test_a_report_is_the_apis_answer_as_it_came(typed: Type) -> None:
    data = {"submissionId": "s-1", "added": 2, "failed": 0, "pending": 0, "complete": True, "failedChunks": []}
    with scripted_api(lambda _: Scripted(data=data)) as api:
        ended = typed("report", "s-1", "--url", api.url, "--json")
    assert (ended.code, ended.json["data"]) == (0, data)


def test_a_report_is_followed_until_it_is_complete(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialfeed.commands_report.FIRST_PAUSE_SECONDS", 0.01)
    reports = iter([Scripted(data={"complete": False, "pending": 1}), Scripted(data={"complete": True, "failed": 1})])
    with scripted_api(lambda _: next(reports)) as api:
        ended = typed("report", "s-1", "--follow", "--url", api.url, "--json")
    assert (ended.code, ended.json["data"]["complete"]) == (1, True)


def test_a_report_with_pending_records_ends_with_1(typed: Type) -> None:
    with scripted_api(lambda _: Scripted(data={"added": 1, "failed": 0, "pending": 1, "complete": False})) as api:
        assert typed("report", "s-1", "--url", api.url).code == 1


def test_a_report_that_does_not_exist_is_wrong_use(typed: Type) -> None:
    with scripted_api(lambda _: Scripted(404, error="there is no submission with this id")) as api:
        ended = typed("report", "s-1", "--url", api.url)
    assert ended.code == 2
    assert "there is no submission with this id" in ended.err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sending_accounts_for_what_was_done(how: signal.Signals) -> None:
    arguments = [sys.executable, "-m", "dialfeed", "send", "--batch", "b1", "--chunk", "1", "--parallel", "1", "--json"]
    with scripted_api() as api:
        command = [*arguments, "--url", api.url, "-"]
        with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) as process:
            assert process.stdin is not None
            process.stdin.write('{"n":1}\n{"n":2}\n{"n":3}\n')
            process.stdin.flush()
            until(lambda: len(api.asked) == 2)
            process.send_signal(how)
            code = process.wait(timeout=20)
            assert process.stdout is not None
            answer = json.loads(process.stdout.read())
    assert code == 130
    assert answer["added"] >= 1
    assert answer["added"] + len(answer["unknown"]) == 2


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
