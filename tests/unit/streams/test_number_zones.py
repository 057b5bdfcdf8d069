"""What a number says of its zone; libphonenumber's own map is the reference where its zones can be believed."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers.tzdata import TIMEZONE_DATA

from streams.timezones import zone_names
from streams.zones import number_zones
from streams.zones.clocks import atlas, clock
from streams.zones.number_zones import Confidence, area_of
from tests.unit.streams.test_phone_numbers import e164, example_numbers

# Area codes with several clocks: by one of two sources, by their overlay complex, or because a place keeps a
# neighbour's time.
SEVERAL: Final = """
208 219 236 250 257 270 306 308 334 364 367 418 423 448 458 474 483 541 574 581 605 606 620 639 672 701 709 729 775 778
785 807 812 850 867 879 906 907 915 928 930 931 986
"""


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+12125551001", "America/New_York"),
        ("+13125551001", "America/Chicago"),
        ("+16895551001", "America/New_York"),  # the map takes this overlay for Chicago
        ("+18085551001", "Pacific/Honolulu"),
        ("+14165551001", "America/Toronto"),
        ("+16045551001", "America/Vancouver"),
        ("+14805551001", "America/Phoenix"),
        ("+12120000001", "America/New_York"),  # the area code is enough
        ("+17875551001", "America/Puerto_Rico"),
        ("+12082015678", "America/Denver"),  # Idaho has two zones, told apart by exchange
        ("+12082155678", "America/Los_Angeles"),
        ("+19072125678", "America/Anchorage"),
        ("+12504235678", "America/Edmonton"),
        ("+18679795678", "America/Iqaluit"),
        ("+442083661177", "Europe/London"),
        ("+447400123456", "Europe/London"),
        ("+447700900123", "Europe/London"),
        ("+441481256789", "Europe/Guernsey"),
        ("+46701234567", "Europe/Stockholm"),
        ("+4740612345", "Europe/Oslo"),
        ("+393123456789", "Europe/Rome"),
        ("+34912345678", "Europe/Madrid"),
        ("+34928123456", "Atlantic/Canary"),
        ("+351292123456", "Atlantic/Azores"),
        ("+61291234567", "Australia/Sydney"),
        ("+61861234567", "Australia/Perth"),
        ("+5511961234567", "America/Sao_Paulo"),
        ("+5592961234567", "America/Manaus"),
        ("+525512345678", "America/Mexico_City"),
        ("+526641234567", "America/Tijuana"),
        ("+62218350123", "Asia/Jakarta"),
        ("+8613123456789", "Asia/Shanghai"),
        ("+4915123456789", "Europe/Berlin"),
        ("+498001234567", "Europe/Berlin"),  # toll-free within one country of one zone
        ("+38343201234", "Europe/Belgrade"),  # the tz database does not list Kosovo
        ("+380441234567", "Europe/Kyiv"),
        ("+37061234567", "Europe/Vilnius"),
        ("+213551234567", "Africa/Algiers"),
        ("+74951234567", "Europe/Moscow"),
        ("+74012345678", "Europe/Kaliningrad"),
        ("+73832345678", "Asia/Novosibirsk"),
        ("+77012345678", "Asia/Almaty"),
        ("+919876543210", "Asia/Kolkata"),
        ("+541123456789", "America/Argentina/Buenos_Aires"),
        ("+2917123456", "Africa/Asmara"),
    ],
)
def test_a_number_determines_its_zone_where_every_clock_of_its_area_agrees(number: str, expected: str) -> None:
    area = area_of(number)
    assert area.zone is not None
    assert (clock(area.zone), area.confidence) == (clock(expected), Confidence.CERTAIN)
    assert area.candidates == (area.zone,)


@pytest.mark.parametrize(
    ("number", "candidates"),
    [
        ("+558132345678", {"America/Recife", "America/Noronha"}),
        ("+14235551234", {"America/New_York", "America/Chicago"}),
        ("+12192345678", {"America/New_York", "America/Chicago"}),
        ("+14482345678", {"America/New_York", "America/Chicago"}),
        ("+19303345678", {"America/New_York", "America/Chicago"}),
        ("+19862345678", {"America/Denver", "America/Los_Angeles"}),
        ("+19075815678", {"America/Anchorage", "America/Adak"}),
        ("+17752345678", {"America/Los_Angeles", "America/Denver"}),
        ("+19282835678", {"America/Phoenix", "America/Denver"}),
        ("+13345551234", {"America/Chicago", "America/New_York"}),
        ("+64330501234", {"Pacific/Auckland", "Pacific/Chatham"}),
    ],
)
def test_a_number_of_an_area_with_several_clocks_keeps_all_of_them(number: str, candidates: set[str]) -> None:
    assert set(area_of(number).candidates) == candidates
    assert (area_of(number).zone, area_of(number).confidence) == (None, Confidence.CANDIDATES)


@pytest.mark.parametrize(
    ("number", "among"),
    [
        ("+18005551001", {"America/New_York", "Pacific/Honolulu", "America/St_Johns"}),  # toll-free
        ("+19005551001", {"America/New_York"}),
        ("+15005551001", {"America/Chicago"}),
        ("+12995551001", {"America/Denver"}),  # an area code that is in no list
        ("+34612345678", {"Europe/Madrid", "Atlantic/Canary"}),
        ("+61412345678", {"Australia/Perth", "Australia/Brisbane", "Australia/Adelaide", "Australia/Darwin"}),
        ("+79123456789", {"Europe/Moscow", "Asia/Omsk", "Europe/Kaliningrad"}),
        ("+628112345678", {"Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"}),
        ("+351912345678", {"Europe/Lisbon", "Atlantic/Azores"}),
        ("+528001234567", {"America/Mexico_City", "America/Tijuana"}),
        ("+558001234567", {"America/Noronha", "America/Manaus"}),
        ("+80012345678", set()),
        ("+881612345678", set()),
        ("+883510001234567", set()),
    ],
)
def test_a_number_of_no_place_may_be_anywhere_in_its_country(number: str, among: set[str]) -> None:
    area = area_of(number)
    assert (area.zone, area.confidence) == (None, Confidence.COUNTRY)
    assert {clock(zone) for zone in among} <= {clock(zone) for zone in area.candidates}
    assert bool(area.candidates) is bool(among)


def test_what_has_not_the_shape_of_a_number_has_no_area() -> None:
    assert [area_of(number).zone for number in ("", "+", "12125551001", "+999123456")] == [None] * 4


def test_the_area_codes_with_several_clocks_are_those_of_both_sources_and_their_overlays() -> None:
    known = number_zones.number_zones().north_american
    assert {code for code, area in known.items() if len(code) == 3 and area.zone is None} == set(SEVERAL.split())
    assert len([code for code in known if len(code) == 3]) > 450


def test_every_zone_of_the_tables_is_a_present_name_with_a_clock_of_its_own_in_the_area() -> None:
    listed = {zone for zones in atlas().of_region.values() for zone in zones}
    tables = number_zones.number_zones()
    areas = [*tables.north_american.values(), *tables.prefixes.values(), tables.other_north_american]
    zones = {zone for area in areas for zone in area.candidates}
    assert zones <= listed <= zone_names()
    assert all(len({clock(zone) for zone in area.candidates}) == len(area.candidates) for area in areas)


def test_every_example_number_has_a_zone_or_all_the_clocks_it_may_be_in() -> None:
    regions = {code: list(found) for code, found in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()}
    numbers = [number for number in example_numbers() if number.country_code != 1]
    for number in numbers:
        of_country = {
            clock(zone) for region in regions[number.country_code or 0] for zone in atlas().of_region.get(region, ())
        }
        candidates = {clock(zone) for zone in area_of(e164(number)).candidates}
        if area_of(e164(number)).confidence is Confidence.COUNTRY:
            assert candidates == of_country
        assert candidates <= of_country or number.country_code in (247, 383, 672)


# Where the map is known to be wrong: a zone that stood for several once, and what is asked by hand.
OF_ITS_OWN_MIND: Final = {
    "34827",  # Caceres is not on the Canaries
    "52614",  # Chihuahua left Mazatlan's time in 2022
    "5262",
    "7845",  # Saratov left Moscow's in 2016
    "740",  # Kaliningrad is not Bucharest
    "55553682",
    "55673480",
    "55693527",
    "55925009",
}


def test_the_map_names_no_zone_that_is_not_among_the_candidates() -> None:
    several = (7, 34, 52, 55, 56, 61, 62, 64, 86, 243, 262, 299, 351, 593, 675, 689, 691)
    starts = [
        start for start in TIMEZONE_DATA if start.startswith(tuple(map(str, several))) and start not in OF_ITS_OWN_MIND
    ]
    lost = {
        start: zones
        for start, zones in TIMEZONE_DATA.items()
        if start in starts and len(zones) == 1 and not believed(start, zones[0])
    }
    assert len(starts) > 800
    assert {
        start for start in lost if not start.startswith(("618512", "618513", "618514"))
    } == set()  # Pilbara as Sydney


def believed(start: str, zone: str) -> bool:
    area = area_of("+" + start.ljust(11, "5"))
    return clock(zone) in {clock(candidate) for candidate in area.candidates}


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_a_certain_zone_is_the_only_candidate(number: str) -> None:
    area = area_of(number)
    assert (area.zone is not None) is (area.confidence is Confidence.CERTAIN)
    assert area.zone is None or area.candidates == (area.zone,)


def test_the_tables_are_sorted_and_name_nothing_twice() -> None:
    for name in ("nanp.tsv", "areas.tsv"):
        lines = files("streams.zones").joinpath(name).read_text(encoding="utf-8").splitlines()
        rows = [line.split("\t")[0] for line in lines if not line.startswith("#")]
        assert len(rows) == len(set(rows))
    assert number_zones.as_of() >= "2025-11-26"
