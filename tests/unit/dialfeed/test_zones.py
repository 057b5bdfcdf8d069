"""`dialfeed zones`: why a number has its zone, and the table of area codes made from a list."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Final

import pytest

from dialfeed.doctor import zone_table
from streams.zones.clocks import atlas
from streams.zones.nanp import read_report, table
from streams.zones.number_zones import as_of
from tests.support.command import Type, typing

COLUMNS: Final = "NPA_ID,ASSIGNED,USE,LOCATION,TIME_ZONE,OVERLAY_COMPLEX"
REPORT: Final = f"""File Date,1/5/2027
{COLUMNS}
201,Yes,G,NJ,E,201/551
208,Yes,G,ID,MP,208/986
551,Yes,G,NJ,E,201/551
800,Yes,N,,,
807,Yes,G,ONTARIO,EC,
876,Yes,G,JAMAICA,E,658/876
928,Yes,G,AZ,M,
986,Yes,G,ID,P,208/986
999,No,G,,,
"""


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Type:
    return typing(capsys)


def rows(text: str) -> dict[str, list[str]]:
    lines = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return {line[0]: line[1].split(",") for line in lines}


def test_an_area_code_has_the_zones_of_both_sources_and_of_its_overlay_complex() -> None:
    made = rows(table(*read_report(REPORT.splitlines()), atlas().of_region))
    assert made["201"] == ["America/New_York"]
    assert made["208"] == ["America/Denver", "America/Los_Angeles"]
    assert made["986"] == ["America/Los_Angeles", "America/Denver"]
    assert made["928"] == ["America/Phoenix", "America/Denver"]
    assert made["807"] == ["America/Toronto", "America/Winnipeg", "America/Atikokan"]
    assert made["876"] == ["America/Jamaica"]
    assert {code for code in made if len(code) == 3} == {"201", "208", "551", "807", "876", "928", "986"}


def test_an_exchange_that_the_map_lists_has_its_own_zone() -> None:
    made = rows(table(*read_report(REPORT.splitlines()), atlas().of_region))
    assert (made["208201"], made["208215"]) == (["America/Denver"], ["America/Los_Angeles"])
    assert "208999" not in made


def test_the_table_in_the_package_was_made_by_this_code() -> None:
    text = files("streams.zones").joinpath("nanp.tsv").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert lines[0].startswith("# code\t")
    assert all(len(line.split("\t")) == 4 for line in lines)
    assert lines[1:] == sorted(lines[1:])


def test_refreshing_writes_the_table_where_it_is_told(typed: Type, tmp_path: Path) -> None:
    report, output = tmp_path / "npa_report.csv", tmp_path / "nanp.tsv"
    report.write_text("\ufeff" + REPORT, encoding="utf-8")
    ended = typed("zones", "--refresh", str(report), "--output", str(output), "--json")
    assert (ended.code, ended.json["areaCodes"], ended.json["asOf"]) == (0, 7, "2027-01-05")
    assert rows(output.read_text(encoding="utf-8"))["201"] == ["America/New_York"]


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", REPORT.replace("TIME_ZONE", "ZONE"), REPORT.replace("1/5/2027", "x")]
)
def test_another_file_is_refused_and_nothing_is_written(typed: Type, tmp_path: Path, text: str) -> None:
    report, output = tmp_path / "other.csv", tmp_path / "nanp.tsv"
    report.write_text(text, encoding="utf-8")
    ended = typed("zones", "--refresh", str(report), "--output", str(output))
    assert (ended.code, output.exists()) == (2, False)
    assert "npa_report.csv" in ended.err


def test_a_code_whose_zone_is_not_known_is_named(typed: Type, tmp_path: Path) -> None:
    report = tmp_path / "npa_report.csv"
    report.write_text(REPORT + "990,Yes,G,ATLANTIS,X,\n", encoding="utf-8")
    ended = typed("zones", "--refresh", str(report), "--output", str(tmp_path / "nanp.tsv"))
    assert ended.code == 2
    assert "990" in ended.err


def test_a_number_is_told_with_its_zone_or_its_candidates_and_why(typed: Type) -> None:
    sure = typed("zones", "+12125551001", "--json").json
    assert (sure["timezone"], sure["timezoneConfidence"], sure["timezoneCandidates"]) == (
        "America/New_York",
        "certain",
        [],
    )
    unsure = typed("zones", "1 208 999 5678", "--json").json
    assert (unsure["timezone"], unsure["timezoneConfidence"]) == (None, "candidates")
    assert unsure["timezoneCandidates"] == ["America/Denver", "America/Los_Angeles"]
    assert (unsure["prefix"], unsure["why"].split(",")[0]) == ("+1208", "nanpa")


def test_a_national_number_needs_its_country(typed: Type) -> None:
    assert typed("zones", "(650) 555-0125").code == 2
    found = typed("zones", "(650) 555-0125", "--country", "us", "--json").json
    assert (found["phoneNumber"], found["phoneNumberReadAs"]) == ("+16505550125", "national:US")
    assert "GB" in typed("zones", "020 7946 0123", "--country", "UK").err


@pytest.mark.parametrize("arguments", [(), ("+12125551001", "--refresh", __file__)])
def test_either_a_number_or_a_list_is_given(typed: Type, arguments: tuple[str, ...]) -> None:
    assert typed("zones", *arguments).code == 2


def test_the_doctor_says_when_the_table_is_old_and_calls_it_no_fault() -> None:
    made = datetime.fromisoformat(as_of()).replace(tzinfo=UTC).timestamp() * 1000
    assert "refresh" not in zone_table(int(made)).found
    old = zone_table(int(made) + 400 * 86_400_000)
    assert old.ok
    assert "--refresh" in old.found
