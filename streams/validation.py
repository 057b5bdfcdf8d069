"""Every check of a chunk's records, gathered so that each record's errors are told all at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.outcomes import FieldError
from streams.campaigns import Campaign
from streams.decoding import Decoded
from streams.phone_numbers import normalise_all
from streams.timezones import Zones, zones_for


@dataclass(frozen=True, slots=True)
class Checked:
    """A row a record, a column each; `errors` holds the rows that fail, `national` those read as national forms."""

    objects: Sequence[dict[str, Any]]
    numbers: Sequence[str | None]
    national: frozenset[int]
    zones: Zones
    errors: dict[int, tuple[FieldError, ...]]


def check(decoded: Decoded, campaign: Campaign) -> Checked:
    """Check a chunk: telephone number, time zone, then the variables that the agent's schema declares."""
    objects = decoded.objects
    read = normalise_all([record.get("phoneNumber") for record in objects], campaign.country)
    found = read.found
    numbers = [None if isinstance(number, FieldError) else number for number in found]
    own_zones = [record.get("timezone") for record in objects]
    zones = zones_for(numbers, own_zones, campaign.batch_zone, campaign.workspace_zone)
    variables = campaign.validator.errors(objects)
    errors = {row: [error] for row, error in enumerate(found) if isinstance(error, FieldError)}
    for row, error in zones.errors.items():
        errors.setdefault(row, []).append(error)
    for row, several in variables.items():
        errors.setdefault(row, []).extend(several)
    return Checked(objects, numbers, read.national, zones, _merged(errors, decoded))


def _merged(errors: dict[int, list[FieldError]], decoded: Decoded) -> dict[int, tuple[FieldError, ...]]:
    """Return the errors of each failing row, none told twice: what decoding found comes first."""
    rows = errors.keys() | decoded.errors.keys()
    return {
        row: _distinct(decoded.errors.get(row, []), [] if row in decoded.closed else errors.get(row, []))
        for row in sorted(rows)
    }


def _distinct(first: Iterable[FieldError], then: Iterable[FieldError]) -> tuple[FieldError, ...]:
    by_place = {(error.path, error.code): error for error in (*first, *then)}
    return tuple(by_place.values())
