from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codecs import encode
from schemas.dead_letter_query import DeadLetterFilter
from schemas.dead_letters import DeadLetter, from_message, to_message
from schemas.outcomes import Code, FieldError
from schemas.records import CHUNK_RECORDS, Chunk, Record, ReplayReceipt
from schemas.replay_board import ReplayBoard, job_message, progress_message, summary
from schemas.replay_changes import Attempt, Changes
from schemas.replay_jobs import (
    DONE,
    RUNNING,
    ReplayJob,
    ReplayMove,
    ReplayProgress,
    ReplayValue,
    filter_of,
    job_as_json,
)
from schemas.replay_selection import Newest, Selection
from schemas.replay_slices import SLICE_BYTES, Slicer, slice_message
from schemas.replayed_status import StatusHistory, history_headers, status_message
from schemas.topics import TopicName


def letter(index: int = 0, **fields: Any) -> DeadLetter:
    values: dict[str, Any] = {
        "record": b'{"phoneNumber": "12125550000", "amount": 12.50}',
        "errors": (FieldError(Code.BATCH_UNKNOWN, "/batchId", "no batch has this id"),),
        "stage": "clean",
        "submission_id": "s",
        "batch_id": "b",
        "record_index": index,
        "source_topic": "calls.raw",
        "source_partition": 3,
        "source_offset": 42,
        "accepted_at": 1_700_000_000_000,
        "attempt": 1,
        "first_failed_at": 1_700_000_000_500,
        "failed_at": 1_700_000_000_500,
        "workspace_id": "w",
    }
    return DeadLetter(**values | fields)


def job(**fields: Any) -> ReplayJob:
    values: dict[str, Any] = {"replay_id": "r", "workspace_id": "", "runner": "command", "requested_at": 1}
    return ReplayJob(**values | fields)


def selected(letters: list[DeadLetter], wanted: DeadLetterFilter | None = None, **more: Any) -> Selection:
    """Take the letters; the selection keeps what it returned as `taken`."""
    newest = Newest()
    messages = [to_message(one) for one in letters]
    for message in messages:
        newest.take(message.headers)
    selection = Selection(
        wanted or DeadLetterFilter(), newest, more.get("changes", Changes()), more.get("owner", lambda _: "")
    )
    taken = [selection.take(message.value, message.headers) for message in messages]
    TAKEN[:] = [(one.letter.record_index, one.letter.attempt) for one in taken if one is not None]
    return selection


TAKEN: list[tuple[int, int]] = []


def test_only_the_newest_attempt_of_a_record_is_taken_whatever_the_order() -> None:
    selection = selected([letter(0), letter(1, attempt=3), letter(1, attempt=2), letter(1), letter(2)])
    assert TAKEN == [(0, 1), (1, 3), (2, 1)]
    assert selection.counts == {"selected": 3, "older": 2}


def test_a_letter_that_was_written_twice_is_taken_once() -> None:
    selection = selected([letter(0), letter(0), letter(1)])
    assert selection.counts == {"selected": 2, "repeated": 1}


def test_messages_of_others_and_letters_without_bytes_are_counted_and_passed_over() -> None:
    selection = selected([letter(0, record=None), letter(1, record=b"")])
    assert selection.take(b"{}", [("made-by", b"somebody")]) is None
    assert selection.take(None, []) is None
    assert selection.counts == {"empty": 2, "foreign": 2}


@pytest.mark.parametrize(
    ("wanted", "matching"),
    [
        ({"batch": "b2"}, [1]),
        ({"submission": "s2"}, [2]),
        ({"code": "type"}, [3]),
        ({"failure_class": "data"}, [3]),
        ({"stage": "load"}, [4]),
        ({"path": "/amount"}, [3]),
        ({"attempt": 2}, [5]),
        ({"workspace_id": "w2"}, [6]),
        ({"since": 2_000, "until": 3_000}, [7]),
        ({"until": 2_000}, [8]),
    ],
)
def test_each_filter_takes_what_it_names(wanted: dict[str, Any], matching: list[int]) -> None:
    letters = [
        letter(0),
        letter(1, batch_id="b2"),
        letter(2, submission_id="s2"),
        letter(3, errors=(FieldError(Code.TYPE, "/amount", ""), FieldError(Code.BATCH_UNKNOWN, "", ""))),
        letter(4, stage="load"),
        letter(5, attempt=2),
        letter(6, workspace_id="w2"),
        letter(7, failed_at=2_000),
        letter(8, failed_at=1_999),
    ]
    selected(letters, filter_of(job(**wanted)))
    assert [index for index, _ in TAKEN] == matching


def test_a_letter_that_names_no_workspace_is_of_its_batchs_owner() -> None:
    selected([letter(0, workspace_id="")], filter_of(job(workspace_id="w9")), owner=lambda _: "w9")
    assert TAKEN == [(0, 1)]
    selected([letter(0, workspace_id="w1")], filter_of(job(workspace_id="w9")), owner=lambda _: "w9")
    assert TAKEN == []


def test_what_no_message_could_hold_is_counted() -> None:
    big = letter(0, record=b"x" * 20_000_000, tried=b"y" * 22_000_000)
    in_base64 = letter(0, record=b"x" * 18_000_000, tried=b"y" * 18_000_000)
    assert selected([big]).counts == {"too_large": 1}
    assert selected([in_base64]).counts == {"too_large": 1}


def test_a_record_travels_as_it_was_sent_with_its_history() -> None:
    (chunk,) = sliced([attempt(letter(7, attempt=2))])
    (replayed,) = replay_of(chunk).records
    assert chunk.records == [letter().record]
    assert (replayed.submission_id, replayed.record_index, replayed.accepted_at) == ("s", 7, 1_700_000_000_000)
    assert (replayed.source_topic, replayed.source_partition, replayed.source_offset) == ("calls.raw", 3, 42)
    assert (replayed.attempt, replayed.first_failed_at, replayed.sent) == (2, 1_700_000_000_500, None)
    assert (chunk.submission_id, chunk.total, chunk.report_partition, chunk.body_hash) == ("r", 1, None, None)


def test_a_changed_record_keeps_the_bytes_first_sent_and_names_fields_only() -> None:
    changes = Changes(
        (ReplayMove(old="amount", new="sum"),),
        (ReplayValue(name="visits", value=b"3"), ReplayValue(name="n", value=b'"x"')),
    )
    changed = changes.apply(letter())
    assert changed is not None
    assert changed.record == b'{"phoneNumber":"12125550000","sum":12.50,"visits":3,"n":"x"}'
    assert changed.sent == letter().record
    assert changed.changes == "map amount=sum; set visits; set n"


def test_fields_may_change_places() -> None:
    changes = Changes((ReplayMove(old="first", new="last"), ReplayMove(old="last", new="first")))
    changed = changes.apply(letter(record=b'{"first":"A","last":"B"}'))
    assert changed is not None
    assert json.loads(changed.record) == {"first": "B", "last": "A"}
    assert changed.changes == "map first=last; map last=first"


def test_the_next_change_begins_from_what_was_tried_last() -> None:
    tried = letter(record=b'{"a":1}', tried=b'{"b":1}', changes="map a=b")
    changed = Changes((ReplayMove(old="b", new="c"),)).apply(tried)
    assert changed is not None
    assert (changed.record, changed.sent, changed.changes) == (b'{"c":1}', b'{"a":1}', "map a=b; map b=c")


def test_what_is_no_object_and_what_needs_no_change_stay_as_they_are() -> None:
    changes = Changes((ReplayMove(old="x", new="y"),), (ReplayValue(name="a", value=b"1"),))
    for record in (b"not json", b"[1]", b'{ "a":1 }', b"\xff"):
        changed = changes.apply(letter(record=record))
        assert changed is not None
        assert (changed.record, changed.sent, changed.changes) == (record, None, "")


def test_a_record_of_a_file_stands_in_place_of_what_failed() -> None:
    changes = Changes(replacements={("s", 1): b'{"phoneNumber":"1"}'})
    selected([letter(0), letter(1), letter(1, submission_id="other")], changes=changes)
    assert TAKEN == [(1, 1)]
    changed = changes.apply(letter(1))
    assert changed is not None
    assert (changed.record, changed.changes) == (b'{"phoneNumber":"1"}', "replaced from a file")


def attempt(of: DeadLetter) -> Attempt:
    made = Changes().apply(of)
    assert made is not None
    return made


def sliced(attempts: list[Attempt], **fields: Any) -> list[Chunk]:
    slicer = Slicer(job(**fields), counts_from=77)
    return [chunk for one in attempts for chunk in slicer.add(one)] + list(slicer.flush())


def replay_of(chunk: Chunk) -> Any:
    assert chunk.replay is not None
    return chunk.replay


def test_slices_are_of_one_batch_numbered_in_order_and_never_too_large() -> None:
    batches = ["b", "c", None]
    chunks = sliced([attempt(letter(n, batch_id=batches[n % 3])) for n in range(3 * CHUNK_RECORDS + 30)])
    assert [replay_of(chunk).part for chunk in chunks] == list(range(6))
    assert sorted(len(chunk.records) for chunk in chunks) == [10, 10, 10, 1000, 1000, 1000]
    assert all(len(replay_of(chunk).records) == chunk.total == len(chunk.records) for chunk in chunks)
    assert {chunk.batch_id for chunk in chunks} == {"b", "c", None}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 400_000)), max_size=40))
def test_no_record_is_lost_or_doubled_and_none_shares_a_slice_that_is_too_large(sizes: list[tuple[str, int]]) -> None:
    letters = [letter(n, batch_id=batch, record=b"x" * size) for n, (batch, size) in enumerate(sizes)]
    chunks = sliced([attempt(one) for one in letters])
    places = sorted(one.record_index for chunk in chunks for one in replay_of(chunk).records)
    assert places == list(range(len(sizes)))
    assert all(len(chunk.records) == 1 or sum(map(len, chunk.records)) <= SLICE_BYTES for chunk in chunks)


def test_many_batches_with_large_records_do_not_pile_up() -> None:
    slicer = Slicer(job(), counts_from=1)
    letters = [letter(n, batch_id=f"b{n}", record=b"x" * 800_000) for n in range(60)]
    assert [chunk for one in letters for chunk in slicer.add(attempt(one))]


def test_a_rate_below_a_slices_records_makes_slices_smaller() -> None:
    assert [chunk.total for chunk in sliced([attempt(letter(n)) for n in range(25)], rate=10)] == [10, 10, 5]


def test_the_time_a_record_counts_from_is_its_own_unless_it_is_to_count_as_new() -> None:
    (as_it_was,) = sliced([attempt(letter())], agent_version=4, max_attempts=9)
    assert (replay_of(as_it_was).counts_from, replay_of(as_it_was).agent_version) == (None, 4)
    assert (replay_of(as_it_was).max_attempts, as_it_was.accepted_at) == (9, 1_700_000_000_000)
    (as_new,) = sliced([attempt(letter())], as_new=True)
    assert (replay_of(as_new).counts_from, as_new.accepted_at) == (77, 77)


def test_slices_are_spread_over_the_workers() -> None:
    chunks = sliced([attempt(letter(n)) for n in range(2 * CHUNK_RECORDS)])
    assert [slice_message(chunk).key for chunk in chunks] == [b"r/0", b"r/1"]
    assert {slice_message(chunk).topic for chunk in chunks} == {TopicName.CHUNKS}


def test_a_status_event_goes_to_its_topic_with_its_history() -> None:
    message = status_message(attempt(letter(attempt=3, record=b'{"callId":"x"}')), job(max_attempts=7))
    assert (message.topic, message.key, message.value) == (TopicName.STATUS, b"b", b'{"callId":"x"}')
    assert dict(message.headers) == {
        "dlq.attempt": b"3",
        "dlq.counts-from": b"1700000000000",
        "dlq.first-failed-at": b"1700000000500",
        "dlq.max-attempts": b"7",
        "dlq.original.offset": b"42",
        "dlq.original.partition": b"3",
        "dlq.original.timestamp": b"1700000000000",
        "dlq.original.topic": b"calls.raw",
        "dlq.replay-id": b"r",
        "submission-id": b"s",
    }
    assert history_headers((*message.headers, ("forwarded", b"1"))) == message.headers


def test_a_status_event_that_is_to_count_as_new_counts_from_when_it_is_sent() -> None:
    history = StatusHistory.of(status_message(attempt(letter()), job(as_new=True)).headers)
    assert history is not None
    assert (history.counts_from, history.accepted_at) == (None, 1_700_000_000_000)


def test_a_changed_status_event_that_fails_again_keeps_what_was_sent_first() -> None:
    first = letter(record=b'{"id":1}', attempt=2)
    tried = Changes((ReplayMove(old="id", new="callId"),)).apply(first)
    assert tried is not None
    message = status_message(tried, job(max_attempts=2))
    history = StatusHistory.of(message.headers)
    assert message.value == b'{"callId":1}'
    assert history is not None

    again = history.continued(letter(9, record=message.value, submission_id="other", source_offset=7, accepted_at=5))

    assert (again.record, again.tried, again.changes) == (first.record, b'{"callId":1}', tried.changes)
    assert (again.submission_id, again.source_offset, again.accepted_at) == ("s", 42, first.accepted_at)
    assert (again.attempt, again.parked, again.replay_id) == (3, True, "r")


def test_nonsense_in_the_history_of_a_status_event_counts_as_absent() -> None:
    headers = (
        ("dlq.replay-id", b"r"),
        ("dlq.attempt", b"-1"),
        ("dlq.counts-from", b"soon"),
        ("submission-id", b"\xff"),
    )
    history = StatusHistory.of(headers)
    assert history is not None
    assert (history.attempt, history.counts_from, history.submission_id, history.source) == (1, None, None, None)
    fresh = letter()
    assert history.continued(fresh) == letter(attempt=2, replay_id="r")
    assert StatusHistory.of(headers[1:]) is None


def test_a_letter_comes_back_with_what_was_tried() -> None:
    message = to_message(letter(tried=b'{"b":1}', changes="map a=b", workspace_id="w"))
    found = from_message(message.value, message.headers)
    assert found is not None
    assert (found.tried, found.changes, found.workspace_id) == (b'{"b":1}', "map a=b", "w")


def progress(**fields: Any) -> ReplayProgress:
    values: dict[str, Any] = {
        "replay_id": "r",
        "state": RUNNING,
        "updated_at": 5,
        "starts": [0, 10],
        "positions": [0, 10],
        "ends": [5, 20],
        "other_ends": [0, 0],
        "parts": 0,
    }
    return ReplayProgress(**values | fields)


def receipt(part: int, **counts: int) -> ReplayReceipt:
    size = sum(counts.values())
    values: dict[str, Any] = dict.fromkeys(("added", "updated", "superseded", "failed", "parked"), 0) | counts
    return ReplayReceipt(replay_id="r", part=part, batch_id="b", size=size, done_at=9, **values)


def board(*messages: Any) -> ReplayBoard:
    made = ReplayBoard()
    for message in messages:
        made.apply(encode(message) if isinstance(message, Record) else message, 123)
    return made


def test_a_board_adds_up_receipts_each_slice_once() -> None:
    twice = receipt(0, added=2, failed=1)
    state = board(job(), progress(selected=9, statuses=1), twice, twice, receipt(1, superseded=3), b"x", None).replays[
        "r"
    ]
    shown = summary(state)
    assert (shown["replayed"], shown["failed"], shown["superseded"], shown["pending"]) == (2, 1, 3, 2)
    assert (state.answered(2), state.answered(1), state.accepted_at) == (2, 1, 123)


def test_what_was_sent_since_the_last_checkpoint_is_selected_too_once_it_is_answered() -> None:
    state = board(job(), progress(selected=3, statuses=1), receipt(0, added=4), receipt(1, failed=2)).replays["r"]
    shown = summary(state)
    assert (shown["selected"], shown["replayed"], shown["failed"], shown["statuses"]) == (7, 4, 2, 1)
    assert shown["pending"] == 0


def test_what_has_ended_keeps_its_counts_without_its_receipts() -> None:
    ended = progress(state=DONE, positions=[5, 20], parts=1, selected=3, added=2, parked=1, older=4, too_large=1)
    state = board(job(), progress(), receipt(0, added=1), ended, receipt(0, failed=9)).replays["r"]
    assert (state.receipts, state.ended) == ({}, True)
    assert (summary(state)["replayed"], summary(state)["parked"], summary(state)["pending"]) == (2, 1, 0)
    assert summary(state)["skippedBecause"] == {"older": 4, "tooLarge": 1}


def test_a_process_that_is_behind_does_not_set_a_replay_back() -> None:
    state = board(job(), progress(positions=[5, 20], parts=2), progress(positions=[3, 10], parts=1)).replays["r"]
    assert state.progress is not None
    assert state.progress.parts == 2


def test_a_record_may_have_failed_twice_from_where_the_topics_ended_when_the_first_other_replay_began() -> None:
    made = board(
        job(),
        progress(ends=[1, 1], other_ends=[0, 0]),
        job(replay_id="second"),
        progress(replay_id="second", ends=[10, 40], other_ends=[3, 4]),
        job(replay_id="of what is parked", parked=True),
        progress(replay_id="of what is parked", ends=[7, 2], other_ends=[20, 30]),
        job(replay_id="not begun"),
    )
    assert made.repeats_begin("r", parked=False) == [10, 30]
    assert made.repeats_begin("r", parked=True) == [3, 2]
    assert board(job(), progress()).repeats_begin("r", parked=False) is None


def test_a_replay_is_shown_without_the_values_that_are_set() -> None:
    shown = job_as_json(
        job(values=[ReplayValue(name="name", value=b'"Ann Example"')], moves=[ReplayMove(old="a", new="b")])
    )
    assert "Ann" not in json.dumps(shown)
    assert (shown["set"], shown["map"]) == (["name"], {"a": "b"})


def test_jobs_and_progress_are_kept_by_id() -> None:
    assert [job_message(job()).key, progress_message(progress()).key] == [b"job/r", b"progress/r"]
    assert job_message(job(body_hash="h")).key == b"job/r/h"  # another body never replaces the first by compaction
    assert {job_message(job()).partition, progress_message(progress()).partition} == {0}
