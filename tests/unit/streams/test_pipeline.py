from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import codecs
from schemas.outcomes import Code, FieldError
from schemas.records import Chunk, PhoneLogChunk, Returned
from schemas.topics import TopicName
from streams.pipeline import Cleaned, Limits, chunk_messages, clean, cut, messages_of
from streams.zones.clocks import TZ_DATABASE_VERSION
from tests.support.samples import body, campaign, chunk, raw_message, record, records

NOW = 1_700_000_000_500


def cleaned(*call_data: Any, limits: Limits | None = None, **fields: Any) -> Cleaned:
    return clean(chunk(*call_data, **fields), campaign(), limits or Limits(), NOW)


def told(result: Cleaned) -> list[tuple[int, list[tuple[str, str]]]]:
    return [(dead.record_index, [(e.code.value, e.path) for e in dead.errors]) for dead in result.dead_letters]


def test_a_good_record_becomes_a_row() -> None:
    log = cleaned(record(7, timezone="Europe/Paris", extra=[1, {"k": None}])).phone_log
    assert (log.phone_number, log.phone_number_sent) == (["+12125550007"], ["12125550007"])
    assert (log.timezone, log.timezone_source) == (["Europe/Paris"], ["record"])
    assert log.tz_database == TZ_DATABASE_VERSION
    assert json.loads(log.variables[0]) == {"name": "Ann Example", "amount": 12.5, "extra": [1, {"k": None}]}
    assert (log.workspace_id, log.agent_id, log.schema_version, log.size) == ("w", "a", 1, 1)


def test_a_reject_that_comes_back_has_no_variables_of_ours_and_says_what_it_corrects() -> None:
    added = {"_errors": [], "_index": 3, "_submission": "s", "_line": 8}
    result = cleaned(record(1, **added), record(2, amount="x", **added), record(3, _index=3, _line=8), first_index=2000)

    variables = [json.loads(one) for one in result.phone_log.variables]
    assert [name for one in variables for name in one if name[0] == "_"] == ["_index", "_line"]
    assert result.phone_log.returned == [Returned(record_index=2000, submission_id="s", index=3)]
    assert [dead.record for dead in result.dead_letters] == [json.dumps(record(2, amount="x", **added)).encode()]


def test_a_bad_record_fails_alone_and_its_index_counts_in_the_submission() -> None:
    result = cleaned(record(1), record(2, amount="x"), record(3), first_index=2000)
    assert result.phone_log.record_index == [2000, 2002]
    assert told(result) == [(2001, [("type", "/amount")])]


def test_all_errors_of_a_record_are_told_at_once() -> None:
    result = cleaned({"timezone": "Mars/Base", "name": None, "amount": True, "visits": 3.0})
    assert told(result) == [
        (
            0,
            [
                ("required", "/phoneNumber"),
                ("timezone_unknown", "/timezone"),
                ("required", "/name"),
                ("type", "/amount"),
                ("type", "/visits"),
            ],
        )
    ]


def test_what_decoding_found_is_told_with_the_rest_and_only_once() -> None:
    result = cleaned(b'{"phoneNumber":"+12125550001","name":"\\ud800","amount":NaN,"visits":"3"}')
    assert told(result) == [(0, [("invalid_text", "/name"), ("not_finite", "/amount"), ("type", "/visits")])]


def test_a_record_that_is_no_object_is_told_nothing_about_fields() -> None:
    assert told(cleaned(3)) == [(0, [("not_an_object", "")])]


def test_a_dead_letter_keeps_the_records_bytes_and_its_origin() -> None:
    (dead,) = cleaned(b' {"phoneNumber": "x" }').dead_letters
    assert dead.record == b' {"phoneNumber": "x" }'
    assert (dead.source_topic, dead.source_partition, dead.source_offset) == ("calls.raw", 3, 42)
    assert (dead.attempt, dead.failed_at, dead.first_failed_at, dead.stage) == (1, NOW, NOW, "clean")


def test_a_record_over_the_limit_fails_and_its_neighbours_do_not() -> None:
    result = cleaned(record(1), record(2, note="x" * 500), limits=Limits(record_bytes=300))
    assert told(result) == [(1, [("too_large", "")])]
    assert result.phone_log.record_index == [0]


@pytest.mark.parametrize("code", [Code.BATCH_UNKNOWN, Code.AGENT_UNKNOWN])
def test_without_a_campaign_every_record_is_dead_lettered(code: Code) -> None:
    result = clean(chunk(record(1), 3), FieldError(code, "/batchId", "why"), Limits(), NOW)
    assert told(result) == [(0, [(code.value, "/batchId")]), (1, [(code.value, "/batchId")])]
    assert (result.phone_log.size, result.phone_log.record_index) == (2, [])


def test_what_is_rejected_whole_belongs_to_the_workspace_of_its_batch() -> None:
    result = clean(chunk(record(1)), FieldError(Code.AGENT_UNKNOWN, "/batchId", "why"), Limits(), NOW, "w")
    assert (result.phone_log.workspace_id, result.dead_letters[0].workspace_id) == ("w", "w")


def test_what_could_not_be_cut_is_told_as_cuts_finding() -> None:
    result = cleaned(b"rubbish", rejected_code="undecodable", rejected_message="not JSON")
    assert [(dead.stage, dead.errors[0].code, dead.record) for dead in result.dead_letters] == [
        ("cut", Code.UNDECODABLE, b"rubbish")
    ]


def test_a_phone_number_sent_as_an_integer_is_kept_as_its_digits() -> None:
    assert cleaned(record() | {"phoneNumber": 12125551001}).phone_log.phone_number_sent == ["12125551001"]


def test_variables_of_any_size_of_integer_are_kept_exactly() -> None:
    log = cleaned(record(extra=10**30)).phone_log
    assert json.loads(log.variables[0])["extra"] == 10**30


def test_a_schema_may_declare_the_fields_that_have_columns_of_their_own() -> None:
    schema = json.dumps({"type": "record", "name": "V", "fields": [{"name": "phoneNumber", "type": "string"}]})
    result = clean(chunk({"phoneNumber": 12125551001}), campaign(schema), Limits(), NOW)
    assert result.dead_letters == []


def test_the_phone_log_of_a_batch_goes_to_one_partition() -> None:
    (message,) = messages_of(cleaned(record()).phone_log)
    assert (message.topic, message.key) == (TopicName.PHONE_LOG, b"b")
    assert codecs.decode(message.value, PhoneLogChunk).phone_number == ["+12125550000"]


def test_chunks_of_a_submission_have_keys_of_their_own() -> None:
    keys = [message.key for message in chunk_messages(cut(raw_message(body(*records(2500)), submission_id="s")))]
    assert keys == [b"s/0", b"s/1000", b"s/2000"]


def test_cut_and_clean_fit_together() -> None:
    (message,) = chunk_messages(cut(raw_message(body(record(1), record(2, name=1)))))
    result = clean(codecs.decode(message.value, Chunk), campaign(), Limits(), NOW)
    assert (result.phone_log.record_index, len(result.dead_letters)) == ([0], 1)


spoilers = st.sampled_from(
    [
        record(1),
        record(2, visits=4),
        record(3, amount=None),
        record(4, timezone=5),
        {"phoneNumber": 12125551001.0},
        {},
        7,
        None,
        b'{"phoneNumber":"+12125550001","name":"n","amount":1e999}',
        b"{",
    ]
)


@given(st.lists(spoilers, min_size=1, max_size=12))
def test_every_record_ends_as_a_row_or_as_a_dead_letter_and_never_as_both(call_data: list[Any]) -> None:
    result = cleaned(*call_data, first_index=1000)
    stored, dead = result.phone_log.record_index, [one.record_index for one in result.dead_letters]
    assert sorted([*stored, *dead]) == list(range(1000, 1000 + len(call_data)))
    assert len(result.phone_log.variables) == len(stored)
    assert result.phone_log.size == len(call_data)


def test_the_row_says_how_its_number_was_read() -> None:
    sent = [
        record(1),
        record(2, phoneNumber="(650) 555-0125"),
        record(3, phoneNumber="call"),
        record(4, phoneNumber=6505550126),
    ]
    log = clean(chunk(*sent, first_index=1000), campaign(country="US"), Limits(), NOW).phone_log
    assert log.phone_number == ["+12125550001", "+16505550125", "+16505550126"]
    assert log.phone_number_sent[1] == "(650) 555-0125"
    assert (log.country, log.national) == ("US", [1001, 1003])


def test_without_a_country_a_national_number_fails() -> None:
    result = cleaned(record(1), record(2, phoneNumber="(650) 555-0125"))
    assert told(result) == [(1, [("phone_invalid", "/phoneNumber")])]
    assert (result.phone_log.country, result.phone_log.national) == ("", [])


def test_the_row_keeps_every_zone_that_its_number_may_be_in() -> None:
    toll_free, idaho = {"phoneNumber": "+18005551001"}, {"phoneNumber": "+12089995678"}
    sent = [record(1), record(2, **toll_free), record(3, **idaho), record(4, amount="x", **idaho), record(5, **idaho)]
    sent.append(record(6, timezone="Asia/Tokyo", **idaho))
    log = clean(chunk(*sent), campaign(batch_zone="America/Boise"), Limits(), NOW).phone_log
    assert log.timezone == ["America/New_York", "America/Boise", "America/Boise", "America/Boise", "Asia/Tokyo"]
    assert log.timezone_source == ["number", "batch", "batch", "batch", "record"]
    assert (log.uncertain, log.uncertain_area) == ([1, 2, 4], [0, 1, 1])
    assert log.areas[0].startswith("country America/New_York ")
    assert log.areas[1] == "candidates America/Denver America/Los_Angeles"
