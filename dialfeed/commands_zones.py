"""`dialfeed zones`: why a number has the time zone that it has, and how the table of North America is renewed."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from dialfeed.command_options import COUNTRY_HELP, examples, json_option
from dialfeed.exits import ExitCode, WrongUseError
from dialfeed.help_layout import command
from dialfeed.output import answer
from schemas.countries import country_code, country_remedy
from schemas.outcomes import FieldError
from streams.phone_numbers import normalise, normalise_in
from streams.zones.clocks import TZ_DATABASE_VERSION, atlas
from streams.zones.nanp import read_report, table
from streams.zones.number_zones import area_of

TABLE = "nanp.tsv"


@command(
    epilog=examples(
        "dialfeed zones +12085551001                    every zone that it may be in, and why",
        "dialfeed zones --country US '(650) 555-0125'   read as in a batch of this country",
        "dialfeed zones --refresh npa_report.csv        make the table of area codes anew",
    )
)
@click.argument("number", required=False)
@click.option("--country", metavar="CC", help=COUNTRY_HELP)
@click.option(
    "--refresh",
    "report",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="NANPA's list of area codes, npa_report.csv: writes the table made from it.",
)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Where to write it. [the package's own file]"
)
@json_option
def zones(number: str | None, country: str | None, report: Path | None, output: Path | None, as_json: bool) -> int:
    """Say which time zone NUMBER determines, or which it may be in.

    A number determines its zone only where every clock of its area agrees all year. Else the batch's zone counts.
    """
    if (number is None) == (report is None):
        raise WrongUseError("give either a number or --refresh FILE", "See `dialfeed zones --help`.")
    if report is not None:
        answer(_refresh(report, output), as_json)
    elif number is not None:
        answer(_why(number, country), as_json)
    return ExitCode.DONE


def _why(number: str, country: str | None) -> dict[str, Any]:
    """Return what a number says of its zone, and the row of the tables that says so."""
    e164, read_as = _read(number, country)
    area = area_of(e164)
    return {
        "phoneNumber": e164,
        "phoneNumberReadAs": read_as,
        "timezone": area.zone,
        "timezoneConfidence": area.confidence,
        "timezoneCandidates": [] if area.zone else list(area.candidates),
        "prefix": area.prefix,
        "why": area.source,
        "tzDatabase": TZ_DATABASE_VERSION,
    }


def _read(number: str, country: str | None) -> tuple[str, str]:
    code = country_code(country) if country else None
    if country and code is None:
        raise WrongUseError(f"there is no country {country}", country_remedy(country))
    found, national = (normalise(number), False) if code is None else normalise_in(number, code)
    if isinstance(found, FieldError):
        raise WrongUseError(f"this is no phone number: {found.message}", "Or name its --country, such as US.")
    return found, f"national:{code}" if national else "international"


def _refresh(report: Path, output: Path | None) -> dict[str, Any]:
    try:
        as_of, codes = read_report(report.read_text(encoding="utf-8-sig").splitlines())
        text = table(as_of, codes, atlas().of_region)
    except (ValueError, KeyError) as error:
        raise WrongUseError(f"{report} cannot be used: {error}", "Take npa_report.csv of nanpa.com.") from None
    target = output or Path(str(files("streams.zones").joinpath(TABLE)))
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WrongUseError(f"{target} cannot be written: {error.strerror}", "Name another with --output.") from None
    return {"written": str(target), "areaCodes": len(codes), "rows": text.count("\n") - 1, "asOf": as_of}
