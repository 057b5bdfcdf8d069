"""Where a record's zone comes from; libphonenumber's own answer is the reference for numbers."""

from __future__ import annotations

import zoneinfo
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers.timezone import time_zones_for_number
from phonenumbers.tzdata import TIMEZONE_DATA

from schemas.outcomes import Code, FieldError
from streams import timezones
from streams.timezones import ZoneSource, own_zone, zone_names, zone_of_number, zones_for
from tests.unit.streams.test_phone_numbers import e164, example_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

NEW_YORK: Final = "+12125551001"
TOLL_FREE: Final = "+18005551001"
# Country codes for which the reference names zones of another country, and what is said instead.
OTHERWISE: Final = {
    211: "Africa/Juba",
    212: "Africa/Casablanca",
    213: "Africa/Algiers",
    218: "Africa/Tripoli",
    231: "Africa/Monrovia",
    245: "Africa/Bissau",
    353: "Europe/Dublin",
    370: "Europe/Vilnius",
    371: "Europe/Riga",
    372: "Europe/Tallinn",
    375: "Europe/Minsk",
    505: "America/Managua",
    850: "Asia/Pyongyang",
    853: "Asia/Macau",
    970: None,  # Gaza and Hebron are two zones
}


@pytest.fixture
def only_the_wheels_zones() -> Iterator[None]:
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=())
    yield
    zoneinfo.reset_tzpath(to=before)


@cache
def links() -> dict[str, str]:
    lines = files("tzdata.zoneinfo").joinpath("tzdata.zi").read_text(encoding="utf-8").splitlines()
    return {line.split()[2]: line.split()[1] for line in lines if line.startswith("L ")}


def one_clock(number: phonenumbers.PhoneNumber) -> str | None:
    """Return the reference's one zone, links resolved, None where it names several or none."""
    zones = set(time_zones_for_number(number)) - {"Etc/Unknown"}
    clocks = {links().get(zone, zone) for zone in zones}
    return clocks.pop() if len(clocks) == 1 else None


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
    assert first_line == f"# version {timezones.TZ_DATABASE_VERSION}"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+12125551001", "America/New_York"),
        ("+13125551001", "America/Chicago"),
        ("+18085551001", "Pacific/Honolulu"),
        ("+14165551001", "America/Toronto"),
        ("+12082015678", "America/Denver"),  # Idaho has two zones, told apart by exchange
        ("+12082155678", "America/Los_Angeles"),
        ("+442083661177", "Europe/London"),
        ("+447400123456", "Europe/London"),
        ("+441481256789", "Europe/Guernsey"),
        ("+46701234567", "Europe/Stockholm"),
        ("+4740612345", "Europe/Oslo"),
        ("+393123456789", "Europe/Rome"),
        ("+34912345678", "Europe/Madrid"),
        ("+34928123456", "Atlantic/Canary"),
        ("+61291234567", "Australia/Sydney"),
        ("+5511961234567", "America/Sao_Paulo"),
        ("+5592961234567", "America/Manaus"),
        ("+62218350123", "Asia/Jakarta"),
        ("+8613123456789", "Asia/Shanghai"),
        ("+4915123456789", "Europe/Berlin"),
        ("+498001234567", "Europe/Berlin"),  # toll-free within one country of one zone
        ("+38343201234", "Europe/Belgrade"),  # the tz database does not list Kosovo
    ],
)
def test_a_number_of_one_zone_determines_it(number: str, expected: str) -> None:
    assert zone_of_number(number) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+919876543210", "Asia/Kolkata"),
        ("+541123456789", "America/Argentina/Buenos_Aires"),
        ("+9779841234567", "Asia/Kathmandu"),
        ("+9592123456", "Asia/Yangon"),
        ("+2917123456", "Africa/Asmara"),
        ("+298211234", "Atlantic/Faroe"),
    ],
)
def test_an_old_name_in_the_table_is_given_as_its_present_one(number: str, expected: str) -> None:
    assert zone_of_number(number) == expected


@pytest.mark.parametrize(
    "number",
    [
        "+18005551001",  # toll-free
        "+19005551001",  # premium
        "+15005551001",  # personal
        "+34612345678",  # mobiles of countries with several zones
        "+61412345678",
        "+79123456789",
        "+628112345678",
        "+351912345678",
        "+17752345678",  # area codes with two zones
        "+19282835678",
        "+80012345678",  # of no country
        "+881612345678",
        "+882341234567",
        "+883510001234567",
        "+12120000001",  # outside every range of its plan
        "+74012345678",  # Kaliningrad: the table names Bucharest, which keeps other hours
    ],
)
def test_a_number_of_several_zones_or_of_none_determines_none(number: str) -> None:
    assert zone_of_number(number) is None


def test_a_number_outside_every_range_is_placed_by_a_country_of_one_zone() -> None:
    assert zone_of_number("+447700900123") == "Europe/London"


def test_a_number_of_the_wrong_shape_has_no_zone() -> None:
    assert [zone_of_number(number) for number in ("", "+", "+1", "12125551001", "+999123456")] == [None] * 5


def test_example_numbers_of_all_countries_and_kinds_agree_with_the_reference() -> None:
    assert len(example_numbers()) > 1000
    numbers = [number for number in example_numbers() if number.country_code not in OTHERWISE]
    ours = {e164(number): zone_of_number(e164(number)) for number in numbers}
    clocks = {number: links().get(zone, zone) if zone else None for number, zone in ours.items()}
    assert clocks == {e164(number): one_clock(number) for number in numbers}


def test_every_north_american_area_code_agrees_with_the_reference() -> None:
    area_codes = [prefix for prefix in TIMEZONE_DATA if prefix.startswith("1") and len(prefix) >= 4]
    numbers = [f"+{(prefix + '2345678')[:11]}" for prefix in area_codes]
    assert len(numbers) > 300
    ours = {number: zone_of_number(number) for number in numbers}
    clocks = {number: links().get(zone, zone) if zone else None for number, zone in ours.items()}
    assert clocks == {number: one_clock(phonenumbers.parse(number, None)) for number in numbers}


@pytest.mark.parametrize("code", sorted(OTHERWISE))
def test_a_country_for_which_the_table_names_anothers_zone_gets_its_own(code: int) -> None:
    numbers = [number for number in example_numbers() if number.country_code == code]
    assert {zone_of_number(e164(number)) for number in numbers} == {OTHERWISE[code]}


def test_every_zone_that_a_number_can_determine_is_a_present_name() -> None:
    lines = files("tzdata.zoneinfo").joinpath("zone.tab").read_text(encoding="utf-8").splitlines()
    present = {line.split("\t")[2] for line in lines if not line.startswith("#")}
    determined = {zone for zones in timezones._number_zones().prefixes.values() for zone in zones} - {None}
    assert determined <= present <= zone_names()


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
