"""The sample campaign: a variable schema, and 2,500 contacts with the mistakes that real lists have."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

Record = dict[str, Any]

RECORDS: Final = 2_500
WORKSPACE: Final = "sample"
BATCH: Final = "Overdue invoices (sample)"
CALLING_NUMBER: Final = "+12125550199"

SCHEMA: Final = json.dumps(
    {
        "type": "record",
        "name": "OverdueInvoice",
        "fields": [
            {"name": "name", "type": "string"},
            {"name": "account_id", "type": "long"},
            {"name": "amount_due", "type": "double"},
            {"name": "due_date", "type": {"type": "int", "logicalType": "date"}},
            {
                "name": "language",
                "type": {"type": "enum", "name": "Language", "symbols": ["en", "es", "fr", "hi"]},
                "default": "en",
            },
        ],
    }
)

_NAMES: Final = (
    "Ada Moreau",
    "Ben Okafor",
    "Chloe Lindqvist",
    "Dev Ranganathan",
    "Elif Kaya",
    "Farid Haddad",
    "Grace Hu",
)
_LANGUAGES: Final = ("en", "es", "fr", "hi")
_FICTION_AU: Final = ("006", "110", "156", "157", "158", "159")
# Only numbers that are kept for fiction: 555-0100 to 555-0199 of an area code, +44 7700 900000 to 900999, and six of
# Australia's +61 491 570. Nobody has them, whoever dials.
_NUMBERS: Final[tuple[Callable[[int], str], ...]] = (
    lambda i: "1{}55501{:02d}".format(*_of_area(i, 212, 312, 415, 617, 303)),
    lambda i: "+1 ({}) 555-01{:02d}".format(*_of_area(i, 404, 206, 512, 713, 214)),
    lambda i: f"+447700900{i:03d}",
    lambda i: (
        f"+61 491 570 {_FICTION_AU[i]}"
        if i < len(_FICTION_AU)
        else "+1 {} 555 01{:02d}".format(*_of_area(i, 305, 503, 704, 702, 919))
    ),
    lambda i: f"0044 7700 900{500 + i:03d}",
)


def sample_records() -> list[Record]:
    """Return the contacts, always the same ones. Chunks 1 and 3 have mistakes, chunk 2 has none."""
    records = [_contact(index) for index in range(RECORDS)]
    for index, spoil in _mistakes().items():
        spoil(records[index])
    return records


def _of_area(turn: int, *areas: int) -> tuple[int, int]:
    """Return the area code and the last two digits of the number whose turn it is, from 0."""
    return areas[turn // 100], turn % 100


def _contact(index: int) -> Record:
    return {
        "phoneNumber": _NUMBERS[index % len(_NUMBERS)](index // len(_NUMBERS)),
        "name": _NAMES[index % len(_NAMES)],
        "account_id": 700_000 + index,
        "amount_due": round(19.9 + (index * 7919 % 50_000) / 100, 2),
        "due_date": f"2026-{1 + index % 12:02d}-{1 + index % 28:02d}",
        "language": _LANGUAGES[index % len(_LANGUAGES)],
    }


def _mistakes() -> dict[int, Callable[[Record], None]]:
    """Return what goes wrong where: 40 records of chunks 1 and 3."""
    spoilers = (
        lambda record: record.pop("phoneNumber"),
        lambda record: record.update(phoneNumber="call me maybe"),
        lambda record: record.update(phoneNumber="1212555"),
        lambda record: record.update(amount_due=f"${record['amount_due']}"),
        lambda record: record.update(acount_id=record.pop("account_id")),
        lambda record: record.update(due_date="31/12/2026"),
        lambda record: record.update(language="English"),
        lambda record: record.update(timezone="Eastern"),
        lambda record: record.update(name=None, amount_due=None),
        lambda record: record.update(account_id=3.0, phoneNumber=""),
    )
    places = [*range(17, 1000, 49), *range(2011, RECORDS, 27)]
    return {index: spoilers[turn % len(spoilers)] for turn, index in enumerate(places)}
