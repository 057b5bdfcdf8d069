"""Where a record's zone comes from."""

from __future__ import annotations

import zoneinfo
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.outcomes import Code, FieldError
from streams import timezones
from streams.timezones import ZoneSource, own_zone, zone_names, zones_for
from streams.zones.clocks import TZ_DATABASE_VERSION
from streams.zones.number_zones import Confidence
from tests.unit.streams.test_phone_numbers import e164, example_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

NEW_YORK: Final = "+12125551001"
TOLL_FREE: Final = "+18005551001"


@pytest.fixture
def only_the_wheels_zones() -> Iterator[None]:
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=())
    yield
    zoneinfo.reset_tzpath(to=before)


def zone_and_source(
    number: str | None, own: object, batch: str | None, workspace: str | None
) -> tuple[str, ZoneSource]:
    found = zones_for([number], [own], batch, workspace)
    assert found.errors == {}
    return found.names[0], found.sources[0]


def test_the_records_own_zone_comes_before_all_others() -> None:
    assert zone_and_source(NEW_YORK, "Asia/Tokyo", "Europe/Paris", "Europe/Rome") == ("Asia/Tokyo", "record")


@pytest.mark.parametrize("own", [None, "", "  ", "\u00a0"])
def test_the_number_comes_before_the_batch_when_the_record_names_no_zone(own: object) -> None:
    assert zone_and_source(NEW_YORK, own, "Europe/Paris", "Europe/Rome") == ("America/New_York", "number")


def test_the_batch_decides_when_the_number_does_not() -> None:
    assert zone_and_source(TOLL_FREE, None, "Europe/Paris", "Europe/Rome") == ("Europe/Paris", "batch")


def test_the_workspace_decides_when_the_batch_has_no_zone() -> None:
    assert zone_and_source(TOLL_FREE, None, None, "Europe/Rome") == ("Europe/Rome", "workspace")
    assert zone_and_source(TOLL_FREE, None, "", "Europe/Rome") == ("Europe/Rome", "workspace")


def test_utc_is_the_zone_when_nothing_decides() -> None:
    assert zone_and_source(TOLL_FREE, None, None, None) == ("UTC", "default")
    assert zone_and_source(None, None, "Nowhere/Land", None) == ("UTC", "default")


def test_rows_keep_their_order_and_a_wrong_zone_is_an_error_of_its_row_alone() -> None:
    found = zones_for([NEW_YORK, TOLL_FREE, None, NEW_YORK], ["Mars", None, 5, "UTC"], "Asia/Tokyo", None)
    assert found.names == ["America/New_York", "Asia/Tokyo", "Asia/Tokyo", "UTC"]
    assert found.sources == ["number", "batch", "batch", "record"]
    assert found.errors == {0: timezones.UNKNOWN, 2: timezones.WRONG_TYPE}


def test_columns_of_different_lengths_are_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="shorter"):
        zones_for([NEW_YORK], [], None, None)


@pytest.mark.parametrize("value", ["America/New_York", "Asia/Calcutta", "EST", "Etc/GMT+5", "UTC", "GB"])
def test_a_name_of_the_tz_database_is_kept_as_it_was_spelled(value: str) -> None:
    assert own_zone(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "+05:30",
        "IST",
        "PDT",
        "UTC+2",
        "america/new_york",
        "America/New_York ",
        "America/New York",
        "America",
        "Etc/Unknown",
        "posixrules",
        "localtime",
        "../etc/passwd",
        "zone.tab",
        "\ud800",
        "x" * 100_000,
    ],
)
def test_any_other_text_is_an_unknown_zone(value: str) -> None:
    assert own_zone(value) == timezones.UNKNOWN
    assert (timezones.UNKNOWN.code, timezones.UNKNOWN.path) == (Code.TIMEZONE_UNKNOWN, "/timezone")


@pytest.mark.parametrize("value", [5, 5.5, True, False, [], ["UTC"], {}, b"UTC"])
def test_what_is_not_text_is_a_wrong_type(value: object) -> None:
    assert own_zone(value) == timezones.WRONG_TYPE
    assert (timezones.WRONG_TYPE.code, timezones.WRONG_TYPE.path) == (Code.TYPE, "/timezone")


@pytest.mark.usefixtures("only_the_wheels_zones")
def test_the_names_are_those_of_the_wheel_and_each_can_be_loaded_from_it() -> None:
    assert zone_names() == zoneinfo.available_timezones()
    assert all(zoneinfo.ZoneInfo.no_cache(name) for name in zone_names())


def test_the_version_is_that_of_the_tables_read() -> None:
    first_line = files("tzdata.zoneinfo").joinpath("tzdata.zi").read_text(encoding="utf-8").splitlines()[0]
    assert first_line == f"# version {TZ_DATABASE_VERSION}"


def test_candidates_are_kept_where_neither_record_nor_number_determines_the_zone() -> None:
    found = zones_for([NEW_YORK, TOLL_FREE, "+12082015678", "+12089995678", None], [None] * 5, "Europe/Paris", None)
    assert {row: area.confidence for row, area in found.uncertain.items()} == {
        1: Confidence.COUNTRY,
        3: Confidence.CANDIDATES,
        4: Confidence.COUNTRY,
    }
    assert found.uncertain[3].candidates == ("America/Denver", "America/Los_Angeles")
    assert found.uncertain[4].candidates == ()
    assert found.names == ["America/New_York", "Europe/Paris", "America/Denver", "Europe/Paris", "Europe/Paris"]


def test_a_record_that_names_its_zone_is_certain() -> None:
    found = zones_for([TOLL_FREE, TOLL_FREE], ["Asia/Tokyo", "Mars"], None, None)
    assert list(found.uncertain) == [1]


@pytest.mark.parametrize("value", ["\u200bAsia/Tokyo", "Asia/\u00adTokyo\ufeff", "\u202aAsia/Tokyo\u202c"])
def test_a_zone_is_read_without_characters_that_nobody_sees(value: str) -> None:
    assert own_zone(value) == "Asia/Tokyo"


ANY_TEXT: Final = st.text(st.characters(exclude_categories=()))
ANY_VALUE: Final = st.none() | st.booleans() | st.integers() | st.floats() | st.lists(st.integers()) | ANY_TEXT
OWN: Final = ANY_VALUE | st.sampled_from(sorted(zone_names()))
NUMBERS: Final = st.none() | st.sampled_from(sorted({e164(number) for number in example_numbers()}))


@given(st.lists(st.tuples(NUMBERS, OWN)), st.none() | ANY_TEXT, st.none() | ANY_TEXT)
def test_whatever_comes_every_row_has_a_zone_of_the_tz_database(
    rows: list[tuple[str | None, object]], batch: str | None, workspace: str | None
) -> None:
    found = zones_for([number for number, _ in rows], [own for _, own in rows], batch, workspace)
    assert len(found.names) == len(found.sources) == len(rows)
    assert set(found.names) <= zone_names()
    assert set(found.errors) == {row for row, (_, own) in enumerate(rows) if isinstance(own_zone(own), FieldError)}
